//! The connections by name, by node, by purpose and by deadline, so that no question about them takes a walk over all.
//!
//! One invariant: every index says of each connection what the connection itself says. A connection is therefore changed
//! by [`Table::change`] alone, which puts it where it belongs afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use quorate_consensus::NodeId;

use super::{Conn, ERRAND_MAX};
use crate::protocol::{Purpose, RoleKind};
use crate::roles::ConnId;

/// All connections of a node.
#[derive(Debug)]
pub(super) struct Table {
    /// What this node is, and how long it waits for hellos: deadlines follow from them.
    role: RoleKind,
    hello_timeout: Duration,
    by_id: BTreeMap<ConnId, Conn>,
    /// The names of each node's, in order; hardly ever more than two.
    by_node: BTreeMap<NodeId, Vec<ConnId>>,
    /// Those that are ready, with their nodes.
    ready: BTreeMap<(Purpose, ConnId), NodeId>,
    by_deadline: BTreeSet<(Instant, ConnId)>,
    /// Counts what became ready, and what was and is not any more.
    changes: u64,
}

/// Where a connection is found.
#[derive(PartialEq, Eq)]
struct Places {
    ready: Option<Purpose>,
    due: Option<Instant>,
}

impl Table {
    pub(super) const fn new(role: RoleKind, hello_timeout: Duration) -> Self {
        Self {
            role,
            hello_timeout,
            by_id: BTreeMap::new(),
            by_node: BTreeMap::new(),
            ready: BTreeMap::new(),
            by_deadline: BTreeSet::new(),
            changes: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn get(&self, id: ConnId) -> Option<&Conn> {
        self.by_id.get(&id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ConnId> {
        self.by_id.keys().copied()
    }

    /// All connections with a node, ready or not, by their names.
    pub(super) fn with_node(&self, node: NodeId) -> impl Iterator<Item = (ConnId, &Conn)> {
        let ids = self.by_node.get(&node).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.by_id.get(id)?)))
    }

    /// Those that are ready for a purpose, by their names.
    pub(super) fn ready(&self, purpose: Purpose) -> impl Iterator<Item = (ConnId, NodeId)> {
        self.ready
            .range((purpose, ConnId(0))..=(purpose, ConnId(u64::MAX)))
            .map(|((_, id), node)| (*id, *node))
    }

    /// The earliest deadline.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(due, _)| *due)
    }

    /// Those whose deadline has come, by their names.
    pub(super) fn due(&self, now: Instant) -> BTreeSet<ConnId> {
        self.by_deadline
            .range(..=(now, ConnId(u64::MAX)))
            .map(|(_, id)| *id)
            .collect()
    }

    pub(super) fn insert(&mut self, id: ConnId, conn: Conn) {
        self.remove(id);
        let (node, places) = (conn.remote, self.places(&conn));
        let ids = self.by_node.entry(node).or_default();
        ids.insert(ids.partition_point(|other| *other < id), id);
        self.by_id.insert(id, conn);
        self.put(id, node, &places);
    }

    pub(super) fn remove(&mut self, id: ConnId) -> Option<Conn> {
        let conn = self.by_id.remove(&id)?;
        if let Some(ids) = self.by_node.get_mut(&conn.remote) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_node.remove(&conn.remote);
            }
        }
        let places = self.places(&conn);
        self.take(id, &places);
        Some(conn)
    }

    /// Changes a connection. Whose it is never changes.
    pub(super) fn change<T>(
        &mut self,
        id: ConnId,
        change: impl FnOnce(&mut Conn) -> T,
    ) -> Option<T> {
        let (role, hello_timeout) = (self.role, self.hello_timeout);
        let conn = self.by_id.get_mut(&id)?;
        let before = Places::of(conn, role, hello_timeout);
        let result = change(conn);
        let (node, after) = (conn.remote, Places::of(conn, role, hello_timeout));
        if before != after {
            self.take(id, &before);
            self.put(id, node, &after);
        }
        Some(result)
    }

    fn places(&self, conn: &Conn) -> Places {
        Places::of(conn, self.role, self.hello_timeout)
    }

    fn put(&mut self, id: ConnId, node: NodeId, places: &Places) {
        if let Some(purpose) = places.ready {
            self.ready.insert((purpose, id), node);
            self.changes += 1;
        }
        if let Some(due) = places.due {
            self.by_deadline.insert((due, id));
        }
    }

    fn take(&mut self, id: ConnId, places: &Places) {
        if let Some(purpose) = places.ready {
            self.ready.remove(&(purpose, id));
            self.changes += 1;
        }
        if let Some(due) = places.due {
            self.by_deadline.remove(&(due, id));
        }
    }
}

impl Places {
    fn of(conn: &Conn, role: RoleKind, hello_timeout: Duration) -> Self {
        let ping = conn.is_session(role).then_some(conn.ping_at);
        Self {
            ready: conn.role.and(conn.purpose),
            due: conn.deadline(hello_timeout).or(ping),
        }
    }
}

impl Conn {
    /// When it is over, come what may.
    pub(super) fn deadline(&self, hello_timeout: Duration) -> Option<Instant> {
        match (self.role, self.purpose) {
            (None, _) => Some(self.since + hello_timeout),
            (Some(_), Some(Purpose::Probe | Purpose::Testify)) => Some(self.since + ERRAND_MAX),
            _ => None,
        }
    }

    /// Whether this end checks it for life by pings: links between peers have heartbeats of their own.
    pub(super) const fn is_session(&self, role: RoleKind) -> bool {
        match (self.role, self.purpose) {
            (Some(_), Some(Purpose::Register | Purpose::Join | Purpose::Discover)) => true,
            (Some(_), Some(Purpose::Link)) => matches!(role, RoleKind::Seed | RoleKind::Member),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quorate_consensus::NetworkId;

    use super::*;

    const HELLO: Duration = Duration::from_secs(5);
    const PURPOSES: [Purpose; 4] = [
        Purpose::Link,
        Purpose::Register,
        Purpose::Probe,
        Purpose::Join,
    ];

    fn conn(remote: NodeId, since: Instant) -> Conn {
        Conn {
            remote,
            address: String::new(),
            purpose: None,
            role: None,
            network: NetworkId::NONE,
            dialed: false,
            goodbye: None,
            since,
            heard: since,
            ping_at: since,
            asked: (since, 0),
        }
    }

    /// What the indexes answer, found by looking at every connection.
    fn check(table: &Table, start: Instant) {
        let all = || table.by_id.iter();
        for node in (0..4).map(NodeId::from) {
            let expected: Vec<ConnId> = all()
                .filter(|(_, conn)| conn.remote == node)
                .map(|(id, _)| *id)
                .collect();
            let got: Vec<ConnId> = table.with_node(node).map(|(id, _)| id).collect();
            assert_eq!(got, expected);
        }
        for purpose in PURPOSES {
            let expected: Vec<(ConnId, NodeId)> = all()
                .filter(|(_, conn)| conn.role.is_some() && conn.purpose == Some(purpose))
                .map(|(id, conn)| (*id, conn.remote))
                .collect();
            assert_eq!(table.ready(purpose).collect::<Vec<_>>(), expected);
        }
        let due = |conn: &Conn| table.places(conn).due;
        assert_eq!(
            table.next_due(),
            all().filter_map(|(_, conn)| due(conn)).min()
        );
        let now = start + Duration::from_secs(8);
        let expected: BTreeSet<ConnId> = all()
            .filter(|(_, conn)| due(conn).is_some_and(|due| due <= now))
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(table.due(now), expected);
    }

    proptest! {
        #[test]
        fn an_index_answers_as_a_walk_over_all_does(
            steps in proptest::collection::vec((0..8_u64, 0..4_u64, 0..5_u8, 0..16_u64), 0..60),
            is_seed in any::<bool>(),
        ) {
            let role = if is_seed { RoleKind::Seed } else { RoleKind::Peer };
            let mut table = Table::new(role, HELLO);
            let start = Instant::now();
            for (id, node, act, secs) in steps {
                let (id, at) = (ConnId(id), start + Duration::from_secs(secs));
                match act {
                    0 => table.insert(id, conn(NodeId::from(node), at)),
                    1 => drop(table.remove(id)),
                    2 => {
                        table.change(id, |conn| {
                            conn.purpose = PURPOSES.get(usize::try_from(node).unwrap()).copied();
                            conn.role = Some(RoleKind::Seed);
                            conn.ping_at = at;
                        });
                    }
                    3 => {
                        table.change(id, |conn| conn.since = at);
                    }
                    _ => {
                        table.change(id, |conn| conn.ping_at = at);
                    }
                }
                check(&table, start);
            }
        }
    }
}
