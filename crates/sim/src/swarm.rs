//! Many runs, each with its own mix of faults, liars and sizes: what nobody thought of trying together is tried.
//!
//! A run follows from its number and the swarm's base alone, so that a swarm's runs can be made on any number of threads,
//! and each of them again by itself.

use std::collections::BTreeSet;
use std::time::Duration;

use quorate_node::protocol::RoleKind;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest as _, Sha256};

use crate::dice::{Dice as _, mix as mixed};
use crate::dishonest::Conduct;
use crate::options::{FaultKind, NetworkKind, Options, Story};

/// The most liars in a run.
const LIARS_MAX: usize = 3;

/// There are so many nodes for every liar, so that the honest have each other.
const NODES_PER_LIAR: usize = 4;

/// How long faults go on, in seconds: the shortest and the longest.
const SECONDS: (u64, u64) = (20, 60);

/// A mix and its run both follow from one seed, and do not draw the same numbers.
const STREAM: u64 = 100;

/// Which story it is follows from the seed by itself, so that the runs that do not change the seeds are what they were.
const STORY: u64 = 101;

/// In one of so many seeded runs the seeds change.
const RESEATING_ONE_IN: u64 = 3;

/// What the run of this number is made of, in the swarm of this base: each kind of fault in about every second run, in some
/// all of them and in some none; up to three liars; from a third of `nodes` to all of them. Without a network, seeded and
/// open networks take turns.
pub fn mix(number: u64, base: u64, network: Option<NetworkKind>, nodes: usize) -> Options {
    let seed = mixed(base, number);
    let mut rng = ChaCha8Rng::seed_from_u64(mixed(seed, STREAM));
    let network = network.unwrap_or(NetworkKind::ALL[usize::from(number.is_multiple_of(2))]);
    let nodes = rng.random_range((nodes / 3).max(1)..=nodes.max(1));
    let seeds = match network {
        NetworkKind::Seeded if rng.one_in(2) => 5,
        _ => 3,
    };
    let duration = Duration::from_secs(rng.random_range(SECONDS.0..=SECONDS.1));
    let story = match network {
        NetworkKind::Seeded if mixed(seed, STORY).is_multiple_of(RESEATING_ONE_IN) => {
            Story::Reseating
        }
        _ => Story::Mixed,
    };
    Options {
        nodes,
        seeds,
        duration,
        story,
        faults: faults(&mut rng),
        liars: liars(network, nodes, seeds, &mut rng),
        ..Options::new(network, seed)
    }
}

fn faults(rng: &mut ChaCha8Rng) -> BTreeSet<FaultKind> {
    let all = FaultKind::ALL.into_iter();
    match rng.random_range(0..10) {
        0 => all.collect(),
        1 => BTreeSet::new(),
        _ => all.filter(|_| rng.one_in(2)).collect(),
    }
}

fn liars(network: NetworkKind, nodes: usize, seeds: usize, rng: &mut ChaCha8Rng) -> Vec<Conduct> {
    let wanted = rng.random_range(0..=LIARS_MAX).min(nodes / NODES_PER_LIAR);
    let mut candidates = fitting(network);
    let mut liars: Vec<Conduct> = Vec::new();
    while liars.len() < wanted && !candidates.is_empty() {
        let conduct = candidates.swap_remove(rng.random_range(0..candidates.len()));
        if conduct.role() != RoleKind::Seed || dishonest_seeds(&liars) < dishonest_max(seeds) {
            liars.push(conduct);
        }
    }
    liars
}

/// The conducts that somebody in such a network can have.
pub fn fitting(network: NetworkKind) -> Vec<Conduct> {
    let fits = |conduct: &Conduct| match network {
        NetworkKind::Seeded => matches!(conduct.role(), RoleKind::Seed | RoleKind::Peer),
        NetworkKind::Open => conduct.role() == RoleKind::Member,
    };
    Conduct::ALL.into_iter().filter(fits).collect()
}

/// How many of these are seeds.
pub fn dishonest_seeds(liars: &[Conduct]) -> usize {
    let seeds = liars.iter().filter(|liar| liar.role() == RoleKind::Seed);
    seeds.count()
}

/// How many seeds may lie, so that the others are a quorum.
pub const fn dishonest_max(seeds: usize) -> usize {
    seeds.saturating_sub(1) / 2
}

/// A base for the swarm of a day: a hash of its date, so that every day has fresh runs and everybody the same.
pub fn base_of(date: &str) -> u64 {
    let hash: [u8; 32] = Sha256::digest(date).into();
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    u64::from_le_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNS: u64 = 200;

    fn all(network: Option<NetworkKind>) -> Vec<Options> {
        (1..=RUNS).map(|run| mix(run, 7, network, 30)).collect()
    }

    #[test]
    fn a_mix_follows_from_its_number_and_base_and_from_nothing_else() {
        assert_eq!(all(None), all(None));
        let seeds: BTreeSet<u64> = all(None).iter().map(|run| run.seed).collect();
        assert_eq!(seeds.len() as u64, RUNS);
        assert_ne!(mix(1, 7, None, 30), mix(1, 8, None, 30));
    }

    #[test]
    fn the_networks_take_turns_unless_one_is_wanted() {
        let turns: Vec<NetworkKind> = all(None).iter().map(|run| run.network).collect();
        assert!(turns.windows(2).all(|pair| pair[0] != pair[1]));
        let open = all(Some(NetworkKind::Open));
        assert!(open.iter().all(|run| run.network == NetworkKind::Open));
    }

    #[test]
    fn two_hundred_runs_have_everything_in_them() {
        let runs = all(None);
        for fault in FaultKind::ALL {
            let with = runs.iter().filter(|run| run.faults.contains(&fault));
            assert!((70..=130).contains(&with.count()), "{fault:?}");
        }
        let has = |what: &dyn Fn(&Options) -> bool| runs.iter().any(what);
        assert!(has(&|run| run.faults.is_empty()));
        assert!(has(&|run| run.faults.len() == FaultKind::ALL.len()));
        for conduct in Conduct::ALL {
            assert!(has(&|run| run.liars.contains(&conduct)), "{conduct}");
        }
        for number in 0..=LIARS_MAX {
            assert!(has(&|run| run.liars.len() == number), "{number} liars");
        }
        let is_seeded = |run: &Options| run.network == NetworkKind::Seeded;
        assert!(has(&|run| is_seeded(run) && run.seeds == 3));
        assert!(has(&|run| is_seeded(run) && run.seeds == 5));
        let is_reseating = |run: &&Options| run.story == Story::Reseating;
        assert!((20..=50).contains(&runs.iter().filter(is_reseating).count()));
        assert!(runs.iter().filter(is_reseating).all(is_seeded));
    }

    #[test]
    fn a_mix_keeps_to_its_bounds() {
        for nodes in [1, 4, 30] {
            for run in (1..=RUNS).map(|run| mix(run, 9, None, nodes)) {
                let seconds = run.duration.as_secs();
                assert!((SECONDS.0..=SECONDS.1).contains(&seconds), "{run}");
                assert!((1..=nodes).contains(&run.nodes), "{run}");
                assert!(run.liars.len() * NODES_PER_LIAR <= run.nodes, "{run}");
                assert!(
                    dishonest_seeds(&run.liars) <= dishonest_max(run.seeds),
                    "{run}"
                );
                let fitting = fitting(run.network);
                assert!(run.liars.iter().all(|liar| fitting.contains(liar)), "{run}");
            }
        }
    }

    #[test]
    fn a_day_has_runs_of_its_own() {
        assert_eq!(base_of("2026-11-22"), base_of("2026-11-22"));
        assert_ne!(base_of("2026-11-22"), base_of("2026-11-23"));
    }
}
