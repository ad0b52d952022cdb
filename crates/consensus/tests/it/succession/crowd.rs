//! Successions with a disk each, between which messages wait until the test lets them arrive: again, late or never.
//!
//! Checked at every step: one decision per epoch, links that verify, nobody refused or accused by evidence, and nobody who
//! contradicts what it ever said, restarts or not.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_consensus::succession::{
    Durable, Evidence, Heard, Link, Membership, Message, Output, Place, Statement, To,
};
use quorate_consensus::{Choice, Digest, NodeId, Record, Succession};

use super::ring::Ring;

pub(crate) struct Crowd {
    pub(crate) ring: Ring,
    pub(crate) stations: BTreeMap<u64, Station>,
    pub(crate) wire: Vec<Envelope>,
    /// The decision of each epoch, as it was first made.
    links: BTreeMap<u64, Arc<Link>>,
    candidates: Vec<Arc<Record>>,
    /// Who is accused by all others once they are asked to.
    suspect: u64,
}

pub(crate) struct Station {
    pub(crate) part: Succession,
    disk: Vec<Durable>,
    said: Vec<Message>,
}

#[derive(Clone)]
pub(crate) struct Envelope {
    from: u64,
    pub(crate) to: u64,
    message: Message,
}

impl Crowd {
    /// Members 1 to `members`, of whom the last is the suspect; 51 and 52 want to come in.
    pub(crate) fn new(members: u64) -> Self {
        let ring = Ring::new(members);
        let candidates = [51, 52].map(|number| Arc::new(ring.record(number, 1)));
        let mut crowd = Self {
            stations: BTreeMap::new(),
            wire: Vec::new(),
            links: BTreeMap::new(),
            candidates: candidates.into(),
            suspect: members,
            ring,
        };
        for number in (1..=members).chain([51, 52]) {
            let station = Station {
                part: crowd.ring.part(number),
                disk: Vec::new(),
                said: Vec::new(),
            };
            crowd.stations.insert(number, station);
            crowd.restart(number);
        }
        crowd
    }

    /// One input, of whose outputs only the first few are done before a crash with a restart, if so wanted.
    pub(crate) fn act(
        &mut self,
        number: u64,
        crash_after: Option<usize>,
        input: impl FnOnce(&Ring, &mut Succession),
    ) {
        let station = self.stations.get_mut(&number).unwrap();
        input(&self.ring, &mut station.part);
        let mut done = 0;
        loop {
            if crash_after.is_some_and(|after| done >= after) {
                return self.restart(number);
            }
            let station = self.stations.get_mut(&number).unwrap();
            let Some(output) = station.part.poll_output() else {
                break;
            };
            self.put_out(number, output);
            done += 1;
        }
        if crash_after.is_some() {
            self.restart(number);
        }
    }

    pub(crate) fn decisions(&self) -> usize {
        self.links.len()
    }

    pub(crate) fn deliver(&mut self, at: usize, crash_after: Option<usize>) {
        let Envelope { from, to, message } = self.wire[at].clone();
        let mut heard = None;
        self.act(to, crash_after, |ring, part| {
            heard = Some(part.handle_message(ring.id(from), message.clone(), &ring.keys(to)));
        });
        match heard.unwrap() {
            Ok(Heard::Now) => {}
            Ok(Heard::Earlier) => self.catch_up(from, None),
            Ok(Heard::Later) => self.catch_up(to, None),
            Err(error) => panic!("{to} refuses what {from} says: {error}: {message:?}"),
        }
    }

    /// Takes the next decision from whoever has it.
    pub(crate) fn catch_up(&mut self, number: u64, crash_after: Option<usize>) {
        let epoch = self.stations[&number].part.membership().epoch();
        if let Some(link) = self.links.get(&epoch).cloned() {
            self.act(number, crash_after, |ring, part| {
                part.handle_link(link, &ring.keys(number)).unwrap();
            });
        }
    }

    pub(crate) fn lead(&mut self, number: u64, crash_after: Option<usize>) {
        self.act(number, crash_after, |ring, part| {
            let has_cause = part.has_cause();
            assert_eq!(part.lead(&ring.keys(number)), has_cause);
        });
    }

    pub(crate) fn meet(&mut self, number: u64, other: u64) {
        let other = self.ring.id(other);
        self.act(number, None, |_, part| part.handle_met(other));
    }

    /// ALLOWs every candidate that is here, where that was not done yet.
    pub(crate) fn allow_all(&mut self, number: u64, crash_after: Option<usize>) {
        self.act(number, crash_after, |ring, part| {
            let here: Vec<NodeId> = part.candidates().map(|record| record.node).collect();
            for candidate in here.into_iter().filter(|node| *node != ring.id(number)) {
                let _said = part.say_opinion(candidate, Choice::Yes, "", &ring.keys(number));
            }
        });
    }

    pub(crate) fn accuse(&mut self, number: u64, crash_after: Option<usize>) {
        let suspect = self.suspect;
        self.act(number, crash_after, |ring, part| {
            if number != suspect {
                let _said = part.say_accuse(ring.id(suspect), &ring.keys(number));
            }
        });
    }

    /// A new process with the old disk. The order in which it reads does not matter: here, backwards.
    pub(crate) fn restart(&mut self, number: u64) {
        let station = &self.stations[&number];
        let mut membership: Membership = (*self.ring.membership).clone();
        for said in &station.disk {
            if let Durable::Link(link) = said {
                link.verify(&membership, self.ring.scheme).unwrap();
                membership = membership.apply(link);
            }
        }
        let mut part = Succession::new(self.ring.id(number), Arc::new(membership));
        let keys = self.ring.keys(number);
        // The last word of an acceptor replaces those before.
        let is_acceptor = |said: &&Durable| matches!(said, Durable::Acceptor(_));
        let acceptor = station.disk.iter().rev().find(is_acceptor);
        let others = station.disk.iter().rev().filter(|said| !is_acceptor(said));
        for said in acceptor.into_iter().chain(others) {
            part.restore(said.clone(), &keys);
        }
        for record in &self.candidates {
            let _here = part.handle_candidate(record.clone(), &keys);
        }
        self.stations.get_mut(&number).unwrap().part = part;
    }

    /// The weather clears. The suspect is dead; all others meet, say what they have to, and lead one at a time.
    pub(crate) fn calm(&mut self) {
        let live: Vec<u64> = self
            .stations
            .keys()
            .copied()
            .filter(|number| *number != self.suspect)
            .collect();
        self.wire.clear();
        for turn in 0..40 {
            for &number in &live {
                while self
                    .links
                    .contains_key(&self.stations[&number].part.membership().epoch())
                {
                    self.catch_up(number, None);
                }
                self.allow_all(number, None);
                self.accuse(number, None);
                live.iter().for_each(|other| self.meet(number, *other));
            }
            self.deliver_all();
            if self.is_done(&live) {
                return;
            }
            let mut leaders = live.iter().cycle().skip(turn).take(live.len());
            if let Some(leader) = leaders.find(|number| self.stations[number].part.has_cause()) {
                self.lead(*leader, None);
                self.deliver_all();
            }
        }
        panic!("not decided after 40 ballots in calm weather");
    }

    fn is_done(&self, live: &[u64]) -> bool {
        let first = self.stations[&live[0]].part.membership();
        let expected: Vec<NodeId> = live.iter().map(|number| self.ring.id(*number)).collect();
        first.members().map(|record| record.node).eq(expected)
            && live
                .iter()
                .all(|number| self.stations[number].part.membership() == first)
    }

    fn deliver_all(&mut self) {
        while !self.wire.is_empty() {
            if self.wire[0].to != self.suspect {
                self.deliver(0, None);
            }
            self.wire.remove(0);
        }
    }

    /// In that epoch, or in the last that was reached.
    fn was_member(&self, number: u64, epoch: u64) -> bool {
        let links = self.links.values().filter(|link| link.epoch < epoch);
        let start = (*self.ring.membership).clone();
        let membership = links.fold(start, |membership, link| membership.apply(link));
        membership.member(&self.ring.id(number)).is_some()
    }

    fn put_out(&mut self, number: u64, output: Output) {
        let station = self.stations.get_mut(&number).unwrap();
        match output {
            Output::Persist(said) => station.disk.push(said),
            Output::Send { to, message } => {
                check_against(
                    &station.said,
                    &message,
                    self.ring.id(number),
                    self.ring.place(),
                );
                station.said.push(message.clone());
                let epoch = match &message {
                    Message::At { epoch, .. } => *epoch,
                    Message::Opinion(_) => u64::MAX,
                };
                let is_addressed = |other: &u64| match to {
                    // Not the members of the next epoch, if that was decided in the same turn.
                    To::All => self.was_member(*other, epoch),
                    To::One(node) => self.ring.id(*other) == node,
                };
                let others = self
                    .stations
                    .keys()
                    .copied()
                    .filter(|other| *other != number);
                let receivers: Vec<u64> = others.filter(is_addressed).collect();
                self.wire.extend(receivers.into_iter().map(|to| Envelope {
                    from: number,
                    to,
                    message: message.clone(),
                }));
            }
            Output::Decided(link) => {
                let first = self.links.entry(link.epoch).or_insert_with(|| link.clone());
                assert_eq!(
                    first.head(),
                    link.head(),
                    "two decisions of epoch {}",
                    link.epoch
                );
            }
            Output::Counted(_) | Output::Refused => {}
            Output::Evidence(evidence) => panic!("{number} finds that {evidence}"),
        }
    }
}

/// Whether a voter's statement contradicts any that it made before. Evidence judges, so that it is tried too.
fn check_against(said: &[Message], message: &Message, me: NodeId, place: Place) {
    let place_of = |epoch: u64, head: Digest| Place {
        epoch,
        head,
        ..place
    };
    for before in said {
        let pair = match (before, message) {
            (Message::Opinion(first), Message::Opinion(second)) => vec![Evidence::Opinions {
                network: place.network,
                first: first.clone(),
                second: second.clone(),
            }],
            (
                Message::At {
                    epoch,
                    head,
                    statement: first,
                },
                Message::At {
                    epoch: now,
                    head: here,
                    statement: second,
                },
            ) if (epoch, head) == (now, here) => {
                let place = place_of(*epoch, *head);
                [(first, second), (second, first)]
                    .into_iter()
                    .filter_map(|pair| contradiction(place, pair))
                    .collect()
            }
            _ => continue,
        };
        for evidence in pair {
            let is_own = evidence.suspects() == [me];
            let holds = evidence.is_valid(None, &quorate_consensus::Unproven);
            assert!(
                !(is_own && holds),
                "{evidence}: {before:?}, then {message:?}"
            );
        }
    }
}

fn contradiction(place: Place, pair: (&Statement, &Statement)) -> Option<Evidence> {
    match pair {
        (Statement::Accepted(first), Statement::Accepted(second)) => Some(Evidence::Accepted {
            place,
            first: *first,
            second: *second,
        }),
        (
            Statement::Accept {
                proposed: first, ..
            },
            Statement::Accept {
                proposed: second, ..
            },
        ) => Some(Evidence::Proposed {
            place,
            first: *first,
            second: *second,
        }),
        (Statement::Promise { promise, .. }, Statement::Accepted(accepted)) => {
            Some(Evidence::Promise {
                place,
                promise: promise.clone(),
                accepted: *accepted,
            })
        }
        _ => None,
    }
}
