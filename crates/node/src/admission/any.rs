//! Whom one of several policies allows.

use quorate_consensus::Now;

use super::{AdmissionPolicy, Candidate, Verdict};

/// Allows whom any of its policies allows; asks the operator if none allows and any asks; otherwise denies, for all their
/// reasons. Of none, it denies everybody.
///
/// The order decides which policy counts a candidate, the first that allows it, and in which order reasons are given.
#[derive(Debug, Default)]
pub struct Any(Vec<Box<dyn AdmissionPolicy>>);

impl Any {
    /// Any of these.
    pub fn of(policies: impl IntoIterator<Item = Box<dyn AdmissionPolicy>>) -> Self {
        Self(policies.into_iter().collect())
    }

    /// Or this one.
    #[must_use]
    pub fn or(mut self, policy: impl AdmissionPolicy + 'static) -> Self {
        self.0.push(Box::new(policy));
        self
    }
}

impl AdmissionPolicy for Any {
    fn judge(&self, candidate: &Candidate<'_>, now: Now) -> Verdict {
        let mut reasons = Vec::new();
        let mut any_asks = false;
        for policy in &self.0 {
            match policy.judge(candidate, now) {
                Verdict::Allow => return Verdict::Allow,
                Verdict::Ask => any_asks = true,
                Verdict::Deny(reason) => reasons.push(reason),
            }
        }
        if any_asks {
            Verdict::Ask
        } else if reasons.is_empty() {
            Verdict::Deny("this seed lets nobody in".to_owned())
        } else {
            Verdict::Deny(reasons.join("; "))
        }
    }

    fn note_yes(&mut self, candidate: &Candidate<'_>, now: Now) {
        let is = |policy: &&mut Box<dyn AdmissionPolicy>, verdict| {
            policy.judge(candidate, now) == verdict
        };
        if let Some(policy) = self.0.iter_mut().find(|p| is(p, Verdict::Allow)) {
            policy.note_yes(candidate, now);
            return;
        }
        // The operator's word is what all of these said.
        for policy in self.0.iter_mut().filter(|p| is(p, Verdict::Ask)) {
            policy.note_yes(candidate, now);
        }
    }

    fn asks(&self) -> bool {
        self.0.iter().any(|policy| policy.asks())
    }
}
