//! Networks that fall apart and come together again.

use std::time::Duration;

use quorate_node::consensus::NodeId;
use quorate_node::roles::Request;
use quorate_node::{Admission, Event};

use super::world::World;

pub(super) const LONG: Duration = Duration::from_secs(60);

/// So many members, all in.
pub(super) fn members(count: usize, seed: u64) -> World {
    let mut world = World::new(seed);
    for at in 0..count {
        world.add(Admission::allow_all());
        world.start(at);
        let is_in = world.run_until(LONG, |world| is_complete(world, at + 1));
        assert!(is_in, "{}", world.story());
    }
    world
}

/// Whether the first so many hosts are members, and hold one chain with no others.
pub(super) fn is_complete(world: &World, count: usize) -> bool {
    let heads = (0..count).map(|at| {
        let membership = world.chain(at)?.membership();
        (membership.len() == count).then(|| membership.place().head)
    });
    let heads: Option<Vec<_>> = heads.collect();
    heads.is_some_and(|heads| heads.windows(2).all(|pair| pair[0] == pair[1]))
}

fn epoch(world: &World, at: usize) -> u64 {
    world.chain(at).unwrap().membership().epoch()
}

#[test]
fn neither_half_of_two_and_two_decides_anything() {
    let mut world = members(4, 1);
    let before = epoch(&world, 0);
    world.split(&[&[0, 1], &[2, 3]]);
    // A newcomer that reaches one half only.
    let newcomer = world.add(Admission::allow_all());
    world.start(newcomer);
    world.split(&[&[0, 1, 4], &[2, 3]]);
    world.run(LONG);
    for at in 0..4 {
        assert_eq!(epoch(&world, at), before, "{}", world.story());
        let is_told = world.told.iter().any(|told| {
            told.who == at && matches!(&told.event, Event::Stuck { silent, quorum: 3, .. } if silent.len() == 2)
        });
        assert!(
            is_told,
            "nobody was told that {at} waits\n{}",
            world.story()
        );
    }
    world.heal();
    let is_whole = world.run_until(LONG, |world| is_complete(world, 5));
    assert!(is_whole, "{}", world.story());
}

#[test]
fn the_larger_part_evicts_the_smaller_which_comes_back_unasked() {
    let mut world = members(5, 2);
    // From now on people are asked about strangers.
    world.split(&[&[0, 1, 2], &[3, 4]]);
    let evicted = world.run_until(LONG, |world| {
        (0..3).all(|at| {
            world
                .chain(at)
                .is_some_and(|chain| chain.membership().len() == 3)
        })
    });
    assert!(evicted, "{}", world.story());
    for at in [3, 4] {
        assert_eq!(
            world.chain(at).unwrap().membership().len(),
            5,
            "{}",
            world.story()
        );
    }
    world.heal();
    let is_whole = world.run_until(LONG, |world| is_complete(world, 5));
    assert!(is_whole, "{}", world.story());
    for at in [3, 4] {
        let id = world.hosts[at].id;
        let record = world.chain(0).unwrap().membership().member(&id).cloned();
        assert_eq!(record.unwrap().incarnation, 2);
    }
}

#[test]
fn who_comes_back_is_let_in_by_people_without_being_asked_about() {
    let mut world = World::new(3);
    for at in 0..3 {
        world.add(Admission::ask());
        world.start(at);
        let is_in = world.run_until(LONG, |world| at == 0 || requests(world, at).len() == at);
        assert!(is_in, "{}", world.story());
        for (who, candidate) in requests(&world, at) {
            world.answer(who, candidate, true);
        }
        assert!(
            world.run_until(LONG, |world| is_complete(world, at + 1)),
            "{}",
            world.story()
        );
    }
    let asked = requests_in_all(&world);
    world.hosts[2].is_paused = true;
    let evicted = world.run_until(LONG, |world| is_complete_without(world, 2));
    assert!(evicted, "{}", world.story());
    world.hosts[2].is_paused = false;
    assert!(
        world.run_until(LONG, |world| is_complete(world, 3)),
        "{}",
        world.story()
    );
    assert_eq!(requests_in_all(&world), asked, "{}", world.story());
}

#[test]
fn of_two_the_survivor_waits_and_founds_anew_when_told_to() {
    let mut world = members(2, 4);
    let old = world.chain(0).unwrap().membership().place();
    world.ask(0, Request::Refound);
    world.run(Duration::from_secs(1));
    assert_eq!(
        world.chain(0).unwrap().membership().network(),
        old.network,
        "it was not stuck"
    );
    world.kill(1);
    world.run(LONG);
    assert_eq!(world.chain(0).unwrap().membership().place(), old);
    let other = world.hosts[1].id;
    let waits = world.told.iter().any(|told| {
        matches!(&told.event, Event::Stuck { silent, members: 2, quorum: 2 } if silent[0].id == other)
    });
    assert!(waits, "{}", world.story());
    world.ask(0, Request::Refound);
    world.run(Duration::from_secs(1));
    let chain = world.chain(0).unwrap();
    assert_ne!(chain.membership().network(), old.network);
    assert_eq!(chain.founding().unwrap().after.unwrap().head, old.head);
    assert_eq!(chain.membership().len(), 1);
    // Somebody new finds the new network.
    world.add(Admission::allow_all());
    world.start(2);
    let joined = world.run_until(LONG, |world| {
        world
            .chain(2)
            .is_some_and(|chain| chain.membership().len() == 2)
    });
    assert!(joined, "{}", world.story());
}

#[test]
fn a_member_that_died_goes_and_one_that_left_is_not_suspected() {
    let mut world = members(4, 5);
    world.ask(3, Request::Leave);
    assert!(
        world.run_until(LONG, |world| is_complete(world, 3)),
        "{}",
        world.story()
    );
    let has_ended = world.run_until(Duration::from_secs(2), |world| !world.is_up(3));
    assert!(has_ended, "{}", world.story());
    let suspected = world
        .told
        .iter()
        .any(|told| matches!(told.event, Event::Suspected { .. }));
    assert!(!suspected, "{}", world.story());
    world.kill(2);
    let killed_at = world.now.instant;
    assert!(
        world.run_until(LONG, |world| is_complete(world, 2)),
        "{}",
        world.story()
    );
    let took = world.now.instant - killed_at;
    assert!(took < Duration::from_secs(3), "{took:?}\n{}", world.story());
    world.start(2);
    assert!(
        world.run_until(LONG, |world| is_complete(world, 3)),
        "{}",
        world.story()
    );
}

#[test]
fn a_newcomer_that_dies_before_it_knows_that_it_is_in_goes_on_as_a_member() {
    let mut world = World::new(9);
    for _ in 0..2 {
        world.add(Admission::allow_all());
    }
    world.start(0);
    world.start(1);
    let is_in = world.run_until(LONG, |world| {
        world
            .chain(0)
            .is_some_and(|chain| chain.membership().len() == 2)
    });
    assert!(is_in && world.chain(1).is_none(), "{}", world.story());
    world.kill(1);
    world.start(1);
    assert!(
        world.run_until(LONG, |world| is_complete(world, 2)),
        "{}",
        world.story()
    );
}

#[test]
fn a_candidate_whose_connections_break_is_asked_about_once_and_an_answer_meanwhile_counts() {
    let mut world = World::new(10);
    for _ in 0..2 {
        world.add(Admission::ask());
    }
    let candidate = world.hosts[1].id;
    world.start(0);
    world.start(1);
    assert!(world.run_until(LONG, |world| requests(world, 1).len() == 1));
    for _ in 0..5 {
        world.reset(0, 1);
        world.run(Duration::from_millis(300));
    }
    world.reset(0, 1);
    world.answer(0, candidate, true);
    assert!(
        world.run_until(LONG, |world| is_complete(world, 2)),
        "{}",
        world.story()
    );
    assert_eq!(requests(&world, 1).len(), 1, "{}", world.story());
    let is_withdrawn = |event: &Event| matches!(event, Event::JoinWithdrawn { .. });
    assert!(!world.told.iter().any(|told| is_withdrawn(&told.event)));
}

#[test]
fn a_paused_member_is_evicted_after_its_silence_and_no_sooner() {
    let mut world = members(3, 6);
    world.run(Duration::from_secs(10));
    world.hosts[2].is_paused = true;
    world.run(Duration::from_secs(5));
    assert_eq!(
        world.chain(0).unwrap().membership().len(),
        3,
        "{}",
        world.story()
    );
    assert!(
        world.run_until(LONG, |world| is_complete_without(world, 2)),
        "{}",
        world.story()
    );
    world.hosts[2].is_paused = false;
    assert!(
        world.run_until(LONG, |world| is_complete(world, 3)),
        "{}",
        world.story()
    );
}

fn is_complete_without(world: &World, at: usize) -> bool {
    (0..world.hosts.len())
        .filter(|other| *other != at)
        .all(|other| {
            world
                .chain(other)
                .is_some_and(|chain| chain.membership().len() == world.hosts.len() - 1)
        })
}

/// Who was asked about a candidate, by its place.
fn requests(world: &World, candidate: usize) -> Vec<(usize, NodeId)> {
    let id = world.hosts[candidate].id;
    let asked = world.told.iter().filter_map(|told| match &told.event {
        Event::JoinRequest { candidate, .. } if candidate.id == id => Some((told.who, id)),
        _ => None,
    });
    asked.collect()
}

fn requests_in_all(world: &World) -> usize {
    let is_request = |event: &Event| matches!(event, Event::JoinRequest { .. });
    world
        .told
        .iter()
        .filter(|told| is_request(&told.event))
        .count()
}
