//! Voters that change who they are, over a network that loses, repeats and reorders, with disks and crashes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use quorate_consensus::conclave::{Message, Output, SeatError, Step};
use quorate_consensus::succession::Durable;
use quorate_consensus::{
    Conclave, Digest, Electorate, Handover, HandoverError, NodeId, Now, QuorumRule, Record, Seal,
    Seating, Signer as _, Transcript, Unproven, assembly,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

use crate::sample::{NETWORK, START_MS, electorate, electorate_of, node, signer, start};

/// One voter with its disk.
struct Station {
    conclave: Conclave,
    said: Vec<Durable>,
    handovers: Vec<Arc<Handover>>,
    log: Vec<Output>,
    /// What its roster holds, made up.
    holds: BTreeSet<u64>,
    is_up: bool,
}

struct World {
    first: Electorate,
    now: Now,
    stations: BTreeMap<u64, Station>,
    wires: Vec<(u64, u64, Message)>,
    cut: BTreeSet<(u64, u64)>,
    rng: ChaCha8Rng,
    /// Of a thousand messages, so many are lost, and so many come twice.
    lost: u64,
    repeated: u64,
}

fn digest(holds: &BTreeSet<u64>) -> Digest {
    let mut transcript = Transcript::new("test");
    for number in holds {
        transcript = transcript.u64(*number).clone();
    }
    transcript.finish()
}

fn record(number: u64) -> Record {
    let endpoints = vec![format!("seat-{number}:1")];
    Record::sign(&signer(number), NETWORK, endpoints, 1, 1, START_MS).unwrap()
}

impl World {
    fn new(first: Electorate, seed: u64) -> Self {
        let mut this = Self {
            now: start(),
            stations: BTreeMap::new(),
            wires: Vec::new(),
            cut: BTreeSet::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            lost: 0,
            repeated: 0,
            first,
        };
        let voters: Vec<u64> = (1..=this.first.seats().len() as u64).collect();
        for number in voters {
            this.start(number, Vec::new(), Vec::new(), BTreeSet::new());
        }
        this
    }

    fn start(
        &mut self,
        number: u64,
        said: Vec<Durable>,
        handovers: Vec<Arc<Handover>>,
        holds: BTreeSet<u64>,
    ) {
        let conclave = Conclave::new(
            Arc::new(signer(number)),
            Arc::new(Unproven),
            self.first.clone(),
            handovers.iter().cloned().map(Step::HandedOver),
            said.clone(),
            digest(&holds),
            assembly::Config::default(),
            self.rng.next_u64(),
            self.now,
        )
        .unwrap();
        let station = Station {
            conclave,
            said,
            handovers,
            log: Vec::new(),
            holds,
            is_up: true,
        };
        self.stations.insert(number, station);
        self.drain(number);
        let others: Vec<u64> = self.stations.keys().copied().collect();
        for other in others {
            if other != number && self.is_linked(number, other) {
                self.link(number, other);
            }
        }
    }

    fn is_linked(&self, one: u64, other: u64) -> bool {
        let is_up = |number: u64| self.stations.get(&number).is_some_and(|s| s.is_up);
        is_up(one) && is_up(other) && !self.cut.contains(&(one.min(other), one.max(other)))
    }

    fn link(&mut self, one: u64, other: u64) {
        for (at, to) in [(one, other), (other, one)] {
            let now = self.now;
            self.with(at, |conclave| conclave.handle_linked(node(to), now));
        }
    }

    fn unlink(&mut self, one: u64, other: u64) {
        for (at, to) in [(one, other), (other, one)] {
            let now = self.now;
            if self.stations.get(&at).is_some_and(|station| station.is_up) {
                self.with(at, |conclave| conclave.handle_unlinked(node(to), now));
            }
        }
        let is_between = |from, to| (from, to) == (one, other) || (from, to) == (other, one);
        self.wires.retain(|(from, to, _)| !is_between(*from, *to));
    }

    /// Cuts a link, or mends it.
    fn set_cut(&mut self, one: u64, other: u64, is_cut: bool) {
        let pair = (one.min(other), one.max(other));
        if is_cut && self.cut.insert(pair) {
            self.unlink(one, other);
        } else if !is_cut && self.cut.remove(&pair) && self.is_linked(one, other) {
            self.link(one, other);
        }
    }

    fn kill(&mut self, number: u64) {
        self.stations.get_mut(&number).unwrap().is_up = false;
        let others: Vec<u64> = self.stations.keys().copied().collect();
        for other in others.into_iter().filter(|other| *other != number) {
            self.unlink(number, other);
        }
    }

    fn restart(&mut self, number: u64) {
        let station = self.stations.remove(&number).unwrap();
        self.start(number, station.said, station.handovers, station.holds);
    }

    fn with<T>(&mut self, at: u64, act: impl FnOnce(&mut Conclave) -> T) -> T {
        let result = act(&mut self.stations.get_mut(&at).unwrap().conclave);
        self.drain(at);
        result
    }

    fn drain(&mut self, at: u64) {
        let now = self.now;
        while let Some(output) = self.stations.get_mut(&at).unwrap().conclave.poll_output() {
            let station = self.stations.get_mut(&at).unwrap();
            station.log.push(output.clone());
            match output {
                Output::Persist { id, durable } => {
                    if let Durable::Acceptor(acceptor) = &durable {
                        // One decision for each epoch; what follows is the next assembly's.
                        assert_eq!(acceptor.epoch, station.conclave.electorate().epoch());
                    }
                    station.said.push(durable);
                    station.conclave.handle_persisted(id, now);
                }
                Output::Send { to, message } => {
                    for to in to {
                        let number = (1..100).find(|number| node(*number) == to).unwrap();
                        let copies = match self.rng.next_u64() % 1000 {
                            dice if dice < self.lost => 0,
                            dice if dice < self.lost + self.repeated => 2,
                            _ => 1,
                        };
                        for _ in 0..copies {
                            self.wires.push((at, number, message.clone()));
                        }
                    }
                }
                Output::HandedOver { handover, .. } => {
                    station.said.clear();
                    station.handovers.push(handover);
                }
                Output::Widened(handover) => {
                    station
                        .handovers
                        .retain(|held| held.epoch != handover.epoch);
                    station.handovers.push(handover);
                }
                Output::Decided(_)
                | Output::Nominated { .. }
                | Output::Challenged { .. }
                | Output::Evidence(_) => {}
            }
        }
    }

    /// Delivers in any order, and lets time pass when nothing is under way.
    fn run(&mut self, seconds: u64) {
        let end = self.now.instant + Duration::from_secs(seconds);
        loop {
            if self.wires.is_empty() {
                let due = self.stations.values().filter(|station| station.is_up);
                let due = due
                    .filter_map(|station| station.conclave.poll_timeout())
                    .min();
                let Some(due) = due.filter(|due| *due <= end) else {
                    return;
                };
                let step = due.saturating_duration_since(self.now.instant);
                self.now = self.now.after(step);
                let numbers: Vec<u64> = self.stations.keys().copied().collect();
                for number in numbers {
                    let now = self.now;
                    if self.stations[&number].is_up {
                        self.with(number, |conclave| conclave.handle_timeout(now));
                    }
                }
                continue;
            }
            let index = usize::try_from(self.rng.next_u64() % self.wires.len() as u64).unwrap();
            let (from, to, message) = self.wires.swap_remove(index);
            if self.is_linked(from, to) {
                let now = self.now;
                self.with(to, |conclave| {
                    conclave.handle_message(node(from), message, now).unwrap();
                });
            }
        }
    }

    fn electorate(&self, at: u64) -> &Electorate {
        self.stations[&at].conclave.electorate()
    }

    fn epochs(&self) -> Vec<u64> {
        let up = self.stations.values().filter(|station| station.is_up);
        up.map(|station| station.conclave.electorate().epoch())
            .collect()
    }

    fn seat(&mut self, at: u64, number: u64) -> Result<(), SeatError> {
        let now = self.now;
        self.with(at, |conclave| conclave.seat(record(number), now))
    }

    fn unseat(&mut self, at: u64, number: u64) -> Result<(), SeatError> {
        let now = self.now;
        self.with(at, |conclave| conclave.unseat(node(number), now))
    }

    /// No two stations ever went on with different electorates in one epoch.
    fn assert_one_history(&self) {
        let mut of_epoch: BTreeMap<u64, &Seating> = BTreeMap::new();
        for handover in self.stations.values().flat_map(|s| &s.handovers) {
            let known = of_epoch.entry(handover.epoch).or_insert(&handover.next);
            assert_eq!(*known, &handover.next);
        }
    }
}

fn voters(electorate: &Electorate) -> Vec<NodeId> {
    electorate.voters().collect()
}

#[test]
fn a_seat_is_given_by_the_word_of_every_voter() {
    let mut world = World::new(electorate(3), 1);
    world.seat(1, 4).unwrap();
    world.run(30);
    let told = |output: &Output| matches!(output, Output::Nominated { by, record } if *by == node(1) && record.node == node(4));
    assert!(world.stations[&2].log.iter().any(told));
    let now = world.now;
    world
        .with(2, |conclave| conclave.agree(node(4), now))
        .unwrap();
    world.run(30);
    assert_eq!(world.epochs(), [0, 0, 0], "two of three were enough");
    let (_, waiting) = &world.stations[&1].conclave.nominations()[0];
    assert_eq!(*waiting, [node(3)]);
    world
        .with(3, |conclave| conclave.agree(node(4), now))
        .unwrap();
    world.run(30);
    assert_eq!(world.epochs(), [1, 1, 1]);
    let next = world.electorate(2);
    assert_eq!(voters(next), [1, 2, 3, 4].map(node));
    assert_eq!(
        (next.quorum(), next.seats()[3].name.as_str()),
        (3, "seat-4:1")
    );
    assert_eq!(next.predecessor().unwrap().id(), electorate(3).id());
    // All who sealed are named in everybody's handover, so that those who know only some of them can judge it.
    for station in world.stations.values() {
        assert_eq!(station.handovers[0].seals.len(), 3);
    }

    // The new voter, and anybody else, follows by the handover from the first list alone.
    world.start(4, Vec::new(), Vec::new(), BTreeSet::new());
    world.run(30);
    assert_eq!(world.electorate(4).id(), world.electorate(1).id());
    // It has a say now: without it, nobody else gets in.
    for number in 1..=3 {
        world.seat(number, 5).unwrap();
    }
    world.run(60);
    assert_eq!(world.epochs(), [1; 4]);
    world.seat(4, 5).unwrap();
    world.run(60);
    assert_eq!(world.epochs(), [2; 4]);
}

#[test]
fn a_dead_voter_loses_its_seat_by_the_word_of_all_others() {
    let mut world = World::new(electorate(3), 2);
    world.run(5);
    world.kill(3);
    world.run(600);
    assert_eq!(world.epochs(), [0, 0], "nobody's person wanted it");
    world.unseat(1, 3).unwrap();
    world.run(60);
    assert_eq!(world.epochs(), [0, 0], "one of two others was enough");
    world.unseat(2, 3).unwrap();
    world.run(60);
    assert_eq!(world.epochs(), [1, 1]);
    assert_eq!(voters(world.electorate(1)), [1, 2].map(node));
    // It learns it when it is back, and that it has no say.
    world.restart(3);
    world.run(60);
    assert_eq!(world.epochs(), [1, 1, 1]);
    assert_eq!(world.seat(3, 4), Err(SeatError::NotAVoter));
}

#[test]
fn a_voter_that_lives_is_unseated_too_if_all_others_want_it_and_are_a_majority() {
    let mut world = World::new(electorate(4), 3);
    world.run(5);
    for number in [1, 2, 3] {
        world.unseat(number, 4).unwrap();
    }
    world.run(60);
    assert_eq!(voters(world.electorate(1)), [1, 2, 3].map(node));
    assert_eq!(world.epochs(), [1; 4], "the unseated one was not told");

    // One of two cannot throw out the other.
    let mut world = World::new(electorate(2), 4);
    world.run(5);
    world.unseat(1, 2).unwrap();
    world.run(600);
    assert_eq!(world.epochs(), [0, 0]);
}

#[test]
fn a_voter_resigns_by_its_own_word_and_the_last_does_not() {
    let mut world = World::new(electorate(2), 5);
    world.run(5);
    let now = world.now;
    world.with(2, |conclave| conclave.resign(now)).unwrap();
    world.run(60);
    assert_eq!(world.epochs(), [1, 1]);
    assert_eq!(voters(world.electorate(1)), [node(1)]);
    let now = world.now;
    let last = world.with(1, |conclave| conclave.resign(now));
    assert!(matches!(last, Err(SeatError::Needed(_))));
}

#[test]
fn nothing_takes_effect_before_a_quorum_that_sealed_holds_the_same() {
    let mut world = World::new(electorate(3), 6);
    world.run(5);
    world.kill(3);
    let held = BTreeSet::from([7]);
    let now = world.now;
    world.stations.get_mut(&1).unwrap().holds = held.clone();
    world.with(1, |conclave| conclave.handle_roster(digest(&held), now));
    for number in 1..=2 {
        world.unseat(number, 3).unwrap();
    }
    world.run(60);
    assert_eq!(world.epochs(), [0, 0], "they hold different rosters");
    // Decided is decided: who restarts meanwhile votes no more in this epoch either.
    world.kill(1);
    world.restart(1);
    for number in 1..=2 {
        assert!(world.stations[&number].conclave.is_sealed());
        assert_eq!(world.seat(number, 4), Err(SeatError::Changing));
    }
    world.run(60);
    assert_eq!(world.epochs(), [0, 0]);
    let now = world.now;
    world.with(2, |conclave| conclave.handle_roster(digest(&held), now));
    world.run(60);
    assert_eq!(world.epochs(), [1, 1]);
}

#[test]
fn one_seat_changes_at_a_time() {
    let mut world = World::new(electorate(1), 9);
    world.seat(1, 4).unwrap();
    world.run(5);
    assert_eq!(voters(world.electorate(1)), [1, 4].map(node));

    let mut world = World::new(electorate(3), 9);
    for number in 1..=3 {
        world.seat(number, 4).unwrap();
        world.seat(number, 5).unwrap();
    }
    world.run(60);
    assert_eq!(world.epochs(), [1, 1, 1]);
    assert_eq!(world.electorate(1).seats().len(), 4);
    // What was said in one epoch does not count in the next: the new voter has to agree, and so have all others again.
    world.start(4, Vec::new(), Vec::new(), BTreeSet::new());
    world.run(60);
    assert_eq!(world.epochs(), [1; 4]);
}

#[test]
fn one_who_was_away_for_several_changes_follows_and_a_stranger_cannot_mislead_it() {
    let mut world = World::new(electorate(5), 7);
    world.run(5);
    world.kill(5);
    // Who is away can agree to nothing, so it is unseated first.
    for number in 1..=4 {
        world.unseat(number, 5).unwrap();
    }
    world.run(60);
    for candidate in [6, 7, 8] {
        for number in 1..=4 {
            world.seat(number, candidate).unwrap();
        }
        let seated: Vec<u64> = world.stations.keys().copied().filter(|n| *n > 5).collect();
        for number in seated {
            world.seat(number, candidate).unwrap();
        }
        world.run(60);
        world.start(candidate, Vec::new(), Vec::new(), BTreeSet::new());
        world.run(60);
    }
    assert_eq!(world.electorate(1).epoch(), 4);
    let real = world.electorate(1).id();
    world.restart(5);
    // A handover that nobody signed, or too few.
    let first = electorate(5);
    let next = Seating {
        rule: QuorumRule::Majority,
        seats: BTreeMap::from([("seat-9".to_owned(), node(9))]),
    };
    let seals = [1, 2].map(|number| Seal::sign(&signer(number), &first, next.clone()));
    let forged = Handover {
        network: NETWORK,
        epoch: 0,
        electorate: first.id(),
        next: next.clone(),
        seals: seals
            .iter()
            .map(|seal| (seal.voter, seal.signature))
            .collect(),
    };
    let now = world.now;
    let mislead = Message::Handovers(vec![Arc::new(forged)]);
    let told = world.stations.get_mut(&5).unwrap();
    assert!(told.conclave.handle_message(node(9), mislead, now).is_err());
    world.run(60);
    assert_eq!(world.electorate(5).id(), real);
    assert_eq!(world.epochs(), [4; 8]);
}

#[test]
fn what_cannot_be_is_said_at_once() {
    let mut world = World::new(electorate(3), 8);
    world.run(5);
    assert!(matches!(world.seat(1, 2), Err(SeatError::Taken(name)) if name == "seat-2:1"));
    assert_eq!(world.unseat(1, 9), Err(SeatError::NoSuchVoter(node(9))));
    assert!(matches!(world.unseat(1, 1), Err(SeatError::Needed(_))));
    let now = world.now;
    let nobody = world.with(1, |conclave| conclave.agree(node(9), now));
    assert_eq!(nobody, Err(SeatError::NotNominated(node(9))));
    let mut forged = record(9);
    forged.attempt += 1;
    let unsigned = world.with(1, |conclave| conclave.seat(forged, now));
    assert!(
        matches!(unsigned, Err(SeatError::Candidate(_))),
        "{unsigned:?}"
    );

    // Nodes that want a seat by their own word are held in bounds, and those that a person wants are not pushed out.
    world.seat(1, 4).unwrap();
    let at = &mut world.stations.get_mut(&1).unwrap().conclave;
    for number in 20..60 {
        let wanted = Message::Nominated(Box::new(record(number)));
        at.handle_message(node(number), wanted, now).unwrap();
    }
    let wanted: Vec<NodeId> = at
        .nominations()
        .iter()
        .map(|(record, _)| record.node)
        .collect();
    assert!(wanted.contains(&node(4)) && wanted.contains(&node(59)));
    assert_eq!(wanted.len(), 17);
    let mut forged = record(60);
    forged.attempt += 1;
    let forged = Message::Nominated(Box::new(forged));
    assert!(at.handle_message(node(60), forged, now).is_err());
    let of_another = Message::Nominated(Box::new(record(61)));
    at.handle_message(node(60), of_another, now).unwrap();
    assert_eq!(at.nominations().len(), 17);

    let unmet = Electorate::new(
        NETWORK,
        0,
        QuorumRule::Majority,
        (1..=3).map(|number| crate::sample::seat(number, number < 3)),
    );
    let mut world = World::new(electorate(3), 8);
    world.first = unmet.unwrap();
    world.restart(1);
    assert_eq!(
        world.seat(1, 4),
        Err(SeatError::Unmet(vec!["seat-3".to_owned()]))
    );
}

#[test]
fn only_a_quorum_of_known_voters_hands_over() {
    let old = electorate(3);
    let next = Seating {
        rule: QuorumRule::Majority,
        seats: (1..=4)
            .map(|number| (format!("seat-{number}"), node(number)))
            .collect(),
    };
    let seal = |number: u64, next: &Seating| Seal::sign(&signer(number), &old, next.clone());
    assert_eq!(Handover::assemble(&old, [&seal(1, &next)]), None);
    let mut other = next.clone();
    other.seats.remove("seat-2");
    let split = [seal(1, &next), seal(2, &other)];
    assert_eq!(Handover::assemble(&old, &split), None);
    let good = Handover::assemble(&old, &[seal(1, &next), seal(2, &next)]).unwrap();
    let handed = good.verify(&old, &Unproven).unwrap();
    assert_eq!((handed.epoch(), handed.quorum()), (1, 3));

    let forge = |change: &dyn Fn(&mut Handover)| {
        let mut forged = good.clone();
        change(&mut forged);
        forged.verify(&old, &Unproven).unwrap_err()
    };
    let swap = |h: &mut Handover| {
        h.next.seats.insert("seat-2".to_owned(), node(9));
    };
    assert_eq!(forge(&swap), HandoverError::Signature(node(1)));
    let rule = |h: &mut Handover| h.next.rule = QuorumRule::Unanimous;
    assert_eq!(forge(&rule), HandoverError::Signature(node(1)));
    let fewer = |h: &mut Handover| {
        h.seals.remove(&node(2));
    };
    assert_eq!(forge(&fewer), HandoverError::TooFew { quorum: 2, got: 1 });
    let stranger = |h: &mut Handover| {
        h.seals.remove(&node(2));
        let seal = Seal::sign(&signer(9), &old, next.clone());
        h.seals.insert(node(9), seal.signature);
    };
    assert_eq!(forge(&stranger), HandoverError::NotAVoter(node(9)));
    let epoch = |h: &mut Handover| h.epoch = 1;
    assert!(matches!(
        forge(&epoch),
        HandoverError::AnotherElectorate { .. }
    ));
    let nobody = |h: &mut Handover| h.next.seats.clear();
    assert!(matches!(forge(&nobody), HandoverError::Seats(_)));

    // A reader that has met one of the two cannot judge it yet.
    let met = (1..=3).map(|number| crate::sample::seat(number, number == 1));
    let reader = Electorate::new(NETWORK, 0, QuorumRule::Majority, met).unwrap();
    assert_eq!(
        good.verify(&reader, &Unproven),
        Err(HandoverError::Undecided { quorum: 2, got: 1 })
    );
    // `AtLeast` goes along with the number of seats.
    let strict = electorate_of(NETWORK, 0, QuorumRule::AtLeast(3), 3);
    assert_eq!(strict.rule().fitted(2), QuorumRule::AtLeast(2));
    assert_eq!(strict.rule().fitted(7), QuorumRule::AtLeast(4));
    assert_eq!(signer(1).id(), node(1));
}

/// What people and the world do to voters.
#[derive(Debug, Clone, Copy)]
enum Deed {
    /// All who have a seat want it.
    SeatBy(u64),
    UnseatBy(u64),
    Seat(u64, u64),
    Unseat(u64, u64),
    Resign(u64),
    Crash(u64),
    Cut(u64, u64),
    Learn(u64, u64),
    Wait,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let voter = 1..=5_u64;
    let deed = prop_oneof![
        4 => (6..=8_u64).prop_map(Deed::SeatBy),
        3 => voter.clone().prop_map(Deed::UnseatBy),
        2 => (voter.clone(), 6..=8_u64).prop_map(|(at, whom)| Deed::Seat(at, whom)),
        2 => (voter.clone(), voter.clone()).prop_map(|(at, whom)| Deed::Unseat(at, whom)),
        1 => voter.clone().prop_map(Deed::Resign),
        2 => voter.clone().prop_map(Deed::Crash),
        2 => (voter.clone(), voter.clone()).prop_map(|(one, other)| Deed::Cut(one, other)),
        1 => (voter.clone(), 0..4_u64).prop_map(|(at, what)| Deed::Learn(at, what)),
        3 => Just(Deed::Wait),
    ];
    prop::collection::vec(deed, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_there_is_one_history_and_all_follow_it(deeds in deeds(), seed: u64) {
        let mut world = World::new(electorate(5), seed);
        (world.lost, world.repeated) = (50, 50);
        for deed in deeds {
            let now = world.now;
            // People want what cannot be, at times: that is an error and nothing else.
            match deed {
                Deed::SeatBy(whom) => (1..=5).for_each(|at| drop(world.seat(at, whom))),
                Deed::UnseatBy(whom) => (1..=5).for_each(|at| drop(world.unseat(at, whom))),
                Deed::Seat(at, whom) => drop(world.seat(at, whom)),
                Deed::Unseat(at, whom) => drop(world.unseat(at, whom)),
                Deed::Resign(at) => drop(world.with(at, |conclave| conclave.resign(now))),
                Deed::Crash(at) => {
                    world.kill(at);
                    world.restart(at);
                }
                Deed::Cut(one, other) if one != other => world.set_cut(one, other, true),
                Deed::Cut(..) => {}
                Deed::Learn(at, what) => {
                    let holds = &mut world.stations.get_mut(&at).unwrap().holds;
                    holds.insert(what);
                    let held = digest(holds);
                    world.with(at, |conclave| conclave.handle_roster(held, now));
                }
                Deed::Wait => world.run(3),
            }
        }
        world.assert_one_history();
        // Faults end, rosters become equal, whoever has a seat is there.
        (world.lost, world.repeated) = (0, 0);
        for (one, other) in world.cut.clone() {
            world.set_cut(one, other, false);
        }
        let all: BTreeSet<u64> = world.stations.values().flat_map(|s| s.holds.clone()).collect();
        for number in 6..=8 {
            world.start(number, Vec::new(), Vec::new(), all.clone());
        }
        for number in 1..=5 {
            let now = world.now;
            world.with(number, |conclave| conclave.handle_roster(digest(&all), now));
        }
        world.run(120);
        world.assert_one_history();
        let epochs = world.epochs();
        prop_assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
        prop_assert!(world.stations.values().all(|station| !station.conclave.is_sealed()));
    }
}
