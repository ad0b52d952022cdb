//! What carries several signatures checked together: all are known before the first is checked, so that a scheme can check
//! them in one, or on several processors.

use std::sync::{Arc, Mutex, PoisonError};

use crate::electorate::Electorate;
use crate::id::{Digest, NodeId, Signature};
use crate::roster::{Proof, ProofError, VerifiedProof};
use crate::scheme::{Scheme, Signed};

impl Proof {
    /// As [`verify`](Self::verify), for each of many.
    pub fn verify_all(
        proofs: Vec<Arc<Self>>,
        electorate: &Electorate,
        scheme: &dyn Scheme,
    ) -> Vec<Result<VerifiedProof, ProofError>> {
        let asked = Asked::default();
        let mut ends = Vec::with_capacity(proofs.len());
        let mut supposed = Vec::with_capacity(proofs.len());
        for proof in &proofs {
            supposed.push(proof.clone().verify(electorate, &asked));
            ends.push(asked.count());
        }
        let held = scheme.verify_each(&asked.into_inner());
        let mut begin = 0;
        let mut results = Vec::with_capacity(proofs.len());
        for ((proof, supposed), end) in proofs.into_iter().zip(supposed).zip(ends) {
            let all_hold = held
                .get(begin..end)
                .is_some_and(|held| held.iter().all(|holds| *holds));
            begin = end;
            results.push(if all_hold {
                supposed
            } else {
                // What exactly is wrong, it says when it is checked alone.
                proof.verify(electorate, scheme)
            });
        }
        results
    }
}

/// What `check` finds with this scheme, its signatures checked together. Of what it finds, nothing but the signatures may
/// depend on the scheme.
pub(crate) fn at_once<T, E>(
    scheme: &dyn Scheme,
    check: impl Fn(&dyn Scheme) -> Result<T, E>,
) -> Result<T, E> {
    let asked = Asked::default();
    let supposed = check(&asked);
    let held = scheme.verify_each(&asked.into_inner());
    if held.into_iter().all(|holds| holds) {
        supposed
    } else {
        // What exactly is wrong, it says when each is checked alone.
        check(scheme)
    }
}

/// A scheme that takes every signature for good, and remembers which it was asked about.
#[derive(Debug, Default)]
struct Asked(Mutex<Vec<Signed>>);

impl Asked {
    fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn into_inner(self) -> Vec<Signed> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scheme for Asked {
    fn verify(&self, signer: &NodeId, statement: &Digest, signature: &Signature) -> bool {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push(Signed {
            signer: *signer,
            statement: *statement,
            signature: *signature,
        });
        true
    }
}
