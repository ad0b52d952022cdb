//! What is going to be done to a network, and when.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;

use crate::cast::Cast;
use crate::dice::Dice as _;
use crate::faults::Remedy;
use crate::host::HostId;
use crate::options::{FaultKind, Options, Story};
use crate::people::Deed;
use crate::reseating::Change;

/// One in so many nodes dies for good, where processes may die.
const GONE_ONE_IN: u32 = 12;

/// One in so many nodes leaves; half of those come back.
const LEAVES_ONE_IN: u32 = 10;

/// How many messages are said in the story of growth.
const SAID_IN_GROWTH: u32 = 100;

/// Something to be done to the world.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cue {
    Start(HostId),
    Deed(Deed),
    /// Somebody says something, and before long somebody else does.
    Talk,
    /// Somebody says something.
    Say,
    Leave(HostId),
    Vanish(HostId),
    /// The node with the most connections dies for good.
    VanishHub,
    Strike(FaultKind),
    Remedy(Remedy),
}

/// What is known beforehand of how a run goes.
pub(crate) fn plan(options: &Options, cast: &Cast, rng: &mut ChaCha8Rng) -> Vec<(Duration, Cue)> {
    let end = options.duration;
    let mut plan: Vec<(Duration, Cue)> = Vec::new();
    let servers = cast.servers.iter();
    plan.extend(servers.map(|server| (Duration::ZERO, Cue::Start(*server))));
    match options.story {
        Story::Mixed => mixed(options, cast, rng, &mut plan),
        Story::Growth => growth(cast, end, &mut plan),
        Story::Reseating => {
            mixed(options, cast, rng, &mut plan);
            reseating(cast, end, rng, &mut plan);
        }
    }
    for fault in options.faults.iter().copied() {
        plan.push((rng.span(SECOND, end / 3), Cue::Strike(fault)));
    }
    plan
}

const SECOND: Duration = Duration::from_secs(1);

/// Nodes come, leave, come back and die at any time, and somebody always talks.
fn mixed(options: &Options, cast: &Cast, rng: &mut ChaCha8Rng, plan: &mut Vec<(Duration, Cue)>) {
    let end = options.duration;
    let kills = options.faults.contains(&FaultKind::Crash)
        || options.faults.contains(&FaultKind::PowerLoss);
    for (index, node) in cast.nodes.iter().copied().enumerate() {
        let at = match index {
            // The first of an open network founds it.
            0 => Duration::from_millis(10),
            _ if rng.one_in(3) => rng.span(SECOND, end / 2),
            _ => rng.span(SECOND / 4, SECOND * 8),
        };
        plan.push((at, Cue::Start(node)));
        if kills && rng.one_in(GONE_ONE_IN) {
            plan.push((rng.span(end / 3, end), Cue::Vanish(node)));
        } else if rng.one_in(LEAVES_ONE_IN) {
            let at = rng.span(end / 4, end);
            plan.push((at, Cue::Leave(node)));
            if rng.one_in(2) {
                plan.push((at + rng.span(SECOND, SECOND * 20), Cue::Start(node)));
            }
        }
    }
    plan.push((SECOND * 2, Cue::Talk));
}

/// Each wish comes up at some moment, often while others are open. Who is to get a seat asks for it a little earlier or later;
/// who is to be unseated because he is dead dies before.
fn reseating(cast: &Cast, end: Duration, rng: &mut ChaCha8Rng, plan: &mut Vec<(Duration, Cue)>) {
    for (index, wish) in cast.wishes.iter().enumerate() {
        let at = rng.span(SECOND * 3, end / 4 * 3);
        plan.push((at, Cue::Deed(Deed::Want(index))));
        if let Change::Seat(candidate) = wish.change {
            let comes = rng.span(at.saturating_sub(SECOND * 5), at + SECOND * 5);
            plan.push((comes, Cue::Start(candidate)));
        } else if wish.dies {
            plan.push((rng.span(SECOND, at), Cue::Vanish(wish.change.host())));
        }
    }
}

/// In the first half all nodes come, one after another; then a hundred messages are said; at three quarters the hub dies.
fn growth(cast: &Cast, end: Duration, plan: &mut Vec<(Duration, Cue)>) {
    let count = u32::try_from(cast.nodes.len()).unwrap_or(u32::MAX).max(1);
    let starts = (0..).map(|index| Duration::from_millis(10) + end / 2 * index / count);
    plan.extend(
        starts
            .zip(&cast.nodes)
            .map(|(at, node)| (at, Cue::Start(*node))),
    );
    let said = (0..SAID_IN_GROWTH).map(|index| end / 2 + end / 4 * index / SAID_IN_GROWTH);
    plan.extend(said.map(|at| (at, Cue::Say)));
    plan.push((end / 4 * 3, Cue::VanishHub));
}
