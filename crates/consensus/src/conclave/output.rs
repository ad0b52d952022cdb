//! What a conclave is told, wants done and tells.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::assembly;
use crate::electorate::Electorate;
use crate::handover::{Handover, HandoverError, Seal, Seating};
use crate::id::{Digest, NodeId};
use crate::record::{Record, RecordError};
use crate::scheme::Scheme;
use crate::succession::{Durable, Evidence, SayError};

/// Names one [`Output::Persist`] until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersistId {
    pub(super) epoch: u64,
    pub(super) write: assembly::PersistId,
}

/// Between voters; all but the decision itself also between a voter and anybody who follows the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// The last epoch whose electorate the sender knows. Who knows a later one answers with handovers.
    Epoch(u64),
    /// Handovers in order, to who is behind.
    Handovers(Vec<Arc<Handover>>),
    /// The sender's person wants this node to have a seat.
    Nominated(Box<Record>),
    /// The sender's person wants this voter to have none any more.
    Challenged(NodeId),
    /// Which change comes next.
    Assembly {
        /// Whose voters decide.
        epoch: u64,
        /// What is said.
        message: assembly::Message,
    },
    /// The sender votes no more in the epoch that ends; its roster has this digest now. Repeated until all have moved on.
    Sealed {
        /// Its word.
        seal: Seal,
        /// What it holds.
        roster: Digest,
    },
}

/// How one epoch was followed by the next, as it is stored: the chain from the first electorate known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Step {
    /// By a quorum's word.
    HandedOver(Arc<Handover>),
    /// By an operator's, at this node alone, because a quorum was lost for good. It proves nothing to others.
    Recovered {
        /// The epoch that ended.
        epoch: u64,
        /// Who votes in the next.
        next: Seating,
    },
}

impl Step {
    /// The epoch that it ends.
    pub fn epoch(&self) -> u64 {
        match self {
            Self::HandedOver(handover) => handover.epoch,
            Self::Recovered { epoch, .. } => *epoch,
        }
    }

    /// The electorate that it makes of the one that it ends.
    ///
    /// # Errors
    /// When it does not follow.
    pub fn follow(
        &self,
        electorate: &Electorate,
        scheme: &dyn Scheme,
    ) -> Result<Electorate, HandoverError> {
        match self {
            Self::HandedOver(handover) => handover.verify(electorate, scheme),
            Self::Recovered { next, .. } => next.following(electorate),
        }
    }
}

/// What a conclave wants done, and what it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Make durable, then call [`Conclave::handle_persisted`](super::Conclave::handle_persisted) or
    /// [`handle_persist_failed`](super::Conclave::handle_persist_failed). Writes keep their order. Void once the epoch is
    /// handed over.
    Persist {
        /// What to name in the answer.
        id: PersistId,
        /// What was said.
        durable: Durable,
    },
    /// Send to each of these.
    Send {
        /// To whom.
        to: Vec<NodeId>,
        /// What.
        message: Message,
    },
    /// Another voter's person wants a seat for this node. Agree with [`Conclave::seat`](super::Conclave::seat).
    Nominated {
        /// Whose person.
        by: NodeId,
        /// The node.
        record: Box<Record>,
    },
    /// Another voter's person wants this voter unseated. Agree with [`Conclave::unseat`](super::Conclave::unseat).
    Challenged {
        /// Whose person.
        by: NodeId,
        /// The voter.
        voter: NodeId,
    },
    /// Who votes next is decided: seal the council ([`Council::seal`](crate::Council::seal)).
    Decided(Seating),
    /// The epoch is over. Keep the handover for good, and go on with the next electorate
    /// ([`Council::succeed`](crate::Council::succeed)), if there is a seat in it.
    HandedOver {
        /// What proves it.
        handover: Arc<Handover>,
        /// Who votes now.
        electorate: Box<Electorate>,
    },
    /// The last handover carries more seals now: keep this in its place.
    Widened(Arc<Handover>),
    /// A voter contradicted itself.
    Evidence(Box<Evidence>),
}

/// Why a person's wish about seats cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SeatError {
    /// Not everybody who votes is known.
    #[error("expected to know who sits in every seat; not met yet: {}", .0.join(", "))]
    Unmet(Vec<String>),
    /// This node has no seat.
    #[error("this node has no seat")]
    NotAVoter,
    /// The voters are changing already.
    #[error("the voters are changing already; try again in a moment")]
    Changing,
    /// A seat of that name is taken.
    #[error("expected an address that is no seat's yet, got {0}")]
    Taken(String),
    /// No such voter.
    #[error("{0} has no seat")]
    NoSuchVoter(NodeId),
    /// Nobody proposed that node.
    #[error("nobody wants a seat for {0}")]
    NotNominated(NodeId),
    /// No room for more nominations, or for more seats.
    #[error("expected at most {max} {what}")]
    TooMany {
        /// The limit.
        max: usize,
        /// Of what.
        what: &'static str,
    },
    /// The last voter cannot be unseated, nor this one by itself in this way.
    #[error("{0}")]
    Needed(&'static str),
    /// The candidate's record is not acceptable.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The candidate's record cannot be put to the voters.
    #[error(transparent)]
    Candidate(#[from] assembly::CandidateError),
    /// It was answered already.
    #[error(transparent)]
    Said(#[from] SayError),
}

/// Why a message does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// What was said of the decision.
    #[error(transparent)]
    Assembly(#[from] assembly::MessageError),
    /// A handover or a seal.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// A record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A seal of somebody else than the sender.
    #[error("expected the sender's own seal, got one of {0}")]
    Hearsay(NodeId),
}
