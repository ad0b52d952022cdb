//! Proofs on their way to the disk: by write, and by whom they are about, since a voter that catches up has thousands.

use std::collections::BTreeMap;

use super::PersistId;
use crate::id::NodeId;
use crate::roster::VerifiedProof;

/// Proofs that are not durable yet.
#[derive(Debug, Default)]
pub(super) struct Committing {
    by_write: BTreeMap<PersistId, VerifiedProof>,
    /// The writes about each node, oldest first.
    about: BTreeMap<NodeId, Vec<PersistId>>,
}

impl Committing {
    pub(super) fn insert(&mut self, write: PersistId, proof: VerifiedProof) {
        self.about.entry(proof.node()).or_default().push(write);
        self.by_write.insert(write, proof);
    }

    pub(super) fn remove(&mut self, write: &PersistId) -> Option<VerifiedProof> {
        let proof = self.by_write.remove(write)?;
        if let Some(writes) = self.about.get_mut(&proof.node()) {
            writes.retain(|other| other != write);
            if writes.is_empty() {
                self.about.remove(&proof.node());
            }
        }
        Some(proof)
    }

    /// Those about a node.
    pub(super) fn about(&self, node: &NodeId) -> impl Iterator<Item = &VerifiedProof> {
        let writes = self.about.get(node).into_iter().flatten();
        writes.filter_map(|write| self.by_write.get(write))
    }
}
