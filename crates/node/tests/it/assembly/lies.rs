//! A member that contradicts itself: two honest processes with one key. Nobody gets in without everyone's ALLOW, and what
//! they do against each other leaves evidence.

use std::time::Duration;

use quorate_node::consensus::Unproven;
use quorate_node::consensus::succession::Evidence;
use quorate_node::{Admission, Event};

use super::splits::{LONG, members};
use super::world::World;

/// Whether a node was shown a contradiction that a test looks for.
fn was_shown(world: &World, who: usize, is_it: impl Fn(&Evidence) -> bool) -> bool {
    world.told.iter().any(|told| {
        told.who == who && matches!(&told.event, Event::Contradiction(evidence) if is_it(evidence))
    })
}

#[test]
fn a_fork_leaves_evidence_and_stops_those_who_see_it() {
    let (anna, bert, liar) = (0, 1, 2);
    let mut world = members(3, 7);
    world.may_fork = true;
    let twin = world.add_twin(liar);
    // Each face of the liar is seen by one of the others only, and helps it to throw the other one out.
    world.split(&[&[anna, liar], &[bert, twin]]);
    world.start(twin);
    let is_forked = world.run_until(LONG, |world| {
        [anna, bert].iter().all(|at| {
            world
                .chain(*at)
                .is_some_and(|chain| chain.membership().len() == 2)
        })
    });
    assert!(is_forked, "{}", world.story());
    let [one, other] = [anna, bert].map(|at| world.chain(at).unwrap().clone());
    assert_ne!(
        one.membership().place().head,
        other.membership().place().head
    );

    world.kill(twin);
    world.heal();
    let is_fork = |evidence: &Evidence| {
        let followed = one.membership_at(one.membership().epoch() - 1);
        matches!(evidence, Evidence::Fork { .. })
            && evidence.suspects().contains(&world_id(liar))
            && evidence.is_valid(followed.as_ref(), &Unproven)
    };
    let is_seen = world.run_until(LONG, |world| {
        [anna, bert, liar]
            .iter()
            .all(|at| was_shown(world, *at, is_fork))
    });
    assert!(is_seen, "{}", world.story());

    // Nobody decides any more.
    let newcomer = world.add(Admission::allow_all());
    world.start(newcomer);
    world.heal();
    world.run(LONG);
    assert!(world.chain(newcomer).is_none(), "{}", world.story());
    // Nor after a restart.
    world.kill(bert);
    world.start(bert);
    world.run(Duration::from_secs(5));
    assert!(world.assembly(bert).unwrap().fork().is_some());
}

/// Ids are given in order.
fn world_id(at: usize) -> quorate_node::NodeId {
    quorate_node::NodeId::from(at as u64 + 1)
}

#[test]
fn who_both_allows_and_denies_is_shown_and_nobody_is_in_without_all() {
    let (anna, bert, liar) = (0, 1, 2);
    let mut world = members(3, 8);
    world.kill(liar);
    world.hosts[liar].admission = Admission::allow_all();
    let twin = world.add_twin(liar);
    world.hosts[twin].admission = Admission::deny_all();
    // Bert is asked by hand, so that nothing is decided yet.
    world.kill(bert);
    world.hosts[bert].admission = Admission::ask();
    world.start(bert);
    let newcomer = world.add(Admission::allow_all());
    // First the newcomer meets the friendly face, which only Anna sees beside it.
    world.split(&[&[anna, liar, newcomer], &[bert, twin]]);
    world.start(liar);
    world.start(newcomer);
    world.run(Duration::from_secs(2));
    world.kill(liar);
    // Then the other face, which has not heard from Anna what the first one said.
    world.split(&[&[anna], &[bert, twin, newcomer]]);
    world.start(twin);
    let is_shown = world.run_until(LONG, |world| {
        was_shown(world, newcomer, |evidence| {
            matches!(evidence, Evidence::Opinions { .. }) && evidence.is_valid(None, &Unproven)
        })
    });
    assert!(is_shown, "{}", world.story());
    world.run(LONG);
    assert!(
        world.chain(newcomer).is_none(),
        "in without Bert\n{}",
        world.story()
    );
}
