//! A computer of the simulated network: its key, its clock, its disk, and the process on it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quorate_consensus::{NodeId, Signer};
use quorate_node::roles::{DialId, WriteId};
use quorate_node::store::{Store, Stored};
use quorate_node::{Admission, Discovery, Options};

use crate::clock::Clock;
use crate::dishonest::Conduct;
use crate::disk::Disk;
use crate::process::Process;

/// Names a host: its place in the world's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub usize);

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "host {}", self.0)
    }
}

/// Which role a host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A voter.
    Seed,
    /// A member of a seeded network.
    Peer,
    /// A member of an open network.
    Member,
    /// Tells who is there.
    Bootstrap,
}

/// What a process is started with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Which role.
    pub kind: Kind,
    /// How it deviates, if it does.
    pub conduct: Option<Conduct>,
    /// The options of its role.
    pub options: Options,
    /// Where a member looks for the network.
    pub discovery: Discovery,
    /// Whom a member lets in without being asked.
    pub admission: Admission,
}

/// A computer of the simulated network.
#[derive(Debug)]
pub struct Host {
    /// Where it listens.
    pub address: String,
    /// Its key.
    pub signer: Arc<dyn Signer>,
    /// What it is started with.
    pub setup: Setup,
    /// What runs, if anything does.
    pub process: Option<Process>,
    /// Counts its processes, so that what one began does not end in the next.
    pub life: u64,
    /// It runs, but does nothing: its sockets stay open, and its kernel accepts connections.
    pub is_paused: bool,
    /// Without power it does not even refuse connections.
    pub has_power: bool,
    /// How many bytes it reads in a second, if it reads slowly.
    pub reads: Option<u64>,
    /// Until when it reads what it has.
    pub(crate) reading_until: Duration,
    /// Until when its link to the network is busy with what it sent.
    pub(crate) sending_until: Duration,
    /// Its clocks.
    pub clock: Clock,
    /// Its disk.
    pub disk: Disk,
    /// Whether its disk was replaced while its key was kept, and nothing has run since.
    pub has_lost_disk: bool,
    /// How slow its disk is: the longest that one write takes.
    pub disk_max: Duration,
    pub(crate) store: Option<Store>,
    /// What is being written, and what waits for it.
    pub(crate) writing: Vec<(WriteId, Stored)>,
    pub(crate) waiting: Vec<(WriteId, Stored)>,
    /// Ends of connections that are its.
    pub(crate) links: BTreeSet<u64>,
    pub(crate) dials: BTreeMap<DialId, u64>,
    /// How many connections it accepted that have not said hello.
    pub(crate) unproven: usize,
    /// When it is woken next, and how often it was at this very moment.
    pub(crate) wake_at: Option<Duration>,
    pub(crate) wakes: (Duration, u32),
    /// Since when it has been running, undisturbed.
    pub(crate) well_since: Option<Duration>,
    /// Whether it has been started before.
    pub(crate) starts: u64,
    /// Who it was before it lost its disk, a member of an open network.
    pub(crate) lost: Option<NodeId>,
}

impl Host {
    /// A host that has not been started.
    pub fn new(address: String, signer: Arc<dyn Signer>, setup: Setup, clock: Clock) -> Self {
        Self {
            address,
            signer,
            setup,
            process: None,
            life: 0,
            is_paused: false,
            has_power: true,
            reads: None,
            reading_until: Duration::ZERO,
            sending_until: Duration::ZERO,
            clock,
            disk: Disk::default(),
            has_lost_disk: false,
            disk_max: Duration::from_millis(5),
            store: None,
            writing: Vec::new(),
            waiting: Vec::new(),
            links: BTreeSet::new(),
            dials: BTreeMap::new(),
            unproven: 0,
            wake_at: None,
            wakes: (Duration::ZERO, 0),
            well_since: None,
            starts: 0,
            lost: None,
        }
    }

    /// Who it is.
    pub fn id(&self) -> NodeId {
        self.signer.id()
    }

    /// Whether it keeps to the protocol.
    pub const fn is_honest(&self) -> bool {
        self.setup.conduct.is_none()
    }

    /// Whether a process runs, paused or not.
    pub const fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Whether a process runs and does something.
    pub const fn is_running(&self) -> bool {
        self.process.is_some() && !self.is_paused
    }

    /// Since when its process has been running without being paused, slowed or started anew.
    pub const fn well_since(&self) -> Option<Duration> {
        self.well_since
    }

    /// How many connections it has, ready or not.
    pub fn connections(&self) -> usize {
        self.links.len()
    }

    /// How many of its writes are under way or waiting.
    pub fn pending_writes(&self) -> usize {
        self.writing.len() + self.waiting.len()
    }
}
