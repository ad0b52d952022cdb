//! What goes wrong with hosts, wires and disks, one file each.
//!
//! A fault strikes somebody at random and says how it ends. When the time of faults is over, all end at once.

mod clock;
mod crash;
mod failing_disk;
mod lost_disk;
mod one_way;
mod partition;
mod pause;
mod power_loss;
mod reset;
mod slow_disk;
mod slow_reader;
mod stall;

use std::collections::BTreeSet;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use crate::cast::Cast;
use crate::dice::Dice as _;
use crate::host::HostId;
use crate::options::{FaultKind, Options};
use crate::world::{Death, World};

/// How a fault ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Remedy {
    /// The process starts again.
    Start(HostId),
    /// The process goes on.
    Resume(HostId),
    /// All wires are whole again.
    Mend,
    /// The wires behave as in the beginning.
    Weather,
    /// The host reads as fast as others.
    Read(HostId),
    /// The host's clock is set right.
    Clock(HostId),
    /// The host's disk is as fast as others.
    Disk(HostId),
    /// The disk works again, and the process is started anew.
    Repair(HostId),
}

/// What a fault plays on.
pub(crate) struct Stage<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) cast: &'a mut Cast,
    pub(crate) rng: &'a mut ChaCha8Rng,
    pub(crate) options: &'a Options,
}

/// A fault strikes. Returns how it ends, and after how long.
pub(crate) fn strike(fault: FaultKind, stage: &mut Stage<'_>) -> Option<(Duration, Remedy)> {
    match fault {
        FaultKind::Crash => crash::strike(stage),
        FaultKind::PowerLoss => power_loss::strike(stage),
        FaultKind::Pause => pause::strike(stage),
        FaultKind::Partition => partition::strike(stage),
        FaultKind::OneWay => one_way::strike(stage),
        FaultKind::Reset => reset::strike(stage),
        FaultKind::Stall => stall::strike(stage),
        FaultKind::SlowReader => slow_reader::strike(stage),
        FaultKind::Clock => clock::strike(stage),
        FaultKind::SlowDisk => slow_disk::strike(stage),
        FaultKind::FailingDisk => failing_disk::strike(stage),
        FaultKind::LostDisk => lost_disk::strike(stage),
    }
}

impl Stage<'_> {
    /// Somebody who runs, a server once in four times: there are few, and more depends on them.
    fn victim(&mut self) -> Option<HostId> {
        let of = if self.rng.one_in(4) {
            &self.cast.servers
        } else {
            &self.cast.nodes
        };
        let running: Vec<HostId> = of
            .iter()
            .copied()
            .filter(|id| self.world.host(*id).is_running())
            .collect();
        self.rng.pick(&running).copied()
    }

    /// Somebody's process ends in this way, and starts again soon or later.
    fn end_one(&mut self, death: Death) -> Option<(Duration, Remedy)> {
        let victim = self.victim()?;
        self.world.kill(victim, death);
        let longest = seconds(if self.rng.one_in(2) { 1 } else { 15 });
        let down = self.rng.span(Duration::from_millis(20), longest);
        Some((down, Remedy::Start(victim)))
    }

    /// Some of all hosts: one, a few, or half.
    fn some(&mut self) -> BTreeSet<HostId> {
        let all: Vec<HostId> = self
            .cast
            .servers
            .iter()
            .chain(&self.cast.nodes)
            .copied()
            .collect();
        let one_in = *self.rng.pick(&[2, 2, 4, 10]).unwrap_or(&2);
        all.into_iter()
            .filter(|_| self.rng.one_in(one_in))
            .collect()
    }

    fn others(&self, than: &BTreeSet<HostId>) -> BTreeSet<HostId> {
        let all = self.cast.servers.iter().chain(&self.cast.nodes);
        all.filter(|id| !than.contains(id)).copied().collect()
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
