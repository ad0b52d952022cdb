//! Who was a member before.

use quorate_consensus::Now;

use super::{AdmissionPolicy, Candidate, Verdict};

/// Allows who was a member in an earlier life, whether it left, was thrown out for being silent, or lost its memory. Beside
/// [`AskOperator`](super::AskOperator) or another strict policy in an [`Any`](super::Any), it spares members that come back
/// the whole way in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Returning;

impl AdmissionPolicy for Returning {
    fn judge(&self, candidate: &Candidate<'_>, _now: Now) -> Verdict {
        if candidate.before().is_some() {
            Verdict::Allow
        } else {
            Verdict::Deny("it was no member before".to_owned())
        }
    }
}
