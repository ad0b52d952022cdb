//! What peers and members alike do with application messages: how they are signed, and what becomes of one whose origin
//! is not known (yet).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_consensus::{Digest, NetworkId, NodeId, Scheme, Signer, Transcript};
use quorate_gossip::{CheckId, MessageId, Verdict};

/// How many messages of unknown origins wait for the origin's admission to arrive, and how long.
const STRANGERS_MAX: usize = 1024;
const STRANGER_PATIENCE: Duration = Duration::from_secs(5);

/// Whether a node may be heard in one of its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is a member, or left by its own word.
    Known,
    /// That life is over.
    Gone,
    /// Its admission may still be on its way.
    Unknown,
}

impl Origin {
    /// What to do with a well-signed message; `None` to wait for its origin's admission.
    pub const fn verdict(self, is_own: bool) -> Option<Verdict> {
        match self {
            Self::Known if is_own => Some(Verdict::Ignore),
            Self::Known => Some(Verdict::Accept),
            Self::Gone => Some(Verdict::Ignore),
            Self::Unknown => None,
        }
    }
}

/// An origin's signature of a message.
pub fn sign(signer: &dyn Signer, network: NetworkId, id: MessageId) -> Bytes {
    Bytes::copy_from_slice(signer.sign(&statement(network, id)).as_bytes())
}

/// Whether the origin signed a message.
pub fn is_signed(
    scheme: &dyn Scheme,
    network: NetworkId,
    origin: &NodeId,
    id: MessageId,
    signature: &[u8],
) -> bool {
    planted!(MessageUnchecked)
        || signature
            .try_into()
            .is_ok_and(|signature| scheme.verify(origin, &statement(network, id), &signature))
}

/// What an origin signs for a message: its id, for this network.
fn statement(network: NetworkId, id: MessageId) -> Digest {
    Transcript::new("quorate/message/1")
        .bytes(network.as_ref())
        .bytes(id.as_bytes())
        .finish()
}

/// A message of an origin that is not known (yet).
#[derive(Debug, Clone, Copy)]
pub struct Stranger {
    /// Its check.
    pub check: CheckId,
    /// Whose it is.
    pub origin: NodeId,
    /// Of which life.
    pub incarnation: u64,
    /// Until when it waits.
    pub deadline: Instant,
}

/// Messages that wait for their origin's admission.
#[derive(Debug, Default)]
pub struct Strangers(VecDeque<Stranger>);

impl Strangers {
    /// Lets a message wait. Returns the oldest, which has to make room for it if there are too many.
    pub fn wait(
        &mut self,
        check: CheckId,
        origin: NodeId,
        incarnation: u64,
        now: Instant,
    ) -> Option<CheckId> {
        let oldest = if self.0.len() >= STRANGERS_MAX {
            self.0.pop_front()
        } else {
            None
        };
        self.0.push_back(Stranger {
            check,
            origin,
            incarnation,
            deadline: now + STRANGER_PATIENCE,
        });
        oldest.map(|stranger| stranger.check)
    }

    /// All of them, to be judged again.
    pub fn take(&mut self) -> VecDeque<Stranger> {
        std::mem::take(&mut self.0)
    }

    /// One that cannot be judged yet, in the order of [`take`](Self::take).
    pub fn put_back(&mut self, stranger: Stranger) {
        self.0.push_back(stranger);
    }

    /// When the first of them has waited long enough.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.0.front().map(|stranger| stranger.deadline)
    }
}
