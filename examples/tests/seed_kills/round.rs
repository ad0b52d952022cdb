//! One round: a network, its registrations, the kill, the recovery, and what must be true afterwards.

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use quorate_node::SeedList;
use tokio::time::sleep;

use crate::chance::Chance;
use crate::common::{PATIENCE, POLL, free_port};
use crate::recovery::Recovery;
use crate::registrations::Registrations;
use crate::seed_process::{SeedProcess, Told};
use crate::stores;

const SEEDS: usize = 3;

/// How many of the seeds are killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kill {
    One,
    Two,
    All,
}

impl Kill {
    pub(crate) const ALL: [Self; 3] = [Self::One, Self::Two, Self::All];
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::One => "one",
            Self::Two => "two",
            Self::All => "all",
        })
    }
}

/// What is to happen.
#[derive(Debug)]
pub(crate) struct Round {
    registrations: usize,
    /// After how many admissions that peers were told of.
    after: usize,
    /// Which seeds, in which order, each how long after what was before it.
    kills: Vec<(usize, Duration)>,
    /// How long after the last kill they are started again.
    outage: Duration,
}

impl Round {
    pub(crate) fn draw(kill: Kill, registrations: usize, chance: &mut Chance) -> Self {
        let count = match kill {
            Kill::One => 1,
            Kill::Two => 2,
            Kill::All => SEEDS,
        };
        let mut left: Vec<usize> = (0..SEEDS).collect();
        let mut drawn = |_| {
            let seed = left.remove(chance.below(left.len() as u64) as usize);
            (seed, Duration::from_millis(chance.below(40)))
        };
        let kills = (0..count).map(&mut drawn).collect();
        // Not so late that all is decided before the seeds are back.
        let after = chance.below(registrations as u64 / 2) as usize;
        Self {
            registrations,
            after,
            kills,
            outage: Duration::from_millis(chance.below(300)),
        }
    }

    pub(crate) async fn run(self) -> Recovery {
        let dir = tempfile::tempdir().unwrap();
        let mut given = Default::default();
        let addresses: Vec<SocketAddr> = (0..SEEDS)
            .map(|_| (Ipv4Addr::LOCALHOST, free_port(&mut given)).into())
            .collect();
        let lines = addresses
            .iter()
            .map(|at| format!("{},{}\n", at.ip(), at.port()));
        let (config, lines) = (dir.path().join("config.csv"), lines.collect::<String>());
        fs::write(&config, &lines).unwrap();
        let list = SeedList::parse(&lines).unwrap();
        let data = |seed: usize| dir.path().join(format!("seed-{seed}"));
        let start = |seed: usize| SeedProcess::start(addresses[seed], &config, &data(seed));

        let mut seeds: Vec<SeedProcess> = (0..SEEDS).map(start).collect();
        for seed in &mut seeds {
            seed.linked(SEEDS - 1).await;
        }
        let mut registrations = Registrations::start(self.registrations, &list);
        registrations.until(self.after).await;
        let told_before = registrations.joined;
        for (seed, moment) in &self.kills {
            // Time passes here on purpose: the moment is what is tried.
            sleep(*moment).await;
            seeds[*seed].kill();
        }
        sleep(self.outage).await;
        for (seed, _) in &self.kills {
            seeds[*seed] = start(*seed);
        }
        let restarted = self
            .kills
            .iter()
            .map(|(seed, _)| seeds[*seed].started)
            .max()
            .unwrap();
        registrations.release();
        registrations.catch_up();
        let (told, standstill) = registrations.next().await;
        let mut linked = restarted;
        for (seed, _) in &self.kills {
            linked = linked.max(seeds[*seed].linked(SEEDS - 1).await);
        }
        registrations.until(self.registrations).await;
        self.expect_equal(&mut seeds).await;

        for seed in &mut seeds {
            seed.kill();
        }
        registrations.abort();
        registrations.catch_up();
        stores::check((0..SEEDS).map(data), &list, &registrations.told);
        Recovery {
            linked: linked - restarted,
            admitted: told.saturating_duration_since(restarted),
            standstill,
            told_before,
            refused: registrations.refused.0,
        }
    }

    /// Waits until all seeds have all members, and the same.
    async fn expect_equal(&self, seeds: &mut [SeedProcess]) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut told: Vec<Told> = Vec::new();
            for seed in &mut *seeds {
                told.push(seed.members().await);
            }
            if told.iter().all(|of| *of == told[0]) && told[0].members == self.registrations {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the seeds' rosters differ: {told:?}"
            );
            sleep(POLL).await;
        }
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            registrations,
            after,
            kills,
            outage,
        } = self;
        let kills: Vec<String> = kills
            .iter()
            .map(|(seed, after)| format!("seed {seed} after {after:?}"))
            .collect();
        write!(
            f,
            "{registrations} registrations; {after} admissions, then SIGKILL to {}, {outage:?} of outage",
            kills.join(", ")
        )
    }
}
