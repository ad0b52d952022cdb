//! Many members, each with its own view only, under deaths and partitions.

use std::collections::BTreeSet;

use proptest::prelude::*;
use quorate_overlay::Config;

use crate::world::World;

#[test]
fn a_growing_network_is_in_one_piece_and_within_its_limits() {
    let mut world = World::grown(Config::default(), []);
    for id in ids(150) {
        world.join(id);
        world.settle();
        world.check().unwrap();
    }
}

#[test]
fn a_network_that_loses_hubs_and_others_at_once_comes_back_to_one_piece() {
    let mut world = World::grown(Config::default(), ids(150));
    for wave in 0..5 {
        let mut victims = world.biggest(10);
        victims.extend(world.views.keys().copied().skip(wave).step_by(10));
        world.kill(&victims);
        // While they are only unreachable, the living keep going and keep trying them.
        world.settle();
        world.evict_dead();
        world.settle();
        world.check().unwrap();
    }
    assert!(world.views.len() < 60);
}

#[test]
fn the_overlay_shrinks_to_nothing_in_one_piece() {
    let mut world = World::grown(Config::default(), ids(60));
    while !world.views.is_empty() {
        world.kill(&world.biggest(1));
        world.evict_dead();
        world.settle();
        world.check().unwrap();
    }
}

#[test]
fn a_healed_partition_heals_the_overlay() {
    let mut world = World::grown(Config::default(), ids(80));
    world.partition(|id| id % 3 == 0);
    world.settle();
    assert_eq!(world.pieces(), 2, "each side keeps together");
    world.heal();
    world.settle();
    world.check().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A tree or nearly so (members open one link), where every departure splits the network: here only the repair, not
    /// the many other links, can join it again. The victims of one moment are no neighbors of each other, which is what
    /// repair can promise; the members learn of them in different orders.
    #[test]
    fn repair_alone_keeps_a_tree_in_one_piece(
        members in 2..40_usize,
        room in 1..6_usize,
        waves in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 1..6), 1..8),
        evict_before_dialling: bool,
    ) {
        let config = Config { exponent: 5.0, min_degree: 1, degree_cutoff: 2 + room };
        let mut world = World::grown(config, ids(members));
        for wave in waves {
            let victims = strangers(&world, &wave);
            world.kill(&victims);
            if !evict_before_dialling {
                world.settle();
            }
            world.evict_dead();
            world.settle();
            prop_assert_eq!(world.check(), Ok(()));
        }
    }
}

/// Members at these places, without those that are linked to one chosen before.
fn strangers(world: &World, places: &[prop::sample::Index]) -> BTreeSet<u32> {
    let ids: Vec<u32> = world.views.keys().copied().collect();
    let mut chosen = BTreeSet::new();
    for place in places.iter().filter(|_| !ids.is_empty()) {
        let id = ids[place.index(ids.len())];
        if !world.views[&id]
            .neighbors()
            .any(|neighbor| chosen.contains(&neighbor))
        {
            chosen.insert(id);
        }
    }
    chosen
}

/// Distinct, and in no order, as keys are.
fn ids(count: usize) -> impl Iterator<Item = u32> {
    (1..=count as u32).map(|n| n.wrapping_mul(2_654_435_761))
}
