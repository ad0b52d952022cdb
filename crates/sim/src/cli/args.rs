//! The program's arguments, and what they mean to the library.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use quorate_sim::options::{FaultKind, NetworkKind, Options, Signatures, Story};
use quorate_sim::swarm;

use super::values::{self, Date, Liars, Network};

/// How many seeds a run has if nothing is said. An open network has none, and its runs all name this number.
const SEEDS: usize = 3;

/// For how long faults go on if nothing is said.
const DURATION: Duration = Duration::from_secs(120);

/// The trace goes to the standard output.
const STDOUT: &str = "-";

/// Runs whole Quorate networks in virtual time, and sees whether all promises hold.
#[derive(Debug, Parser)]
#[command(name = "quorate-sim")]
pub(crate) struct Args {
    /// The number that everything random follows from.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = values::seed)]
    seed: u64,
    /// Take that number from a date instead: fresh runs every day, the same for everybody.
    #[arg(long, value_name = "YYYY-MM-DD", conflicts_with = "seed")]
    from_date: Option<Date>,
    /// Which network: seeded, open, or both in turns in a swarm [default: seeded; both in a swarm].
    #[arg(long, value_name = "NETWORK")]
    network: Option<Network>,
    /// How many peers a seeded network has, or members an open one; in a swarm, at most.
    #[arg(long, value_name = "NUMBER", default_value_t = 30, value_parser = values::nodes)]
    nodes: usize,
    /// How many seeds a seeded network has [default: 3].
    #[arg(long, value_name = "NUMBER", value_parser = values::seeds)]
    seeds: Option<usize>,
    /// For how many minutes faults go on, in virtual time [default: 2].
    #[arg(long, value_name = "NUMBER", value_parser = values::minutes, conflicts_with = "seconds")]
    minutes: Option<Duration>,
    /// The same in seconds.
    #[arg(long, value_name = "NUMBER", value_parser = values::seconds)]
    seconds: Option<Duration>,
    /// What is done to the nodes: mixed, they come, leave and die at any time; or growth, all come in the first half, then a
    /// hundred messages are said, and at three quarters the node with the most links dies; or reseating, as mixed, and seeds of a
    /// seeded network get seats, lose them and give them up.
    #[arg(long, value_name = "STORY", default_value = "mixed", value_parser = values::story)]
    story: Story,
    /// Which faults happen: all, none, or some of crash, power-loss, pause, partition, one-way, reset, stall, slow-reader,
    /// clock, slow-disk, failing-disk and lost-disk, with commas between them [default: none].
    #[arg(long, value_name = "FAULTS", value_parser = values::faults)]
    faults: Option<BTreeSet<FaultKind>>,
    /// Who lies: all, none, or conducts with commas between them, a node each. All is one of each conduct that fits the
    /// network; in a small one, as many of them as leave one node honest, and never more than one seed in three
    /// [default: none].
    #[arg(long, value_name = "CONDUCTS")]
    liars: Option<Liars>,
    /// How statements are signed: ed25519, or unproven, which proves nothing and is fast.
    #[arg(long, value_name = "SCHEME", default_value = "ed25519", value_parser = values::signatures)]
    signatures: Signatures,
    /// Break the product on purpose, to see whether it is noticed; needs a build with `--features planted`.
    #[arg(long, value_name = "NAME", value_parser = values::planted)]
    plant: Option<String>,
    /// Write everything that happens, a line each, to the standard output or to a file.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = STDOUT)]
    trace: Option<PathBuf>,
    /// Write the outcome and what was counted as JSON and nothing else, a line for each run.
    #[arg(long)]
    json: bool,
    /// Make so many runs with random faults, liars, sizes and durations.
    #[arg(
        long,
        value_name = "RUNS",
        value_parser = values::runs,
        conflicts_with_all = ["seeds", "minutes", "seconds", "story", "faults", "liars", "trace"]
    )]
    swarm: Option<u64>,
    /// How many runs of a swarm are made at a time [default: as many as there are cores].
    #[arg(long, value_name = "NUMBER", value_parser = values::threads, requires = "swarm")]
    threads: Option<NonZeroUsize>,
    /// Begin no more runs of a swarm after one that broke a promise.
    #[arg(long, requires = "swarm")]
    fail_fast: bool,
}

/// What is asked for.
#[derive(Debug)]
pub(crate) enum Job {
    One(One),
    Swarm(Swarm),
}

/// One run.
#[derive(Debug)]
pub(crate) struct One {
    pub(crate) options: Options,
    pub(crate) trace: Option<Trace>,
    pub(crate) json: bool,
}

/// Where everything that happens is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trace {
    Stdout,
    File(PathBuf),
}

/// Many runs.
#[derive(Debug)]
pub(crate) struct Swarm {
    pub(crate) runs: u64,
    pub(crate) base: u64,
    /// Both in turns if none is named.
    pub(crate) network: Option<NetworkKind>,
    pub(crate) nodes: usize,
    pub(crate) signatures: Signatures,
    pub(crate) planted: Option<String>,
    pub(crate) threads: NonZeroUsize,
    pub(crate) fail_fast: bool,
    pub(crate) json: bool,
}

impl Args {
    /// What the arguments mean together.
    ///
    /// # Errors
    /// When they do not fit together: what was expected, and what came.
    pub(crate) fn job(&self) -> Result<Job, String> {
        match self.swarm {
            Some(runs) => Ok(Job::Swarm(self.swarm(runs))),
            None => Ok(Job::One(self.one()?)),
        }
    }

    fn swarm(&self, runs: u64) -> Swarm {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Swarm {
            runs,
            base: self.number(),
            network: self.network.and_then(Network::one),
            nodes: self.nodes,
            signatures: self.signatures,
            planted: self.plant.clone(),
            threads: self.threads.unwrap_or(cores),
            fail_fast: self.fail_fast,
            json: self.json,
        }
    }

    fn one(&self) -> Result<One, String> {
        if self.fail_fast || self.threads.is_some() {
            return Err(
                "expected --fail-fast and --threads with --swarm only, got them without".to_owned(),
            );
        }
        let trace = self.trace.clone().map(|path| match path.to_str() {
            Some(STDOUT) => Trace::Stdout,
            _ => Trace::File(path),
        });
        if self.json && trace == Some(Trace::Stdout) {
            return Err("expected --trace=FILE with --json, which has the standard output to itself; got --trace".to_owned());
        }
        Ok(One {
            options: self.options()?,
            trace,
            json: self.json,
        })
    }

    fn options(&self) -> Result<Options, String> {
        let network = match self.network {
            None => NetworkKind::Seeded,
            Some(Network::One(network)) => network,
            Some(Network::Both) => {
                return Err(
                    "expected --network seeded or open for one run, got both, which is for a swarm"
                        .to_owned(),
                );
            }
        };
        if let (NetworkKind::Open, Some(seeds)) = (network, self.seeds) {
            return Err(format!(
                "expected --seeds with a seeded network only, got --seeds {seeds} with an open one"
            ));
        }
        if (network, self.story) == (NetworkKind::Open, Story::Reseating) {
            return Err(
                "expected --story reseating with a seeded network only, got an open one".to_owned(),
            );
        }
        let seed = self.number();
        let seeds = self.seeds.unwrap_or(SEEDS);
        let liars = self.liars.as_ref().map_or(Ok(Vec::new()), |liars| {
            liars.of(network, self.nodes, seeds, seed)
        })?;
        Ok(Options {
            seeds,
            nodes: self.nodes,
            duration: self.minutes.or(self.seconds).unwrap_or(DURATION),
            story: self.story,
            faults: self.faults.clone().unwrap_or_default(),
            liars,
            signatures: self.signatures,
            planted: self.plant.clone(),
            ..Options::new(network, seed)
        })
    }

    fn number(&self) -> u64 {
        let of_date = self.from_date.as_ref().map(|date| swarm::base_of(&date.0));
        of_date.unwrap_or(self.seed)
    }
}

impl Swarm {
    /// What the run of this number is made of.
    pub(crate) fn options(&self, number: u64) -> Options {
        Options {
            signatures: self.signatures,
            planted: self.planted.clone(),
            ..swarm::mix(number, self.base, self.network, self.nodes)
        }
    }
}

#[cfg(test)]
mod tests;
