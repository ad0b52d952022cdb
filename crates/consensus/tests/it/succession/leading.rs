//! Ballots: what a leader may propose, and what an acceptor goes along with.

use quorate_consensus::Succession;
use quorate_consensus::succession::{
    Change, Durable, Grounds, Output, Promise, Statement, StatementError, To,
};

use super::ring::{Ring, decided, drain, statements};

#[test]
fn a_ballot_runs_from_prepare_to_the_link_and_says_nothing_before_it_is_durable() {
    let ring = Ring::new(3);
    let record = ring.record(50, 1);
    let mut part = ring.part(1);
    ring.bring(1, &mut part, &record, &[1, 2, 3]);
    let change = ring.admission(&record);
    let ballot = ring.ballot(1, 1);
    assert!(part.lead(&ring.keys(1)));
    let outputs = drain(&mut part);
    assert_eq!(statements(&outputs), [&Statement::Prepare(ballot)]);
    assert!(persists_acceptor(&outputs), "its own promise");

    hear(&ring, &mut part, 2, promise(ring.promise(2, ballot, None)));
    let outputs = drain(&mut part);
    let [
        Statement::Accept {
            proposed, promises, ..
        },
        Statement::Accepted(accepted),
    ] = statements(&outputs)[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!((proposed.ballot, proposed.change), (ballot, change.hash()));
    assert_eq!(promises.len(), 2);
    assert_eq!(*accepted, ring.accepted(1, ballot, &change));
    let at = |wanted: &dyn Fn(&Output) -> bool| outputs.iter().position(wanted).unwrap();
    let durable = at(&|output| matches!(output, Output::Persist(Durable::Acceptor(_))));
    let sent = at(&|output| {
        !statements(std::slice::from_ref(output)).is_empty()
            && matches!(
                statements(std::slice::from_ref(output))[0],
                Statement::Accepted(_)
            )
    });
    assert!(durable < sent);

    hear(
        &ring,
        &mut part,
        2,
        Statement::Accepted(ring.accepted(2, ballot, &change)),
    );
    let outputs = drain(&mut part);
    let link = decided(&outputs).unwrap();
    assert_eq!(link.verify(&ring.membership, ring.scheme), Ok(()));
    assert!(matches!(
        &outputs[..],
        [Output::Persist(Durable::Link(first)), Output::Decided(then)] if first == then
    ));
    assert!(part.membership().member(&ring.id(50)).is_some());
}

#[test]
fn a_leader_finishes_what_the_highest_promise_names() {
    let ring = Ring::new(5);
    let mut part = ring.part(1);
    let (own, low, high) = (ring.record(50, 1), ring.record(51, 1), ring.record(52, 1));
    ring.bring(1, &mut part, &own, &[1, 2, 3, 4, 5]);
    let (low, high) = (ring.admission(&low), ring.admission(&high));
    let prepared = Statement::Prepare(ring.ballot(6, 5));
    hear(&ring, &mut part, 5, prepared);
    assert!(part.lead(&ring.keys(1)));
    let ballot = ring.ballot(7, 1);
    assert_eq!(part.leads(), Some(ballot));
    drain(&mut part);
    for (voter, counter, change) in [(2, 4, &high), (3, 2, &low)] {
        let promise = ring.promise(voter, ballot, Some((ring.ballot(counter, voter), change)));
        let change = Some(std::sync::Arc::new(change.clone()));
        hear(
            &ring,
            &mut part,
            voter,
            Statement::Promise {
                promise,
                change,
                grounds: Grounds::default(),
            },
        );
    }
    let outputs = drain(&mut part);
    let Statement::Accept { proposed, .. } = statements(&outputs)[0] else {
        panic!("{outputs:?}")
    };
    assert_eq!(proposed.change, high.hash());
}

#[test]
fn an_acceptor_refuses_what_the_promises_do_not_allow() {
    let ring = Ring::new(3);
    let (one, other) = (
        ring.admission(&ring.record(50, 1)),
        ring.admission(&ring.record(51, 1)),
    );
    let (early, late) = (ring.ballot(1, 1), ring.ballot(2, 2));
    let none = |voter| ring.promise(voter, late, None);
    let named = |voter, change| ring.promise(voter, late, Some((early, change)));
    let table: Vec<(&str, Vec<Promise>)> = vec![
        ("another change is demanded", vec![none(2), named(1, &one)]),
        (
            "a lower ballot's change",
            vec![
                ring.promise(2, late, Some((early, &other))),
                ring.promise(1, late, Some((ring.ballot(1, 3), &one))),
            ],
        ),
        ("fewer than a quorum", vec![none(2)]),
        ("one member twice", vec![none(2), none(2)]),
        ("a stranger", vec![none(2), none(60)]),
        (
            "for another ballot",
            vec![none(2), ring.promise(3, early, None)],
        ),
        (
            "naming its own ballot",
            vec![none(2), ring.promise(3, late, Some((late, &other)))],
        ),
        (
            "forged",
            vec![
                none(2),
                Promise {
                    voter: ring.id(3),
                    ..none(2)
                },
            ],
        ),
        (
            "changed",
            vec![
                none(2),
                Promise {
                    accepted: None,
                    ..named(3, &one)
                },
            ],
        ),
    ];
    for (why, promises) in table {
        let mut part = ring.part(3);
        let before = part.clone();
        let accept = ring.at(ring.accept(2, 2, &other, promises));
        let heard = part.handle_message(ring.id(2), accept, &ring.keys(3));
        assert!(heard.is_err(), "{why}");
        assert_eq!(part, before, "{why}");
    }
    let mut part = ring.part(3);
    hear(
        &ring,
        &mut part,
        2,
        ring.accept(2, 2, &other, vec![none(2), none(3)]),
    );
    assert_eq!(
        statements(&drain(&mut part)),
        [&Statement::Accepted(ring.accepted(3, late, &other))]
    );
}

#[test]
fn an_acceptor_does_not_accept_what_is_not_valid_whoever_promised() {
    let ring = Ring::new(3);
    let record = ring.record(50, 1);
    let Change::Admit { mut allows, .. } = ring.admission(&record) else {
        unreachable!()
    };
    allows.remove(&ring.id(3));
    let short = Change::Admit { record, allows };
    let ballot = ring.ballot(1, 2);
    let promises = [1, 2, 3].map(|voter| ring.promise(voter, ballot, None));
    let mut part = ring.part(3);
    let before = part.clone();
    let accept = ring.at(ring.accept(2, 1, &short, promises.to_vec()));
    let heard = part.handle_message(ring.id(2), accept, &ring.keys(3));
    assert!(matches!(heard, Err(StatementError::Change(_))));
    assert_eq!(part, before);
}

#[test]
fn who_promised_a_larger_ballot_refuses_a_smaller_one_and_says_which() {
    let ring = Ring::new(3);
    let change = ring.admission(&ring.record(50, 1));
    let (small, large) = (ring.ballot(1, 1), ring.ballot(1, 2));
    let mut part = ring.part(3);
    hear(&ring, &mut part, 2, Statement::Prepare(large));
    drain(&mut part);
    let refused = Statement::Refused {
        ballot: small,
        promised: large,
    };
    hear(&ring, &mut part, 1, Statement::Prepare(small));
    assert_eq!(statements(&drain(&mut part)), [&refused]);
    let promises = [1, 2].map(|voter| ring.promise(voter, small, None));
    hear(
        &ring,
        &mut part,
        1,
        ring.accept(1, 1, &change, promises.to_vec()),
    );
    assert_eq!(statements(&drain(&mut part)), [&refused]);

    let mut leader = ring.part(1);
    ring.bring(1, &mut leader, &ring.record(50, 1), &[1, 2, 3]);
    assert!(leader.lead(&ring.keys(1)));
    drain(&mut leader);
    hear(&ring, &mut leader, 3, refused);
    assert_eq!(drain(&mut leader), [Output::Refused]);
    assert_eq!(leader.leads(), None);
    assert!(leader.lead(&ring.keys(1)));
    assert_eq!(leader.leads(), Some(ring.ballot(2, 1)));
}

#[test]
fn one_that_refuses_does_not_stop_a_leader_who_can_do_without_it() {
    let ring = Ring::new(3);
    let record = ring.record(50, 1);
    let change = ring.admission(&record);
    let mut leader = ring.part(1);
    ring.bring(1, &mut leader, &record, &[1, 2, 3]);
    for other in [2, 3] {
        leader.set_present(ring.id(other), true);
    }
    assert!(leader.lead(&ring.keys(1)));
    drain(&mut leader);
    let ballot = ring.ballot(1, 1);
    let refused = Statement::Refused {
        ballot,
        promised: ring.ballot(9, 3),
    };
    hear(&ring, &mut leader, 3, refused.clone());
    hear(&ring, &mut leader, 3, refused);
    assert_eq!(drain(&mut leader), []);
    hear(
        &ring,
        &mut leader,
        2,
        promise(ring.promise(2, ballot, None)),
    );
    hear(
        &ring,
        &mut leader,
        2,
        Statement::Accepted(ring.accepted(2, ballot, &change)),
    );
    assert!(decided(&drain(&mut leader)).is_some());
}

#[test]
fn who_knows_that_a_promise_hides_an_acceptance_does_not_go_along() {
    let ring = Ring::new(3);
    let [hidden, other] = [50, 51].map(|number| ring.admission(&ring.record(number, 1)));
    let (small, large) = (ring.ballot(1, 1), ring.ballot(2, 3));
    let mut part = ring.part(1);
    hear(
        &ring,
        &mut part,
        2,
        Statement::Accepted(ring.accepted(2, small, &hidden)),
    );
    let promises = [2, 3].map(|voter| ring.promise(voter, large, None));
    hear(
        &ring,
        &mut part,
        3,
        ring.accept(3, 2, &other, promises.to_vec()),
    );
    let outputs = drain(&mut part);
    assert!(!persists_acceptor(&outputs), "{outputs:?}");
    assert!(matches!(outputs[0], Output::Evidence(_)), "{outputs:?}");
}

#[test]
fn nobody_goes_along_with_a_free_choice_to_throw_out_itself() {
    let ring = Ring::new(3);
    let eviction = ring.eviction(&[3]);
    let ballot = ring.ballot(2, 2);
    let mut suspect = ring.part(3);
    let free = [1, 2].map(|voter| ring.promise(voter, ballot, None));
    hear(
        &ring,
        &mut suspect,
        2,
        ring.accept(2, 2, &eviction, free.to_vec()),
    );
    let refused = Statement::Refused {
        ballot,
        promised: ballot,
    };
    assert_eq!(statements(&drain(&mut suspect)), [&refused]);
}

#[test]
fn a_present_member_is_not_thrown_out_by_a_free_choice_but_an_accepted_eviction_is_finished() {
    let ring = Ring::new(3);
    let eviction = ring.eviction(&[3]);
    let ballot = ring.ballot(2, 2);
    let mut part = ring.part(1);
    part.set_present(ring.id(3), true);
    let free = [1, 2].map(|voter| ring.promise(voter, ballot, None));
    hear(
        &ring,
        &mut part,
        2,
        ring.accept(2, 2, &eviction, free.to_vec()),
    );
    assert!(!persists_acceptor(&drain(&mut part)));

    let named = Some((ring.ballot(1, 1), &eviction));
    let demanded = vec![
        ring.promise(3, ballot, named),
        ring.promise(2, ballot, None),
    ];
    hear(&ring, &mut part, 2, ring.accept(2, 2, &eviction, demanded));
    assert_eq!(
        statements(&drain(&mut part)),
        [&Statement::Accepted(ring.accepted(1, ballot, &eviction))]
    );
    // And having accepted it, this member has cause to finish it itself.
    assert_eq!(part.choice(), None);
    assert!(part.has_cause());
}

#[test]
fn a_question_asked_again_is_answered_again() {
    let ring = Ring::new(3);
    let change = ring.admission(&ring.record(50, 1));
    let ballot = ring.ballot(1, 2);
    let promises = [2, 3].map(|voter| ring.promise(voter, ballot, None));
    let mut part = ring.part(1);
    let mut answers = |statement: Statement| {
        hear(&ring, &mut part, 2, statement);
        drain(&mut part)
    };
    let first = answers(Statement::Prepare(ballot));
    let again = answers(Statement::Prepare(ballot));
    assert_eq!(statements(&first), statements(&again));
    assert!(!persists_acceptor(&again));
    let accept = ring.accept(2, 1, &change, promises.to_vec());
    let first = answers(accept.clone());
    for question in [accept, Statement::Prepare(ballot)] {
        let again = answers(question);
        assert_eq!(statements(&first), statements(&again));
        assert!(matches!(again[..], [Output::Send { to: To::One(_), .. }]));
    }
}

#[test]
fn an_older_acceptance_that_comes_late_does_not_undo_a_newer_one() {
    let ring = Ring::new(5);
    let (one, other) = (
        ring.admission(&ring.record(50, 1)),
        ring.admission(&ring.record(51, 1)),
    );
    let (early, late) = (ring.ballot(1, 4), ring.ballot(2, 2));
    let promises = [1, 2, 5].map(|voter| ring.promise(voter, late, None));
    let mut part = ring.part(1);
    hear(
        &ring,
        &mut part,
        2,
        ring.accept(2, 2, &one, promises.to_vec()),
    );
    hear(
        &ring,
        &mut part,
        3,
        Statement::Accepted(ring.accepted(3, late, &one)),
    );
    hear(
        &ring,
        &mut part,
        3,
        Statement::Accepted(ring.accepted(3, early, &other)),
    );
    assert_eq!(decided(&drain(&mut part)), None);
    hear(
        &ring,
        &mut part,
        5,
        Statement::Accepted(ring.accepted(5, late, &one)),
    );
    let outputs = drain(&mut part);
    let link = decided(&outputs).unwrap();
    assert_eq!((link.ballot, &link.change), (late, &one));
    assert_eq!(link.accepted.len(), 3);
}

#[test]
fn a_leader_whose_candidate_has_gone_gives_up() {
    let ring = Ring::new(3);
    let mut part = ring.part(1);
    ring.bring(1, &mut part, &ring.record(50, 1), &[1, 2, 3]);
    assert!(part.lead(&ring.keys(1)));
    drain(&mut part);
    part.handle_candidate_gone(&ring.id(50));
    hear(
        &ring,
        &mut part,
        2,
        promise(ring.promise(2, ring.ballot(1, 1), None)),
    );
    assert_eq!(statements(&drain(&mut part)).len(), 0);
    assert_eq!(part.leads(), None);
}

fn promise(promise: Promise) -> Statement {
    Statement::Promise {
        promise,
        change: None,
        grounds: Grounds::default(),
    }
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

fn persists_acceptor(outputs: &[Output]) -> bool {
    let is_acceptor = |output: &Output| matches!(output, Output::Persist(Durable::Acceptor(_)));
    outputs.iter().any(is_acceptor)
}
