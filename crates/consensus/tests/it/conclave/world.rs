//! Conclaves with what is under way between them, driven by hand: a network that loses, repeats and reorders.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use quorate_consensus::conclave::{Message, Output, SeatError, Step};
use quorate_consensus::succession::Durable;
use quorate_consensus::{
    Conclave, Digest, Electorate, Handover, NodeId, Now, Record, Seating, Transcript, Unproven,
    assembly,
};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use crate::sample::{NETWORK, START_MS, node, signer, start};

/// One voter with its disk.
pub(crate) struct Station {
    pub(crate) conclave: Conclave,
    pub(crate) said: Vec<Durable>,
    pub(crate) handovers: Vec<Arc<Handover>>,
    pub(crate) log: Vec<Output>,
    /// What its roster holds, made up.
    pub(crate) holds: BTreeSet<u64>,
    pub(crate) is_up: bool,
}

pub(crate) struct World {
    pub(crate) first: Electorate,
    pub(crate) now: Now,
    pub(crate) stations: BTreeMap<u64, Station>,
    pub(crate) wires: Vec<(u64, u64, Message)>,
    pub(crate) cut: BTreeSet<(u64, u64)>,
    pub(crate) rng: ChaCha8Rng,
    /// Of a thousand messages, so many are lost, and so many come twice.
    pub(crate) lost: u64,
    pub(crate) repeated: u64,
}

pub(crate) fn digest(holds: &BTreeSet<u64>) -> Digest {
    let mut transcript = Transcript::new("test");
    for number in holds {
        transcript = transcript.u64(*number).clone();
    }
    transcript.finish()
}

pub(crate) fn record(number: u64) -> Record {
    let endpoints = vec![format!("seat-{number}:1")];
    Record::sign(&signer(number), NETWORK, endpoints, 1, 1, START_MS).unwrap()
}

impl World {
    pub(crate) fn new(first: Electorate, seed: u64) -> Self {
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

    pub(crate) fn start(
        &mut self,
        number: u64,
        said: Vec<Durable>,
        handovers: Vec<Arc<Handover>>,
        holds: BTreeSet<u64>,
    ) {
        self.begin(number, said, handovers, holds, false);
    }

    fn begin(
        &mut self,
        number: u64,
        said: Vec<Durable>,
        handovers: Vec<Arc<Handover>>,
        holds: BTreeSet<u64>,
        has_forgotten: bool,
    ) {
        let mut conclave = Conclave::new(
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
        if has_forgotten {
            conclave.forget();
        }
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

    pub(crate) fn is_linked(&self, one: u64, other: u64) -> bool {
        let is_up = |number: u64| self.stations.get(&number).is_some_and(|s| s.is_up);
        is_up(one) && is_up(other) && !self.cut.contains(&(one.min(other), one.max(other)))
    }

    pub(crate) fn link(&mut self, one: u64, other: u64) {
        for (at, to) in [(one, other), (other, one)] {
            let now = self.now;
            self.with(at, |conclave| conclave.handle_linked(node(to), now));
        }
    }

    pub(crate) fn unlink(&mut self, one: u64, other: u64) {
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
    pub(crate) fn set_cut(&mut self, one: u64, other: u64, is_cut: bool) {
        let pair = (one.min(other), one.max(other));
        if is_cut && self.cut.insert(pair) {
            self.unlink(one, other);
        } else if !is_cut && self.cut.remove(&pair) && self.is_linked(one, other) {
            self.link(one, other);
        }
    }

    pub(crate) fn kill(&mut self, number: u64) {
        self.stations.get_mut(&number).unwrap().is_up = false;
        let others: Vec<u64> = self.stations.keys().copied().collect();
        for other in others.into_iter().filter(|other| *other != number) {
            self.unlink(number, other);
        }
    }

    pub(crate) fn restart(&mut self, number: u64) {
        let station = self.stations.remove(&number).unwrap();
        self.start(number, station.said, station.handovers, station.holds);
    }

    /// With its key alone, and knowing that there was a disk.
    pub(crate) fn restart_without_disk(&mut self, number: u64) {
        self.begin(number, Vec::new(), Vec::new(), BTreeSet::new(), true);
    }

    /// With what it has on disk since it lost an earlier one, and knowing that.
    pub(crate) fn restart_after_loss(&mut self, number: u64) {
        let station = self.stations.remove(&number).unwrap();
        self.begin(number, station.said, station.handovers, station.holds, true);
    }

    pub(crate) fn with<T>(&mut self, at: u64, act: impl FnOnce(&mut Conclave) -> T) -> T {
        let result = act(&mut self.stations.get_mut(&at).unwrap().conclave);
        self.drain(at);
        result
    }

    pub(crate) fn drain(&mut self, at: u64) {
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
    pub(crate) fn run(&mut self, seconds: u64) {
        let _is_over = self.run_until(seconds, |_| false);
    }

    /// The same, until something is so; whether it came to be.
    pub(crate) fn run_until(&mut self, seconds: u64, is_so: impl Fn(&Self) -> bool) -> bool {
        let end = self.now.instant + Duration::from_secs(seconds);
        while !is_so(self) {
            if self.wires.is_empty() {
                let due = self.stations.values().filter(|station| station.is_up);
                let due = due
                    .filter_map(|station| station.conclave.poll_timeout())
                    .min();
                let Some(due) = due.filter(|due| *due <= end) else {
                    return false;
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
        true
    }

    pub(crate) fn electorate(&self, at: u64) -> &Electorate {
        self.stations[&at].conclave.electorate()
    }

    pub(crate) fn epochs(&self) -> Vec<u64> {
        let up = self.stations.values().filter(|station| station.is_up);
        up.map(|station| station.conclave.electorate().epoch())
            .collect()
    }

    pub(crate) fn seat(&mut self, at: u64, number: u64) -> Result<(), SeatError> {
        let now = self.now;
        self.with(at, |conclave| conclave.seat(record(number), now))
    }

    pub(crate) fn unseat(&mut self, at: u64, number: u64) -> Result<(), SeatError> {
        let now = self.now;
        self.with(at, |conclave| conclave.unseat(node(number), now))
    }

    /// No two stations ever went on with different electorates in one epoch.
    pub(crate) fn assert_one_history(&self) {
        let mut of_epoch: BTreeMap<u64, &Seating> = BTreeMap::new();
        for handover in self.stations.values().flat_map(|s| &s.handovers) {
            let known = of_epoch.entry(handover.epoch).or_insert(&handover.next);
            assert_eq!(*known, &handover.next);
        }
    }
}

pub(crate) fn voters(electorate: &Electorate) -> Vec<NodeId> {
    electorate.voters().collect()
}
