//! Members without a session, and when to look after each: also by time, since every input asks who is next, and after a
//! restart all members of a large network are missed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use quorate_consensus::NodeId;

/// Members that are missed.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    at: BTreeMap<NodeId, Instant>,
    by_time: BTreeSet<(Instant, NodeId)>,
}

impl Orphans {
    /// A member is looked after then, and not before.
    pub(super) fn insert(&mut self, node: NodeId, at: Instant) {
        self.remove(&node);
        self.at.insert(node, at);
        self.by_time.insert((at, node));
    }

    /// A member is missed no more.
    pub(super) fn remove(&mut self, node: &NodeId) {
        if let Some(at) = self.at.remove(node) {
            self.by_time.remove(&(at, *node));
        }
    }

    /// When a member is looked after, if it is missed.
    pub(super) fn get(&self, node: &NodeId) -> Option<&Instant> {
        self.at.get(node)
    }

    pub(super) fn contains(&self, node: &NodeId) -> bool {
        self.at.contains_key(node)
    }

    /// When somebody is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Who is due, by key.
    pub(super) fn due(&self, now: Instant) -> BTreeSet<NodeId> {
        let due = self.by_time.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, node)| *node).collect()
    }
}

impl FromIterator<(NodeId, Instant)> for Orphans {
    fn from_iter<I: IntoIterator<Item = (NodeId, Instant)>>(members: I) -> Self {
        let mut this = Self::default();
        for (node, at) in members {
            this.insert(node, at);
        }
        this
    }
}
