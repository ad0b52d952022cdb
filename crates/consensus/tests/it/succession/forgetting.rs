//! A member that has lost what it said: when it takes part again, with what, and above what.

use quorate_consensus::Succession;
use quorate_consensus::succession::{
    Ballot, Change, Durable, Grounds, Loss, Lost, Output, Promise, Statement,
};

use super::ring::{Ring, drain, statements};

/// A member that lost its store, and can ask so many.
pub(super) fn forgetful(ring: &Ring, number: u64, others: usize) -> Succession {
    let mut part = ring.part(number);
    part.forget();
    part.set_asked(others);
    part
}

pub(super) fn hear(
    ring: &Ring,
    me: u64,
    part: &mut Succession,
    from: u64,
    said: Statement,
) -> Vec<Output> {
    let said = ring.at(said);
    let heard = part.handle_message(ring.id(from), said, &ring.keys(me));
    heard.unwrap();
    drain(part)
}

/// Leads, and returns the question.
pub(super) fn lead(ring: &Ring, number: u64, part: &mut Succession) -> Statement {
    assert!(part.lead(&ring.keys(number)));
    let outputs = drain(part);
    statements(&outputs)[0].clone()
}

/// Asks another, hears the answer, and returns what follows.
pub(super) fn ask(
    ring: &Ring,
    (me, part): (u64, &mut Succession),
    (number, other): (u64, &mut Succession),
    question: &Statement,
) -> Vec<Output> {
    let answer = hear(ring, number, other, me, question.clone());
    let answers = statements(&answer);
    let heard = answers
        .into_iter()
        .flat_map(|statement| hear(ring, me, part, number, statement.clone()));
    heard.collect()
}

pub(super) fn promise_of(outputs: &[Output]) -> Promise {
    match statements(outputs)[..] {
        [Statement::Promise { promise, .. }] => promise.clone(),
        ref other => panic!("{other:?}"),
    }
}

/// Has somebody accept a change in a ballot that 2, 3 and it have promised.
fn accept(ring: &Ring, number: u64, part: &mut Succession, ballot: Ballot, change: &Change) {
    let others = [2, 3].into_iter().filter(|other| *other != number);
    let promises = others.chain([number]);
    let promises: Vec<Promise> = promises
        .map(|voter| ring.promise(voter, ballot, None))
        .collect();
    let accept = ring.accept(2, ballot.counter, change, promises);
    hear(ring, number, part, 2, accept);
}

#[test]
fn it_takes_part_again_by_so_many_others_that_no_quorum_goes_without_one_of_them() {
    let ring = Ring::new(5);
    let mut part = forgetful(&ring, 5, 2);
    assert!(!part.has_cause(), "two others are too few");
    part.set_asked(3);
    let prepare = Statement::Prepare(ring.ballot(1, 2));
    let answer = hear(&ring, 5, &mut part, 2, prepare.clone());
    let is_refusal = |outputs: &[Output]| {
        let said = statements(outputs);
        matches!(said[..], [Statement::Refused { .. }])
    };
    assert!(is_refusal(&answer));
    let question = lead(&ring, 5, &mut part);
    let ballot = part.leads().unwrap();
    for number in 1..=3 {
        assert!(part.has_forgotten());
        let other = (number, &mut ring.part(number));
        ask(&ring, (5, &mut part), other, &question);
    }
    assert!(!part.has_forgotten());
    assert_eq!((part.leads(), part.promised()), (None, Some(ballot)));
    // What comes below is refused, and above it promises as others do, and says what it lost.
    assert!(is_refusal(&hear(&ring, 5, &mut part, 2, prepare)));
    let above = Statement::Prepare(ring.ballot(ballot.counter + 1, 2));
    let promise = promise_of(&hear(&ring, 5, &mut part, 2, above));
    assert_eq!(promise.since(), Some(ballot));
}

#[test]
fn what_others_have_accepted_it_leads_to_its_end() {
    let ring = Ring::new(5);
    let change = ring.admission(&ring.record(50, 1));
    let mut accepting = ring.part(1);
    accept(&ring, 1, &mut accepting, ring.ballot(1, 2), &change);
    let mut part = forgetful(&ring, 5, 4);
    let question = lead(&ring, 5, &mut part);
    let ballot = part.leads().unwrap();
    ask(&ring, (5, &mut part), (1, &mut accepting), &question);
    let mut others = [2, 3].map(|number| (number, ring.part(number)));
    let mut last = Vec::new();
    for (number, other) in &mut others {
        assert!(part.has_forgotten(), "of three, one has accepted");
        last = ask(&ring, (5, &mut part), (*number, other), &question);
    }
    let said = statements(&last);
    assert!(
        matches!(said[..], [Statement::Accept { proposed, .. }, Statement::Accepted(accepted)]
            if proposed.change == change.hash() && accepted.ballot == ballot),
        "{said:?}"
    );
    assert!(!part.has_forgotten());
    // The others take it on its word and theirs.
    let accepted = hear(&ring, 3, &mut others[1].1, 5, said[0].clone());
    assert!(matches!(
        statements(&accepted)[..],
        [Statement::Accepted(_)]
    ));
}

/// Of two, no quorum of others is to be had.
#[test]
fn where_the_others_are_no_quorum_it_completes_one() {
    let ring = Ring::new(2);
    let change = ring.admission(&ring.record(50, 1));
    let ballot = ring.ballot(1, 1);
    let mut other = ring.part(1);
    let promises = [1, 2].map(|voter| ring.promise(voter, ballot, None));
    let accept = ring.accept(1, 1, &change, promises.to_vec());
    hear(&ring, 1, &mut other, 1, accept);
    let mut part = forgetful(&ring, 2, 1);
    let mut said = Vec::new();
    // One ballot may come too late, the next does not.
    for _ in 0..2 {
        if !part.has_forgotten() {
            break;
        }
        let question = lead(&ring, 2, &mut part);
        said = ask(&ring, (2, &mut part), (1, &mut other), &question);
    }
    assert_eq!(part.membership().epoch(), ring.place().epoch, "not alone");
    for said in statements(&said) {
        hear(&ring, 1, &mut other, 2, said.clone());
    }
    assert_eq!(
        other.membership().member(&ring.id(50)).unwrap().incarnation,
        1
    );
}

/// The question of an earlier process reached one who does not help this one.
#[test]
fn who_came_back_below_what_it_asked_before_is_told_and_comes_back_above() {
    let ring = Ring::new(4);
    let mut others = [1, 2, 3].map(|number| (number, ring.part(number)));
    let mut first = forgetful(&ring, 4, 2);
    for _ in 0..2 {
        let question = lead(&ring, 4, &mut first);
        hear(&ring, 2, &mut others[1].1, 4, question);
    }
    let mut part = forgetful(&ring, 4, 3);
    let question = lead(&ring, 4, &mut part);
    for (number, other) in &mut others {
        ask(&ring, (4, &mut part), (*number, other), &question);
    }
    assert!(!part.has_forgotten());
    let [(_, leader), (_, knowing), _] = &mut others;
    ring.bring(1, leader, &ring.record(51, 1), &[1, 2, 3, 4]);
    // Its first ballot comes too late for 2.
    for _ in 0..2 {
        assert!(leader.lead(&ring.keys(1)));
        drain(leader);
        let prepare = Statement::Prepare(leader.leads().unwrap());
        ask(&ring, (1, leader), (4, &mut part), &prepare);
        let told = ask(&ring, (1, leader), (2, knowing), &prepare);
        for said in statements(&told) {
            assert!(matches!(said, Statement::Lost(_)), "{said:?}");
            hear(&ring, 4, &mut part, 1, said.clone());
        }
    }
    assert!(part.has_forgotten() && part.has_cause());
    for _ in 0..2 {
        if part.has_forgotten() {
            let question = lead(&ring, 4, &mut part);
            ask(&ring, (4, &mut part), (1, leader), &question);
            ask(&ring, (4, &mut part), (2, knowing), &question);
        }
    }
    assert!(!part.has_forgotten());
}

#[test]
fn who_loses_its_store_again_is_answered_above_what_it_asked_before() {
    let ring = Ring::new(3);
    let mut others = [1, 2].map(|number| (number, ring.part(number)));
    let mut first = forgetful(&ring, 3, 2);
    let question = lead(&ring, 3, &mut first);
    let [(_, one), (_, two)] = &mut others;
    ask(&ring, (3, &mut first), (1, one), &question);
    // The second process asks with the same number.
    let mut second = forgetful(&ring, 3, 2);
    let same = lead(&ring, 3, &mut second);
    assert_eq!(same, question);
    ask(&ring, (3, &mut second), (1, one), &same);
    ask(&ring, (3, &mut second), (2, two), &same);
    assert!(second.has_forgotten());
    let above = lead(&ring, 3, &mut second);
    for (number, other) in [(1, one), (2, two)] {
        ask(&ring, (3, &mut second), (number, other), &above);
    }
    assert!(!second.has_forgotten());
    assert!(second.promised() > first.leads());
}

/// The process that lost the store led a ballot of the same number, and may have proposed something in it.
#[test]
fn an_answer_to_an_earlier_process_does_not_count() {
    let ring = Ring::new(3);
    let mut part = forgetful(&ring, 3, 2);
    let question = lead(&ring, 3, &mut part);
    let same = Statement::Prepare(part.leads().unwrap());
    for late in hear(&ring, 1, &mut ring.part(1), 3, same) {
        if let Output::Send { message, .. } = late {
            let heard = part.handle_message(ring.id(1), message, &ring.keys(3));
            heard.unwrap();
        }
    }
    ask(&ring, (3, &mut part), (2, &mut ring.part(2)), &question);
    assert!(part.has_forgotten());
}

#[test]
fn who_has_promised_and_is_asked_again_has_not_refused() {
    let ring = Ring::new(3);
    let mut part = forgetful(&ring, 3, 2);
    let question = lead(&ring, 3, &mut part);
    let mut other = ring.part(1);
    for _ in 0..2 {
        ask(&ring, (3, &mut part), (1, &mut other), &question);
    }
    assert!(part.leads().is_some());
}

/// It has heard an acceptance of 2, which promises as if there were none.
#[test]
fn it_does_not_come_back_by_a_promise_that_hides_something() {
    let ring = Ring::new(3);
    let change = ring.admission(&ring.record(50, 1));
    let mut accepting = ring.part(1);
    accept(&ring, 1, &mut accepting, ring.ballot(1, 2), &change);
    let mut part = forgetful(&ring, 3, 2);
    let lie = ring.accepted(2, ring.ballot(1, 1), &change);
    hear(&ring, 3, &mut part, 2, Statement::Accepted(lie));
    let question = lead(&ring, 3, &mut part);
    ask(&ring, (3, &mut part), (1, &mut accepting), &question);
    let ballot = part.leads().unwrap();
    let lost = Lost::from([(ring.id(3), ballot)]);
    let promise = Promise::sign_knowing(lost, ring.signer(2), &ring.place(), ballot, None);
    let said = Statement::Promise {
        promise,
        change: None,
        grounds: Grounds::default(),
    };
    let outputs = hear(&ring, 3, &mut part, 2, said);
    let is_evidence = |output: &Output| matches!(output, Output::Evidence(_));
    assert!(outputs.iter().any(is_evidence));
    assert!(part.has_forgotten() && part.promised().is_none());
}

#[test]
fn what_it_came_back_by_outlives_a_restart() {
    let ring = Ring::new(3);
    let mut part = forgetful(&ring, 3, 2);
    let question = lead(&ring, 3, &mut part);
    let mut said = Vec::new();
    for number in [1, 2] {
        let other = (number, &mut ring.part(number));
        said = ask(&ring, (3, &mut part), other, &question);
    }
    let durable = said.into_iter().find_map(|output| match output {
        Output::Persist(durable @ Durable::Acceptor(_)) => Some(durable),
        _ => None,
    });
    let mut again = ring.part(3);
    again.restore(durable.unwrap(), &ring.keys(3));
    again.forget();
    assert!(!again.has_forgotten());
    let above = Statement::Prepare(ring.ballot(9, 2));
    let outputs = hear(&ring, 3, &mut again, 2, above);
    assert_eq!(promise_of(&outputs).since(), part.promised());
}

/// An older store that somebody put back: its own signature tells it so.
#[test]
fn who_is_shown_a_loss_that_it_does_not_know_of_has_forgotten_that_too() {
    let ring = Ring::new(3);
    let loss = Loss::sign(ring.signer(3), &ring.place(), 7);
    let mut knowing = ring.part(1);
    hear(&ring, 1, &mut knowing, 3, Statement::Lost(loss));
    let mut part = ring.part(3);
    ring.bring(3, &mut part, &ring.record(50, 1), &[1, 2, 3]);
    hear(
        &ring,
        3,
        &mut part,
        2,
        Statement::Prepare(ring.ballot(8, 2)),
    );
    let question = lead(&ring, 3, &mut part);
    let said = ask(&ring, (3, &mut part), (1, &mut knowing), &question);
    assert!(said.is_empty(), "{said:?}");
    assert!(part.has_forgotten() && part.leads().is_none());
}

#[test]
fn lower_ballots_do_not_stop_it_and_higher_ones_do() {
    let ring = Ring::new(5);
    let mut part = forgetful(&ring, 5, 3);
    for _ in 0..3 {
        let _question = lead(&ring, 5, &mut part);
    }
    let own = part.leads().unwrap();
    for counter in [1, 1, 2] {
        let lower = Statement::Prepare(ring.ballot(counter, 4));
        let outputs = hear(&ring, 5, &mut part, 4, lower);
        assert!(!outputs.contains(&Output::Refused));
        assert_eq!(part.leads(), Some(own));
    }
    let higher = Statement::Prepare(ring.ballot(own.counter + 1, 4));
    let outputs = hear(&ring, 5, &mut part, 4, higher);
    assert!(outputs.contains(&Output::Refused));
    assert_eq!(part.leads(), None);
}

#[test]
fn who_is_refused_by_too_many_does_not_count_on_itself() {
    let ring = Ring::new(3);
    let mut part = forgetful(&ring, 3, 2);
    let _question = lead(&ring, 3, &mut part);
    let ballot = part.leads().unwrap();
    let promised = ring.ballot(ballot.counter + 1, 1);
    let refused = Statement::Refused { ballot, promised };
    let outputs = hear(&ring, 3, &mut part, 1, refused);
    assert!(outputs.contains(&Output::Refused), "both are needed");
}
