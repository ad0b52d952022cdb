//! What a council wants done, and what it tells.

use std::slice;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::certificate::Certificate;
use crate::id::{NodeId, ProposalId};
use crate::named::Named;
use crate::proposal::Proposal;
use crate::roster::{Entry, Proof};
use crate::vote::{Equivocation, Vote};

/// Names one [`Output::Persist`] until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersistId(pub(super) u64);

/// Between two voters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Judge this and vote, and send me your vote; if you have voted, send it (again).
    Proposal(Named),
    /// Count this.
    Vote(Arc<Vote>),
    /// Take this in: it settles what you proposed, or more than what you said is settled. Who knows more says so.
    Proof(Arc<Proof>),
    /// Count these, which I counted on what I brought, and which decide it. At most one of each voter.
    Votes(Arc<Vec<Arc<Vote>>>),
}

impl Message {
    /// The votes it carries.
    pub fn votes(&self) -> &[Arc<Vote>] {
        match self {
            Self::Vote(vote) => slice::from_ref(vote),
            Self::Votes(votes) => votes,
            Self::Proposal(_) | Self::Proof(_) => &[],
        }
    }
}

/// What must survive a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Durable {
    /// An own vote, before it is sent. Needed until its attempt has closed everywhere: the voting window after
    /// `opened_ms`, and a margin for clocks that jump.
    Vote {
        /// When its proposal was opened, in milliseconds since the Unix epoch.
        opened_ms: u64,
        /// The vote.
        vote: Arc<Vote>,
    },
    /// A standing's proof, before it is announced. Replaces an earlier one of the same node.
    Proof(Arc<Proof>),
    /// A standing that is not kept any more: its proof may be deleted.
    Forgotten(NodeId),
}

/// How a vote ended, as seen here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A quorum said yes.
    Carried(Box<Certificate>),
    /// A quorum of yes is out of reach: who said no, and why.
    Defeated(Vec<(NodeId, String)>),
    /// The deadline passed first: the seats that have not voted, by name.
    Expired {
        /// Their names.
        silent: Vec<String>,
    },
    /// Another decision about the same node overtook it.
    Superseded(Arc<Proof>),
    /// A quorum said yes, but the certificate could not be made durable here, so it is not announced from here.
    NotDurable,
}

/// What the caller is to do, or to know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Send to another voter, if it is linked; lost messages are sent again.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Judge: probe, ask the policy, ask a person; answer with `handle_judgement`. Not answering is abstaining.
    Judge {
        /// What to name in the answer.
        id: ProposalId,
        /// What is to be judged. Its signatures, window and standing were checked.
        proposal: Arc<Proposal>,
    },
    /// Make durable, then call `handle_persisted`, or `handle_persist_failed`. What is written of one node or proposal
    /// must be written in the order of these outputs.
    Persist {
        /// What to name in the answer.
        id: PersistId,
        /// What to write.
        durable: Durable,
    },
    /// A vote was counted, this voter's own included.
    Counted {
        /// On what.
        proposal: Arc<Proposal>,
        /// The vote.
        vote: Arc<Vote>,
    },
    /// A vote has ended here.
    Decided {
        /// On what.
        proposal: Arc<Proposal>,
        /// How.
        decision: Decision,
    },
    /// A node's standing changed, durably: announce the proof.
    Committed {
        /// Whose.
        node: NodeId,
        /// What proves it.
        proof: Arc<Proof>,
        /// What it was before.
        previous: Option<Box<Entry>>,
    },
    /// A known standing's proof carries more signatures now.
    Widened {
        /// Whose.
        node: NodeId,
        /// The wider proof.
        proof: Arc<Proof>,
    },
    /// A voter signed both ways.
    Equivocated(Box<Equivocation>),
}
