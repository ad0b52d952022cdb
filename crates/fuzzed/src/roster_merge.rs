//! Proofs, as comparisons bring them: decoded, checked, merged in any order.

use std::sync::Arc;

use quorate_consensus::{Merged, Proof, Roster, Unproven, VerifiedProof};
use quorate_wire::Format;

use crate::Sample;
use crate::cast::{admission, departure, electorate, eviction, formatted, prove_anew, sample};

/// Bytes are some proofs or not. Those that hold make the same roster forwards and backwards, and twice is as once.
pub fn run(data: &[u8]) {
    let (Some((format, body)), Ok(electorate)) = (formatted(data), electorate()) else {
        return;
    };
    let Ok(proofs) = format.decode::<Vec<Proof>>(body) else {
        return;
    };
    let signed: Vec<Proof> = proofs.iter().cloned().filter_map(prove_anew).collect();
    let verify = |proof: Proof| Arc::new(proof).verify(&electorate, &Unproven).ok();
    let verified: Vec<VerifiedProof> = proofs
        .into_iter()
        .chain(signed)
        .filter_map(verify)
        .collect();
    let (mut forwards, mut backwards) = (Roster::new(), Roster::new());
    for proof in &verified {
        forwards.merge(proof.clone());
    }
    for proof in verified.iter().rev() {
        backwards.merge(proof.clone());
    }
    assert_eq!(forwards, backwards);
    assert_eq!(forwards.digest(), backwards.digest());
    assert_eq!(forwards.member_count(), forwards.members().count());
    let digest = forwards.digest();
    for proof in verified {
        let merged = forwards.merge(proof);
        assert!(
            matches!(merged, Merged::Known | Merged::Outdated),
            "{merged:?}"
        );
    }
    assert_eq!(forwards.digest(), digest);
    // Both hold every signature that either was shown.
    for ((_, one), (_, other)) in forwards.iter().zip(backwards.iter()) {
        let votes = |proof: &Proof| proof.certificate().votes.len();
        let same = (one.proof.certificate().epoch, votes(&one.proof));
        assert_eq!(same, (other.proof.certificate().epoch, votes(&other.proof)));
    }
}

/// Lives and ends of some nodes, in an order that is not theirs.
pub fn samples() -> Vec<Sample> {
    let lives = [
        eviction(5, 1).map(Proof::Eviction),
        admission(5, 2).map(Proof::Admission),
        admission(5, 1).map(Proof::Admission),
    ];
    let ends = [
        departure(6, 1).map(Proof::Departure),
        eviction(6, 1).map(Proof::Eviction),
    ];
    let wrong = [
        admission(7, 1).map(Proof::Eviction),
        admission(7, 1).map(Proof::Admission),
    ];
    let values = [
        ("lives", &lives[..], Format::Bincode),
        ("ends", &ends[..], Format::Bincode),
        ("wrong-kind-json", &wrong[..], Format::Json),
    ];
    let encoded = values.into_iter().filter_map(|(name, proofs, format)| {
        let proofs: Vec<&Proof> = proofs.iter().flatten().collect();
        let body = format.encode(&proofs).ok()?;
        Some((name, sample(format, &body)))
    });
    encoded.collect()
}
