//! A member that has forgotten what it said: when it takes part again, and above what.

use quorate_consensus::Succession;
use quorate_consensus::succession::{Ballot, Output, Statement};

use super::ring::{Ring, drain, statements};

/// Member 5 of five, which can ask so many.
fn forgetful(ring: &Ring, others: usize) -> Succession {
    let mut part = ring.part(5);
    part.forget();
    part.set_asked(others);
    part
}

fn hear(ring: &Ring, me: u64, part: &mut Succession, from: u64, said: Statement) -> Vec<Output> {
    let said = ring.at(said);
    let heard = part.handle_message(ring.id(from), said, &ring.keys(me));
    heard.unwrap();
    drain(part)
}

fn lead(ring: &Ring, part: &mut Succession) -> Ballot {
    assert!(part.lead(&ring.keys(5)));
    drain(part);
    part.leads().unwrap()
}

/// Asks another whether it promises, and hears the answer.
fn ask(ring: &Ring, part: &mut Succession, number: u64, other: &mut Succession, ballot: Ballot) {
    let answer = hear(ring, number, other, 5, Statement::Prepare(ballot));
    for statement in statements(&answer) {
        let _outputs = hear(ring, 5, part, number, statement.clone());
    }
}

#[test]
fn it_takes_part_again_by_so_many_others_that_no_quorum_goes_without_one_of_them() {
    let ring = Ring::new(5);
    let mut part = forgetful(&ring, 2);
    assert!(!part.has_cause(), "two others are too few");
    part.set_asked(3);
    let prepare = Statement::Prepare(ring.ballot(1, 2));
    let answer = hear(&ring, 5, &mut part, 2, prepare.clone());
    assert!(matches!(
        statements(&answer)[..],
        [Statement::Refused { .. }]
    ));
    let ballot = lead(&ring, &mut part);
    for number in 1..=3 {
        assert!(part.has_forgotten());
        let mut other = ring.part(number);
        ask(&ring, &mut part, number, &mut other, ballot);
    }
    assert!(!part.has_forgotten());
    assert_eq!((part.leads(), part.promised()), (None, Some(ballot)));
    // What comes below is refused, and above it promises as others do.
    let answer = hear(&ring, 5, &mut part, 2, prepare);
    assert!(matches!(
        statements(&answer)[..],
        [Statement::Refused { .. }]
    ));
    let above = Statement::Prepare(ring.ballot(ballot.counter + 1, 2));
    let answer = hear(&ring, 5, &mut part, 2, above);
    assert!(matches!(
        statements(&answer)[..],
        [Statement::Promise { .. }]
    ));
}

#[test]
fn what_others_have_accepted_it_leads_to_its_end() {
    let ring = Ring::new(5);
    let change = ring.admission(&ring.record(50, 1));
    let promises = [1, 2, 5].map(|voter| ring.promise(voter, ring.ballot(1, 2), None));
    let mut accepting = ring.part(1);
    let accept = ring.accept(2, 1, &change, promises.to_vec());
    hear(&ring, 1, &mut accepting, 2, accept);
    let mut part = forgetful(&ring, 4);
    let ballot = lead(&ring, &mut part);
    ask(&ring, &mut part, 1, &mut accepting, ballot);
    ask(&ring, &mut part, 2, &mut ring.part(2), ballot);
    assert!(part.has_forgotten(), "of three, one has accepted");
    let answer = hear(&ring, 3, &mut ring.part(3), 5, Statement::Prepare(ballot));
    let outputs = hear(&ring, 5, &mut part, 3, statements(&answer)[0].clone());
    let said = statements(&outputs);
    assert!(
        matches!(said[..], [Statement::Accept { proposed, .. }, Statement::Accepted(accepted)]
            if proposed.change == change.hash() && accepted.ballot == ballot),
        "{said:?}"
    );
    assert!(!part.has_forgotten());
}

#[test]
fn who_is_told_that_it_has_accepted_something_does_not_say_otherwise() {
    let ring = Ring::new(5);
    let change = ring.admission(&ring.record(50, 1));
    // Member 4 heard what member 5 has forgotten.
    let mut witness = ring.part(4);
    let accepted = ring.accepted(5, ring.ballot(1, 1), &change);
    hear(&ring, 4, &mut witness, 5, Statement::Accepted(accepted));
    for is_told_before in [true, false] {
        let mut part = forgetful(&ring, 3);
        if is_told_before {
            hear(&ring, 5, &mut part, 4, Statement::YouAccepted(accepted));
        }
        let ballot = lead(&ring, &mut part);
        ask(&ring, &mut part, 2, &mut ring.part(2), ballot);
        ask(&ring, &mut part, 3, &mut ring.part(3), ballot);
        ask(&ring, &mut part, 4, &mut witness.clone(), ballot);
        assert!(part.has_forgotten());
        assert_eq!(part.leads(), None, "there is nothing to propose");
    }
}

/// A leader that only it heard may have been far ahead, since it led above what it had led before.
#[test]
fn who_forgets_a_second_time_goes_above_all_that_came_of_the_first() {
    let ring = Ring::new(5);
    let mut others = [1, 2, 3].map(|number| (number, ring.part(number)));
    let mut take_part = |part: &mut Succession| {
        let ballot = lead(&ring, part);
        for (number, other) in &mut others {
            ask(&ring, part, *number, other, ballot);
        }
        ballot
    };
    let mut part = forgetful(&ring, 3);
    let first = take_part(&mut part);
    assert!(!part.has_forgotten());
    let heard_by_it_alone = ring.ballot(first.counter + 1, 4);
    hear(
        &ring,
        5,
        &mut part,
        4,
        Statement::Prepare(heard_by_it_alone),
    );
    assert_eq!(part.promised(), Some(heard_by_it_alone));

    let mut part = forgetful(&ring, 3);
    let same = take_part(&mut part);
    assert!(same < heard_by_it_alone && part.has_forgotten());
    let second = take_part(&mut part);
    assert!(!part.has_forgotten());
    assert!(second > heard_by_it_alone);
}

#[test]
fn lower_ballots_do_not_stop_it_and_higher_ones_do() {
    let ring = Ring::new(5);
    let mut part = forgetful(&ring, 3);
    let own = lead(&ring, &mut part);
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
    let mut part = ring.part(3);
    part.forget();
    part.set_asked(2);
    assert!(part.lead(&ring.keys(3)));
    let ballot = part.leads().unwrap();
    let promised = ring.ballot(ballot.counter + 1, 1);
    let refused = Statement::Refused { ballot, promised };
    let outputs = hear(&ring, 3, &mut part, 1, refused);
    assert!(outputs.contains(&Output::Refused), "both are needed");
}
