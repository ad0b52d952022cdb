//! A list of nodes.

use std::collections::BTreeSet;

use quorate_consensus::{NodeId, Now};

use super::{AdmissionPolicy, Candidate, Verdict};

/// Allows the nodes on a list, by their keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList(BTreeSet<NodeId>);

impl AllowList {
    /// These.
    pub fn of(nodes: impl IntoIterator<Item = NodeId>) -> Self {
        Self(nodes.into_iter().collect())
    }
}

impl AdmissionPolicy for AllowList {
    fn judge(&self, candidate: &Candidate<'_>, _now: Now) -> Verdict {
        if self.0.contains(&candidate.record.node) {
            Verdict::Allow
        } else {
            Verdict::Deny("it is not on this seed's list".to_owned())
        }
    }
}
