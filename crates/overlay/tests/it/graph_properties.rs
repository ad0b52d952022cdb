//! What holds for a whole overlay after any joins and departures.

use proptest::prelude::*;
use quorate_overlay::{Config, ConfigError, Graph};

#[derive(Debug, Clone, Copy)]
enum Change {
    Join(u16),
    /// The member at this position, counted round.
    Leave(usize),
    LargestHubLeaves,
}

proptest! {
    /// `check` covers: one piece, at least `min_degree` links each, at most the limit, every link known at both ends.
    #[test]
    fn invariants_hold_after_every_change(config in configs(), seed: u64, changes in changes()) {
        let mut graph = Graph::new(config, seed).unwrap();
        for change in changes {
            apply(&mut graph, change);
            prop_assert_eq!(graph.check(), Ok(()), "after {:?}", change);
        }
    }

    #[test]
    fn joins_alone_take_nobody_over_the_cutoff_of_a_default_overlay(seed: u64, ids: Vec<u16>) {
        let mut graph = Graph::new(Config::default(), seed).unwrap();
        for id in ids {
            let ends = graph.attach(id);
            prop_assert!(ends.iter().all(|&end| graph.linked(id, end)));
            prop_assert!(graph.degree(id) <= 64);
        }
    }

    #[test]
    fn equal_seeds_and_changes_give_equal_overlays(seed: u64, changes in changes()) {
        let run = || {
            let mut graph = Graph::new(Config::default(), seed).unwrap();
            let answers: Vec<_> = changes.iter().map(|&change| apply(&mut graph, change)).collect();
            (answers, graph.edges().collect::<Vec<_>>())
        };
        prop_assert_eq!(run(), run());
    }

    /// The links that `attach` and `detach` report are all there is.
    #[test]
    fn the_reported_links_are_the_links_opened(config in configs(), seed: u64, changes in changes()) {
        let mut graph = Graph::new(config, seed).unwrap();
        for change in changes {
            let before: Vec<_> = graph.edges().collect();
            let reported = apply(&mut graph, change);
            let opened = graph.edges().filter(|edge| !before.contains(edge)).count();
            prop_assert_eq!(opened, reported.len());
            prop_assert!(reported.iter().all(|&(a, b)| graph.linked(a, b)));
        }
    }
}

#[test]
fn another_seed_gives_another_overlay() {
    let edges = |seed| {
        let mut graph = Graph::new(Config::default(), seed).unwrap();
        for member in 0..100_u32 {
            graph.attach(member);
        }
        graph.edges().collect::<Vec<_>>()
    };
    assert_ne!(edges(1), edges(2));
}

#[test]
fn joining_twice_or_leaving_without_being_in_changes_nothing() {
    let mut graph = Graph::new(Config::default(), 1).unwrap();
    graph.attach(1);
    assert_eq!(graph.attach(2), [1]);
    assert_eq!(graph.attach(2), []);
    assert_eq!(graph.detach(3), []);
    assert_eq!(graph.edges().collect::<Vec<_>>(), [(1, 2)]);
    assert_eq!((graph.len(), graph.components()), (2, 1));
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let config = Config {
        min_degree: 0,
        ..Config::default()
    };
    assert_eq!(
        Graph::<u32>::new(config, 1).err(),
        Some(ConfigError::MinDegreeZero)
    );
}

fn apply(graph: &mut Graph<u16>, change: Change) -> Vec<(u16, u16)> {
    let leaver = match change {
        Change::Join(id) => return graph.attach(id).into_iter().map(|end| (id, end)).collect(),
        Change::Leave(position) => graph.members().nth(position % graph.len().max(1)),
        Change::LargestHubLeaves => graph.members().max_by_key(|&member| graph.degree(member)),
    };
    leaver
        .map(|leaver| graph.detach(leaver))
        .unwrap_or_default()
}

/// Including those that leave the least room: a cutoff just over twice the minimum.
fn configs() -> impl Strategy<Value = Config> {
    (1.01..5.0_f64, 1..6_usize, 1..20_usize).prop_map(|(exponent, min_degree, room)| Config {
        exponent,
        min_degree,
        degree_cutoff: 2 * min_degree + room,
    })
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        6 => any::<u16>().prop_map(Change::Join),
        3 => any::<usize>().prop_map(Change::Leave),
        1 => Just(Change::LargestHubLeaves),
    ];
    prop::collection::vec(change, 0..150)
}
