//! Signatures checked once: in one process, what one node has found out about a signature holds for all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use quorate_consensus::{Digest, NodeId, Scheme, Signature};

/// How many signatures are remembered; then it begins anew.
const REMEMBERED_MAX: usize = 1 << 20;

/// Another scheme, asked once per signature. What it answers depends on nothing else, so nodes behave as if each had
/// checked for itself; only the time it takes is not theirs.
#[derive(Debug)]
pub(crate) struct Memo {
    scheme: Arc<dyn Scheme>,
    /// Looked up, never iterated.
    known: Mutex<HashMap<(NodeId, Digest, Signature), bool>>,
}

impl Memo {
    /// Remembers for this scheme.
    pub(crate) fn new(scheme: Arc<dyn Scheme>) -> Self {
        Self {
            scheme,
            known: Mutex::new(HashMap::new()),
        }
    }
}

impl Scheme for Memo {
    fn verify(&self, signer: &NodeId, statement: &Digest, signature: &Signature) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        *known
            .entry((*signer, *statement, *signature))
            .or_insert_with(|| self.scheme.verify(signer, statement, signature))
    }
}
