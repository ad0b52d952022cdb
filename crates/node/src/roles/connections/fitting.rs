//! Whether the other end fits: its hello, and a second link of one pair.

use quorate_consensus::{NetworkId, NodeId, Now};

use super::{Connections, SIMULTANEOUS};
use crate::protocol::{Hello, Purpose, RoleKind, VERSIONS};
use crate::roles::ConnId;

impl Connections {
    pub(super) fn check(&self, hello: &Hello, purpose: Purpose) -> Result<(), String> {
        let (low, high) = hello.versions;
        if low > VERSIONS.1 || high < VERSIONS.0 {
            let (a, b) = VERSIONS;
            return Err(format!(
                "expected a protocol version from {a} to {b}, got {low} to {high}"
            ));
        }
        if !self.is_in_reach(hello) {
            return Err(self.difference(hello));
        }
        if hello.format != self.format {
            return Err(format!(
                "expected the format {}, got {}",
                self.format, hello.format
            ));
        }
        if hello.purpose != purpose {
            return Err(format!(
                "expected a connection for {purpose:?}, got one for {:?}",
                hello.purpose
            ));
        }
        let fits = match purpose {
            Purpose::Link => hello.role == self.role && self.role != RoleKind::Bootstrap,
            Purpose::Register => matches!(
                (hello.role, self.role),
                (RoleKind::Peer, RoleKind::Seed) | (RoleKind::Seed, RoleKind::Peer)
            ),
            Purpose::Join => (hello.role, self.role) == (RoleKind::Member, RoleKind::Member),
            Purpose::Discover => {
                (hello.role == RoleKind::Bootstrap) != (self.role == RoleKind::Bootstrap)
            }
            Purpose::Probe | Purpose::Testify => true,
        };
        if fits {
            Ok(())
        } else {
            Err(format!(
                "a {:?} and a {:?} have no connection for {purpose:?}",
                hello.role, self.role
            ))
        }
    }

    /// Whether the two are in one network, or in an open one that one of them is still looking for.
    fn is_in_reach(&self, hello: &Hello) -> bool {
        let is_open = |role| matches!(role, RoleKind::Member | RoleKind::Bootstrap);
        let is_looking = hello.network == NetworkId::NONE || self.network == NetworkId::NONE;
        hello.network == self.network || (is_looking && is_open(hello.role) && is_open(self.role))
    }

    fn difference(&self, hello: &Hello) -> String {
        let (expected, got) = (self.network, hello.network);
        if self.seeds.is_empty() && hello.seeds.is_empty() {
            return format!("expected network {expected}, got {got}");
        }
        let only = |these: &[String], those: &[String]| {
            let only: Vec<&str> = these
                .iter()
                .filter(|address| !those.contains(address))
                .map(String::as_str)
                .collect();
            if only.is_empty() {
                "none".to_owned()
            } else {
                only.join(", ")
            }
        };
        format!(
            "expected network {expected}, got {got}: the seed lists differ; only here: {}; only there: {}",
            only(&self.seeds, &hello.seeds),
            only(&hello.seeds, &self.seeds)
        )
    }

    /// Which link of a pair stays: `Ok` the new one, with the one it replaces; `Err` the old one.
    pub(super) fn tie_break(
        &self,
        new: ConnId,
        remote: NodeId,
        new_dialed: bool,
        now: Now,
    ) -> Result<Option<ConnId>, ()> {
        // An accepted rival counts from its hello on, a dialled one as soon as ours was sent.
        let rival = self
            .conns
            .with_node(remote)
            .find(|(id, conn)| *id != new && conn.purpose == Some(Purpose::Link));
        let Some((rival, conn)) = rival else {
            return Ok(None);
        };
        let is_simultaneous = now.instant.saturating_duration_since(conn.since) < SIMULTANEOUS;
        let dialed_by_smaller = |dialed: bool| dialed == (self.me < remote);
        if is_simultaneous && conn.dialed != new_dialed && dialed_by_smaller(conn.dialed) {
            Err(())
        } else {
            Ok(Some(rival))
        }
    }
}
