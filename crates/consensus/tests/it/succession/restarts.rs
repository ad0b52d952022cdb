//! A member that is restarted at any point of a run goes on as if nothing had happened, and never contradicts itself.

use quorate_consensus::succession::{Durable, Statement};
use quorate_consensus::{Choice, Succession};

use super::crowd::Crowd;
use super::ring::{Ring, drain, statements};

/// Two leaders compete until both candidates are in and the suspect is out. Every input of every member is a point, and so is
/// every output: each gets its own run, which ends calmly all the same.
#[test]
fn at_every_point_of_a_run() {
    let points = run(None);
    assert!(points > 50, "{points}");
    for point in 0..points {
        for outputs in 0..4 {
            run(Some((point, outputs)));
        }
    }
}

#[test]
fn what_was_said_is_taken_back_in_any_order_and_what_belongs_to_earlier_epochs_is_void() {
    let mut ring = Ring::new(3);
    let (record, other) = (ring.record(50, 1), ring.record(51, 1));
    let mut part = ring.part(1);
    ring.bring(1, &mut part, &record, &[2, 3]);
    ring.bring(1, &mut part, &other, &[2, 3]);
    let keys = ring.keys(1);
    part.say_opinion(ring.id(50), Choice::Yes, "", &keys)
        .unwrap();
    part.say_opinion(ring.id(51), Choice::No, "no", &keys)
        .unwrap();
    part.say_accuse(ring.id(3), &keys).unwrap();
    part.say_leave(&keys).unwrap();
    let ballot = ring.ballot(3, 2);
    let change = ring.admission(&record);
    let promises = [2, 3]
        .map(|voter| ring.promise(voter, ballot, None))
        .to_vec();
    let accept = ring.at(ring.accept(2, 3, &change, promises));
    part.handle_message(ring.id(2), accept, &keys).unwrap();
    let disk: Vec<Durable> = drain(&mut part)
        .into_iter()
        .filter_map(|output| match output {
            quorate_consensus::succession::Output::Persist(said) => Some(said),
            _ => None,
        })
        .collect();
    assert_eq!(disk.len(), 5);

    let restored = |ring: &Ring, order: &dyn Fn(&mut Vec<Durable>)| {
        let mut disk = disk.clone();
        order(&mut disk);
        let mut part = ring.part(1);
        disk.into_iter()
            .for_each(|said| part.restore(said, &ring.keys(1)));
        part
    };
    let mut back = restored(&ring, &|_| ());
    assert_eq!(back, restored(&ring, &|disk| disk.reverse()));
    assert_eq!(back, restored(&ring, &|disk| disk.rotate_left(2)));
    assert_eq!(
        back.own_opinion(&record.hash()),
        Some(&ring.allow(1, &record))
    );
    assert!(back.accused().eq([ring.id(3)]));
    // It answers for what it accepted, and leads above it.
    back.handle_message(
        ring.id(2),
        ring.at(Statement::Prepare(ballot)),
        &ring.keys(1),
    )
    .unwrap();
    let again = drain(&mut back);
    assert_eq!(
        statements(&again),
        [&Statement::Accepted(ring.accepted(1, ballot, &change))]
    );
    assert!(back.lead(&ring.keys(1)));
    assert_eq!(back.leads(), Some(ring.ballot(4, 1)));

    // In the next epoch only opinions count.
    let link = ring.decide(ring.admission(&ring.record(60, 1)));
    let mut later: Succession = restored(&ring, &|_| ());
    assert_eq!(later.accused().count(), 0);
    assert_eq!(later.choice(), None);
    assert!(!later.has_cause());
    assert!(later.own_opinion(&other.hash()).is_some());
    assert_eq!(later.membership().epoch(), link.epoch + 1);
    let opened = ring.at(Statement::Prepare(ring.ballot(1, 2)));
    later
        .handle_message(ring.id(2), opened, &ring.keys(1))
        .unwrap();
    assert!(matches!(
        statements(&drain(&mut later))[..],
        [Statement::Promise { .. }]
    ));
}

/// Returns how many inputs there were. The one at the point given is followed by a crash after so many outputs.
fn run(crash: Option<(usize, usize)>) -> usize {
    let mut crowd = Crowd::new(3);
    let mut point = 0;
    let mut next = || {
        let at = crash
            .filter(|(at, _)| *at == point)
            .map(|(_, outputs)| outputs);
        point += 1;
        at
    };
    for leaders in [[1, 2], [2, 1], [51, 1]] {
        for number in [1, 2, 51] {
            crowd.catch_up(number, next());
            crowd.allow_all(number, next());
            crowd.accuse(number, next());
        }
        deliver_all(&mut crowd, &mut next);
        for leader in leaders {
            crowd.lead(leader, next());
        }
        deliver_all(&mut crowd, &mut next);
    }
    if crash.is_none() {
        assert_eq!(crowd.decisions(), 3);
    }
    crowd.calm();
    point
}

fn deliver_all(crowd: &mut Crowd, next: &mut impl FnMut() -> Option<usize>) {
    while !crowd.wire.is_empty() {
        crowd.deliver(0, next());
        crowd.wire.remove(0);
    }
}
