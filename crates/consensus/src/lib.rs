//! Quorum votes as pure state machines.
mod certificate;
pub mod council;
mod departure;
#[cfg(feature = "ed25519")]
mod ed25519;
mod electorate;
mod id;
mod proposal;
mod quorum;
mod record;
mod report;
mod roster;
mod scheme;
mod tally;
mod time;
mod transcript;
mod vote;

pub use certificate::{Certificate, CertificateError};
pub use council::Council;
pub use departure::Departure;
#[cfg(feature = "ed25519")]
pub use ed25519::{Ed25519, Ed25519Key};
pub use electorate::{Electorate, ElectorateError, Seat};
pub use id::{Digest, HexError, LengthError, NetworkId, NodeId, ProposalId, Signature};
pub use proposal::{MOTION_LEN_MAX, Motion, Proposal, ProposalError};
pub use quorum::{QuorumError, QuorumRule};
pub use record::{ENDPOINT_LEN_MAX, ENDPOINTS_MAX, Record, RecordError};
pub use report::{
    CAUSE_LEN_MAX, DeadReport, Finding, Inquiry, ReportError, TESTIMONIES_MAX, Testimony,
};
pub use roster::{
    BUCKETS, Entry, Merged, Proof, ProofError, Roster, Standing, StandingKey, VerifiedProof,
};
pub use scheme::{Scheme, Signer, Unproven, UnprovenSigner};
pub use tally::{Counted, Outcome, Tally};
pub use time::{Now, VOTING_WINDOW_MS};
pub use transcript::Transcript;
pub use vote::{Choice, Equivocation, REASON_LEN_MAX, VerifiedVote, Vote, VoteError};
