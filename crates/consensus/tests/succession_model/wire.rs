//! What is under way: a set of all that was ever sent. Each may arrive once, often, late or never.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use quorate_consensus::Record;
use quorate_consensus::succession::{Accepted, Link, Message};

use crate::held::HeldSet;

/// Something for one node to take.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Envelope {
    pub(crate) to: usize,
    pub(crate) content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Content {
    Message { from: usize, message: Box<Message> },
    Chain(Chain),
    Candidate(Arc<Record>),
}

/// An ACCEPTED that left its voter, whoever heard of it, and how many of its epoch's members decide.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Acceptance {
    pub(crate) epoch: u64,
    pub(crate) quorum: usize,
    pub(crate) accepted: Accepted,
}

/// All decisions since the beginning. Equal to all that decide the same: whoever takes one is afterwards the same, whichever
/// quorums signed it.
#[derive(Debug, Clone)]
pub(crate) struct Chain(pub(crate) Vec<Arc<Link>>);

impl Chain {
    pub(crate) fn last(&self) -> &Link {
        self.0.last().unwrap()
    }
}

impl PartialEq for Chain {
    fn eq(&self, other: &Self) -> bool {
        self.0.last().map(|link| link.head()) == other.0.last().map(|link| link.head())
    }
}

impl Eq for Chain {}

impl Hash for Chain {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.last().map(|link| link.head()).hash(state);
    }
}

impl Envelope {
    /// The epoch it is about. To a node in a later one it is nothing any more.
    pub(crate) fn epoch(&self) -> Option<u64> {
        match &self.content {
            Content::Message { message, .. } => match **message {
                Message::At { epoch, .. } => Some(epoch),
                Message::Opinion(_) => None,
            },
            Content::Chain(chain) => Some(chain.last().epoch),
            Content::Candidate(_) => None,
        }
    }
}

pub(crate) type Wire = HeldSet<Envelope>;

impl Wire {
    /// Forgets what is about epochs that its addressee has left behind.
    pub(crate) fn forget_before(&mut self, to: usize, epoch: u64) {
        self.0
            .retain(|held| held.to != to || held.epoch().is_none_or(|about| about >= epoch));
    }
}
