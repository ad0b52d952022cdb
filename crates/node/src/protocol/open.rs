//! What members of an open network, candidates and bootstraps say to each other.

use std::sync::Arc;

use quorate_consensus::succession::{Founding, Opinion};
use quorate_consensus::{NetworkId, NodeId, Record};
use serde::{Deserialize, Serialize};

/// How many nodes a bootstrap names in one answer.
pub const KNOWN_MAX: usize = 256;

/// Between a candidate, who dialled, and a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum JoinMessage {
    /// Member to candidate, first: how this network began. The candidate fetches the rest of the chain.
    Founded(Arc<Founding>),
    /// The documents' `JOIN`: let me in, by this record.
    Request(Record),
    /// The documents' `ALLOW` or `DENY`.
    Opinion(Opinion),
    /// The record is not put to this member, and why not. No opinion: another record may be.
    Refused(String),
}

/// Between a node, who dialled, and a bootstrap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum DiscoveryMessage {
    /// The documents' `REGISTER`: here I am, until the lease runs out. Repeated to renew it.
    Register {
        /// Where the sender listens.
        endpoints: Vec<String>,
        /// The network it is a member of; none while it looks for one.
        network: Option<NetworkId>,
        /// Whether it would found a network if there is none.
        would_found: bool,
    },
    /// The documents' list of existing peers.
    Known {
        /// Members, at most [`KNOWN_MAX`], the receiver left out.
        members: Vec<KnownMember>,
        /// There is no network, and until its lease runs out the receiver alone may found one.
        may_found: bool,
        /// Somebody else may found one now, or the bootstrap has not been up for long enough to know: ask again soon.
        ask_again: bool,
    },
}

/// A member as a bootstrap knows it. Nobody vouches for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownMember {
    /// Its proven key.
    pub id: NodeId,
    /// Where it says it listens.
    pub endpoints: Vec<String>,
    /// The network it says it is a member of.
    pub network: NetworkId,
}

/// Between members, about which of their connections carry gossip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum NeighborMessage {
    /// Let us be neighbours.
    Ask,
    /// We are.
    Accept,
    /// I have too many.
    Refuse,
}
