//! Why a node does not start.

use std::net::SocketAddr;
use std::path::PathBuf;

use quorate_consensus::succession::LinkError;
use quorate_consensus::{ElectorateError, HandoverError, ProofError, RecordError, council};

use crate::identity::IdentityError;
use crate::store::StoreError;

/// Why a node does not start. One line each, for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is taken, or not this machine's.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Others cannot dial a wildcard address.
    #[error("{0} is no address that others can dial; name the one to advertise")]
    NotDialable(SocketAddr),
    /// A seed must stand on the list.
    #[error("{address} is not a seed of this network; the seeds are {seeds}")]
    NotASeed {
        /// The address asked for.
        address: String,
        /// The list.
        seeds: String,
    },
    /// A stored step of the electorate does not follow, or too few seeds are known to tell.
    #[error("the stored changes of the electorate do not follow from the seed list: {0}")]
    Handover(HandoverError),
    /// A recovery names every voter.
    #[error("expected a list with an identity on every line to recover with, got none for {0}")]
    RecoveryUnpinned(String),
    /// What this node was told of the electorate could not be stored.
    #[error("cannot store how the electorate changed: {0}")]
    Recording(String),
    /// The key was replaced, and the store is another seed's.
    #[error(
        "the store belongs to seed {stored}, but the key is {key}'s; put the key back, or move the store away"
    )]
    AnotherSeed {
        /// Whose store it is.
        stored: quorate_consensus::NodeId,
        /// Whose the key is.
        key: quorate_consensus::NodeId,
    },
    /// The electorate cannot be formed, or an identity is not the one a line pins or the store remembers.
    #[error("the seed list does not fit: {0}")]
    Electorate(#[from] ElectorateError),
    /// The key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store holds what this network's seeds never signed.
    #[error("the store holds a proof that does not verify: {0}")]
    StoredProof(#[from] ProofError),
    /// An endpoint to advertise.
    #[error("cannot advertise: {0}")]
    Advertise(#[from] RecordError),
    /// Longer than seeds take.
    #[error("expected a credential of at most {max} bytes, got {got}")]
    Credential {
        /// What fits.
        max: usize,
        /// What was to be shown.
        got: usize,
    },
    /// A member must be told where to look for the network.
    #[error(
        "expected the address of a bootstrap or of a member to join, or to be told to found a network; got none"
    )]
    NoDiscovery,
    /// A store is one key's.
    #[error(
        "expected the key {} that {} belongs to, and it is not there; put the key back, or move the store away", .key.display(), .store.display()
    )]
    StoreWithoutKey {
        /// Where the key was expected.
        key: PathBuf,
        /// What is there.
        store: PathBuf,
    },
    /// A member's key is worth nothing without what it has said.
    #[error("a member's key needs a data directory, where what it says is kept beside it")]
    KeyWithoutStore,
    /// The chain in the store does not hold.
    #[error("the store holds a chain that does not verify: {0}")]
    StoredChain(#[from] LinkError),
    /// The other members know this one at another address.
    #[error("this member is known at {}, and cannot go on at {}; listen there, or start as a new node", .expected.join(", "), .got.join(", "))]
    Moved {
        /// Where it is known.
        expected: Vec<String>,
        /// Where it is to be now.
        got: Vec<String>,
    },
    /// An option of the council.
    #[error("unusable option: {0}")]
    Council(#[from] council::ConfigError),
    /// An option of the overlay.
    #[error("unusable option: {0}")]
    Overlay(#[from] quorate_overlay::ConfigError),
    /// An option of gossip.
    #[error("unusable option: {0}")]
    Gossip(#[from] quorate_gossip::ConfigError),
    /// Payloads that no frame could carry.
    #[error(
        "unusable option: expected gossip.payload_max of at most {max} bytes in this format, got {got}"
    )]
    PayloadMax {
        /// What fits.
        max: usize,
        /// What was asked for.
        got: usize,
    },
    /// TLS refuses the key.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The operating system gave no randomness.
    #[error("no randomness: {0}")]
    Randomness(rand::rngs::SysError),
    /// The store's thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}
