//! The panel of a suspect is the same at everyone and chosen by nobody.

use std::collections::BTreeSet;

use proptest::prelude::*;
use quorate_gossip::{PANEL_SIZE, Panel, panel_order};

use crate::support::Id;

const SUSPECT: Id = [0];

fn ids(range: std::ops::Range<u8>) -> Vec<Id> {
    range.map(|id| [id]).collect()
}

proptest! {
    #[test]
    fn the_order_is_the_same_at_everyone(
        members in Just(ids(0..40)).prop_shuffle(),
        incarnation: u64,
    ) {
        let repeated = members.iter().chain(&members).copied();
        let order = panel_order(&SUSPECT, incarnation, repeated);
        prop_assert_eq!(&order, &panel_order(&SUSPECT, incarnation, ids(0..40)));
        let called: BTreeSet<_> = order.into_iter().collect();
        prop_assert_eq!(called, ids(1..40).into_iter().collect());
    }

    #[test]
    fn silence_moves_others_up_and_nobody_out(
        silent in proptest::collection::btree_set(1..40_u8, 0..30),
    ) {
        let silent: BTreeSet<Id> = silent.into_iter().map(|id| [id]).collect();
        let panel = |silent| Panel::new(&SUSPECT, 0, ids(0..40), ids(100..103), silent);
        let (before, after) = (panel(&BTreeSet::new()), panel(&silent));
        prop_assert!(after.iter().all(|peer| !silent.contains(&peer)));
        prop_assert!(before.iter().all(|peer| silent.contains(&peer) || after.contains(&peer)));
        prop_assert_eq!(after.len(), PANEL_SIZE);
    }
}

/// The order is part of the protocol: all versions have to agree on it.
#[test]
fn the_order_does_not_change_from_release_to_release() {
    let order = panel_order(&SUSPECT, 1, ids(0..8));
    assert_eq!(order, KNOWN_ORDER.map(|id| [id]));
}

#[test]
fn the_order_depends_on_the_suspect_and_on_the_incarnation() {
    let order = panel_order(&SUSPECT, 1, ids(0..40));
    assert_ne!(order, panel_order(&SUSPECT, 2, ids(0..40)));
    assert_ne!(order, panel_order(&[200], 1, ids(1..40)));
}

#[test]
fn fillers_come_in_only_below_three_members() {
    let panel = |members, silent: &[Id]| {
        let silent: BTreeSet<_> = silent.iter().copied().collect();
        Panel::new(&SUSPECT, 0, ids(0..members), ids(100..110), &silent)
    };
    let fillers = |panel: &Panel<Id>| panel.iter().filter(|peer| peer[0] >= 100).count();
    for (members, expected) in [(1, 3), (2, 2), (3, 1), (4, 0), (9, 0)] {
        assert_eq!(
            fillers(&panel(members, &[])),
            expected,
            "with {members} members, the suspect among them"
        );
    }
    assert_eq!(fillers(&panel(4, &[[2]])), 1);
    // In their own order, not as they are listed.
    let order = panel_order(&SUSPECT, 0, ids(100..110));
    assert_eq!(panel(1, &[]).iter().collect::<Vec<_>>(), order[..3]);
    // Neither the suspect nor somebody who is on it already.
    let both = Panel::new(&SUSPECT, 0, ids(0..3), ids(0..3), &BTreeSet::new());
    assert_eq!(both.len(), 2);
}

#[test]
fn the_threshold_is_a_majority_and_an_empty_panel_has_none() {
    for (len, threshold) in [
        (0, 1),
        (1, 1),
        (2, 2),
        (3, 2),
        (4, 3),
        (5, 3),
        (6, 4),
        (7, 4),
        (8, 5),
        (30, 5),
    ] {
        let panel = Panel::new(&SUSPECT, 0, ids(1..1 + len), [], &BTreeSet::new());
        assert_eq!(panel.threshold(), threshold, "of {len}");
        assert_eq!(panel.is_empty(), len == 0);
    }
}

/// Computed apart, with Python's hashlib.
const KNOWN_ORDER: [u8; 7] = [1, 4, 6, 7, 5, 3, 2];
