//! What members say to each other about one decision, and what they ask of whoever drives them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ballot::{Accepted, Ballot, Loss, Promise, Proposed};
use super::chain::Link;
use super::change::Change;
use super::evidence::Evidence;
use super::opinion::{Accusation, Leave, Opinion};
use crate::id::{Digest, NodeId};

/// Between members.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Message {
    /// Of a candidate. Good in any epoch.
    Opinion(Opinion),
    /// About one decision: void in any other.
    At {
        /// The epoch whose members decide.
        epoch: u64,
        /// The head that the decision follows.
        head: Digest,
        /// What is said.
        statement: Statement,
    },
}

/// What the losses that a promise names rest on. Empty where nobody has lost anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grounds {
    /// Each loss, signed by who suffered it.
    pub losses: Vec<Loss>,
    /// If the voter has lost something itself: the promises of others by which it takes part again.
    pub return_promises: Vec<Promise>,
}

/// What is said about one decision.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Statement {
    /// ACCUSE: a member does not answer.
    Accuse(Accusation),
    /// LEAVE: the sender goes.
    Leave(Leave),
    /// The sender is in touch with these: what it said against them before does not count any more. Unsigned: it only
    /// takes back, and comes from who takes it back.
    InTouch(BTreeSet<NodeId>),
    /// PREPARE: the sender leads this ballot; promise to take part in no smaller one.
    Prepare(Ballot),
    /// As PREPARE, of one who has lost what it said. Back to that one, if it seems not to know.
    Lost(Loss),
    /// PROMISE: to the leader. The change that the promise names as accepted comes with it.
    Promise {
        /// The promise.
        promise: Promise,
        /// What it names as accepted.
        change: Option<Arc<Change>>,
        /// What the losses rest on that it names.
        grounds: Grounds,
    },
    /// The ballot comes too late: a larger one was promised.
    Refused {
        /// The ballot asked for.
        ballot: Ballot,
        /// The one promised.
        promised: Ballot,
    },
    /// ACCEPT: take this change, on the strength of these promises.
    Accept {
        /// The leader's signed word.
        proposed: Proposed,
        /// The change.
        change: Arc<Change>,
        /// A quorum's promises for the ballot.
        promises: Vec<Promise>,
        /// The promises by which those of them take part again who have lost what they said.
        return_promises: BTreeMap<NodeId, Vec<Promise>>,
    },
    /// ACCEPTED: to all.
    Accepted(Accepted),
}

/// What must survive a crash, so that a member never contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Durable {
    /// An own opinion. Needed as long as the record may be put to this member again.
    Opinion {
        /// When the record's attempt was opened, in milliseconds since the Unix epoch.
        opened_ms: u64,
        /// The opinion.
        opinion: Opinion,
    },
    /// An own accusation. Void after the next link.
    Accusation(Accusation),
    /// The own leave. Void after the next link.
    Leave(Leave),
    /// What was promised and accepted in this epoch; replaces an earlier one. Void after the next link.
    Acceptor(Box<Acceptor>),
    /// The next decision of the chain.
    Link(Arc<Link>),
    /// Evidence of a fork: this member decides nothing more.
    Fork(Box<Evidence>),
}

/// An acceptor's word so far on one decision.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Acceptor {
    /// The epoch whose members decide.
    pub epoch: u64,
    /// It takes part in no ballot smaller than this.
    pub promised: Ballot,
    /// The change it last accepted, with the leader's word that brought it.
    pub accepted: Option<(Proposed, Arc<Change>)>,
    /// Who has lost what it said, perhaps itself, and if so, the promises by which it takes part again.
    pub grounds: Grounds,
}

/// To whom a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum To {
    /// All other members.
    All,
    /// One of them.
    One(NodeId),
}

/// What a succession wants done, in order: what follows a [`Output::Persist`] must not leave before it is durable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[must_use]
pub enum Output {
    /// Make this durable before anything that follows leaves.
    Persist(Durable),
    /// Send.
    Send {
        /// To whom.
        to: To,
        /// What.
        message: Message,
    },
    /// An epoch is decided: the membership is a new one.
    Decided(Arc<Link>),
    /// An opinion was counted, for the candidate to hear of.
    Counted(Opinion),
    /// The ballot that this member leads was refused: wait a while before leading again.
    Refused,
    /// A member contradicted itself.
    Evidence(Evidence),
}
