//! Every message between nodes.
//!
//! A connection begins with one [`Hello`] each way, the dialler's first, always as JSON, so that nodes of other versions
//! or settings can at least read what does not fit. Everything after it is a [`Message`] in the format that both
//! hellos named. Until the hellos are accepted, frames are limited to [`HELLO_LEN_MAX`], and nothing after the hello is
//! read.

mod open;

use std::fmt;
use std::sync::Arc;

pub use open::{DiscoveryMessage, JoinMessage, KNOWN_MAX, KnownMember, NeighborMessage};
use quorate_consensus::{
    Certificate, DeadReport, Departure, Digest, Inquiry, NetworkId, NodeId, Proof, ProposeError,
    Record, Standing, StandingKey, Testimony, assembly, conclave, council,
};
use quorate_gossip as gossip;
use quorate_wire::Format;
use serde::{Deserialize, Serialize};

/// The protocol versions this build speaks, lowest and highest.
pub const VERSIONS: (u16, u16) = (1, 1);

/// The longest frame before the hellos are accepted, in bytes.
pub const HELLO_LEN_MAX: usize = 16 * 1024;

/// The longest frame afterwards, in bytes.
pub const FRAME_LEN_MAX: usize = quorate_wire::DEFAULT_MAX_FRAME_LEN;

/// How many proofs, keys or node ids one message may list.
pub const LIST_MAX: usize = 2048;

/// What a connection is for. Chosen by the dialler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Between neighbours in the overlay, two seeds, or two members of an open network. One per pair.
    Link,
    /// From a candidate or member to a seed: registration, the peer list, reports.
    Register,
    /// To see whether a node lives: a nonce, its echo, the end.
    Probe,
    /// From the one who investigates a death to a panelist it has no link to.
    Testify,
    /// From a candidate to a member of an open network: its chain, the request, opinions.
    Join,
    /// From a node to a bootstrap: who is there?
    Discover,
}

/// Which role a node plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleKind {
    /// Votes.
    Seed,
    /// Gossips.
    Peer,
    /// Does both: a member of an open network, or who wants to become one.
    Member,
    /// Tells who is there. It is in no network.
    Bootstrap,
}

/// The first frame each way. Read as JSON; unknown fields are ignored, so that later versions can add some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The lowest and highest protocol version the sender speaks.
    pub versions: (u16, u16),
    /// The network it belongs to.
    pub network: NetworkId,
    /// The seed list it was configured with, sorted: so that a difference can be named.
    pub seeds: Vec<String>,
    /// How it encodes everything after this.
    pub format: Format,
    /// What the connection is for.
    pub purpose: Purpose,
    /// What it is.
    pub role: RoleKind,
}

/// Why a node closes a connection, told to the other end before it does; or, once, why it does not listen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Goodbye {
    /// The sender leaves the network, or a seed shuts down.
    Leaving,
    /// This connection has served its purpose.
    Done,
    /// Another connection between the two stays.
    Duplicate,
    /// The overlay gives this link up: too many.
    TooManyLinks,
    /// Too many connections; try again later.
    Busy,
    /// The sender's hello does not fit; says what was expected and what came.
    Mismatch(String),
    /// A link needs an admission certificate, and this one is missing or proves nothing.
    NoPassport(String),
    /// The other end was evicted, or has left; the proof names it.
    NotAMember(Arc<Proof>),
    /// The signers of the passport are not known yet; try again later.
    Undecided(String),
    /// The other end broke the protocol.
    Misbehaved(String),
    /// Nothing was heard for too long.
    Silent,
    /// A link between members, but the other end is none by the sender's chain.
    NotInChain {
        /// The sender's epoch.
        epoch: u64,
    },
    /// Another seed belongs where the other end answers. What it says does not count; the connection stays all the same, for
    /// it may ask for a seat.
    NotTrusted(String),
}

impl fmt::Display for Goodbye {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaving => f.write_str("it is leaving"),
            Self::Done => f.write_str("done"),
            Self::Duplicate => f.write_str("another connection of the pair stays"),
            Self::TooManyLinks => f.write_str("it has too many links"),
            Self::Busy => f.write_str("it has too many connections; try again later"),
            Self::Mismatch(what) => write!(f, "the hellos do not fit: {what}"),
            Self::NoPassport(why) => write!(f, "no valid admission certificate: {why}"),
            Self::NotAMember(proof) => {
                let standing = match proof.claims().map(|(_, key)| key.standing) {
                    Some(Standing::Admitted) => "a member",
                    Some(Standing::Evicted) => "evicted",
                    Some(Standing::Left) => "gone by its own word",
                    None => "what its proof does not say",
                };
                write!(f, "the node is {standing}")
            }
            Self::Undecided(why) => {
                write!(f, "the admission certificate cannot be judged yet: {why}")
            }
            Self::Misbehaved(what) => write!(f, "the protocol was broken: {what}"),
            Self::Silent => f.write_str("nothing was heard for too long"),
            Self::NotInChain { epoch } => write!(f, "the node is no member in epoch {epoch}"),
            Self::NotTrusted(why) => write!(f, "this node is not trusted: {why}"),
        }
    }
}

/// Between nodes, after the hellos. The documents' names are given where they have one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Message {
    /// The sender is about to close the connection, or does not listen, and why.
    Goodbye(Goodbye),
    /// Link: the sender's admission certificate, its first message. Register: a member resumes its session.
    Passport(Arc<Proof>),
    /// Link: your certificate is accepted. A link is up when both ends have said so; nothing else is sent before.
    Welcome,
    /// `REGISTER_REQUEST`: put this record of mine to the vote.
    RegisterRequest(Record),
    /// The vote on the receiver's record is over and it is not admitted, or its record is not acceptable.
    RegisterRefused(Refusal),
    /// Between seeds: `REGISTER_PROPOSAL`, `REGISTER_VOTE`, `DEAD_PROPOSAL`, `DEAD_VOTE` and what settles them.
    Council(council::Message),
    /// Between seeds: who votes next. Register: how far the sender has followed, and the handovers that follow.
    Electorate(conclave::Message),
    /// From a seed: a later epoch's voters have endorsed the standings decided before it.
    Endorsed(Arc<Certificate>),
    /// Standings and their proofs, `DEAD_CONFIRMED` among them.
    Roster(RosterMessage),
    /// Peer to seed: how many links the sender has.
    LinkCount(u32),
    /// Seed to peer: how many links members have, at most [`LIST_MAX`].
    LinkCounts(Vec<(NodeId, u32)>),
    /// Link: whom else the sender is linked to, at most [`LIST_MAX`].
    Neighbors(Vec<NodeId>),
    /// Link: dissemination and heartbeats.
    Gossip(gossip::Message),
    /// Any connection: prove that you live by echoing the nonce.
    Probe {
        /// The prober's nonce.
        nonce: u64,
    },
    /// The answer to a probe.
    Echo {
        /// The probe's nonce.
        nonce: u64,
        /// The digest of the sender's current record, if it has one.
        record: Option<Digest>,
    },
    /// `SUSPECT_REQUEST`: probe the suspect and testify.
    SuspectRequest {
        /// The question.
        inquiry: Inquiry,
        /// The suspect's admission, in case the receiver has not heard of it.
        suspect: Arc<Proof>,
        /// Register and link: the asker is known. Testify: the asker's own admission.
        asker: Option<Arc<Proof>>,
    },
    /// `SUSPECT_RESPONSE`: what the sender found.
    SuspectResponse(Testimony),
    /// `DEAD_REPORT`: put this to the vote.
    DeadReport(DeadReport),
    /// The report was refused, or the vote on it failed.
    DeadReportRefused {
        /// Whom the report was about.
        suspect: NodeId,
        /// The report's attempt.
        attempt: u64,
        /// Why.
        reason: String,
    },
    /// A member leaves: its signed word.
    Departure(Departure),
    /// Link: what members of an open network decide. Join: the chain.
    Assembly(assembly::Message),
    /// Join: a candidate and a member.
    Join(JoinMessage),
    /// Discover: a node and a bootstrap.
    Discovery(DiscoveryMessage),
    /// Link, open network: which links carry gossip.
    Neighbor(NeighborMessage),
}

impl Message {
    /// What it is called in errors and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Goodbye(_) => "GOODBYE",
            Self::Passport(_) => "PASSPORT",
            Self::Welcome => "WELCOME",
            Self::RegisterRequest(_) => "REGISTER_REQUEST",
            Self::RegisterRefused(_) => "REGISTER_REFUSED",
            Self::Council(_) => "COUNCIL",
            Self::Electorate(_) => "ELECTORATE",
            Self::Endorsed(_) => "ENDORSED",
            Self::Roster(_) => "ROSTER",
            Self::LinkCount(_) => "LINK_COUNT",
            Self::LinkCounts(_) => "LINK_COUNTS",
            Self::Neighbors(_) => "NEIGHBORS",
            Self::Gossip(_) => "GOSSIP",
            Self::Probe { .. } => "PROBE",
            Self::Echo { .. } => "ECHO",
            Self::SuspectRequest { .. } => "SUSPECT_REQUEST",
            Self::SuspectResponse(_) => "SUSPECT_RESPONSE",
            Self::DeadReport(_) => "DEAD_REPORT",
            Self::DeadReportRefused { .. } => "DEAD_REPORT_REFUSED",
            Self::Departure(_) => "DEPARTURE",
            Self::Assembly(_) => "ASSEMBLY",
            Self::Join(_) => "JOIN",
            Self::Discovery(_) => "DISCOVERY",
            Self::Neighbor(_) => "NEIGHBOR",
        }
    }
}

/// Why a candidate is not admitted now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Refusal {
    /// The record is not acceptable, or comes at the wrong time.
    Unacceptable(String),
    /// Voters said no, and why.
    Defeated(Vec<(NodeId, String)>),
    /// The deadline passed without a quorum: the seeds that gave no vote.
    Expired {
        /// Their lines in the configuration.
        silent: Vec<String>,
    },
    /// Another standing of the candidate stands against it; the proof says which.
    Settled(Arc<Proof>),
}

impl Refusal {
    /// In words, with nodes by the names that `name` gives them.
    pub fn describe(&self, name: impl Fn(NodeId) -> String) -> String {
        match self {
            Self::Unacceptable(why) => why.clone(),
            Self::Defeated(noes) => {
                let noes: Vec<String> = noes
                    .iter()
                    .map(|(voter, reason)| format!("{} says: {reason}", name(*voter)))
                    .collect();
                format!("voted down; {}", noes.join("; "))
            }
            Self::Expired { silent } => format!(
                "no quorum by the deadline; no vote from {}",
                silent.join(", ")
            ),
            Self::Settled(proof) => ProposeError::Settled(proof.clone()).to_string(),
        }
    }
}

/// How two nodes find and mend the difference of their rosters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum RosterMessage {
    /// The digest of all my standings. If yours differs, answer with `Buckets`.
    Digest(Digest),
    /// The digest of each bucket of my standings. Answer with the `Keys` of those that differ.
    Buckets(Vec<Digest>),
    /// My standings in some buckets, all of each. Answer with `Proofs` of what you know better, and `Want` what I do.
    Keys {
        /// Which buckets these are.
        buckets: Vec<u8>,
        /// Their standings.
        keys: Vec<(NodeId, StandingKey)>,
    },
    /// Send me the proofs of these.
    Want(Vec<NodeId>),
    /// Take these in.
    Proofs(Vec<Arc<Proof>>),
}
