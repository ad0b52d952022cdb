//! What one member dials and accepts.

use std::collections::BTreeSet;

use proptest::prelude::*;
use quorate_overlay::{Config, Neighborhood};

const ME: u32 = 50;

#[test]
fn in_a_small_network_everyone_is_linked_to_everyone() {
    let mut view = view(&[1, 2]);
    assert_eq!(view.target_degree(), 2);
    assert_eq!(sorted(view.wanted(&none(), &none())), [1, 2]);
    // Even if they claim to be full.
    view.set_degree(1, 1000);
    view.set_degree(2, usize::MAX);
    assert_eq!(sorted(view.wanted(&none(), &none())), [1, 2]);
}

#[test]
fn dials_under_way_count_and_resting_members_are_replaced() {
    let members: Vec<u32> = (0..40).collect();
    let mut view = view(&members);
    let target = view.target_degree();
    let first: BTreeSet<u32> = view.wanted(&none(), &none()).into_iter().collect();
    assert_eq!(first.len(), target);
    assert_eq!(view.wanted(&first, &none()), []);
    let second = view.wanted(&none(), &first);
    assert_eq!(second.len(), target);
    assert!(second.iter().all(|peer| !first.contains(peer)));
}

#[test]
fn a_lost_neighbor_is_dialled_until_it_is_removed_or_refuses() {
    for leave in [Neighborhood::remove_member, Neighborhood::link_refused] {
        let mut view = linked_to(&[1, 2, 3, 4, 5, 6], 6);
        view.link_lost(3);
        assert_eq!(view.degree(), 5);
        assert_eq!(view.wanted(&none(), &none()).first(), Some(&3));
        assert!(!view.wanted(&none(), &set(&[3])).contains(&3));
        leave(&mut view, 3);
        assert!(!view.wanted(&none(), &none()).contains(&3));
    }
}

#[test]
fn a_survivor_links_to_the_next_greater_survivor() {
    let mut view = linked_to(&[7], 100);
    view.set_neighbors_of(7, [40, ME, 70, 60]);
    assert_eq!(view.neighbors_of(7).collect::<Vec<_>>(), [40, 60, 70]);
    view.remove_member(7);
    assert_eq!(view.wanted(&none(), &none()).first(), Some(&60));
    assert!(!view.wanted(&set(&[60]), &none()).contains(&70));
    assert_eq!(view.wanted(&none(), &set(&[60])).first(), Some(&70));
}

#[test]
fn the_greatest_survivor_opens_no_repair_link_but_accepts_those_of_the_others() {
    let mut view = full();
    view.set_degree(45, 10);
    assert!(!view.accepts(45, &none()));
    view.set_neighbors_of(0, [45]);
    view.remove_member(0);
    assert_eq!(view.wanted(&none(), &none()), []);
    view.link_up(1000);
    assert!(view.accepts(45, &none()));
}

/// Who comes back is a newcomer: a link to it joins nothing that the departed neighbor held together.
#[test]
fn a_survivor_that_departed_and_came_back_is_none() {
    let mut view = linked_to(&[7], 100);
    view.set_neighbors_of(7, [60, 70]);
    view.remove_member(7);
    view.remove_member(60);
    view.insert_member(60);
    assert_eq!(view.wanted(&none(), &none()).first(), Some(&70));
}

#[test]
fn no_repair_is_owed_where_a_greater_survivor_is_linked_already() {
    let mut view = linked_to(&[7, 70], 100);
    view.set_neighbors_of(7, [60, 70]);
    view.set_degree(60, 64);
    view.remove_member(7);
    assert!(!view.wanted(&none(), &none()).contains(&60));
}

/// The link to 60 is up, but it has not told that it is linked to 70 when it departs too: 70 is next. Had it told, its
/// own vacancy would have named 70.
#[test]
fn a_repair_is_done_only_when_its_other_end_has_repaired_too() {
    let repaired = |told: &[u32]| {
        let mut view = full();
        view.set_degree(70, 64);
        view.set_degree(80, 64);
        view.set_neighbors_of(0, [60, 70]);
        view.remove_member(0);
        assert_eq!(view.wanted(&none(), &none()), [60]);
        view.link_up(60);
        view.set_neighbors_of(60, told.iter().copied());
        // What it tells later does not reopen a settled vacancy.
        view.set_neighbors_of(60, [80]);
        view.remove_member(60);
        view.wanted(&none(), &none())
    };
    assert_eq!(repaired(&[3]), [70, 80]);
    assert_eq!(repaired(&[3, 70]), [80]);
}

#[test]
fn of_a_long_list_the_greatest_ids_are_kept() {
    let mut view = linked_to(&[7], 300);
    view.set_neighbors_of(7, 100..300);
    assert!(view.neighbors_of(7).eq(236..300));
}

#[test]
fn lists_of_members_never_linked_are_not_kept() {
    let mut view = linked_to(&[7], 100);
    view.set_neighbors_of(8, [60]);
    assert_eq!(view.neighbors_of(8).count(), 0);
}

#[test]
fn a_full_hub_accepts_only_who_needs_it() {
    let mut view = full();
    view.set_degree(70, 3);
    view.set_degree(71, 2);
    assert!(
        !view.accepts(ME, &none()) && !view.accepts(5000, &none()),
        "me, a stranger"
    );
    assert!(!view.accepts(70, &none()), "it has its links");
    assert!(view.accepts(71, &none()), "it would starve");
    assert!(view.accepts(70, &set(&[70])), "we dial it ourselves");

    for peer in [1000, 1001, 1002] {
        view.link_up(peer);
    }
    assert!(
        !view.accepts(71, &none()),
        "min_degree over the cutoff is the end"
    );
    view.set_neighbors_of(0, [70]);
    view.remove_member(0);
    assert!(view.accepts(70, &none()), "a repair");
}

#[test]
fn lost_links_and_dials_keep_their_places() {
    let mut view = full();
    view.set_degree(70, 3);
    view.link_lost(5);
    assert!(!view.accepts(70, &none()) && view.accepts(5, &none()));
    assert_eq!(view.wanted(&none(), &set(&[5])), []);
    view.link_refused(5);
    assert!(view.accepts(70, &none()));
    assert!(!view.accepts(70, &set(&[72])));
}

#[test]
fn who_lost_nearly_all_links_is_not_bound_by_the_places_it_keeps() {
    let mut view = full();
    let all: Vec<u32> = view.neighbors().collect();
    for peer in &all[2..] {
        view.link_lost(*peer);
    }
    view.set_degree(70, 3);
    assert!(view.accepts(70, &none()));
    assert_eq!(view.wanted(&none(), &all.into_iter().collect()).len(), 1);
}

proptest! {
    /// Whatever is reported, in whatever order: the dials are distinct and possible, and the links consistent.
    #[test]
    fn dials_are_members_not_yet_linked_dialled_or_resting(
        seed: u64,
        reports in prop::collection::vec((0..8_u8, 0..20_u32, prop::collection::vec(0..24_u32, 0..6)), 0..120),
        dialing in prop::collection::btree_set(0..24_u32, 0..4),
        resting in prop::collection::btree_set(0..24_u32, 0..4),
    ) {
        let config = Config { degree_cutoff: 7, ..Config::default() };
        let mut view = Neighborhood::new(10, config, seed).unwrap();
        let mut members = BTreeSet::new();
        for (report, peer, list) in reports {
            match report {
                0 | 1 => { view.insert_member(peer); members.insert(peer); }
                2 => { view.remove_member(peer); members.remove(&peer); }
                3 | 4 => view.link_up(peer),
                5 => view.link_lost(peer),
                6 => view.set_neighbors_of(peer, list),
                _ => { view.set_degree(peer, list.len()); view.link_refused(peer); }
            }
            members.remove(&10);
            let linked: BTreeSet<u32> = view.neighbors().collect();
            prop_assert!(linked.is_subset(&members));
            prop_assert_eq!(view.degree(), linked.len());
            let repeat = view.clone().wanted(&dialing, &resting);
            let wanted = view.wanted(&dialing, &resting);
            prop_assert_eq!(&wanted, &repeat);
            let distinct: BTreeSet<u32> = wanted.iter().copied().collect();
            prop_assert_eq!(distinct.len(), wanted.len());
            prop_assert!(distinct.is_subset(&members));
            prop_assert!(distinct.is_disjoint(&linked));
            prop_assert!(distinct.is_disjoint(&dialing) && distinct.is_disjoint(&resting));
            let others = members.iter().filter(|peer| **peer != 10).count();
            let reachable = members.difference(&resting).filter(|peer| !linked.contains(peer)).count();
            let to_come = linked.len() + wanted.len() + dialing.intersection(&members).filter(|peer| !linked.contains(peer)).count();
            prop_assert!(to_come >= 3.min(others).min(linked.len() + reachable), "starves");
        }
    }
}

/// Knows these members, and has no links.
fn view(members: &[u32]) -> Neighborhood<u32> {
    let mut view = Neighborhood::new(ME, Config::default(), 3).unwrap();
    for &peer in members {
        view.insert_member(peer);
    }
    view
}

/// Knows the members below `members`, and is linked to these.
fn linked_to(neighbors: &[u32], members: u32) -> Neighborhood<u32> {
    let mut view = view(&(0..=members).collect::<Vec<_>>());
    for &peer in neighbors {
        view.link_up(peer);
    }
    view
}

/// Linked to 64 members, the cutoff: 0 to 39 and 2000 to 2023.
fn full() -> Neighborhood<u32> {
    let mut view = linked_to(&[], 100);
    for peer in 1000..1003 {
        view.insert_member(peer);
    }
    for peer in (0..40).chain(2000..2024) {
        view.insert_member(peer);
        view.link_up(peer);
    }
    assert_eq!(view.degree(), 64);
    view
}

fn sorted(mut peers: Vec<u32>) -> Vec<u32> {
    peers.sort_unstable();
    peers
}

fn set(peers: &[u32]) -> BTreeSet<u32> {
    peers.iter().copied().collect()
}

fn none() -> BTreeSet<u32> {
    BTreeSet::new()
}
