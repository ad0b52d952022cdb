//! What an assembly is told, wants done and tells.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{Digest, NodeId};
use crate::succession::{
    self, ChangeError, Durable, Evidence, Link, LinkError, Opinion, StatementError,
};

/// Names one [`Output::Persist`] until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersistId(pub(super) u64);

/// Between members. Statuses and links also pass between a member and who is to become one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Where the sender's chain ends. Who is behind fetches.
    Status {
        /// Its epoch.
        epoch: u64,
        /// Its head.
        head: Digest,
    },
    /// Send me your links from this epoch on.
    Fetch {
        /// The first epoch whose decision is wanted.
        epoch: u64,
    },
    /// Links in order; none if there are no more.
    Links(Vec<Arc<Link>>),
    /// Send me your opinion on this record, if you have one.
    OpinionsOn(Digest),
    /// About candidates, and the decision at hand.
    Succession(Box<succession::Message>),
}

/// What an assembly wants done, and what it tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Make durable, then call [`Assembly::handle_persisted`](crate::Assembly::handle_persisted) or
    /// [`handle_persist_failed`](crate::Assembly::handle_persist_failed). Writes keep their order.
    Persist {
        /// What to name in the answer.
        id: PersistId,
        /// What.
        durable: Durable,
    },
    /// Send to each of these.
    Send {
        /// To whom.
        to: Vec<NodeId>,
        /// What.
        message: Message,
    },
    /// An epoch is decided; candidates want to hear of it too.
    Decided(Arc<Link>),
    /// An opinion was given, by this member or another.
    Counted(Opinion),
    /// A member contradicted itself. Told once of each.
    Evidence(Box<Evidence>),
}

/// Whether a member is to be asked about a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Ask its person, or policy.
    Ask,
    /// It has answered this record before.
    Answered(Opinion),
}

/// Members that do not answer, too many for the others to go on without them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// Who does not answer.
    pub silent: Vec<NodeId>,
    /// How many members there are.
    pub members: usize,
    /// How many of them are needed to decide.
    pub quorum: usize,
}

/// Why a candidate is not put to this member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CandidateError {
    /// Its record.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// Its attempt was opened too long ago, or in the future.
    #[error(
        "expected an attempt opened within {window:?} of this member's clock, got one opened at {opened_ms} ms"
    )]
    Window {
        /// How far it may be.
        window: Duration,
        /// When it was opened, in milliseconds since the Unix epoch.
        opened_ms: u64,
    },
    /// There is no room for more.
    #[error("too many candidates ({0}); try again later")]
    TooMany(usize),
}

/// Why a message does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// A statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// A link.
    #[error(transparent)]
    Link(#[from] LinkError),
}
