//! Small worlds.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate_consensus::{NodeId, Unproven};
use quorate_node::{Admission, Discovery, Options, SeedList};
use quorate_sim::checkers::Checker;
use quorate_sim::fact::{Fact, View, Violation};
use quorate_sim::host::{HostId, Kind, Setup};
use quorate_sim::network::Weather;
use quorate_sim::world::World;

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// Three seeds, hosts 0 to 2.
pub(super) const SEEDS: usize = 3;

fn setup(kind: Kind) -> Setup {
    Setup {
        kind,
        conduct: None,
        options: Options {
            silent_after: SECOND * 5,
            ..Options::default()
        },
        discovery: Discovery::default(),
        admission: Admission::allow_all(),
    }
}

/// Three seeds and some peers. None runs yet.
pub(super) fn seeded(seed: u64, peers: usize) -> World {
    let mut world = World::new(seed, Weather::CALM, Arc::new(Unproven));
    for index in 0..SEEDS + peers {
        let (kind, address) = if index < SEEDS {
            (Kind::Seed, format!("10.255.0.{index}:5010"))
        } else {
            (Kind::Peer, format!("10.0.0.{index}:5000"))
        };
        let signer = Unproven::signer(NodeId::from(index as u64 + 1));
        world.add(address, Arc::new(signer), setup(kind));
    }
    let lines: String = (0..SEEDS)
        .map(|index| format!("10.255.0.{index},5010,{}\n", NodeId::from(index as u64 + 1)))
        .collect();
    let seeds = SeedList::parse(&lines).unwrap();
    let truth = world.truth_mut();
    truth.electorate = Some(seeds.electorate().unwrap());
    truth.seeds = Some(seeds);
    world
}

/// Members, of whom the first founds. None runs yet.
pub(super) fn open(seed: u64, members: usize) -> World {
    let mut world = World::new(seed, Weather::CALM, Arc::new(Unproven));
    for index in 0..members {
        let signer = Unproven::signer(NodeId::from(index as u64 + 1));
        let mut setup = setup(Kind::Member);
        setup.discovery = if index == 0 {
            Discovery::by_founding()
        } else {
            Discovery::by_members(["10.0.0.0:5000"])
        };
        world.add(format!("10.0.0.{index}:5000"), Arc::new(signer), setup);
    }
    world
}

pub(super) fn start_all(world: &mut World) {
    (0..world.host_count()).for_each(|index| world.start(HostId(index)));
}

/// Lets time pass, whatever applications are told.
pub(super) fn run(world: &mut World, span: Duration) -> Result<(), Violation> {
    let end = world.now() + span;
    while world.now() < end {
        world.run_until(end)?;
        world.take_news();
    }
    Ok(())
}

/// Lets time pass until all checkers are content.
pub(super) fn settle(world: &mut World, most: Duration) -> Result<(), Violation> {
    let end = world.now() + most;
    loop {
        run(world, SECOND)?;
        match world.settled() {
            Err(_) if world.now() < end => {}
            settled => return settled,
        }
    }
}

/// A checker that is not told everything, and that a test can tell more.
pub(super) struct Ear<C> {
    checker: Arc<Mutex<C>>,
    hears: fn(&Fact<'_>) -> bool,
}

impl<C: Checker> Checker for Ear<C> {
    fn name(&self) -> &'static str {
        self.checker.lock().unwrap().name()
    }

    fn see(&mut self, fact: &Fact<'_>, view: View<'_>) -> Result<(), String> {
        if (self.hears)(fact) {
            self.checker.lock().unwrap().see(fact, view)
        } else {
            Ok(())
        }
    }

    fn settled(&mut self, view: View<'_>) -> Result<(), String> {
        self.checker.lock().unwrap().settled(view)
    }
}

/// Has a world watched by a checker that hears only some of it.
pub(super) fn watch<C: Checker + Default + 'static>(
    world: &mut World,
    hears: fn(&Fact<'_>) -> bool,
) -> Arc<Mutex<C>> {
    let checker = Arc::new(Mutex::new(C::default()));
    world.watch(Box::new(Ear {
        checker: checker.clone(),
        hears,
    }));
    checker
}

/// Tells a checker of something that did not happen.
pub(super) fn tell<C: Checker>(
    checker: &Arc<Mutex<C>>,
    world: &World,
    fact: &Fact<'_>,
) -> Result<(), String> {
    checker.lock().unwrap().see(fact, world.view())
}

/// What a checker said, which must have these words in it.
#[track_caller]
pub(super) fn assert_says<E: ToString>(result: Result<(), E>, words: &str) {
    let said = result.err().map(|said| said.to_string());
    assert!(
        said.as_ref().is_some_and(|said| said.contains(words)),
        "expected {words:?}, got {said:?}"
    );
}

pub(super) fn hosts(of: impl IntoIterator<Item = usize>) -> BTreeSet<HostId> {
    of.into_iter().map(HostId).collect()
}
