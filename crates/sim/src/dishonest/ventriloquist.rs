//! A peer that speaks in others' names: messages that another member never said, in its current life, with numbers that it
//! may well be at; and what another did say, with other words in it. The signature is its own, one that the other gave for
//! something else, or no signature at all.
//!
//! Attacks: that what is delivered is its origin's, and that nobody can use up another's numbers. Expected: whoever gets
//! such a message cuts the liar off, delivers nothing and passes nothing on; what the other really says is heard.

use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_consensus::NodeId;
use quorate_gossip::{Content, Message as Gossip};
use quorate_node::protocol::{Message, Purpose};
use quorate_node::roles::speech;
use rand::{Rng as _, RngExt as _};

use super::tampering::{Beat, Deviation, Hands};

const EVERY: Duration = Duration::from_millis(600);
const LATER: Duration = Duration::from_secs(10);

/// Numbers that a member may be at.
const PLAUSIBLE: u64 = 64;

/// How much it says in one message, in bytes.
const PAYLOAD_LEN: usize = 40;

#[derive(Debug)]
pub(super) struct Ventriloquist {
    beat: Beat,
}

impl Ventriloquist {
    pub(super) fn new(hands: &Hands) -> Self {
        Self {
            beat: Beat::new(EVERY, Some(LATER), hands),
        }
    }
}

impl Deviation for Ventriloquist {
    fn handle_timeout(&mut self, hands: &mut Hands) {
        if !self.beat.strikes(hands) {
            return;
        }
        let links = hands.notes.ready(Purpose::Link);
        let Some((conn, remote)) = hands.pick(&links) else {
            return;
        };
        if let Some(message) = in_another_name(remote, hands) {
            hands.send(conn, message);
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.beat.due()
    }
}

/// Something that a member other than the listener never said.
fn in_another_name(listener: NodeId, hands: &mut Hands) -> Option<Message> {
    let mut payload = vec![0; PAYLOAD_LEN];
    hands.rng.fill_bytes(&mut payload);
    let payload = Bytes::from(payload);
    let overheard = overheard(hands);
    let borrowed = hands.pick(&overheard).filter(|_| hands.once_in(2));
    let (origin, incarnation, sequence, signature) = match borrowed {
        // The same number, other words, and the signature that was under the right ones.
        Some(borrowed) => borrowed,
        None => {
            let members = hands.notes.members();
            let (record, _) = hands.pick(&members)?;
            let sequence = hands.rng.random_range(0..PLAUSIBLE);
            (record.node, record.incarnation, sequence, Bytes::new())
        }
    };
    if origin == listener || origin == hands.me {
        return None;
    }
    let content = |signature| Content::Application {
        origin,
        incarnation,
        sequence,
        payload: payload.clone(),
        signature,
    };
    let signature = if !signature.is_empty() {
        signature
    } else if hands.once_in(2) {
        let id = content(Bytes::new()).id();
        speech::sign(&*hands.means.signer, hands.network(), id)
    } else {
        Bytes::copy_from_slice(hands.garbage().as_bytes())
    };
    Some(Message::Gossip(Gossip::Gossip {
        hop_count: 1,
        content: content(signature).encode(),
    }))
}

/// What others said lately: who, in which life, as which number, and how it was signed.
fn overheard(hands: &Hands) -> Vec<(NodeId, u64, u64, Bytes)> {
    let heard = hands.notes.heard().into_iter();
    heard
        .filter_map(|heard| match heard.message {
            Message::Gossip(Gossip::Gossip { content, .. }) => Content::decode(&content).ok(),
            _ => None,
        })
        .filter_map(|content| match content {
            Content::Application {
                origin,
                incarnation,
                sequence,
                signature,
                ..
            } => Some((origin, incarnation, sequence, signature)),
            Content::Proof { .. } => None,
        })
        .collect()
}
