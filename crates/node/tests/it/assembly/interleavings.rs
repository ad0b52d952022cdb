//! Five members through any interleaving of joins, answers, lost connections, partitions, pauses, crashes and restarts:
//! never two memberships for one epoch, nobody in without everyone's ALLOW, nobody asked again who has answered, and
//! everybody in when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use quorate_node::consensus::succession::{Chain, Change};
use quorate_node::consensus::{Digest, NodeId, Unproven};
use quorate_node::roles::Request;
use quorate_node::{Admission, Event};

use super::world::World;

const HOSTS: usize = 5;

/// How long everybody may take to get in once nothing is in the way: eviction of the silent, and their return.
const CALM: Duration = Duration::from_secs(240);

/// How long a ballot is waited for.
const BALLOT: Duration = Duration::from_millis(500);

/// How often people look whether they are asked, when it is calm.
const LOOK: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
enum Step {
    Start(usize),
    Kill(usize),
    /// These die just after one promised or accepted something, and are back after so many milliseconds.
    KillInBallot(usize, Vec<bool>, u64),
    Pause(usize),
    Resume(usize),
    Reset(usize, usize),
    /// These on one side, all others on the other.
    Split(Vec<bool>),
    Heal,
    /// Somebody who was asked answers.
    Answer(usize, bool),
    JoinAgain(usize),
    Wait(u64),
}

fn step() -> BoxedStrategy<Step> {
    let host = || 0..HOSTS;
    prop_oneof![
        6 => host().prop_map(Step::Start),
        3 => host().prop_map(Step::Kill),
        6 => (host(), vec(any::<bool>(), HOSTS), 0..40_u64)
            .prop_map(|(at, dies, ms)| Step::KillInBallot(at, dies, ms)),
        1 => host().prop_map(Step::Pause),
        2 => host().prop_map(Step::Resume),
        4 => (host(), host()).prop_map(|(a, b)| Step::Reset(a, b)),
        1 => vec(any::<bool>(), HOSTS).prop_map(Step::Split),
        2 => Just(Step::Heal),
        8 => (any::<usize>(), prop::bool::weighted(0.85)).prop_map(|(who, yes)| Step::Answer(who, yes)),
        1 => host().prop_map(Step::JoinAgain),
        10 => prop_oneof![0..100_u64, 0..2000_u64, 0..12_000_u64].prop_map(Step::Wait),
    ]
    .boxed()
}

/// The world, and what the people in it remember.
struct Story {
    world: World,
    /// How much of what was told was looked at.
    seen: usize,
    /// Questions that wait for an answer.
    open: BTreeMap<(usize, NodeId), Digest>,
    /// What people answered.
    allowed: BTreeSet<(usize, Digest)>,
    /// Who answers by itself.
    is_automatic: Vec<bool>,
}

impl Story {
    fn new(seed: u64, is_automatic: Vec<bool>) -> Self {
        let mut world = World::new(seed);
        for &is_automatic in &is_automatic {
            world.add(if is_automatic {
                Admission::allow_all()
            } else {
                Admission::ask()
            });
        }
        world.start(0);
        Self {
            world,
            seen: 0,
            open: BTreeMap::new(),
            allowed: BTreeSet::new(),
            is_automatic,
        }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Start(at) => self.world.start(*at),
            Step::Kill(at) => {
                self.world.kill(*at);
                // What it asked before it died is open no more, also where nobody had looked yet.
                self.look();
                self.open.retain(|(who, _), _| who != at);
            }
            Step::KillInBallot(at, dies, ms) => {
                let id = self.world.hosts[*at].id;
                let before = self.world.monitor.count(id);
                self.world
                    .run_until(BALLOT, |world| world.monitor.count(id) > before);
                let dying = || (0..HOSTS).filter(|at| dies[*at] && self.world.is_up(*at));
                let dying: Vec<usize> = dying().collect();
                dying.iter().for_each(|at| self.take(&Step::Kill(*at)));
                self.world.run(Duration::from_millis(*ms));
                dying.iter().for_each(|at| self.world.start(*at));
            }
            Step::Pause(at) => self.world.hosts[*at].is_paused = true,
            Step::Resume(at) => self.world.hosts[*at].is_paused = false,
            Step::Reset(a, b) if a != b => self.world.reset(*a, *b),
            Step::Reset(..) => {}
            Step::Split(side) => {
                let of = |which: bool| -> Vec<usize> {
                    (0..HOSTS).filter(|at| side[*at] == which).collect()
                };
                self.world.split(&[&of(true), &of(false)]);
            }
            Step::Heal => self.world.heal(),
            Step::Answer(which, yes) => self.answer(*which, *yes),
            Step::JoinAgain(at) => self.world.ask(*at, Request::JoinAgain),
            Step::Wait(ms) => self.world.run(Duration::from_millis(*ms)),
        }
        self.look();
    }

    fn answer(&mut self, which: usize, yes: bool) {
        if self.open.is_empty() {
            return;
        }
        let nth = self.open.iter().nth(which % self.open.len());
        let Some((&(who, candidate), &record)) = nth else {
            return;
        };
        if self.world.hosts[who].is_paused {
            return;
        }
        self.open.remove(&(who, candidate));
        if yes {
            self.allowed.insert((who, record));
        }
        self.world.answer(who, candidate, yes);
    }

    /// Looks at what was told since.
    fn look(&mut self) {
        for told in &self.world.told[self.seen..] {
            match &told.event {
                Event::JoinRequest { candidate, record } => {
                    let hash = record.hash();
                    let has_answered = self.world.hosts[told.who].has_stored_opinion(&hash);
                    assert!(!has_answered, "asked again\n{}", self.world.story());
                    self.open.insert((told.who, candidate.id), hash);
                }
                Event::JoinWithdrawn { candidate } => {
                    self.open.remove(&(told.who, candidate.id));
                }
                Event::Contradiction(evidence) => {
                    panic!("{evidence} in an honest world\n{}", self.world.story())
                }
                _ => {}
            }
        }
        self.seen = self.world.told.len();
    }

    /// Nothing is in the way any more, and people say yes.
    fn calm(&mut self) -> bool {
        self.world.heal();
        for at in 0..HOSTS {
            self.world.hosts[at].is_paused = false;
            self.world.start(at);
        }
        let mut waited = Duration::ZERO;
        while waited < CALM {
            if self.is_complete() {
                return true;
            }
            self.world.run(LOOK);
            waited += LOOK;
            self.look();
            while !self.open.is_empty() {
                self.answer(0, true);
            }
            for at in 0..HOSTS {
                self.world.ask(at, Request::JoinAgain);
            }
            self.look();
        }
        self.is_complete()
    }

    fn is_complete(&self) -> bool {
        let places: BTreeSet<_> = (0..HOSTS)
            .map(|at| {
                let membership = self.world.chain(at)?.membership();
                (membership.len() == HOSTS).then(|| membership.place())
            })
            .collect();
        places.len() == 1 && !places.contains(&None)
    }

    /// Every decision of a chain, checked anew, and against what people said.
    fn check_chain(&self, chain: &Chain) {
        let founding = (**chain.founding().unwrap()).clone();
        let mut checked = Chain::found(founding, &Unproven).unwrap();
        for link in chain.links_from(0) {
            let before = checked.membership().clone();
            if let Change::Admit { record, allows } = &link.change {
                let is_new = before.last_life(&record.node).is_none();
                assert_eq!(allows.len(), before.len());
                for member in before.members() {
                    let who = self.place_of(member.node);
                    let said_yes = self.allowed.contains(&(who, record.hash()));
                    let is_fine = said_yes || self.is_automatic[who] || !is_new;
                    assert!(
                        is_fine,
                        "in without the ALLOW of {}\n{}",
                        who + 1,
                        self.world.story()
                    );
                }
            }
            checked.extend(link.clone(), &Unproven).unwrap();
        }
    }

    fn place_of(&self, node: NodeId) -> usize {
        self.world
            .hosts
            .iter()
            .position(|host| host.id == node)
            .unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_there_is_one_chain_and_everybody_gets_in(
        seed in any::<u64>(),
        is_automatic in vec(any::<bool>(), HOSTS),
        steps in vec(step(), 0..60),
    ) {
        let mut story = Story::new(seed, is_automatic);
        for step in &steps {
            story.take(step);
        }
        let is_well = story.calm();
        prop_assert!(is_well, "not everybody is in\n{}", story.world.story());
        for at in 0..HOSTS {
            story.check_chain(story.world.chain(at).unwrap());
        }
    }
}
