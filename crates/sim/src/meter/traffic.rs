//! What kind of message a frame is.

use quorate_gossip as gossip;
use quorate_node::protocol::Message;
use quorate_node::roles::Frame;

use super::metrics::{Traffic, Volume};

/// A frame goes to so many.
pub(super) const fn count(traffic: &mut Traffic, frame: &Frame, copies: usize, len: usize) {
    traffic.total.add(copies, len);
    kind(traffic, frame).add(copies, len);
}

const fn kind<'a>(traffic: &'a mut Traffic, frame: &Frame) -> &'a mut Volume {
    let Frame::Message(message) = frame else {
        return &mut traffic.others;
    };
    match message {
        Message::Gossip(gossip::Message::Gossip { .. }) => &mut traffic.payloads,
        Message::Gossip(
            gossip::Message::IHave { .. } | gossip::Message::Graft { .. } | gossip::Message::Prune,
        ) => &mut traffic.ids,
        Message::Gossip(gossip::Message::Ping { .. } | gossip::Message::Pong { .. }) => {
            &mut traffic.heartbeats
        }
        Message::Council(_) | Message::Assembly(_) => &mut traffic.council,
        Message::Roster(_) => &mut traffic.roster,
        Message::Probe { .. }
        | Message::Echo { .. }
        | Message::SuspectRequest { .. }
        | Message::SuspectResponse(_)
        | Message::DeadReport(_)
        | Message::DeadReportRefused { .. } => &mut traffic.suspicion,
        _ => &mut traffic.others,
    }
}
