//! What a member would choose, were the choice free: the dead first, then those who leave, then the smallest candidate.

use quorate_consensus::succession::{Change, Statement};
use quorate_consensus::{Choice, NodeId, Succession};

use super::ring::{Ring, drain};

#[test]
fn evictions_come_before_leaves_and_leaves_before_the_smallest_candidate() {
    let ring = Ring::new(3);
    let mut part = ring.part(1);
    assert_eq!(part.choice(), None);
    assert!(!part.has_cause());
    for candidate in [52, 51, 53] {
        ring.bring(1, &mut part, &ring.record(candidate, 1), &[1, 2, 3]);
    }
    assert_eq!(admitted(&part), Some(ring.id(51)));
    let leave = ring.at(Statement::Leave(ring.leave(2)));
    part.handle_message(ring.id(2), leave, &ring.keys(1))
        .unwrap();
    assert_eq!(part.choice(), Some(Change::Leave(ring.leave(2))));
    ring.accuse(1, &mut part, 1, 3);
    assert_eq!(part.choice(), Some(Change::Leave(ring.leave(2))));
    ring.accuse(1, &mut part, 2, 3);
    assert_eq!(part.choice(), Some(ring.eviction(&[3])));
    let change = part.choice().unwrap();
    assert_eq!(change.verify(&ring.membership, ring.scheme), Ok(()));
}

#[test]
fn a_candidate_waits_for_the_last_allow() {
    let ring = Ring::new(3);
    let record = ring.record(50, 1);
    let mut part = ring.part(1);
    ring.bring(1, &mut part, &record, &[1, 3]);
    assert_eq!(part.choice(), None);
    assert!(part.undecided_on(&record.hash()).eq([ring.id(2)]));
    ring.bring(1, &mut part, &record, &[2]);
    assert_eq!(part.choice(), Some(ring.admission(&record)));
}

#[test]
fn who_is_denied_is_not_chosen_and_does_not_hold_up_the_next() {
    let ring = Ring::new(3);
    let mut part = ring.part(1);
    let (denied, next) = (ring.record(50, 1), ring.record(51, 1));
    ring.bring(1, &mut part, &denied, &[1, 2]);
    ring.bring(1, &mut part, &next, &[1, 2, 3]);
    let deny =
        quorate_consensus::succession::Message::Opinion(ring.opinion(3, &denied, Choice::No));
    part.handle_message(ring.id(3), deny, &ring.keys(1))
        .unwrap();
    assert_eq!(admitted(&part), Some(ring.id(51)));
    assert_eq!(part.undecided_on(&denied.hash()).count(), 0);
}

#[test]
fn a_candidate_that_has_gone_is_not_chosen_until_it_is_back() {
    let ring = Ring::new(3);
    let record = ring.record(50, 1);
    let mut part = ring.part(1);
    ring.bring(1, &mut part, &record, &[2, 3]);
    let keys = ring.keys(1);
    part.say_opinion(ring.id(50), Choice::Yes, "", &keys)
        .unwrap();
    assert_eq!(admitted(&part), Some(ring.id(50)));
    part.handle_candidate_gone(&ring.id(50));
    assert_eq!(part.choice(), None);
    // The own opinion was kept; the others' come again with it.
    ring.bring(1, &mut part, &record, &[]);
    assert!(
        part.undecided_on(&record.hash())
            .eq([ring.id(2), ring.id(3)])
    );
    ring.bring(1, &mut part, &record, &[2, 3]);
    assert_eq!(admitted(&part), Some(ring.id(50)));
}

#[test]
fn the_largest_set_that_all_others_accuse_goes_at_once() {
    let ring = Ring::new(5);
    let mut part = ring.part(1);
    for (accuser, suspect) in [(1, 4), (2, 4), (3, 4), (1, 5), (2, 5)] {
        ring.accuse(1, &mut part, accuser, suspect);
        assert_eq!(part.choice(), None, "{accuser} of {suspect}");
    }
    // Not before 3 accuses 5 too: as long as it does not, 5 stays, and has not accused 4.
    ring.accuse(1, &mut part, 3, 5);
    assert_eq!(part.choice(), Some(ring.eviction(&[4, 5])));
    // One whom not all accuse is left out, and must accuse the others itself.
    ring.accuse(1, &mut part, 1, 3);
    assert_eq!(part.choice(), Some(ring.eviction(&[4, 5])));
}

#[test]
fn who_turns_out_to_stay_must_accuse_the_others_too() {
    let ring = Ring::new(5);
    let mut part = ring.part(1);
    // 3 does not accuse 2. So 2 stays, and it has not accused 4.
    for (accuser, suspect) in [(1, 2), (5, 2), (1, 4), (3, 4), (5, 4)] {
        ring.accuse(1, &mut part, accuser, suspect);
        assert_eq!(part.choice(), None, "{accuser} of {suspect}");
    }
    ring.accuse(1, &mut part, 2, 4);
    assert_eq!(part.choice(), Some(ring.eviction(&[4])));
}

#[test]
fn as_many_as_a_quorum_cannot_be_evicted() {
    let five = Ring::new(5);
    let mut part = five.part(1);
    for suspect in [3, 4, 5] {
        five.accuse(1, &mut part, 1, suspect);
        five.accuse(1, &mut part, 2, suspect);
    }
    assert_eq!(part.choice(), None, "2 of 5 do not throw out 3");
    let four = Ring::new(4);
    let mut part = four.part(1);
    for suspect in [3, 4] {
        four.accuse(1, &mut part, 1, suspect);
        four.accuse(1, &mut part, 2, suspect);
    }
    assert_eq!(
        part.choice(),
        None,
        "half of 4 do not throw out the other half"
    );
    let two = Ring::new(2);
    let mut part = two.part(1);
    two.accuse(1, &mut part, 1, 2);
    assert_eq!(part.choice(), None, "one of 2 waits for the other");
}

#[test]
fn accusers_who_accuse_each_other_evict_nobody() {
    let ring = Ring::new(3);
    let mut part = ring.part(1);
    ring.accuse(1, &mut part, 1, 2);
    ring.accuse(1, &mut part, 2, 1);
    assert_eq!(part.choice(), None);
}

#[test]
fn whom_a_member_is_in_touch_with_it_does_not_choose_to_throw_out() {
    let ring = Ring::new(3);
    let mut part = ring.part(1);
    ring.accuse(1, &mut part, 1, 3);
    ring.accuse(1, &mut part, 2, 3);
    part.set_present(ring.id(3), true);
    assert_eq!(part.choice(), None);
    // What it said before it was in touch does not count any more; it has to be said again.
    part.set_present(ring.id(3), false);
    assert_eq!(part.choice(), None);
    ring.accuse(1, &mut part, 1, 3);
    assert_eq!(part.choice(), Some(ring.eviction(&[3])));
    part.hold_evictions(true);
    assert_eq!(part.choice(), None);
}

#[test]
fn allows_stay_after_a_decision_and_accusations_and_leaves_do_not() {
    let mut ring = Ring::new(3);
    let (first, second) = (ring.record(50, 1), ring.record(51, 1));
    let mut part = ring.part(1);
    ring.bring(1, &mut part, &first, &[1, 2, 3]);
    ring.bring(1, &mut part, &second, &[1, 2, 3]);
    ring.accuse(1, &mut part, 2, 3);
    part.say_leave(&ring.keys(1)).unwrap();
    drain(&mut part);
    let link = ring.decide(ring.admission(&first));
    part.handle_link(link, &ring.keys(1)).unwrap();
    assert_eq!(part.choice(), None);
    assert_eq!(part.accused().count(), 0);
    // Only who came in has not been asked.
    assert!(part.undecided_on(&second.hash()).eq([ring.id(50)]));
    ring.bring(1, &mut part, &second, &[50]);
    assert_eq!(part.choice(), Some(ring.admission(&second)));
    // The leave has to be said again, at the new head.
    part.say_leave(&ring.keys(1)).unwrap();
    assert_eq!(part.choice(), Some(Change::Leave(ring.leave(1))));
}

fn admitted(part: &Succession) -> Option<NodeId> {
    match part.choice()? {
        Change::Admit { record, .. } => Some(record.node),
        Change::Evict { .. } | Change::Leave(_) => None,
    }
}
