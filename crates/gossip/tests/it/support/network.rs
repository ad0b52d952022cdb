//! Many engines, one virtual clock, seeded latency and duplication.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_gossip::{
    CheckId, Config, Content, Gap, Gossip, Message, MessageId, Output, Published, Verdict,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Engine, Id, ms, start};

pub(crate) struct Network {
    pub(crate) now: Instant,
    pub(crate) engines: BTreeMap<Id, Engine>,
    /// What each node's application was given, in order.
    pub(crate) delivered: BTreeMap<Id, Vec<MessageId>>,
    /// Who reported whom as silent, and after how long.
    pub(crate) silent: Vec<(Id, Id, Duration)>,
    /// What each node's application was told to be missing.
    pub(crate) gaps: Vec<(Id, Gap<Id>)>,
    pub(crate) pings: u64,
    /// Of a hundred messages, how many arrive twice.
    pub(crate) duplicated_percent: u64,
    /// Each link's number, anew for every time it comes up: what was in flight on the old one is
    /// lost.
    links: BTreeMap<(Id, Id), u64>,
    /// In order of time, and then of creation.
    events: BTreeMap<(Instant, u64), Event>,
    next_event: u64,
    rng: ChaCha8Rng,
}

enum Event {
    Arrive {
        from: Id,
        to: Id,
        link: u64,
        message: Message,
    },
    Checked {
        node: Id,
        check: CheckId,
        verdict: Verdict,
    },
}

impl Network {
    pub(crate) fn new(nodes: u8, config: &Config, seed: u64) -> Self {
        let now = start();
        let engine = |node| {
            (
                [node],
                Gossip::new([node], config.clone(), seed ^ u64::from(node), now).unwrap(),
            )
        };
        Self {
            now,
            engines: (0..nodes).map(engine).collect(),
            delivered: (0..nodes).map(|node| ([node], Vec::new())).collect(),
            silent: Vec::new(),
            gaps: Vec::new(),
            pings: 0,
            duplicated_percent: 0,
            links: BTreeMap::new(),
            events: BTreeMap::new(),
            next_event: 0,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    pub(crate) fn link(&mut self, one: u8, other: u8) {
        let number = self.rng.next_u64();
        for (from, to) in [([one], [other]), ([other], [one])] {
            self.links.insert((from, to), number);
            self.with(from, |engine, now| engine.handle_link_up(to, now));
        }
    }

    pub(crate) fn is_linked(&self, one: u8, other: u8) -> bool {
        self.links.contains_key(&([one], [other]))
    }

    pub(crate) fn unlink(&mut self, one: u8, other: u8) {
        for (from, to) in [([one], [other]), ([other], [one])] {
            self.links.remove(&(from, to));
            self.with(from, |engine, now| engine.handle_link_down(to, now));
        }
    }

    pub(crate) fn broadcast(&mut self, node: u8, payload: Bytes) -> Published {
        self.with([node], |engine, now| {
            let draft = engine.draft(payload).unwrap();
            engine.publish(draft, Bytes::from("good"), now)
        })
    }

    /// Everybody learns of a proof elsewhere, and publishes it.
    pub(crate) fn all_publish(&mut self, body: &'static [u8]) {
        let nodes: Vec<Id> = self.engines.keys().copied().collect();
        for node in nodes {
            self.with(node, |engine, now| {
                engine
                    .publish_proof(1, Bytes::from_static(body), now)
                    .unwrap();
            });
        }
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        for step in 0.. {
            assert!(
                step < 1_000_000,
                "the network does not come to rest at {:?}",
                self.now
            );
            let event_at = self.events.first_key_value().map(|((at, _), _)| *at);
            let due = self
                .engines
                .iter()
                .filter_map(|(id, engine)| Some((engine.poll_timeout()?, *id)))
                .min();
            match (event_at, due) {
                (Some(at), due) if at <= end && due.is_none_or(|(due, _)| at <= due) => {
                    self.now = self.now.max(at);
                    let (_, event) = self.events.pop_first().unwrap();
                    self.happen(event);
                }
                (_, Some((at, id))) if at <= end => {
                    self.now = self.now.max(at);
                    self.with(id, |engine, now| engine.handle_timeout(now));
                }
                _ => break,
            }
        }
        self.now = end;
    }

    /// Nobody got anything twice, and everybody but the publisher got everything.
    pub(crate) fn assert_delivered_exactly_once(&self, published: &[(u8, MessageId)]) {
        for (node, delivered) in &self.delivered {
            let expected = published
                .iter()
                .filter(|(publisher, _)| [*publisher] != *node)
                .map(|(_, id)| *id);
            let expected: BTreeSet<_> = expected.collect();
            let unique: BTreeSet<_> = delivered.iter().copied().collect();
            assert_eq!(
                unique.len(),
                delivered.len(),
                "node {node:?} was given something twice"
            );
            assert_eq!(
                unique, expected,
                "node {node:?} was not given the right things"
            );
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive {
                from,
                to,
                link,
                message,
            } => {
                if self.links.get(&(from, to)) == Some(&link) {
                    self.with(to, |engine, now| {
                        engine.handle_message(from, message, now).unwrap()
                    });
                }
            }
            Event::Checked {
                node,
                check,
                verdict,
            } => {
                self.with(node, |engine, now| {
                    engine.handle_checked(check, verdict, now)
                });
            }
        }
    }

    fn with<R>(&mut self, id: Id, call: impl FnOnce(&mut Engine, Instant) -> R) -> R {
        let result = call(self.engines.get_mut(&id).unwrap(), self.now);
        while let Some(output) = self.engines.get_mut(&id).unwrap().poll_output() {
            self.carry_out(id, output);
        }
        result
    }

    fn carry_out(&mut self, node: Id, output: Output<Id>) {
        match output {
            Output::Send { to, message } => {
                self.pings += u64::from(matches!(message, Message::Ping { .. }));
                for to in to {
                    let link = self.links[&(node, to)];
                    let twice = self.rng.next_u64() % 100 < self.duplicated_percent;
                    for _ in 0..=u8::from(twice) {
                        self.later(Event::Arrive {
                            from: node,
                            to,
                            link,
                            message: message.clone(),
                        });
                    }
                }
            }
            Output::Check { check, content, .. } => {
                let verdict = judge(&content);
                self.later(Event::Checked {
                    node,
                    check,
                    verdict,
                });
            }
            Output::Deliver { id, .. } => self.delivered.get_mut(&node).unwrap().push(id),
            Output::Gap(gap) => self.gaps.push((node, gap)),
            Output::Silent { peer, silence } => self.silent.push((node, peer, silence)),
        }
    }

    /// After 1 to 50 ms, so that messages overtake one another.
    fn later(&mut self, event: Event) {
        let at = self.now + ms(1 + self.rng.next_u64() % 50);
        self.events.insert((at, self.next_event), event);
        self.next_event += 1;
    }
}

fn judge(content: &Content<Id>) -> Verdict {
    match content {
        Content::Application { signature, .. } if signature != "good" => Verdict::Reject,
        _ => Verdict::Accept,
    }
}
