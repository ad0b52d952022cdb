//! A link verifies exactly when a quorum of the epoch it follows accepted exactly this, and exactly the right members made
//! it valid. Real signatures: with the cheap scheme anybody could forge.

use std::collections::BTreeMap;

use quorate_consensus::succession::{
    Change, ChangeError, Link, LinkError, Opinion, Place, Proposed,
};
use quorate_consensus::{Choice, NetworkId, NodeId, Record, RecordError, Signature};

use super::ring::Ring;

type Allows = BTreeMap<NodeId, Signature>;

#[test]
fn a_quorum_decides_and_one_less_does_not() {
    for members in 1..=6 {
        let ring = Ring::real(members);
        let admission = ring.admission(&ring.record(50, 1));
        let all = ring.members();
        let quorum = members as usize / 2 + 1;
        assert_eq!(ring.membership.quorum(), quorum);
        let just = ring.link(admission.clone(), &all[..quorum]);
        assert_eq!(just.verify(&ring.membership, ring.scheme), Ok(()));
        let short = ring.link(admission, &all[..quorum - 1]);
        let got = quorum - 1;
        assert_eq!(
            short.verify(&ring.membership, ring.scheme),
            Err(LinkError::TooFew { quorum, got })
        );
    }
}

#[test]
fn a_link_that_is_tampered_with_proves_nothing() {
    let ring = Ring::real(3);
    let admission = ring.admission(&ring.record(50, 1));
    let valid = ring.link(admission, &[1, 2]);
    let verify = |link: &Link| link.verify(&ring.membership, ring.scheme);
    assert_eq!(verify(&valid), Ok(()));

    let elsewhere = |link: &Link| matches!(verify(link), Err(LinkError::Elsewhere { .. }));
    let forged = |link: &Link| matches!(verify(link), Err(LinkError::Signature(_)));
    let few = |link: &Link| matches!(verify(link), Err(LinkError::TooFew { .. }));

    let mut bad = valid.clone();
    bad.epoch += 1;
    assert!(elsewhere(&bad), "another epoch");
    let mut bad = valid.clone();
    bad.parent = bad.head();
    assert!(elsewhere(&bad), "another head");
    let mut bad = valid.clone();
    bad.ballot.counter += 1;
    assert!(forged(&bad), "another ballot");
    let mut bad = valid.clone();
    bad.ballot.leader = ring.id(2);
    assert!(forged(&bad), "another leader");
    let mut bad = valid.clone();
    bad.change = ring.admission(&ring.record(51, 1));
    assert!(forged(&bad), "another change under the signatures");
    let mut bad = valid.clone();
    let borrowed = bad.accepted[&ring.id(1)];
    bad.accepted.insert(ring.id(2), borrowed);
    assert!(forged(&bad), "another voter's signature");
    let stranger = ring.link(valid.change.clone(), &[1, 2, 60]);
    assert!(few(&stranger), "a stranger's signature beside a quorum's");
    let stranger = ring.link(valid.change.clone(), &[1, 60]);
    assert!(few(&stranger), "a stranger's signature for a member's");
}

#[test]
fn a_link_of_an_earlier_epoch_or_of_another_network_cannot_be_used_again() {
    let mut ring = Ring::real(3);
    let admission = ring.admission(&ring.record(50, 1));
    let then = ring.link(admission.clone(), &[1, 2]);
    let gone = ring.eviction(&[3]);
    ring.decide(gone);
    let now = Link {
        epoch: ring.place().epoch,
        parent: ring.place().head,
        ..then.clone()
    };
    assert!(matches!(
        then.verify(&ring.membership, ring.scheme),
        Err(LinkError::Elsewhere { .. })
    ));
    // Dressed up for the new epoch: acceptances are bound to the head they follow.
    assert!(matches!(
        now.verify(&ring.membership, ring.scheme),
        Err(LinkError::Signature(_))
    ));
}

#[test]
fn an_admission_needs_the_allow_of_exactly_every_member() {
    let ring = Ring::real(3);
    let record = ring.record(50, 1);
    let Change::Admit { allows, .. } = ring.admission(&record) else {
        unreachable!()
    };
    let with = |edit: &dyn Fn(&mut Allows)| {
        let mut allows = allows.clone();
        edit(&mut allows);
        verify(
            &ring,
            Change::Admit {
                record: record.clone(),
                allows,
            },
        )
    };
    let signers = |got| Err(ChangeError::Signers { expected: 3, got });
    let forged = Err(ChangeError::Signature(ring.id(2)));
    assert_eq!(with(&|_| ()), Ok(()));

    let missing = with(&|allows| {
        allows.remove(&ring.id(2));
    });
    assert_eq!(missing, signers(2), "a quorum's is not enough");
    let extra = with(&|allows| {
        allows.insert(ring.id(60), ring.allow(60, &record).signature);
    });
    assert_eq!(extra, signers(3));
    let instead = with(&|allows| {
        allows.remove(&ring.id(2));
        allows.insert(ring.id(60), ring.allow(60, &record).signature);
    });
    assert_eq!(instead, signers(2));
    let denied = with(&|allows| {
        let deny = ring.opinion(2, &record, Choice::No);
        allows.insert(deny.voter, deny.signature);
    });
    assert_eq!(denied, forged, "a DENY is no ALLOW");
    let of_other_record = with(&|allows| {
        let other = ring.allow(2, &ring.record(51, 1));
        allows.insert(other.voter, other.signature);
    });
    assert_eq!(of_other_record, forged);
    let of_other_network = with(&|allows| {
        let network = NetworkId::new([9; 32]);
        let hash = record.hash();
        let allow = Opinion::sign(ring.signer(2), network, hash, 1, Choice::Yes, "");
        allows.insert(allow.voter, allow.signature);
    });
    assert_eq!(of_other_network, forged);
}

#[test]
fn an_allow_of_an_earlier_life_does_not_count() {
    let mut ring = Ring::real(3);
    let record = ring.record(50, 1);
    let allow_then = ring.allow(3, &record);
    let gone = ring.eviction(&[3]);
    ring.decide(gone);
    let back = ring.admission(&ring.record(3, 2));
    ring.decide(back);
    let Change::Admit { mut allows, .. } = ring.admission(&record) else {
        unreachable!()
    };
    assert_eq!(
        verify(
            &ring,
            Change::Admit {
                record: record.clone(),
                allows: allows.clone()
            }
        ),
        Ok(())
    );
    allows.insert(allow_then.voter, allow_then.signature);
    assert_eq!(
        verify(&ring, Change::Admit { record, allows }),
        Err(ChangeError::Signature(ring.id(3)))
    );
}

#[test]
fn a_record_is_admitted_only_here_only_once_and_only_as_it_was_signed() {
    let mut ring = Ring::real(3);
    let of_a_member = ring.admission(&ring.record(2, 5));
    assert!(matches!(
        verify(&ring, of_a_member),
        Err(ChangeError::Candidate { .. })
    ));

    let mut moved: Record = ring.record(50, 1);
    moved.endpoints = vec!["elsewhere:1".into()];
    let moved = ring.admission(&moved);
    assert_eq!(
        verify(&ring, moved),
        Err(ChangeError::Record(RecordError::Signature(ring.id(50))))
    );

    let gone = ring.eviction(&[3]);
    ring.decide(gone);
    // The very life that ended, and the next one.
    let same_life = ring.admission(&ring.record(3, 1));
    assert!(matches!(
        verify(&ring, same_life),
        Err(ChangeError::Candidate { .. })
    ));
    let next_life = ring.admission(&ring.record(3, 2));
    assert_eq!(verify(&ring, next_life), Ok(()));
}

#[test]
fn an_eviction_needs_every_accusation_of_those_who_stay_and_enough_who_stay() {
    let ring = Ring::real(5);
    let too_few = |staying| Err(ChangeError::TooFewStay { quorum: 3, staying });
    assert_eq!(verify(&ring, ring.eviction(&[4, 5])), Ok(()));
    assert_eq!(verify(&ring, ring.eviction(&[3, 4, 5])), too_few(2));
    assert_eq!(verify(&ring, ring.eviction(&[])), Err(ChangeError::Nobody));
    assert_eq!(
        verify(&ring, ring.eviction(&[60])),
        Err(ChangeError::NotAMember(ring.id(60)))
    );
    let even = Ring::real(4);
    assert_eq!(
        verify(&even, even.eviction(&[3, 4])),
        Err(ChangeError::TooFewStay {
            quorum: 3,
            staying: 2
        })
    );

    let with = |edit: &dyn Fn(&mut Allows)| {
        let Change::Evict { mut suspects } = ring.eviction(&[4, 5]) else {
            unreachable!()
        };
        edit(suspects.get_mut(&ring.id(5)).unwrap());
        verify(&ring, Change::Evict { suspects })
    };
    let signers = |got| Err(ChangeError::Signers { expected: 3, got });
    let missing = with(&|by| {
        by.remove(&ring.id(2));
    });
    assert_eq!(missing, signers(2));
    // What a suspect says of another suspect is no part of it.
    let extra = with(&|by| {
        by.insert(ring.id(4), ring.accusation(4, 5).signature);
    });
    assert_eq!(extra, signers(3));
    let of_another = with(&|by| {
        by.insert(ring.id(2), ring.accusation(2, 4).signature);
    });
    assert_eq!(of_another, Err(ChangeError::Signature(ring.id(2))));
}

#[test]
fn accusations_and_leaves_are_void_after_the_next_decision() {
    let mut ring = Ring::real(4);
    let eviction = ring.eviction(&[4]);
    let leave = Change::Leave(ring.leave(4));
    assert_eq!(verify(&ring, eviction.clone()), Ok(()));
    assert_eq!(verify(&ring, leave.clone()), Ok(()));
    let goes = Change::Leave(ring.leave(3));
    ring.decide(goes);
    // Of just those who are left, but said at the head before.
    let Change::Evict { mut suspects } = eviction else {
        unreachable!()
    };
    suspects.get_mut(&ring.id(4)).unwrap().remove(&ring.id(3));
    assert!(matches!(
        verify(&ring, Change::Evict { suspects }),
        Err(ChangeError::Signature(_))
    ));
    assert_eq!(
        verify(&ring, leave),
        Err(ChangeError::Signature(ring.id(4)))
    );
}

#[test]
fn nobody_leaves_by_anothers_word() {
    let ring = Ring::real(3);
    let mut leave = ring.leave(2);
    leave.member = ring.id(3);
    assert_eq!(
        verify(&ring, Change::Leave(leave)),
        Err(ChangeError::Signature(ring.id(3)))
    );
    assert_eq!(
        verify(&ring, Change::Leave(ring.leave(60))),
        Err(ChangeError::NotAMember(ring.id(60)))
    );
}

#[test]
fn what_is_said_of_a_ballot_is_bound_to_network_epoch_and_head() {
    let ring = Ring::real(3);
    let change = ring.admission(&ring.record(50, 1));
    let ballot = ring.ballot(1, 1);
    let (accepted, promise) = (
        ring.accepted(1, ballot, &change),
        ring.promise(1, ballot, None),
    );
    let proposed = Proposed::sign(ring.signer(1), &ring.place(), 1, change.hash());
    let are_valid = |place: &Place| {
        [
            accepted.is_valid(place, ring.scheme),
            promise.is_valid(place, ring.scheme),
            proposed.is_valid(place, ring.scheme),
        ]
    };
    let place = ring.place();
    assert_eq!(are_valid(&place), [true; 3]);
    let network = NetworkId::NONE;
    assert_eq!(are_valid(&Place { network, ..place }), [false; 3]);
    let epoch = place.epoch + 1;
    assert_eq!(are_valid(&Place { epoch, ..place }), [false; 3]);
    let head = change.hash();
    assert_eq!(are_valid(&Place { head, ..place }), [false; 3]);
}

#[test]
fn the_head_does_not_depend_on_who_signed() {
    let ring = Ring::real(3);
    let admission = ring.admission(&ring.record(50, 1));
    let heads = [&[1, 2][..], &[2, 3], &[1, 2, 3]].map(|voters| {
        let link = ring.link(admission.clone(), voters);
        assert_eq!(link.verify(&ring.membership, ring.scheme), Ok(()));
        ring.membership.apply(&link)
    });
    assert_eq!(heads[0], heads[1]);
    assert_eq!(heads[1], heads[2]);
}

fn verify(ring: &Ring, change: Change) -> Result<(), ChangeError> {
    let alone = change.verify(&ring.membership, ring.scheme);
    // A quorum that accepts it makes it no better.
    let link = ring.link(change, &ring.members());
    let linked = link.verify(&ring.membership, ring.scheme);
    assert_eq!(linked, alone.clone().map_err(LinkError::Change));
    alone
}
