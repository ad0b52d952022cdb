//! Who contradicts itself leaves evidence that anyone can check, and that nobody can make up.

use quorate_consensus::succession::{Evidence, Grounds, Message, Output, Promise, Statement};
use quorate_consensus::{Choice, NetworkId, Succession};

use super::ring::{Ring, drain};

#[test]
fn allow_and_deny_of_one_record() {
    let ring = Ring::real(3);
    let record = ring.record(50, 1);
    let mut part = ring.part(1);
    ring.bring(1, &mut part, &record, &[2]);
    let deny = Message::Opinion(ring.opinion(2, &record, Choice::No));
    part.handle_message(ring.id(2), deny, &ring.keys(1))
        .unwrap();
    let evidence = shown(&ring, &mut part);
    assert_eq!(evidence.suspects(), [ring.id(2)]);
    // The first word stays counted.
    let kept = part.opinions(&record.hash()).next().unwrap();
    assert_eq!(kept.choice, Choice::Yes);

    let Evidence::Opinions {
        network,
        first,
        second,
    } = evidence
    else {
        panic!("{evidence}")
    };
    let with = |network, first, second| Evidence::Opinions {
        network,
        first,
        second,
    };
    assert_false(&ring, with(network, first.clone(), first.clone()));
    assert_false(&ring, with(NetworkId::NONE, first.clone(), second.clone()));
    assert_false(
        &ring,
        with(network, first.clone(), ring.opinion(3, &record, Choice::No)),
    );
    let of_other = ring.opinion(2, &ring.record(51, 1), Choice::No);
    assert_false(&ring, with(network, first.clone(), of_other));
    let mut forged = ring.allow(2, &record);
    forged.choice = Choice::No;
    assert_false(&ring, with(network, first, forged));
}

#[test]
fn two_changes_proposed_in_one_ballot() {
    let ring = Ring::real(3);
    let (one, other) = changes(&ring);
    let ballot = ring.ballot(1, 2);
    let promises = || {
        [2, 3]
            .map(|voter| ring.promise(voter, ballot, None))
            .to_vec()
    };
    let mut part = ring.part(1);
    hear(&ring, &mut part, 2, ring.accept(2, 1, &one, promises()));
    drain(&mut part);
    hear(&ring, &mut part, 2, ring.accept(2, 1, &other, promises()));
    let evidence = shown(&ring, &mut part);
    assert_eq!(evidence.suspects(), [ring.id(2)]);

    let Evidence::Proposed {
        place,
        first,
        second,
    } = evidence
    else {
        panic!("{evidence}")
    };
    let with = |first, second| Evidence::Proposed {
        place,
        first,
        second,
    };
    assert_false(&ring, with(first, first));
    let mut forged = second;
    forged.change = ring.eviction(&[3]).hash();
    assert_false(&ring, with(first, forged));
    let Statement::Accept {
        proposed: later, ..
    } = ring.accept(2, 2, &other, promises())
    else {
        unreachable!()
    };
    assert_false(&ring, with(first, later));
}

#[test]
fn two_changes_accepted_in_one_ballot() {
    let ring = Ring::real(5);
    let (one, other) = changes(&ring);
    let ballot = ring.ballot(1, 2);
    let mut part = ring.part(1);
    hear(
        &ring,
        &mut part,
        3,
        Statement::Accepted(ring.accepted(3, ballot, &one)),
    );
    hear(
        &ring,
        &mut part,
        3,
        Statement::Accepted(ring.accepted(3, ballot, &other)),
    );
    let evidence = shown(&ring, &mut part);
    assert_eq!(evidence.suspects(), [ring.id(3)]);

    let Evidence::Accepted {
        place,
        first,
        second,
    } = evidence
    else {
        panic!("{evidence}")
    };
    let with = |first, second| Evidence::Accepted {
        place,
        first,
        second,
    };
    assert_false(&ring, with(first, first));
    assert_false(&ring, with(first, ring.accepted(4, ballot, &other)));
    assert_false(
        &ring,
        with(first, ring.accepted(3, ring.ballot(2, 2), &other)),
    );
    let mut forged = second;
    forged.change = ring.eviction(&[4]).hash();
    assert_false(&ring, with(first, forged));
    let mut elsewhere = place;
    elsewhere.epoch += 1;
    assert_false(
        &ring,
        Evidence::Accepted {
            place: elsewhere,
            first,
            second,
        },
    );
}

#[test]
fn a_promise_that_hides_an_acceptance_to_the_leader_or_in_an_accept() {
    let ring = Ring::real(5);
    let (one, other) = changes(&ring);
    let (early, late) = (ring.ballot(1, 2), ring.ballot(2, 1));
    let accepted = ring.accepted(3, early, &one);
    let hiding = ring.promise(3, late, None);

    let mut leader = ring.part(1);
    ring.bring(1, &mut leader, &ring.record(51, 1), &[1, 2, 3, 4, 5]);
    hear(&ring, &mut leader, 3, Statement::Accepted(accepted));
    assert!(leader.lead(&ring.keys(1)));
    assert_eq!(leader.leads(), Some(late));
    drain(&mut leader);
    hear(
        &ring,
        &mut leader,
        3,
        Statement::Promise {
            promise: hiding.clone(),
            change: None,
            grounds: Grounds::default(),
        },
    );
    // Until it knows that this is no promise from before a loss.
    let said = Statement::Promise {
        promise: ring.promise(2, late, None),
        change: None,
        grounds: Grounds::default(),
    };
    hear(&ring, &mut leader, 2, said);
    let evidence = shown(&ring, &mut leader);
    assert_eq!(evidence.suspects(), [ring.id(3)]);

    let mut acceptor = ring.part(4);
    hear(&ring, &mut acceptor, 3, Statement::Accepted(accepted));
    let promises = vec![
        ring.promise(1, late, None),
        hiding,
        ring.promise(5, late, None),
    ];
    let accept = ring.at(ring.accept(1, 2, &other, promises));
    let _heard = acceptor.handle_message(ring.id(1), accept, &ring.keys(4));
    assert_eq!(shown(&ring, &mut acceptor), evidence);

    let Evidence::Promise {
        place,
        promise,
        accepted,
    } = evidence
    else {
        panic!("{evidence}")
    };
    let with = |promise: Promise, accepted| Evidence::Promise {
        place,
        promise,
        accepted,
    };
    let naming = |ballot, change| ring.promise(3, late, Some((ballot, change)));
    // These hide nothing.
    assert_false(&ring, with(naming(early, &one), accepted));
    assert_false(
        &ring,
        with(
            naming(ring.ballot(1, 3).max(early), &other),
            ring.accepted(3, ring.ballot(1, 3).min(early), &one),
        ),
    );
    assert_false(&ring, with(promise.clone(), ring.accepted(3, late, &one)));
    assert_false(&ring, with(promise.clone(), ring.accepted(4, early, &one)));
    let mut forged = naming(early, &one);
    forged.accepted = None;
    assert_false(&ring, with(forged, accepted));
    // This names another change than was accepted in that ballot.
    let naming_another = with(naming(early, &other), accepted);
    assert!(naming_another.is_valid(None, ring.scheme));
}

#[test]
fn two_decisions_of_one_epoch() {
    let ring = Ring::real(3);
    let (one, other) = changes(&ring);
    let fork = |first, second| Evidence::Fork {
        first: Box::new(first),
        second: Box::new(second),
    };
    let (first, second) = (ring.link(one.clone(), &[1, 2]), ring.link(other, &[2, 3]));
    let evidence = fork(first.clone(), second.clone());
    assert!(evidence.is_valid(Some(&ring.membership), ring.scheme));
    assert_eq!(evidence.suspects(), [ring.id(2)]);
    assert!(!evidence.is_valid(None, ring.scheme));
    let next = ring.membership.apply(&first);
    assert!(!evidence.is_valid(Some(&next), ring.scheme));
    // Two quorums for one decision are no fork.
    assert_false(&ring, fork(first.clone(), ring.link(one, &[2, 3])));
    let mut short = second;
    short.accepted.pop_first();
    assert_false(&ring, fork(first, short));
}

#[test]
fn what_honest_members_repeat_is_no_evidence() {
    let ring = Ring::real(5);
    let (one, _) = changes(&ring);
    let (early, late) = (ring.ballot(1, 2), ring.ballot(2, 1));
    let mut part = ring.part(1);
    ring.bring(1, &mut part, &ring.record(50, 1), &[1, 2, 3, 4, 5]);
    for ballot in [early, early, late, early] {
        hear(
            &ring,
            &mut part,
            3,
            Statement::Accepted(ring.accepted(3, ballot, &one)),
        );
    }
    let outputs = drain(&mut part);
    assert!(
        !outputs
            .iter()
            .any(|output| matches!(output, Output::Evidence(_)))
    );
}

fn changes(
    ring: &Ring,
) -> (
    quorate_consensus::succession::Change,
    quorate_consensus::succession::Change,
) {
    (
        ring.admission(&ring.record(50, 1)),
        ring.admission(&ring.record(51, 1)),
    )
}

fn hear(ring: &Ring, part: &mut Succession, from: u64, statement: Statement) {
    let me = ring
        .members()
        .into_iter()
        .find(|member| ring.id(*member) == part.me())
        .unwrap();
    part.handle_message(ring.id(from), ring.at(statement), &ring.keys(me))
        .unwrap();
}

/// The one piece of evidence that came out, which must hold.
fn shown(ring: &Ring, part: &mut Succession) -> Evidence {
    let mut found: Vec<_> = drain(part)
        .into_iter()
        .filter_map(|output| match output {
            Output::Evidence(evidence) => Some(evidence),
            _ => None,
        })
        .collect();
    assert_eq!(found.len(), 1);
    assert!(found[0].is_valid(None, ring.scheme));
    found.remove(0)
}

#[track_caller]
fn assert_false(ring: &Ring, evidence: Evidence) {
    assert!(
        !evidence.is_valid(Some(&ring.membership), ring.scheme),
        "{evidence:?}"
    );
}
