//! What a restart finds.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_consensus::council::Durable;
use quorate_consensus::{NodeId, Proof, ProposalId, Vote};

/// What is durable: votes by proposal, and of each node what was written last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Disk {
    pub(crate) votes: BTreeMap<ProposalId, (u64, Vote)>,
    pub(crate) proofs: BTreeMap<NodeId, Arc<Proof>>,
}

/// One thing to write. As [`Durable`], and can be hashed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Write {
    Vote(u64, Vote),
    Proof(Arc<Proof>),
}

impl From<Durable> for Write {
    fn from(durable: Durable) -> Self {
        match durable {
            Durable::Vote { opened_ms, vote } => Self::Vote(opened_ms, Arc::unwrap_or_clone(vote)),
            Durable::Proof(proof) => Self::Proof(proof),
            Durable::Forgotten(_) => unreachable!("electorates do not change here"),
        }
    }
}

impl Disk {
    pub(crate) fn write(&mut self, write: Write) {
        match write {
            Write::Vote(opened_ms, vote) => {
                self.votes.insert(vote.proposal, (opened_ms, vote));
            }
            Write::Proof(proof) => {
                let (node, _) = proof.claims().unwrap();
                self.proofs.insert(node, proof);
            }
        }
    }
}
