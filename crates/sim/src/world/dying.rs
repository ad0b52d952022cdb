//! How processes end, stand still, and go on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rand::RngExt as _;

use super::{Due, World};
use crate::clock::Clock;
use crate::fact::Fact;
use crate::host::HostId;
use crate::network::{EndState, Item};
use crate::process::Process;

/// How many operations of one write may be done before its process dies.
const OPERATIONS_MAX: u32 = 24;

/// How a process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// It is killed: its kernel says so to everybody it was connected with, and refuses new connections.
    Killed,
    /// Its host loses power: nobody is told anything, and what was not synced may be lost.
    PowerLost,
}

impl World {
    /// A process ends without warning.
    pub fn kill(&mut self, id: HostId, death: Death) {
        if !self.hosts[id.0].is_up() {
            return;
        }
        self.tell(format!("{} is dead: {death:?}", self.view().name(id)));
        self.stop_writing(id);
        let host = &mut self.hosts[id.0];
        host.process = None;
        if death == Death::PowerLost {
            host.has_power = false;
            host.disk.lose_power(&mut self.rng);
        } else {
            host.disk.close();
        }
        for number in std::mem::take(&mut host.links) {
            self.cut_off(id, number, death);
        }
        self.ended(id, false);
    }

    /// A process has ended by itself.
    pub(super) fn exit(&mut self, id: HostId) {
        self.write_all(id);
        if let Some(Process::Applicant(_)) = self.hosts[id.0].process.take() {
            self.queue.push(self.now, Due::Seated(id));
        }
        for number in std::mem::take(&mut self.hosts[id.0].links) {
            let Some((link, end)) = self.own_end(id, number) else {
                continue;
            };
            if let Some(link) = self.network.links.get_mut(&link) {
                link.ends[end].state = EndState::Closed;
            }
            let sent = self.hosts[id.0].sending_until.max(self.now);
            self.put(link, end, sent, Item::Fin);
        }
        self.tell(format!("{} has ended by itself", self.view().name(id)));
        self.ended(id, true);
    }

    fn ended(&mut self, id: HostId, by_itself: bool) {
        self.deferred.remove(&id);
        let host = &mut self.hosts[id.0];
        host.store = None;
        host.writing.clear();
        host.waiting.clear();
        host.dials.clear();
        host.unproven = 0;
        host.wake_at = None;
        host.well_since = None;
        host.is_paused = false;
        // What its connections still bring is for nobody.
        host.life += 1;
        self.asked.retain(|(host, _), _| *host != id);
        self.observe(&Fact::Stopped {
            host: id,
            by_itself,
        });
        self.flow();
    }

    /// The process dies in the middle of what it writes.
    fn stop_writing(&mut self, id: HostId) {
        let operations = self.rng.random_range(0..OPERATIONS_MAX);
        let host = &mut self.hosts[id.0];
        let Some(store) = host.store.take() else {
            return;
        };
        let batch = std::mem::take(&mut host.writing);
        let dying = || {
            if !batch.is_empty() {
                host.disk.cut_after(operations);
                // Whether it was kept shows when it is opened again.
                let _kept = store.write(batch.iter().map(|(_, stored)| stored));
            }
            // The dead tidy nothing up.
            host.disk.cut_after(0);
            drop(store);
        };
        let _died = catch_unwind(AssertUnwindSafe(dying));
        for (_, stored) in &batch {
            self.may_be_durable(id, stored);
        }
    }

    fn own_end(&self, id: HostId, number: u64) -> Option<(u64, usize)> {
        let link = self.network.links.get(&number)?;
        let life = self.hosts[id.0].life;
        (0..2)
            .find(|end| link.ends[*end].host == id && link.ends[*end].life == life)
            .map(|end| (number, end))
    }

    /// What becomes of a dead process's connection.
    fn cut_off(&mut self, id: HostId, number: u64, death: Death) {
        let Some((number, end)) = self.own_end(id, number) else {
            return;
        };
        let Some(link) = self.network.links.get_mut(&number) else {
            return;
        };
        let near = &mut link.ends[end];
        near.held.clear();
        match death {
            Death::Killed => {
                near.state = EndState::Closed;
                // The kernel still sends what it has, and it may not have had all.
                let kept = self.rng.random_range(0..=near.stream.items.len());
                near.stream.items.truncate(kept);
                let now = self.now;
                self.put(number, end, now, Item::Fin);
            }
            Death::PowerLost => {
                near.state = EndState::Vanished;
                near.stream.items.clear();
            }
        }
    }

    /// A process stands still; its sockets stay open.
    pub fn pause(&mut self, id: HostId) {
        if self.hosts[id.0].is_running() {
            self.hosts[id.0].is_paused = true;
            self.hosts[id.0].well_since = None;
            self.tell(format!("{} stands still", self.view().name(id)));
        }
    }

    /// It goes on, and finds everything that came meanwhile.
    pub fn resume(&mut self, id: HostId) {
        if !self.hosts[id.0].is_paused {
            return;
        }
        self.tell(format!("{} goes on", self.view().name(id)));
        self.hosts[id.0].is_paused = false;
        self.hosts[id.0].well_since = Some(self.now + Duration::from_secs(1));
        self.hosts[id.0].wake_at = None;
        for due in self.deferred.remove(&id).unwrap_or_default() {
            self.queue.push(self.now, due);
        }
        self.arm(id);
        self.flow();
    }

    /// Power is back; nothing runs yet.
    pub fn power_up(&mut self, id: HostId) {
        if !self.hosts[id.0].has_power {
            self.hosts[id.0].has_power = true;
            self.tell(format!("{} has power again", self.view().name(id)));
            self.flow();
        }
    }

    /// A host that runs nothing loses its disk; its key is kept elsewhere.
    pub fn lose_disk(&mut self, id: HostId) {
        if !self.hosts[id.0].is_up() {
            self.hosts[id.0].disk.replace();
            self.hosts[id.0].has_lost_disk = true;
            self.tell(format!("{} has lost its disk", self.view().name(id)));
            self.observe(&Fact::DiskLost(id));
        }
    }

    /// A host's clocks change now, as `change` says. What its role waits for is due at another moment then, perhaps an
    /// earlier one: a wake-up that was set by the old clocks would come late.
    pub fn change_clock(&mut self, id: HostId, change: impl FnOnce(&mut Clock, Duration)) {
        change(&mut self.hosts[id.0].clock, self.now);
        self.arm(id);
    }

    /// A host reads so many bytes in a second from now on, or as many as come.
    pub fn set_reading(&mut self, id: HostId, reads: Option<u64>) {
        let host = &mut self.hosts[id.0];
        host.reads = reads;
        host.well_since = match reads {
            Some(_) => None,
            None => host
                .is_running()
                .then_some(self.now + Duration::from_secs(5)),
        };
    }
}
