//! What becomes of what is said.

use super::change::ChangeError;
use crate::id::NodeId;
use crate::vote::Choice;

/// Whether a message was for the decision at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Heard {
    /// It was.
    Now,
    /// Its decision was made here: the sender lacks links.
    Earlier,
    /// It is about a later decision, or of another history: this member lacks links.
    Later,
}

/// Why a statement does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// Its signer is no member.
    #[error("{0} is no member of this epoch")]
    NotAMember(NodeId),
    /// It speaks for somebody else.
    #[error("expected a statement of {expected}, who sent it, got one of {got}")]
    Hearsay {
        /// Who sent it.
        expected: NodeId,
        /// Whose it claims to be.
        got: NodeId,
    },
    /// A signature does not hold.
    #[error("a statement of {0} does not carry its signature")]
    Signature(NodeId),
    /// The ballot uses up the numbers.
    #[error("expected a ballot of at most {max}, got {got}")]
    Counter {
        /// The highest acceptable.
        max: u64,
        /// What came.
        got: u64,
    },
    /// A quorum's promises do not allow this change.
    #[error("the promises do not allow this change: {0}")]
    Promises(&'static str),
    /// The change is not valid.
    #[error(transparent)]
    Change(#[from] ChangeError),
}

/// Why this member cannot say that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SayError {
    /// It is no member (any more).
    #[error("this node is no member")]
    NotAMember,
    /// No such candidate is here.
    #[error("no candidate {0} is asking")]
    NoCandidate(NodeId),
    /// It has given its opinion on this record already.
    #[error("this node has answered already: {0:?}")]
    Answered(Choice),
}
