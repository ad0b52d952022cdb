//! Changes of who the seeds are, as the persons at the seeds want them: what is wanted is drawn when a run is made, and each
//! person asks at moments of his own, again and again, until it has come to be.
//!
//! A seat is given by the word of every voter, and taken by the word of all others. So a wish that one voter's person does
//! not share must never come to be, and one that all share must, as soon as nothing stands in its way. None is drawn that a
//! liar, or one who is dead for good, could stand in the way of for ever; and never so many that too few seeds are left to
//! decide anything.
//!
//! Left out: so many to be unseated at one time that the others are no majority. Each voter holds those whom its person wants
//! unseated for dead, and then none of them goes: the persons would have to take some of it back.

use std::fmt;
use std::time::Duration;

use quorate_node::roles::Request;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::dice::Dice as _;
use crate::fact::Truth;
use crate::host::{Host, HostId, Kind};
use crate::world::World;

/// The most changes that all want in one run.
const CHANGES_MAX: usize = 3;

/// So many seeds are left when all who are to go are gone, whoever comes.
const LEFT_MIN: usize = 2;

/// How long a person waits before he looks again whether he got what he wants.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(4));

/// One change of who the seeds are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// This node gets a seat.
    Seat(HostId),
    /// The others take this one's seat.
    Unseat(HostId),
    /// This one gives its seat up.
    Resign(HostId),
}

/// What persons at seeds want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// What.
    pub change: Change,
    /// Whose person does not want it, if there is one: then it must not come to be.
    pub but: Option<HostId>,
    /// Whether the seed that is to go dies for good before that.
    pub dies: bool,
}

impl Change {
    /// Whose seat it is about.
    pub const fn host(self) -> HostId {
        match self {
            Self::Seat(host) | Self::Unseat(host) | Self::Resign(host) => host,
        }
    }

    /// Whether it has come to be, in some epoch.
    pub fn has_come_to_be(self, truth: &Truth, hosts: &[Host]) -> bool {
        let node = hosts[self.host().0].id();
        let mut later = truth.later.iter();
        match self {
            Self::Seat(_) => later.any(|electorate| electorate.contains(&node)),
            Self::Unseat(_) | Self::Resign(_) => {
                later.any(|electorate| !electorate.contains(&node))
            }
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seat(host) => write!(f, "a seat for {host}"),
            Self::Unseat(host) => write!(f, "{host} unseated"),
            Self::Resign(host) => write!(f, "{host} resigned"),
        }
    }
}

/// What is wanted in a run with these seeds. `candidate` makes a node that is to ask for a seat.
pub(crate) fn wishes(
    seeds: &[HostId],
    liars: &[HostId],
    kills: bool,
    rng: &mut ChaCha8Rng,
    mut candidate: impl FnMut(&mut ChaCha8Rng) -> HostId,
) -> Vec<Wish> {
    let mut wishes: Vec<Wish> = Vec::new();
    let all = |change, dies| Wish {
        change,
        but: None,
        dies,
    };
    let mut staying: Vec<HostId> = seeds.to_vec();
    let take = |staying: &mut Vec<HostId>, rng: &mut ChaCha8Rng| {
        let one = rng.random_range(0..staying.len());
        staying.remove(one)
    };
    if let [liar] = liars {
        // A seed that lies may say nothing at all: it is the first to go, and what needs its word is not wanted.
        staying.retain(|seed| seed != liar);
        wishes.push(all(Change::Unseat(*liar), false));
    } else if liars.is_empty() {
        for _ in 0..rng.random_range(1..=CHANGES_MAX) {
            let can_go = staying.len() > LEFT_MIN;
            match rng.random_range(0..4) {
                1 if can_go && may_resign(seeds.len(), &wishes) => {
                    let resigns = take(&mut staying, rng);
                    wishes.push(all(Change::Resign(resigns), false));
                }
                2 | 3 if can_go && may_unseat(seeds.len(), &wishes) => {
                    let dies = kills && rng.one_in(2) && wishes.iter().all(|wish| !wish.dies);
                    let goes = take(&mut staying, rng);
                    wishes.push(all(Change::Unseat(goes), dies));
                }
                _ => wishes.push(all(Change::Seat(candidate(rng)), false)),
            }
        }
    }
    let honest: Vec<HostId> = staying
        .iter()
        .copied()
        .filter(|seed| !liars.contains(seed))
        .collect();
    if let Some(but) = rng.pick(&honest).copied()
        && (wishes.is_empty() || rng.one_in(2))
    {
        let others: Vec<HostId> = staying.iter().copied().filter(|one| *one != but).collect();
        let change = match rng.pick(&others) {
            Some(other) if rng.one_in(2) && may_unseat(seeds.len(), &wishes) => {
                Change::Unseat(*other)
            }
            _ => Change::Seat(candidate(rng)),
        };
        wishes.push(Wish {
            change,
            but: Some(but),
            dies: false,
        });
    }
    wishes
}

/// Whether the others are a majority with one more to be unseated, when all who resign have gone.
fn may_unseat(seeds: usize, wishes: &[Wish]) -> bool {
    let (resigned, unseated) = going(wishes);
    is_majority(seeds - resigned, unseated + 1)
}

fn may_resign(seeds: usize, wishes: &[Wish]) -> bool {
    let (resigned, unseated) = going(wishes);
    is_majority(seeds - resigned - 1, unseated)
}

/// Whether so many seeds are a majority without these.
const fn is_majority(seeds: usize, without: usize) -> bool {
    seeds > without && seeds - without > seeds / 2
}

/// How many are to resign, and to be unseated.
fn going(wishes: &[Wish]) -> (usize, usize) {
    let count = |is_one: fn(Change) -> bool| wishes.iter().filter(|w| is_one(w.change)).count();
    (
        count(|change| matches!(change, Change::Resign(_))),
        count(|change| matches!(change, Change::Unseat(_))),
    )
}

/// How many seats there are at least, whatever of this comes to be first.
pub(crate) fn seats_min(seeds: usize, wishes: &[Wish]) -> usize {
    let goes = |wish: &&Wish| wish.but.is_none() && !matches!(wish.change, Change::Seat(_));
    seeds - wishes.iter().filter(goes).count()
}

/// Persons look whether they got what they want, and some ask for it. Returns when they do so again; never, once they have
/// got it.
pub(crate) fn want(world: &mut World, wish: usize, rng: &mut ChaCha8Rng) -> Option<Duration> {
    let view = world.view();
    let wish = *view.truth.wishes.get(wish)?;
    if wish.change.has_come_to_be(view.truth, view.hosts) {
        return None;
    }
    let target = wish.change.host();
    let node = view.host(target).id();
    let is_asked = |(id, host): &(HostId, &Host)| {
        let is_one = match wish.change {
            Change::Resign(_) => *id == target,
            Change::Seat(_) | Change::Unseat(_) => *id != target,
        };
        let voters = view.truth.last_electorate();
        let has_seat = voters.is_some_and(|voters| voters.contains(&host.id()));
        is_one
            && has_seat
            && host.setup.kind == Kind::Seed
            && host.is_running()
            && wish.but != Some(*id)
    };
    let asked: Vec<HostId> = view.all().filter(is_asked).map(|(id, _)| id).collect();
    for id in asked {
        // Each in his own time.
        if rng.one_in(2) {
            let request = match wish.change {
                Change::Seat(_) => Request::Seat(node),
                Change::Unseat(_) => Request::Unseat(node),
                Change::Resign(_) => Request::Resign,
            };
            world.ask(id, request);
        }
    }
    Some(rng.span(ASK_AGAIN.0, ASK_AGAIN.1))
}
