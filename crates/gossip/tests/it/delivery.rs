//! Everybody gets everything, once.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;
use quorate_gossip::Config;

use crate::support::ms;
use crate::support::network::Network;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Latencies are random, so messages overtake one another; some arrive twice; links come up
    /// while they travel.
    #[test]
    fn exactly_once_on_any_connected_graph(
        (nodes, links) in any_connected_graph(),
        publishers in proptest::collection::vec(any::<Index>(), 1..12),
        duplicated_percent in 0..80_u64,
        seed in any::<u64>(),
    ) {
        let mut network = Network::new(nodes, &Config::default(), seed);
        network.duplicated_percent = duplicated_percent;
        let mut published = Vec::new();
        let mut publishers = publishers.iter();
        for (one, other) in links {
            if let Some(publisher) = publishers.next() {
                let publisher = publisher.index(nodes.into()) as u8;
                let id = network.broadcast(publisher, Bytes::from_static(b"hello")).id;
                published.push((publisher, id));
            }
            network.link(one, other);
            network.run(ms(7));
        }
        network.run(ms(10_000));
        network.assert_delivered_exactly_once(&published);
        prop_assert!(network.silent.is_empty());
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let mut network = Network::new(8, &Config::default(), 3);
        for node in 0..8 {
            network.link(node, (node + 1) % 8);
            network.link(node, (node + 3) % 8);
        }
        for node in 0..8 {
            network.broadcast(node, Bytes::from_static(b"hello"));
            network.run(ms(20));
        }
        network.run(ms(3000));
        let counters: Vec<_> = network
            .engines
            .values()
            .map(|engine| *engine.counters())
            .collect();
        (network.delivered, counters)
    };
    assert_eq!(run(), run());
}

/// Nodes, each linked to some earlier one, and then some more links.
fn any_connected_graph() -> impl Strategy<Value = (u8, BTreeSet<(u8, u8)>)> {
    (2..12_u8).prop_flat_map(|nodes| {
        let parents = proptest::collection::vec(any::<Index>(), usize::from(nodes) - 1);
        let chords = proptest::collection::vec((0..nodes, 0..nodes), 0..12);
        (parents, chords).prop_map(move |(parents, chords)| {
            let parent = |(parent, node): (Index, u8)| (parent.index(node.into()) as u8, node);
            let tree = parents.into_iter().zip(1..).map(parent);
            let ordered = |(one, other): (u8, u8)| (one.min(other), one.max(other));
            let chords = chords
                .into_iter()
                .filter(|(one, other)| one != other)
                .map(ordered);
            (nodes, tree.chain(chords).collect())
        })
    })
}
