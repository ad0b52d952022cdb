//! Who is sent a broadcast unasked: the eager half of Plumtree.
//!
//! In this version every neighbour is eager, which makes the broadcast a flood: robust, and with
//! one or two copies over every link. Plumtree's lazy half, and with it `PRUNE`, belongs here.

use std::collections::BTreeSet;

/// The neighbours, by how they are told.
#[derive(Debug)]
pub(crate) struct Broadcast<P> {
    eager_peers: BTreeSet<P>,
}

impl<P: Copy + Ord> Broadcast<P> {
    pub(crate) const fn new() -> Self {
        Self {
            eager_peers: BTreeSet::new(),
        }
    }

    pub(crate) fn insert(&mut self, peer: P) {
        self.eager_peers.insert(peer);
    }

    pub(crate) fn remove(&mut self, peer: &P) -> bool {
        self.eager_peers.remove(peer)
    }

    pub(crate) fn is_neighbor(&self, peer: &P) -> bool {
        self.eager_peers.contains(peer)
    }

    pub(crate) fn neighbors(&self) -> impl Iterator<Item = P> {
        self.eager_peers.iter().copied()
    }

    /// Whom to push a content to, given those that have it.
    pub(crate) fn eager_push(&self, holders: &BTreeSet<P>) -> Vec<P> {
        self.eager_peers.difference(holders).copied().collect()
    }
}
