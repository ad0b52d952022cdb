//! What seeds that were killed have on disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use quorate_node::consensus::{Ed25519, Roster, Standing};
use quorate_node::store::{Held, Kind, Store};
use quorate_node::{Identity, NodeId, SeedList};

/// Every store, by itself, proves every admission that was told; and all make one roster.
pub(crate) fn check(
    data: impl Iterator<Item = PathBuf>,
    list: &SeedList,
    told: &BTreeMap<NodeId, u64>,
) {
    let data: Vec<PathBuf> = data.collect();
    let mut digests = BTreeSet::new();
    for data in data {
        let id = Identity::load(data.join("key")).unwrap().id();
        let path = data.join("store.redb");
        let kind = Kind::Seed(list.network());
        let (_store, Held::Seed(held)) = Store::open(&path, kind).unwrap() else {
            panic!("expected a seed's store");
        };
        let mut electorate = list.electorate().unwrap();
        for (address, voter) in &held.seats {
            electorate
                .bind(list.position(address).unwrap(), *voter)
                .unwrap();
        }
        assert!(electorate.contains(&id));
        let mut roster = Roster::new();
        for proof in held.proofs {
            // Every signature is checked again here.
            roster.merge(proof.verify(&electorate, &Ed25519).unwrap());
        }
        for (node, incarnation) in told {
            let key = roster.get(node).map(|entry| entry.key);
            let has_it = key.is_some_and(|key| {
                key.incarnation == *incarnation && key.standing == Standing::Admitted
            });
            assert!(
                has_it,
                "a peer was told of {node} ({incarnation}); {id} has {key:?}"
            );
        }
        assert_eq!(roster.member_count(), told.len());
        digests.insert(roster.digest().to_string());
    }
    assert_eq!(digests.len(), 1, "the stores differ: {digests:?}");
}
