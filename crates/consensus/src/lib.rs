//! Quorum votes as pure state machines: a fixed electorate decides, or the members themselves, and what was decided carries
//! a proof that anyone can check offline.
//!
//! # Pieces
//!
//! Each is usable without those below it.
//!
//! - [`Scheme`] and [`Signer`]: how statements are signed. `Ed25519` is built in; [`Unproven`] is for simulations.
//! - [`QuorumRule`] and [`Electorate`]: who votes, in which epoch, and how many of them carry a proposal.
//! - [`Proposal`] and [`Vote`]: what is decided, and one voter's signed word on it. A proposal is a candidate's
//!   [`Record`], a [`DeadReport`], or a [`Motion`] of the application's own.
//! - [`Invitation`]: what a candidate may show in its record: somebody's signed word that it is welcome.
//! - [`Tally`] counts votes on one proposal, and notices who signs both ways ([`Equivocation`]).
//! - [`Certificate`]: a carried proposal with a quorum's signatures.
//! - [`Roster`]: who is in, who was thrown out and who has left, each with its [`Proof`]; merges in any order.
//! - [`Explanation`]: why a node is in, out or pending, from a roster alone or with a voter's open votes.
//! - [`Council`]: one voter as an engine that proposes, has judged, votes, repeats itself, certifies and remembers.
//! - [`Succession`]: where the electorate is the membership itself, what makes a change of it valid, and which valid
//!   change comes next. No time, so that a model checker explores it.
//! - [`Assembly`]: one such member as an engine that gives opinions, takes its turn to lead, and catches up.
//! - [`Conclave`]: how the voters of a fixed electorate change who they are, and [hand over](Handover).
//!
//! # Invariants
//!
//! - Any two quorums share a voter, whatever the rule: two contradicting certificates need a voter who signed both.
//! - Every signature is over a domain tag, the network and the whole content: nothing signed for one network, epoch,
//!   electorate, incarnation or attempt means anything in another.
//! - What has to be checked has a type for when it was: a [`Tally`] counts [`VerifiedVote`]s, a [`Roster`] merges
//!   [`VerifiedProof`]s.
//! - Rosters that have seen the same proofs are equal, in whatever order and however often they came.
//! - A council's vote leaves only after it was made durable, and never both ways, also across restarts
//!   (see [`council`]); so does everything that a member of an assembly says.
//! - While no member contradicts itself, an assembly decides each epoch once; one that does leaves
//!   [`succession::Evidence`].
//! - Same seed, same inputs, same outputs.
//!
//! # Left out
//!
//! Sockets, disks, clocks and tasks: time is an argument, effects leave as values. Judging a proposal (a probe, a
//! policy, a person) and choosing whom to tell are the caller's. A quorum that colludes decides what it likes; the
//! certificates show who signed.
//!
//! # Example
//!
//! ```
//! use quorate_consensus::{
//!     Choice, Electorate, Motion, NetworkId, NodeId, Outcome, Proposal, QuorumRule, Tally, Unproven, Vote,
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Five voters. `Unproven` signatures prove nothing and need no keys; programs use `Ed25519`.
//! let network = NetworkId::new([7; 32]);
//! let voters: Vec<_> = (1..=5).map(|number| Unproven::signer(NodeId::from(number))).collect();
//! let seats = (1..=5).map(NodeId::from);
//! let electorate = Electorate::of(network, QuorumRule::Majority, seats)?;
//!
//! let motion = Motion::sign(&voters[0], network, "tea", "at four", 1, 1_700_000_000_000);
//! let proposal = Proposal::Motion(motion);
//!
//! let mut tally = Tally::new(proposal.id());
//! for voter in &voters[..3] {
//!     assert_eq!(tally.outcome(&electorate), Outcome::Open);
//!     let vote = Vote::cast(voter, &electorate, proposal.id(), Choice::Yes, "");
//!     tally.count(vote.verify(&electorate, &Unproven)?)?;
//! }
//! assert_eq!(tally.outcome(&electorate), Outcome::Carried);
//!
//! // Anyone who knows the electorate can check this, any time later.
//! let certificate = tally.certificate(&proposal, &electorate).ok_or("not carried")?;
//! certificate.verify(&electorate, &Unproven)?;
//! # Ok(())
//! # }
//! ```

#[macro_use]
mod planted;

pub mod assembly;
mod certificate;
pub mod conclave;
pub mod council;
mod departure;
#[cfg(feature = "ed25519")]
mod ed25519;
mod electorate;
mod endorsement;
pub mod explanation;
mod handover;
mod hexadecimal;
mod id;
mod invitation;
mod life;
mod merkle;
mod named;
mod proposal;
mod quorum;
mod record;
mod report;
mod roster;
mod scheme;
mod small_map;
pub mod succession;
mod tally;
mod text;
mod time;
mod together;
mod transcript;
mod vote;

pub use assembly::Assembly;
pub use certificate::{Certificate, CertificateError};
pub use conclave::Conclave;
pub use council::{Council, ProposeError};
pub use departure::{Departure, Passport};
#[cfg(feature = "ed25519")]
pub use ed25519::{Ed25519, Ed25519Key};
pub use electorate::{Electorate, ElectorateError, Seat};
pub use endorsement::{Endorsed, Endorsement};
pub use explanation::Explanation;
pub use handover::{Handover, HandoverError, SEAT_NAME_LEN_MAX, SEATS_MAX, Seal, Seating};
pub use id::{Digest, HexError, LengthError, NetworkId, NodeId, ProposalId, Signature};
pub use invitation::{Invitation, InvitationError, NotAnInvitation};
pub use life::first_life;
pub use named::Named;
pub use proposal::{MOTION_LEN_MAX, Motion, Proposal, ProposalError};
pub use quorum::{QuorumError, QuorumRule};
pub use record::{CREDENTIAL_LEN_MAX, ENDPOINT_LEN_MAX, ENDPOINTS_MAX, Record, RecordError};
pub use report::{
    CAUSE_LEN_MAX, DeadReport, Finding, Inquiry, ReportError, SILENT_MAX, TESTIMONIES_MAX,
    Testimony,
};
pub use roster::{
    BUCKETS, Entry, Merged, Proof, ProofError, Renewed, Roster, Standing, StandingKey,
    VerifiedProof,
};
pub use scheme::{Scheme, Signed, Signer, Unproven, UnprovenSigner};
pub use small_map::SmallMap;
pub use succession::Succession;
pub use tally::{Counted, Outcome, Tally};
pub use time::{Now, VOTING_WINDOW_MS};
pub use transcript::Transcript;
pub use vote::{Choice, Equivocation, REASON_LEN_MAX, VerifiedVote, Vote, VoteError};

/// The README's code, compiled.
#[cfg(all(doctest, feature = "ed25519"))]
#[doc = include_str!("../README.md")]
struct Readme;
