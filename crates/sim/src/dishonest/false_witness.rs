//! A peer that testifies the opposite of what is so.
//!
//! Asked about a suspect, it says "dead" at once without looking, or has the honest role look and turns its finding round:
//! dead for the living, alive for the dead.
//!
//! Attacks: no false eviction, and that the dead are evicted at all. Expected: a majority of the panel outweighs it; where
//! it does not, a living suspect's vote fails on the seeds' own probes, and of a dead one the next inquiry, or the seeds'
//! own search for members without a session, makes a report.

use std::collections::BTreeSet;

use quorate_consensus::{Finding, Testimony};
use quorate_node::protocol::Message;
use quorate_node::roles::{ConnId, Frame, Output};

use super::tampering::{Deviation, Hands};

#[derive(Debug, Default)]
pub(super) struct FalseWitness {
    /// Questions answered without looking: what the honest role finds later is not sent.
    answered: BTreeSet<u64>,
}

/// How many of them are remembered.
const ANSWERED_MAX: usize = 1024;

impl Deviation for FalseWitness {
    fn handle_frame(&mut self, conn: ConnId, frame: Frame, hands: &mut Hands) -> Option<Frame> {
        if let Frame::Message(Message::SuspectRequest { inquiry, .. }) = &frame
            && hands.once_in(2)
        {
            let signer = hands.means.signer.clone();
            let lie = Testimony::sign(&*signer, *inquiry, Finding::Unreachable, "no echo");
            hands.send(conn, Message::SuspectResponse(lie));
            if self.answered.len() >= ANSWERED_MAX {
                self.answered.pop_first();
            }
            self.answered.insert(inquiry.attempt);
        }
        Some(frame)
    }

    fn handle_output(&mut self, output: Output, hands: &mut Hands) {
        match output {
            Output::Send {
                to,
                frame: Frame::Message(Message::SuspectResponse(found)),
            } => {
                if !self.answered.contains(&found.attempt) {
                    let opposite = match found.finding {
                        Finding::Alive => Finding::Unreachable,
                        Finding::Unreachable => Finding::Alive,
                    };
                    let signer = hands.means.signer.clone();
                    let lie = Testimony::sign(&*signer, found.inquiry(), opposite, &found.cause);
                    hands.send_all(to, Message::SuspectResponse(lie));
                }
            }
            output => hands.pass(output),
        }
    }
}
