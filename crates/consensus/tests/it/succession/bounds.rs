//! What floods cannot do.

use quorate_consensus::Choice;
use quorate_consensus::succession::{Message, Statement, StatementError};

use super::ring::{Ring, drain};

const OPINIONS_MAX: u64 = 1024;
const COUNTER_JUMP_MAX: u64 = 65_536;

#[test]
fn opinions_on_absent_candidates_make_room_and_own_ones_and_those_on_present_ones_do_not() {
    let ring = Ring::new(3);
    let mut part = ring.part(1);
    let (here, answered) = (ring.record(50, 1), ring.record(51, 1));
    ring.bring(1, &mut part, &here, &[2, 3]);
    ring.bring(1, &mut part, &answered, &[]);
    part.say_opinion(ring.id(51), Choice::No, "no", &ring.keys(1))
        .unwrap();
    part.handle_candidate_gone(&ring.id(51));
    drain(&mut part);
    let mut held_max = 0;
    let flood: Vec<_> = (2..2 * OPINIONS_MAX)
        .map(|life| ring.record(60, life))
        .collect();
    for record in &flood {
        let opinion = Message::Opinion(ring.allow(2, record));
        part.handle_message(ring.id(2), opinion, &ring.keys(1))
            .unwrap();
        drain(&mut part);
    }
    let is_held = |record: &&quorate_consensus::Record| part.opinions(&record.hash()).count() > 0;
    let held = flood.iter().filter(is_held).count() as u64 + 2;
    held_max = held_max.max(held);
    assert!(held_max <= OPINIONS_MAX, "{held_max}");
    assert_eq!(part.opinions(&here.hash()).count(), 2);
    assert!(part.own_opinion(&answered.hash()).is_some());
    // There is still room for the next candidate that comes.
    let next = ring.record(52, 1);
    ring.bring(1, &mut part, &next, &[1, 2, 3]);
    assert_eq!(part.undecided_on(&next.hash()).count(), 0);
}

#[test]
fn nobody_who_was_never_a_member_fills_the_opinions() {
    let ring = Ring::new(3);
    let mut part = ring.part(1);
    let before = part.clone();
    let opinion = Message::Opinion(ring.allow(60, &ring.record(50, 1)));
    part.handle_message(ring.id(2), opinion, &ring.keys(1))
        .unwrap();
    assert_eq!(part, before);
}

#[test]
fn a_ballots_counter_cannot_jump() {
    let ring = Ring::new(3);
    let change = ring.admission(&ring.record(50, 1));
    let said = |counter: u64| {
        let ballot = ring.ballot(counter, 2);
        let promises = [2, 3].map(|voter| ring.promise(voter, ballot, None));
        [
            Statement::Prepare(ballot),
            Statement::Refused {
                ballot: ring.ballot(1, 1),
                promised: ballot,
            },
            ring.accept(2, counter, &change, promises.to_vec()),
            Statement::Accepted(ring.accepted(2, ballot, &change)),
        ]
    };
    for (just, too_far) in said(COUNTER_JUMP_MAX)
        .into_iter()
        .zip(said(COUNTER_JUMP_MAX + 1))
    {
        let mut part = ring.part(1);
        let before = part.clone();
        let heard = part.handle_message(ring.id(2), ring.at(too_far), &ring.keys(1));
        let (max, got) = (COUNTER_JUMP_MAX, COUNTER_JUMP_MAX + 1);
        assert_eq!(heard, Err(StatementError::Counter { max, got }));
        assert_eq!(part, before);
        part.handle_message(ring.id(2), ring.at(just), &ring.keys(1))
            .unwrap();
    }
}

#[test]
fn the_counter_starts_anew_in_the_next_epoch() {
    let mut ring = Ring::new(3);
    let mut part = ring.part(1);
    let far = ring.at(Statement::Prepare(ring.ballot(COUNTER_JUMP_MAX, 2)));
    part.handle_message(ring.id(2), far, &ring.keys(1)).unwrap();
    let link = ring.decide(ring.admission(&ring.record(50, 1)));
    part.handle_link(link, &ring.keys(1)).unwrap();
    let next = ring.record(51, 1);
    ring.bring(1, &mut part, &next, &[1, 2, 3, 50]);
    assert!(part.lead(&ring.keys(1)));
    assert_eq!(part.leads(), Some(ring.ballot(1, 1)));
}

#[test]
fn an_accept_with_more_promises_than_members_is_not_looked_at() {
    let ring = Ring::new(3);
    let change = ring.admission(&ring.record(50, 1));
    let ballot = ring.ballot(1, 2);
    let promises = [1, 2, 3, 3].map(|voter| ring.promise(voter, ballot, None));
    let mut part = ring.part(1);
    let accept = ring.at(ring.accept(2, 1, &change, promises.to_vec()));
    let heard = part.handle_message(ring.id(2), accept, &ring.keys(1));
    assert!(matches!(heard, Err(StatementError::Promises(_))));
}
