//! Whom all of several policies allow.

use quorate_consensus::Now;

use super::{AdmissionPolicy, Candidate, Verdict};

/// Denies whom any of its policies denies, for the first one's reason; asks the operator if none denies and any asks. Of
/// none, it allows everybody.
///
/// The order decides which reason is given, and nothing else.
#[derive(Debug, Default)]
pub struct All(Vec<Box<dyn AdmissionPolicy>>);

impl All {
    /// All of these.
    pub fn of(policies: impl IntoIterator<Item = Box<dyn AdmissionPolicy>>) -> Self {
        Self(policies.into_iter().collect())
    }

    /// And this one.
    #[must_use]
    pub fn and(mut self, policy: impl AdmissionPolicy + 'static) -> Self {
        self.0.push(Box::new(policy));
        self
    }
}

impl AdmissionPolicy for All {
    fn judge(&self, candidate: &Candidate<'_>, now: Now) -> Verdict {
        let mut all = Verdict::Allow;
        for policy in &self.0 {
            match policy.judge(candidate, now) {
                Verdict::Allow => {}
                Verdict::Ask => all = Verdict::Ask,
                denied @ Verdict::Deny(_) => return denied,
            }
        }
        all
    }

    fn note_yes(&mut self, candidate: &Candidate<'_>, now: Now) {
        for policy in &mut self.0 {
            policy.note_yes(candidate, now);
        }
    }

    fn asks(&self) -> bool {
        self.0.iter().any(|policy| policy.asks())
    }
}
