//! Many proofs checked together are judged as each is alone, and taken in as if they had come one by one.

use std::sync::Arc;

use quorate_consensus::{Electorate, Proof, Signature, Unproven};

use crate::sample::{admission, certificate, departure, electorate, eviction, node};

/// Proofs that hold, and between them one with a false signature, one that is short, and one of another kind.
fn mixed(electorate: &Electorate) -> Vec<Arc<Proof>> {
    let of = |number: u64, signers: &[u64]| {
        certificate(electorate, &admission(number), signers.iter().copied())
    };
    let mut forged = of(52, &[1, 2, 3]);
    forged.votes.insert(node(3), Signature::new([9; 64]));
    let evicted = certificate(electorate, &eviction(8, 54), [2, 3]);
    let proofs = [
        Proof::Admission(of(50, &[1, 2])),
        Proof::Admission(of(51, &[1])),
        Proof::Admission(forged),
        Proof::Eviction(of(53, &[1, 2])),
        Proof::Eviction(evicted),
        departure(of(55, &[1, 3])),
        Proof::Admission(of(56, &[1, 2, 3])),
    ];
    proofs.into_iter().map(Arc::new).collect()
}

#[test]
fn each_is_judged_as_if_it_were_alone() {
    let electorate = electorate(3);
    let proofs = mixed(&electorate);
    let alone: Vec<_> = proofs
        .iter()
        .map(|proof| proof.clone().verify(&electorate, &Unproven))
        .collect();
    assert_eq!(alone.iter().filter(|proof| proof.is_ok()).count(), 4);
    let together = Proof::verify_all(proofs, &electorate, &Unproven);
    assert_eq!(together, alone);
}

#[test]
fn one_that_does_not_hold_spoils_none_beside_it() {
    let electorate = electorate(3);
    for place in 0..7 {
        let mut proofs = mixed(&electorate);
        proofs.rotate_left(place);
        let together = Proof::verify_all(proofs, &electorate, &Unproven);
        assert_eq!(together.iter().filter(|proof| proof.is_ok()).count(), 4);
    }
}
