//! Members that lose their stores, over a network that holds back, reorders and repeats what was said before the loss too.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use quorate_consensus::succession::{Ballot, Durable, Message, Output, Statement, To};
use quorate_consensus::{Digest, Succession};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::ring::{Ring, drain};

/// One member with its disk, and what it has not written or sent yet.
struct Station {
    part: Succession,
    pending: VecDeque<Output>,
    disk: Vec<Durable>,
    has_lost: bool,
    is_done: bool,
}

/// All of them, until one of them knows the decision.
struct Crowd {
    ring: Ring,
    count: u64,
    stations: BTreeMap<u64, Station>,
    wires: Vec<(u64, u64, Message)>,
    accepted: BTreeMap<(Ballot, Digest), BTreeSet<u64>>,
    decided: BTreeSet<Digest>,
    hears_acceptances: bool,
    rng: ChaCha8Rng,
}

impl Crowd {
    fn new(count: u64, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut this = Self {
            ring: Ring::new(count),
            count,
            stations: BTreeMap::new(),
            wires: Vec::new(),
            accepted: BTreeMap::new(),
            decided: BTreeSet::new(),
            // Where they do not, only ballots finish what others began.
            hears_acceptances: rng.next_u64().is_multiple_of(3),
            rng,
        };
        for number in 1..=count {
            this.start(number, Vec::new(), false);
        }
        this
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.rng.next_u64() % limit as u64).unwrap()
    }

    /// Each has a candidate of its own, that all others allow.
    fn start(&mut self, number: u64, disk: Vec<Durable>, has_lost: bool) {
        let keys = self.ring.keys(number);
        let mut part = self.ring.part(number);
        for said in &disk {
            part.restore(said.clone(), &keys);
        }
        if has_lost {
            part.forget();
        }
        part.set_asked(usize::try_from(self.count).unwrap() - 1);
        let all: Vec<u64> = (1..=self.count).collect();
        let record = self.ring.record(50 + number, 1);
        self.ring.bring(number, &mut part, &record, &all);
        for other in all {
            part.set_present(self.ring.id(other), true);
        }
        drain(&mut part);
        let was = self.stations.get(&number);
        let station = Station {
            part,
            pending: VecDeque::new(),
            disk,
            has_lost,
            is_done: was.is_some_and(|was| was.is_done),
        };
        self.stations.insert(number, station);
    }

    fn with(&mut self, number: u64, act: impl FnOnce(&mut Succession, &Ring)) {
        let station = self.stations.get_mut(&number).unwrap();
        if station.is_done {
            return;
        }
        act(&mut station.part, &self.ring);
        station.pending.extend(drain(&mut station.part));
        let is_whole = station.part.has_forgotten()
            || !station.has_lost
            || station.part.promised().is_some()
            || station.part.membership().epoch() > self.ring.place().epoch;
        assert!(is_whole, "half back");
    }

    /// Writes or sends the next thing.
    fn put_out(&mut self, number: u64) {
        let station = self.stations.get_mut(&number).unwrap();
        match station.pending.pop_front() {
            Some(Output::Persist(durable @ Durable::Acceptor(_))) => {
                station.disk = vec![durable];
            }
            Some(Output::Send { to, message }) => {
                self.note(number, &message);
                let all = 1..=self.count;
                let to = all.filter(|other| match to {
                    To::All => *other != number,
                    To::One(node) => self.ring.id(*other) == node,
                });
                for other in to {
                    self.wires.push((number, other, message.clone()));
                }
            }
            Some(Output::Decided(_)) => station.is_done = true,
            Some(Output::Evidence(evidence)) => panic!("evidence among honest members: {evidence}"),
            _ => {}
        }
    }

    fn note(&mut self, number: u64, message: &Message) {
        let Message::At {
            epoch,
            statement: Statement::Accepted(accepted),
            ..
        } = message
        else {
            return;
        };
        if *epoch != self.ring.place().epoch {
            return;
        }
        let by = self.accepted.entry((accepted.ballot, accepted.change));
        let by = by.or_default();
        by.insert(number);
        if by.len() > self.stations.len() / 2 {
            self.decided.insert(accepted.change);
            assert_eq!(self.decided.len(), 1, "two decisions");
        }
    }

    fn deliver(&mut self) {
        if self.wires.is_empty() {
            return;
        }
        // Mostly what was sent lately; the rest is from long before.
        let count = self.wires.len();
        let index = match self.below(3) {
            0 => self.below(count),
            _ => count - 1 - self.below(count.min(6)),
        };
        let (from, to, message) = match self.below(4) {
            0 => self.wires[index].clone(),
            _ => self.wires.remove(index),
        };
        let is_acceptance = |message: &Message| {
            matches!(
                message,
                Message::At {
                    statement: Statement::Accepted(_),
                    ..
                }
            )
        };
        if is_acceptance(&message) && !self.hears_acceptances {
            return;
        }
        self.with(to, |part, ring| {
            let heard = part.handle_message(ring.id(from), message, &ring.keys(to));
            heard.unwrap_or_else(|error| panic!("an honest statement is refused: {error}"));
        });
    }

    fn run(&mut self, steps: usize) {
        let mut losses = 1 + self.below(4);
        for _ in 0..steps {
            let number = 1 + self.below(self.stations.len()) as u64;
            match self.below(100) {
                0..4 => self.with(number, |part, ring| {
                    let _leads = part.lead(&ring.keys(number));
                }),
                4..6 => self.with(number, |part, _| part.repeat()),
                6 => {
                    let station = &self.stations[&number];
                    let (disk, has_lost) = (station.disk.clone(), station.has_lost);
                    self.start(number, disk, has_lost);
                }
                7 if losses > 0 => {
                    losses -= 1;
                    self.start(number, Vec::new(), true);
                }
                8..45 => self.put_out(number),
                _ => self.deliver(),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn whoever_loses_its_store_one_thing_is_decided_and_nobody_accused(
        count in 2..=5_u64,
        seed in any::<u64>(),
        steps in 200..900_usize,
    ) {
        Crowd::new(count, seed).run(steps);
    }
}
