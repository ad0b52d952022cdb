//! Whom a seed votes for: admission policies.
//!
//! Each seed judges every candidate by its own policy before anything else: one that is denied is not even dialled. The
//! quorum of seeds decides, so a policy keeps somebody out when so many seeds have it that no quorum is left without them.
//!
//! | policy | allows |
//! |---|---|
//! | [`AllowAll`] | everybody; the default |
//! | [`AllowList`] | the nodes on a list |
//! | [`Invited`] | who shows an [`Invitation`](crate::consensus::Invitation) by a seed or an operator |
//! | [`PerAddress`] | so many nodes at one address |
//! | [`Rate`] | so many nodes per time |
//! | [`Returning`] | who was a member before |
//! | [`AskOperator`] | whom a person at this seed allows |
//! | [`All`], [`Any`] | whom all of several policies allow, or one of them |
//!
//! # Two phases
//!
//! [`judge`](AdmissionPolicy::judge) says what a policy thinks of a candidate, and changes nothing: it may be asked as often
//! as wanted. The seed asks before its probe of the candidate, and again after it, for others may have come meanwhile. Only
//! then, when the seed votes yes, [`note_yes`](AdmissionPolicy::note_yes) has the policy count it. So a candidate that
//! cannot be reached, or that another part of a combination denies, uses nothing up, and nothing is used twice.
//!
//! # A policy of one's own
//!
//! ```
//! use quorate_node::admission::{AdmissionPolicy, All, Candidate, PerAddress, Verdict};
//! use quorate_node::consensus::Now;
//!
//! /// Only nodes that others reach by a name.
//! #[derive(Debug)]
//! struct Named;
//!
//! impl AdmissionPolicy for Named {
//!     fn judge(&self, candidate: &Candidate<'_>, _now: Now) -> Verdict {
//!         let endpoints = &candidate.record.endpoints;
//!         if endpoints.iter().any(|endpoint| endpoint.starts_with(|c: char| c.is_alphabetic())) {
//!             Verdict::Allow
//!         } else {
//!             Verdict::Deny(format!("expected a host name, got {}", endpoints.join(", ")))
//!         }
//!     }
//! }
//!
//! let policy = All::default().and(Named).and(PerAddress::new(4));
//! assert!(!policy.asks());
//! ```

mod all;
mod allow_list;
mod any;
mod asking;
mod host;
mod invited;
mod per_address;
mod rate;
mod reservations;
mod returning;

#[cfg(test)]
mod tests;

use std::fmt;

use quorate_consensus::{Electorate, Entry, NodeId, Now, Record, Roster, Scheme};
use serde::{Deserialize, Serialize};

use crate::event::Party;

pub use all::All;
pub use allow_list::AllowList;
pub use any::Any;
pub use asking::AskOperator;
pub(crate) use host::Host;
pub use invited::Invited;
pub use per_address::PerAddress;
pub use rate::{Rate, RateError};
pub use returning::Returning;

/// How a seed judges candidates. It sees no clock and no disk: the time is an argument.
pub trait AdmissionPolicy: fmt::Debug + Send {
    /// What it says of a candidate. The same question at the same moment has the same answer.
    fn judge(&self, candidate: &Candidate<'_>, now: Now) -> Verdict;

    /// The seed votes yes on this candidate now: what the policy counts, it counts here. It does not make the candidate a
    /// member; a candidate that the vote did not carry asks again, in the same life, and is to be counted once.
    fn note_yes(&mut self, candidate: &Candidate<'_>, now: Now) {
        let _ = (candidate, now);
    }

    /// Whether it may say [`Verdict::Ask`]: only then an operator is listened to who answers before a candidate asks.
    fn asks(&self) -> bool {
        false
    }
}

/// What a policy says of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may come in, if it can be reached.
    Allow,
    /// It may not, and why: the candidate is told.
    Deny(String),
    /// Whatever the operator says of it.
    Ask,
}

/// A candidate, and what is known of it when it is judged.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Candidate<'a> {
    /// What it says of itself, signed: its endpoints are where it claims to be, and its credential is what it shows.
    pub record: &'a Record,
    /// Everybody's standing, as this seed knows it: the candidate's own is its previous one.
    pub roster: &'a Roster,
    /// Who votes.
    pub electorate: &'a Electorate,
    /// How signatures are checked.
    pub scheme: &'a dyn Scheme,
    /// The first node that was admitted by a record with this very credential, as far as this seed has learned; `None` also
    /// where the record shows none.
    pub credential_used_by: Option<NodeId>,
}

impl<'a> Candidate<'a> {
    /// A candidate with this record, whose credential nobody was admitted by.
    pub const fn new(
        record: &'a Record,
        roster: &'a Roster,
        electorate: &'a Electorate,
        scheme: &'a dyn Scheme,
    ) -> Self {
        Self {
            record,
            roster,
            electorate,
            scheme,
            credential_used_by: None,
        }
    }

    /// Its standing in an earlier life. Who has one was a member then.
    pub fn before(&self) -> Option<&'a Entry> {
        self.roster.get(&self.record.node)
    }
}

/// Allows everybody.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AllowAll;

impl AdmissionPolicy for AllowAll {
    fn judge(&self, _candidate: &Candidate<'_>, _now: Now) -> Verdict {
        Verdict::Allow
    }
}

impl<P: AdmissionPolicy + ?Sized> AdmissionPolicy for Box<P> {
    fn judge(&self, candidate: &Candidate<'_>, now: Now) -> Verdict {
        (**self).judge(candidate, now)
    }

    fn note_yes(&mut self, candidate: &Candidate<'_>, now: Now) {
        (**self).note_yes(candidate, now);
    }

    fn asks(&self) -> bool {
        (**self).asks()
    }
}

/// A candidate that waits for the operator's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingCandidate {
    /// Who.
    pub candidate: Party,
    /// What it last said of itself.
    pub record: Box<Record>,
    /// Since when it waits, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}

/// What an operator said of a node, for as long as it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Why it is to stay out; `None` if it may come in.
    pub denied: Option<String>,
    /// Until when this counts, in milliseconds since the Unix epoch.
    pub until_ms: u64,
}
