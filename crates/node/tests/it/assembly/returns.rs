//! Members that were away: what was said of them meanwhile does not throw them out when they are back.

use std::time::Duration;

use quorate_node::Event;
use quorate_node::roles::Request;

use super::splits::{LONG, is_complete, members};
use super::world::World;

/// Time enough to be accused.
const OUTAGE: Duration = Duration::from_secs(20);

fn is_anybody_out(world: &World) -> bool {
    let is_out = |event: &Event| matches!(event, Event::Evicted { .. });
    world.told.iter().any(|told| is_out(&told.event))
}

#[test]
fn an_old_accusation_and_a_new_one_of_another_do_not_add_up() {
    for seed in 0..5 {
        let mut world = members(3, 400 + seed);
        // One and three lose each other for a while; long after, two and three do.
        world.split(&[&[0], &[2]]);
        world.run(OUTAGE);
        world.heal();
        world.run(Duration::from_secs(600));
        world.split(&[&[1], &[2]]);
        world.run(OUTAGE);
        assert!(!is_anybody_out(&world), "{}", world.story());
        world.heal();
        world.run(OUTAGE);
        assert!(is_complete(&world, 3), "{}", world.story());
    }
}

#[test]
fn an_outage_of_everything_throws_out_nobody() {
    for seed in 0..5 {
        let mut world = members(3, 100 + seed);
        world.split(&[&[0], &[1], &[2]]);
        world.run(OUTAGE);
        world.heal();
        world.run(Duration::from_secs(30));
        // Nor does a connection that breaks for a moment afterwards, or a restart.
        world.reset(0, 2);
        world.run(Duration::from_secs(5));
        world.kill(1);
        world.run(Duration::from_millis(100));
        world.start(1);
        world.run(Duration::from_secs(5));
        assert!(!is_anybody_out(&world), "{}", world.story());
        assert!(is_complete(&world, 3), "{}", world.story());
    }
}

#[test]
fn all_may_leave_at_once_and_come_back() {
    for count in 2..=3 {
        let mut world = members(count, 7);
        for at in 0..count {
            world.ask(at, Request::Leave);
        }
        world.run(Duration::from_secs(5));
        assert!((0..count).all(|at| !world.is_up(at)), "{}", world.story());
        for at in 0..count {
            world.start(at);
        }
        let is_whole = world.run_until(LONG, |world| is_complete(world, count));
        assert!(is_whole, "{}", world.story());
    }
}

#[test]
fn a_leave_that_was_not_decided_is_not_carried_out_by_the_next_process() {
    let mut world = members(2, 8);
    world.kill(1);
    world.ask(0, Request::Leave);
    world.run(Duration::from_secs(5));
    assert!(!world.is_up(0), "{}", world.story());
    world.start(0);
    world.start(1);
    world.run(LONG);
    assert!(world.is_up(0) && world.is_up(1), "{}", world.story());
    assert!(is_complete(&world, 2), "{}", world.story());
}
