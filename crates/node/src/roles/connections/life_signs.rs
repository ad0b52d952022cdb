//! Deadlines of connections, and pings on sessions: who is silent too long is closed.

use std::time::{Duration, Instant};

use quorate_consensus::Now;

use super::{Conn, Connections, PINGS_MISSED_MAX};
use crate::protocol::{Goodbye, Message};
use crate::roles::{ConnId, Outbox, Output};

impl Connections {
    /// Deadlines and pings that are due. Returns the sessions found dead, which are closed.
    pub fn handle_timeout(&mut self, now: Now, out: &mut Outbox) -> Vec<(ConnId, Conn)> {
        self.now = now.instant;
        self.forgive_own_lateness(now.instant);
        let mut dead = Vec::new();
        let mut pings = Vec::new();
        for id in self.conns.due(now.instant) {
            let Some(conn) = self.conns.get(id) else {
                continue;
            };
            let silence = now.instant.saturating_duration_since(conn.heard);
            if !conn.is_session(self.role) || silence >= self.session_ping * PINGS_MISSED_MAX {
                dead.push((id, Goodbye::Silent));
            } else {
                let ping_at = now.instant + self.session_ping;
                self.conns.change(id, |conn| conn.ping_at = ping_at);
                pings.push(id);
            }
        }
        if !pings.is_empty() {
            let nonce = self.nonce();
            out.send_all(pings, Message::Probe { nonce });
        }
        let mut lost = Vec::new();
        for (id, goodbye) in dead {
            if let Some(conn) = self.conns.remove(id) {
                out.send(id, Message::Goodbye(goodbye));
                out.push(Output::Close(id));
                lost.push((id, conn));
            }
        }
        lost
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.conns.next_due()
    }

    /// Notes what was promised, so that the next timeout shows by how much this node ran late.
    pub fn note_due(&mut self) {
        self.due = self.poll_timeout();
    }

    /// A node that was itself paused must not find everybody else silent.
    pub(super) fn forgive_own_lateness(&mut self, now: Instant) {
        let late = self
            .due
            .map_or(Duration::ZERO, |due| now.saturating_duration_since(due));
        if late > self.session_ping {
            for id in self.conns.ids().collect::<Vec<_>>() {
                self.conns.change(id, |conn| {
                    // Whoever was heard meanwhile was heard now, not in the future.
                    conn.heard = (conn.heard + late).min(now);
                    conn.since = (conn.since + late).min(now);
                });
            }
        }
    }
}
