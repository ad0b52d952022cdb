//! Signatures checked on all processors: a seed that catches up with a large roster has tens of thousands to check.

use std::num::NonZero;
use std::thread;

use quorate_consensus::{Digest, Ed25519, NodeId, Scheme, Signature, Signed};

/// How many signatures are worth a thread: they take it about a millisecond.
const WORTH_A_THREAD: usize = 64;

/// How many threads check at most.
const THREADS_MAX: usize = 8;

/// [`Ed25519`] that checks many signatures at once on several threads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Threaded;

impl Scheme for Threaded {
    fn verify(&self, signer: &NodeId, statement: &Digest, signature: &Signature) -> bool {
        Ed25519.verify(signer, statement, signature)
    }

    fn verify_each(&self, signed: &[Signed]) -> Vec<bool> {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let threads = (signed.len() / WORTH_A_THREAD).clamp(1, processors.min(THREADS_MAX));
        let mut shares = signed.chunks(signed.len().div_ceil(threads).max(1));
        let Some(own) = shares.next() else {
            return Vec::new();
        };
        thread::scope(|scope| {
            let others = shares.map(|share| {
                let check = move || Ed25519.verify_each(share);
                (share, thread::Builder::new().spawn_scoped(scope, check))
            });
            let others: Vec<_> = others.collect();
            let mut held = Ed25519.verify_each(own);
            for (share, other) in others {
                // Without a thread for it, a share is checked here.
                let checked = other.ok().and_then(|thread| thread.join().ok());
                held.extend(checked.unwrap_or_else(|| Ed25519.verify_each(share)));
            }
            held
        })
    }
}

#[cfg(test)]
mod tests {
    use quorate_consensus::{Ed25519Key, Signer as _, Transcript};

    use super::*;

    #[test]
    fn each_signature_is_judged_by_itself_however_many_there_are() {
        let key = Ed25519Key::from_secret(&[7; 32]);
        for count in [0, 1, 63, 64, 65, 127, 128, 129, 700] {
            let signed: Vec<Signed> = (0..count)
                .map(|number: u64| {
                    let statement = Transcript::new("x").u64(number).finish();
                    // Every fifth is over another statement.
                    let mut other = Transcript::new("x");
                    other.u64(number + u64::from(number % 5 == 4));
                    Signed {
                        signer: key.id(),
                        statement,
                        signature: key.sign(&other.finish()),
                    }
                })
                .collect();
            let expected: Vec<bool> = (0..count).map(|number| number % 5 != 4).collect();
            assert_eq!(Threaded.verify_each(&signed), expected, "{count}");
        }
    }
}
