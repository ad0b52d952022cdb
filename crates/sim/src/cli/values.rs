//! What stands behind an argument's name: each is read here, and refused with what was expected.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use quorate_node::config::SEEDS_MAX;
use quorate_node::protocol::RoleKind;
use quorate_sim::dishonest::Conduct;
use quorate_sim::options::{FaultKind, NetworkKind, Signatures, Story};
use quorate_sim::swarm;

/// Nothing of a list.
const NONE: &str = "none";

/// Everything of a list.
const ALL: &str = "all";

/// Which network is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    One(NetworkKind),
    /// One after the other.
    Both,
}

impl Network {
    pub(super) const fn one(self) -> Option<NetworkKind> {
        match self {
            Self::One(network) => Some(network),
            Self::Both => None,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "both" {
            return Ok(Self::Both);
        }
        let one = NetworkKind::ALL.into_iter().find(|one| one.name() == text);
        one.map(Self::One)
            .ok_or_else(|| "expected seeded, open or both".to_owned())
    }
}

/// Who is to lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Liars {
    All,
    These(Vec<Conduct>),
}

impl FromStr for Liars {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            ALL => Ok(Self::All),
            NONE => Ok(Self::These(Vec::new())),
            _ => list(text, &Conduct::ALL.map(Conduct::name)).map(Self::These),
        }
    }
}

impl Liars {
    /// Who lies in such a network. If all do and not all have room, who may lie goes by the run's seed.
    ///
    /// # Errors
    /// When there is nobody in it to play them.
    pub(super) fn of(
        &self,
        network: NetworkKind,
        nodes: usize,
        seeds: usize,
        seed: u64,
    ) -> Result<Vec<Conduct>, String> {
        let fitting = swarm::fitting(network);
        let liars = match self {
            Self::These(liars) => liars.clone(),
            Self::All => {
                let (of_seeds, others): (Vec<_>, Vec<_>) =
                    fitting.iter().partition(|conduct| is_seed(**conduct));
                // One is left to whom promises are kept; in an open network it is the one that founds it.
                let others = some_of(others, nodes.saturating_sub(1), seed);
                [others, some_of(of_seeds, seeds / 3, seed)].concat()
            }
        };
        if let Some(stranger) = liars.iter().find(|liar| !fitting.contains(liar)) {
            let names: Vec<&str> = fitting.iter().map(|conduct| conduct.name()).collect();
            let (names, network) = (names.join(", "), network.name());
            return Err(format!(
                "expected liars that fit the {network} network ({names}), got {stranger}"
            ));
        }
        let of_seeds = swarm::dishonest_seeds(&liars);
        let (most, others) = (swarm::dishonest_max(seeds), liars.len() - of_seeds);
        if of_seeds > most {
            return Err(format!(
                "expected at most {most} of {seeds} seeds to lie, so that the others are a quorum; got {of_seeds}"
            ));
        }
        let room = match network {
            NetworkKind::Seeded => nodes,
            // Who founds the network is honest.
            NetworkKind::Open => nodes.saturating_sub(1),
        };
        if others > room {
            return Err(format!(
                "expected at most {room} liars among {nodes} nodes, got {others}"
            ));
        }
        Ok(liars)
    }
}

/// As many of these as there is room for. Which ones goes by the run's seed, so that over some runs all are.
fn some_of(mut conducts: Vec<Conduct>, room: usize, seed: u64) -> Vec<Conduct> {
    if conducts.len() > room {
        let first = usize::try_from(seed % conducts.len() as u64).unwrap_or_default();
        conducts.rotate_left(first);
        conducts.truncate(room);
    }
    conducts
}

fn is_seed(conduct: Conduct) -> bool {
    conduct.role() == RoleKind::Seed
}

pub(super) fn faults(text: &str) -> Result<BTreeSet<FaultKind>, String> {
    match text {
        ALL => Ok(BTreeSet::from(FaultKind::ALL)),
        NONE => Ok(BTreeSet::new()),
        _ => list(text, &FaultKind::ALL.map(FaultKind::name)).map(BTreeSet::from_iter),
    }
}

/// Names with commas between them.
fn list<T: FromStr>(text: &str, names: &[&str]) -> Result<Vec<T>, String> {
    let each = text.split(',').map(|name| {
        name.parse().map_err(|_| {
            let names = names.join(", ");
            format!("expected {ALL}, {NONE} or some of {names}, got {name:?}")
        })
    });
    each.collect()
}

pub(super) fn story(text: &str) -> Result<Story, String> {
    let found = Story::ALL.into_iter().find(|story| story.name() == text);
    found.ok_or_else(|| format!("expected one of {}", Story::ALL.map(Story::name).join(", ")))
}

pub(super) fn signatures(text: &str) -> Result<Signatures, String> {
    match text {
        "ed25519" => Ok(Signatures::Ed25519),
        "unproven" => Ok(Signatures::Unproven),
        _ => Err("expected ed25519 or unproven".to_owned()),
    }
}

#[cfg(feature = "planted")]
pub(super) fn planted(text: &str) -> Result<String, String> {
    let fault: Result<quorate_planted::Fault, _> = text.parse();
    let fault = fault.map_err(|error| error.to_string())?;
    Ok(fault.name().to_owned())
}

#[cfg(not(feature = "planted"))]
pub(super) fn planted(_: &str) -> Result<String, String> {
    Err(
        "expected a build that can be broken: cargo run -p quorate-sim --features planted"
            .to_owned(),
    )
}

/// A day, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Date(pub(super) String);

impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_shaped = text.len() == 10 && text.is_ascii();
        let parts: Vec<u32> = text
            .split('-')
            .filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
            .filter_map(|part| part.parse().ok())
            .collect();
        match parts[..] {
            [year, month, day] if is_shaped && (1..=days(year, month)).contains(&day) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err("expected a date like 2026-01-31".to_owned()),
        }
    }
}

const fn days(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if is_leap => 29,
        2 => 28,
        _ => 0,
    }
}

pub(super) fn seed(text: &str) -> Result<u64, String> {
    number(text, 0..=u64::MAX, "")
}

pub(super) fn nodes(text: &str) -> Result<usize, String> {
    count(text, 100_000, "nodes")
}

pub(super) fn seeds(text: &str) -> Result<usize, String> {
    count(text, SEEDS_MAX, "seeds")
}

pub(super) fn minutes(text: &str) -> Result<Duration, String> {
    Ok(Duration::from_secs(
        number(text, 1..=1_440, " minutes")? * 60,
    ))
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    Ok(Duration::from_secs(number(text, 1..=86_400, " seconds")?))
}

pub(super) fn runs(text: &str) -> Result<u64, String> {
    number(text, 1..=u64::MAX, " runs")
}

pub(super) fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let threads = count(text, 1_024, "threads")?;
    Ok(NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN))
}

fn count(text: &str, max: usize, what: &str) -> Result<usize, String> {
    let count = number(text, 1..=max as u64, &format!(" {what}"))?;
    Ok(usize::try_from(count).unwrap_or(max))
}

fn number(text: &str, range: RangeInclusive<u64>, unit: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("expected {} to {}{unit}", range.start(), range.end()))
}
