//! The numbers, and what each means.

use serde::Serialize;

use super::spread::{Hops, Spread};

/// What was counted in a run. Only honest nodes count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Metrics {
    /// From the first `REGISTER_REQUEST` or `JOIN` that a process sends to its [`Joined`](quorate_node::Event::Joined). Each
    /// admission of each life counts. Who founds a network asks nobody and is not counted; nor does the time count that an
    /// earlier process spent asking.
    pub admissions: Spread,
    /// Who was put out.
    pub evictions: Evictions,
    /// What members told each other.
    pub gossip: Gossip,
    /// What that took.
    pub traffic: Traffic,
    /// What it went through.
    pub connections: Connections,
    /// How many inputs roles were given, those of liars too.
    pub steps: u64,
}

/// Evictions, and how long they took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Evictions {
    /// How many lives (a node in one of its incarnations) were ended by the others' decision, however many told of it.
    pub count: u64,
    /// How many of these lives' processes ran when the first node heard of it: they were paused, cut off, or asked to be
    /// taken for dead in another way.
    pub of_running: u64,
    /// How many members' processes ended, not by themselves, and never ran again.
    pub dead_for_good: u64,
    /// From the end of each of these to the first [`DeadConfirmed`](quorate_node::Event::DeadConfirmed) about that life, at
    /// any node.
    pub first: Spread,
    /// The same to the last at those members that were in when it died: one that enters later, or again, is told of old
    /// evictions too.
    pub last: Spread,
}

/// Broadcasts. Those of liars do not count, and neither does what liars are told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Gossip {
    /// How many an application was told are under way.
    pub broadcasts: u64,
    /// To how many applications they were given in all, also of those who were not in yet when they were made.
    pub deliveries: u64,
    /// How many deliveries were due: of each broadcast to each member that was in when it was made, without those whose
    /// process ended, or that were put out, before they had it.
    pub expected: u64,
    /// How many of those have not come, so far.
    pub missing: u64,
    /// How many messages applications were told to be missing.
    pub gaps: u64,
    /// From the answer to the origin's application to each delivery that was due.
    pub latency: Spread,
    /// The last delivery hop of each broadcast: the most links that it had crossed at a delivery that was due, by its own
    /// word.
    pub last_hop: Hops,
    /// How many copies of broadcasts came.
    pub copies: u64,
    /// The relative message redundancy in thousandths: m / (n - 1) - 1, where m counts the copies of payloads and n - 1 the
    /// first deliveries, over all broadcasts (Leitão, Pereira and Rodrigues, "Epidemic Broadcast Trees", SRDS 2007). 0 is a
    /// perfect tree.
    pub redundancy_permille: u64,
}

/// Frames and bytes that were handed over to be sent: once for each that a frame is for. Of the bytes, headers of frames
/// and what TLS and TCP add are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// All of it.
    pub total: Volume,
    /// Gossip: contents of broadcasts, and proofs that travel like them.
    pub payloads: Volume,
    /// Gossip: ids that are announced and asked for (`IHAVE`, `GRAFT`).
    pub ids: Volume,
    /// Gossip: heartbeats, both ways.
    pub heartbeats: Volume,
    /// What voters say to each other: seeds, or members of an open network.
    pub council: Volume,
    /// Standings and their proofs.
    pub roster: Volume,
    /// Probes, questions to panels, and reports of deaths.
    pub suspicion: Volume,
    /// Hellos, passports, registration, and everything else.
    pub others: Volume,
    /// What liars sent; no part of the total.
    pub by_liars: Volume,
    /// Over how many seconds of running nodes this went on, seeds and bootstraps counted.
    pub node_seconds: u64,
    /// Thousandths of frames that a node sent in a second.
    pub frames_per_node_second_milli: u64,
    /// Bytes that a node sent in a second.
    pub bytes_per_node_second: u64,
}

/// So many frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Volume {
    /// How many.
    pub frames: u64,
    /// How long, together.
    pub bytes: u64,
}

impl Volume {
    /// A frame of this length, to so many.
    pub(super) const fn add(&mut self, copies: usize, len: usize) {
        self.frames += copies as u64;
        self.bytes += (copies * len) as u64;
    }
}

/// Connections of all nodes, liars' too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Connections {
    /// How many were made: TCP and TLS, whatever the hellos said then.
    pub made: u64,
    /// How many of them ended, in whatever way.
    pub ended: u64,
    /// How many ended because the other end took messages too slowly.
    pub too_slow: u64,
}
