//! A person's word.

use quorate_consensus::Now;

use super::{AdmissionPolicy, Candidate, Verdict};

/// Asks the operator of this seed about everybody: see [`Event::JoinRequest`](crate::Event::JoinRequest),
/// [`Node::allow`](crate::Node::allow) and [`Node::deny`](crate::Node::deny).
///
/// The seed remembers what it is told: an allow for a day or until the node is a member, a deny for an hour; in its store,
/// if it has one, also across restarts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AskOperator;

impl AdmissionPolicy for AskOperator {
    fn judge(&self, _candidate: &Candidate<'_>, _now: Now) -> Verdict {
        Verdict::Ask
    }

    fn asks(&self) -> bool {
        true
    }
}
