//! Rosters that have seen the same proofs are equal, in whatever order and however often they came.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use quorate_consensus::{
    Departure, Merged, NodeId, Proof, ProofError, Proposal, QuorumRule, Roster, Standing, Unproven,
    VerifiedProof,
};

use crate::sample::{
    NETWORK, START_MS, admission, certificate, departure, electorate, electorate_of, eviction,
    motion, record, report, signer,
};

proptest! {
    #[test]
    fn merging_in_any_order_gives_one_roster((proofs, shuffled) in shuffled_proofs()) {
        let (straight, turned) = (merged(&proofs), merged(&shuffled));
        prop_assert_eq!(&straight, &turned);
        prop_assert_eq!(straight.digest(), turned.digest());
        // Not only the standings: the signatures of all are united too.
        prop_assert!(straight.iter().eq(turned.iter()));
    }

    #[test]
    fn grouping_does_not_matter(
        a in arbitrary_proofs(), b in arbitrary_proofs(), c in arbitrary_proofs(),
    ) {
        let [a, b, c] = [a, b, c].map(|proofs| merged(&proofs));
        let left = union(union(a.clone(), &b), &c);
        let right = union(a, &union(b, &c));
        prop_assert_eq!(&left, &right);
        prop_assert!(left.iter().eq(right.iter()));
    }

    #[test]
    fn merging_again_changes_nothing(proofs in arbitrary_proofs()) {
        let once = merged(&proofs);
        let mut twice = once.clone();
        for proof in &proofs {
            let again = twice.merge(proof.clone());
            prop_assert!(matches!(again, Merged::Known | Merged::Outdated), "{again:?}");
        }
        prop_assert!(once.iter().eq(twice.iter()));
        prop_assert_eq!(once.digest(), twice.digest());
    }

    #[test]
    fn digests_are_equal_exactly_when_standings_are(
        a in arbitrary_proofs(), more in prop::collection::vec(arbitrary_proof(), 0..3),
    ) {
        let (a, more) = (merged(&a), merged(&more));
        let b = union(a.clone(), &more);
        let standings = |roster: &Roster| -> Vec<_> {
            roster.iter().map(|(node, entry)| (*node, entry.key)).collect()
        };
        prop_assert_eq!(a.digest() == b.digest(), standings(&a) == standings(&b));
        prop_assert_eq!(a == b, standings(&a) == standings(&b));
    }

    #[test]
    fn bucket_digests_locate_the_difference(a in arbitrary_proofs(), b in arbitrary_proofs()) {
        let (mut a, b) = (merged(&a), merged(&b));
        let differ: Vec<u8> = (0..=255u8)
            .zip(a.bucket_digests().zip(b.bucket_digests()))
            .filter(|(_, (ours, theirs))| ours != theirs)
            .map(|(bucket, _)| bucket)
            .collect();
        for bucket in 0..=255 {
            let keys = |roster: &Roster| -> Vec<_> {
                roster.bucket(bucket).map(|(node, entry)| (*node, entry.key)).collect()
            };
            prop_assert_eq!(keys(&a) != keys(&b), differ.contains(&bucket));
            prop_assert!(keys(&a).iter().all(|(node, _)| node.as_bytes()[0] == bucket));
        }
        // Fetching those buckets is enough to have everything the other has.
        let all = union(a.clone(), &b);
        for bucket in differ {
            for (_, entry) in b.bucket(bucket) {
                a.merge(verified(entry.proof.clone()));
            }
        }
        prop_assert_eq!(a, all);
    }

    #[test]
    fn it_counts_its_members(proofs in arbitrary_proofs()) {
        let mut roster = Roster::new();
        for proof in proofs {
            roster.merge(proof);
            let admitted = roster.iter().filter(|(_, entry)| entry.key.standing == Standing::Admitted);
            let admitted: BTreeSet<NodeId> = admitted.map(|(node, _)| *node).collect();
            prop_assert_eq!(roster.member_count(), admitted.len());
            prop_assert!(roster.members().map(|record| record.node).eq(admitted));
            prop_assert_eq!(roster.len(), roster.iter().count());
        }
    }
}

#[test]
fn the_larger_standing_wins() {
    let admit = |incarnation, attempt| {
        let proposal = Proposal::Admit(record(&signer(50), incarnation, attempt, START_MS));
        certificate(&electorate(3), &proposal, [1, 2])
    };
    let evict = certificate(&electorate(3), &eviction(1, 50), [1, 2]);
    let rising = [
        Proof::Admission(admit(1, 1)),
        Proof::Admission(admit(1, 2)),
        Proof::Eviction(evict),
        departure(admit(1, 1)),
        Proof::Admission(admit(2, 1)),
    ]
    .map(|proof| Arc::new(proof).verify(&electorate(3), &Unproven).unwrap());
    for pair in rising.windows(2) {
        let [lesser, larger] = pair else {
            unreachable!("windows of two")
        };
        let mut roster = Roster::new();
        assert_eq!(roster.merge(larger.clone()), Merged::Changed(None));
        assert_eq!(roster.merge(lesser.clone()), Merged::Outdated);
        let mut roster = Roster::new();
        roster.merge(lesser.clone());
        let before = roster.get(&lesser.node()).cloned();
        assert_eq!(roster.merge(larger.clone()), Merged::Changed(before));
        assert_eq!(roster.get(&larger.node()).unwrap().key, larger.key());
    }
}

#[test]
fn a_wider_certificate_adds_its_signatures_and_changes_no_digest() {
    let mut roster = Roster::new();
    let by = |voters: [u64; 3]| {
        verified(Arc::new(Proof::Admission(certificate(
            &electorate(5),
            &admission(50),
            voters,
        ))))
    };
    roster.merge(by([1, 2, 3]));
    let digest = roster.digest();
    assert_eq!(roster.merge(by([3, 4, 5])), Merged::Widened);
    assert_eq!(roster.merge(by([1, 2, 4])), Merged::Known);
    let (_, entry) = roster.iter().next().unwrap();
    assert_eq!(entry.proof.certificate().votes.len(), 5);
    assert!(
        entry
            .proof
            .clone()
            .verify(&electorate(5), &Unproven)
            .is_ok()
    );
    assert_eq!(roster.digest(), digest);
}

#[test]
fn signatures_of_two_epochs_are_never_mixed() {
    let later = electorate_of(NETWORK, 1, QuorumRule::Majority, 5);
    let first = Proof::Admission(certificate(&electorate(5), &admission(50), [1, 2, 3]));
    let second = Proof::Admission(certificate(&later, &admission(50), [3, 4, 5]));
    let mut roster = Roster::new();
    roster.merge(verified(Arc::new(first)));
    roster.merge(Arc::new(second).verify(&later, &Unproven).unwrap());
    let (_, entry) = roster.iter().next().unwrap();
    let kept = entry.proof.clone();
    assert!(
        kept.clone().verify(&electorate(5), &Unproven).is_ok()
            || kept.verify(&later, &Unproven).is_ok(),
        "the merged certificate proves nothing to anybody"
    );
}

#[test]
fn a_departure_is_the_members_own_word() {
    let electorate = electorate(3);
    let admitted = certificate(&electorate, &admission(50), [1, 2]);
    assert_eq!(Departure::sign(&signer(51), admitted.clone()), None);

    let Proof::Departure(own) = departure(admitted.clone()) else {
        unreachable!("departure makes departures")
    };
    let of_another = certificate(&electorate, &admission(51), [1, 2]);
    let Proof::Departure(others) = departure(of_another.clone()) else {
        unreachable!("departure makes departures")
    };
    let signed_by_another = Departure {
        signature: others.signature,
        ..own.clone()
    };
    let under_anothers_admission = Departure {
        admission: of_another.into(),
        ..own.clone()
    };
    for (forged, leaver) in [(signed_by_another, 50), (under_anothers_admission, 51)] {
        assert_eq!(
            Arc::new(Proof::Departure(forged)).verify(&electorate, &Unproven),
            Err(ProofError::Departure(NodeId::from(leaver)))
        );
    }
    let never_admitted = Departure {
        admission: certificate(&electorate, &admission(50), [1]).into(),
        ..own.clone()
    };
    assert!(matches!(
        Arc::new(Proof::Departure(never_admitted)).verify(&electorate, &Unproven),
        Err(ProofError::Certificate(_))
    ));
    let left = Arc::new(Proof::Departure(own))
        .verify(&electorate, &Unproven)
        .unwrap();
    assert_eq!(left.key().standing, Standing::Left);
}

#[test]
fn a_departure_without_an_admission_is_of_another_kind() {
    let electorate = electorate(3);
    let evicted = certificate(&electorate, &eviction(1, 50), [1, 2]);
    assert_eq!(Departure::sign(&signer(50), evicted.clone()), None);
    let Proof::Departure(real) = departure(certificate(&electorate, &admission(50), [1, 2])) else {
        unreachable!("departure makes departures")
    };
    let wrong = Departure {
        admission: evicted.into(),
        ..real
    };
    assert!(matches!(
        Arc::new(Proof::Departure(wrong)).verify(&electorate, &Unproven),
        Err(ProofError::AnotherKind { .. })
    ));
}

#[test]
fn a_certificate_of_one_kind_proves_no_standing_of_another() {
    let electorate = electorate(3);
    let admit = certificate(&electorate, &admission(50), [1, 2]);
    let evict = certificate(&electorate, &eviction(1, 50), [1, 2]);
    let moved = certificate(&electorate, &motion(1, 1), [1, 2]);
    assert_eq!(Proof::of(moved.clone()), None);
    for wrong in [
        Proof::Admission(evict),
        Proof::Admission(moved.clone()),
        Proof::Eviction(admit),
        Proof::Eviction(moved),
    ] {
        assert_eq!(wrong.claims(), None);
        assert!(matches!(
            Arc::new(wrong).verify(&electorate, &Unproven),
            Err(ProofError::AnotherKind { .. })
        ));
    }
}

/// Any standing of one of six nodes in four buckets, decided by a quorum of five voters or more.
fn arbitrary_proof() -> impl Strategy<Value = VerifiedProof> {
    let node = prop::sample::select(vec![0, 1, 1 << 56, (1 << 56) + 1, 9 << 56, 255 << 56]);
    let voters = prop::sample::subsequence(vec![1, 2, 3, 4, 5], 3..=5);
    (node, 0..3u8, 1..4u64, 1..3u64, voters).prop_map(
        |(number, kind, incarnation, attempt, voters)| {
            let node = signer(number);
            let admit = Proposal::Admit(record(&node, incarnation, attempt, START_MS));
            let evict = Proposal::Evict(report(
                &signer(1 << 40),
                NodeId::from(number),
                incarnation,
                attempt,
                START_MS,
            ));
            let electorate = electorate(5);
            verified(Arc::new(match kind {
                0 => Proof::Admission(certificate(&electorate, &admit, voters)),
                1 => Proof::Eviction(certificate(&electorate, &evict, voters)),
                _ => departure(certificate(&electorate, &admit, voters)),
            }))
        },
    )
}

fn arbitrary_proofs() -> impl Strategy<Value = Vec<VerifiedProof>> {
    prop::collection::vec(arbitrary_proof(), 0..10)
}

fn shuffled_proofs() -> impl Strategy<Value = (Vec<VerifiedProof>, Vec<VerifiedProof>)> {
    arbitrary_proofs().prop_flat_map(|proofs| (Just(proofs.clone()), Just(proofs).prop_shuffle()))
}

fn verified(proof: Arc<Proof>) -> VerifiedProof {
    proof.verify(&electorate(5), &Unproven).unwrap()
}

fn merged(proofs: &[VerifiedProof]) -> Roster {
    let mut roster = Roster::new();
    for proof in proofs {
        roster.merge(proof.clone());
    }
    roster
}

/// As two nodes do it: one sends its proofs, the other verifies and merges them.
fn union(mut roster: Roster, other: &Roster) -> Roster {
    for (_, entry) in other.iter() {
        roster.merge(verified(entry.proof.clone()));
    }
    roster
}
