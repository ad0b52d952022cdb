//! A peer that passes on nothing that others say: it receives, answers heartbeats, and says its own.
//!
//! Attacks: delivery. Expected: every message still reaches everybody that is connected over others, by the other links and
//! by repair; and nobody takes the liar for dead, for it is not. Who is linked to nobody else is as good as unreachable,
//! which is why members keep several links.

use quorate_consensus::NodeId;
use quorate_gossip::{Content, Message as Gossip};
use quorate_node::protocol::Message;
use quorate_node::roles::{Frame, Output};

use super::tampering::{Deviation, Hands};

#[derive(Debug)]
pub(super) struct Withholder;

impl Deviation for Withholder {
    fn handle_output(&mut self, output: Output, hands: &mut Hands) {
        let is_withheld = match &output {
            Output::Send {
                frame: Frame::Message(Message::Gossip(message)),
                ..
            } => match message {
                Gossip::Gossip { content, .. } => {
                    let own = |origin: NodeId| origin == hands.me;
                    !matches!(
                        Content::decode(content),
                        Ok(Content::Application { origin, .. }) if own(origin)
                    )
                }
                // It announces what it does not send: who asks it for that waits in vain.
                Gossip::IHave { .. }
                | Gossip::Graft { .. }
                | Gossip::Ping { .. }
                | Gossip::Pong { .. }
                | Gossip::Prune => false,
            },
            _ => false,
        };
        if !is_withheld {
            hands.pass(output);
        }
    }
}
