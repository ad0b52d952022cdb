//! What a run is made of. Everything that happens in it follows from these; printed, they are the command that repeats it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::dishonest::Conduct;

/// Which of the two networks is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkKind {
    /// Seeds vote, peers gossip.
    Seeded,
    /// All are members.
    Open,
}

/// A way in which hosts, wires and disks fail. What a fault does is in the file of its name, in `faults`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultKind {
    /// Processes are killed, and start again.
    Crash,
    /// Hosts lose power: connections are half open, and what was not synced is lost or torn.
    PowerLoss,
    /// Processes stand still while their sockets stay open.
    Pause,
    /// The network is in two parts for a while.
    Partition,
    /// Some hosts hear others but are not heard.
    OneWay,
    /// Connections are reset.
    Reset,
    /// Segments are lost, so that streams stand still for a while.
    Stall,
    /// A host reads more slowly than others send.
    SlowReader,
    /// Clocks drift, and wall clocks jump.
    Clock,
    /// A disk takes long for every write.
    SlowDisk,
    /// A disk fails every write, until the process is started anew.
    FailingDisk,
    /// A disk is replaced by an empty one.
    LostDisk,
}

/// What is done to the nodes, beside the faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Story {
    /// Nodes come, leave, come back and die at any time, and somebody always talks.
    #[default]
    Mixed,
    /// All nodes come in the first half; then a hundred messages are said; at three quarters the node with the most links
    /// dies for good.
    Growth,
    /// As mixed; besides, persons at the seeds change who the seeds are.
    Reseating,
}

/// How statements are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Signatures {
    /// For real; each distinct signature is checked once in the process.
    #[default]
    Ed25519,
    /// By a scheme that proves nothing, for very large runs.
    Unproven,
}

/// What a run is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Everything random follows from it.
    pub seed: u64,
    /// Which network.
    pub network: NetworkKind,
    /// How many peers, or members; seeds and bootstraps are not counted.
    pub nodes: usize,
    /// How many seeds vote, in a seeded network.
    pub seeds: usize,
    /// For how long faults go on, in virtual time.
    pub duration: Duration,
    /// What is done to the nodes.
    pub story: Story,
    /// Which faults happen.
    pub faults: BTreeSet<FaultKind>,
    /// Who lies; one participant each. At most as many seeds as leave the others a quorum.
    pub liars: Vec<Conduct>,
    /// How statements are signed.
    pub signatures: Signatures,
    /// What is broken in the product on purpose, by name; only in builds that have it.
    pub planted: Option<String>,
}

/// A name that stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {expected}, got {got:?}")]
pub struct UnknownName {
    expected: String,
    got: String,
}

impl Options {
    /// Thirty nodes of a network for two minutes, without any fault.
    pub const fn new(network: NetworkKind, seed: u64) -> Self {
        Self {
            seed,
            network,
            nodes: 30,
            seeds: 3,
            duration: Duration::from_secs(120),
            story: Story::Mixed,
            faults: BTreeSet::new(),
            liars: Vec::new(),
            signatures: Signatures::Ed25519,
            planted: None,
        }
    }
}

impl fmt::Display for Options {
    /// The command line's arguments that give these options again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "--seed {} --network {} --nodes {}",
            self.seed,
            self.network.name(),
            self.nodes
        )?;
        if self.network == NetworkKind::Seeded {
            write!(f, " --seeds {}", self.seeds)?;
        }
        write!(f, " --seconds {}", self.duration.as_secs())?;
        let list = |names: Vec<&str>| {
            if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(",")
            }
        };
        let faults = self.faults.iter().map(|fault| fault.name()).collect();
        let liars = self.liars.iter().map(|conduct| conduct.name()).collect();
        write!(f, " --faults {} --liars {}", list(faults), list(liars))?;
        if self.story != Story::Mixed {
            write!(f, " --story {}", self.story.name())?;
        }
        if self.signatures == Signatures::Unproven {
            write!(f, " --signatures unproven")?;
        }
        if let Some(planted) = &self.planted {
            write!(f, " --plant {planted}")?;
        }
        Ok(())
    }
}

impl NetworkKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Seeded, Self::Open];

    /// What it is called on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Seeded => "seeded",
            Self::Open => "open",
        }
    }
}

impl Story {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mixed, Self::Growth, Self::Reseating];

    /// What it is called on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mixed => "mixed",
            Self::Growth => "growth",
            Self::Reseating => "reseating",
        }
    }
}

impl FaultKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Crash,
        Self::PowerLoss,
        Self::Pause,
        Self::Partition,
        Self::OneWay,
        Self::Reset,
        Self::Stall,
        Self::SlowReader,
        Self::Clock,
        Self::SlowDisk,
        Self::FailingDisk,
        Self::LostDisk,
    ];

    /// What it is called on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::PowerLoss => "power-loss",
            Self::Pause => "pause",
            Self::Partition => "partition",
            Self::OneWay => "one-way",
            Self::Reset => "reset",
            Self::Stall => "stall",
            Self::SlowReader => "slow-reader",
            Self::Clock => "clock",
            Self::SlowDisk => "slow-disk",
            Self::FailingDisk => "failing-disk",
            Self::LostDisk => "lost-disk",
        }
    }
}

impl FromStr for FaultKind {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.into_iter().find(|fault| fault.name() == text);
        found.ok_or_else(|| UnknownName {
            expected: Self::ALL.map(Self::name).join(", "),
            got: text.to_owned(),
        })
    }
}
