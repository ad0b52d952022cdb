//! **Delivery**: what a member says is heard by every member, once, and nothing else is.
//!
//! At every moment:
//!
//! - a process delivers a message at most once, by its name; and in a seeded network also by origin, life and number, so
//!   that an origin that numbers two messages alike is heard once (members' numbers begin anew with every process, which
//!   deliveries do not show);
//! - nobody delivers what it said itself, nor what somebody said in a life that this node has told was ended by eviction,
//!   and has not told was left before that;
//! - in a seeded network, nobody tells its application of a gap where it has delivered something;
//! - what is delivered as an honest node's was broadcast by its application: this content, in this life. What liars say
//!   need not have been asked for.
//!
//! In the end, every message of an honest node that is still the member that it was when it said it, and every message
//! that some honest member has delivered and whose origin left by its own word, in that life, is delivered at every honest
//! member that runs, and has been in the same life, in the same process, since before it was said. A gap is
//! no excuse for what has to be delivered, within these limits:
//!
//! - where a liar is a member, only those are meant whom a chain of links between honest members connects with the origin,
//!   or with one who has the message: a liar may withhold what it hears, and a link is one that both ends told of;
//! - in an open network that was forked, nobody takes messages of those who are members of the other history alone, and
//!   nothing is asked for;
//! - nodes hold so many messages for repair, and so many bytes ([`Config::store_count_max`] and `store_bytes_max`): what
//!   is older than three quarters of that, standings' proofs counted four times, is not asked for.
//!
//! Not asked for either: messages of members that crashed, were evicted, or began another life, though others may have them:
//! whoever learns of that first does not take them any more.
//!
//! [`Config::store_count_max`]: quorate_gossip::Config::store_count_max

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use bytes::Bytes;
use quorate_consensus::council::Durable;
use quorate_consensus::{NodeId, StandingKey};
use quorate_gossip::MessageId;
use quorate_node::roles::{Reply, Request};
use quorate_node::store::{SeedStored, Stored};
use quorate_node::{Delivery, Event};

use super::Checker;
use super::agreement::is_forked;
use super::lives::{Life, Lives};
use crate::fact::{Fact, View};
use crate::host::{HostId, Kind};

/// How often one standing's proof may be a message of its own: with the signatures of different seeds.
const PROOF_FORMS: usize = 4;

/// What one proof takes, in bytes, about.
const PROOF_LEN: usize = 1_000;

/// What an honest application said.
#[derive(Debug)]
struct Said {
    id: MessageId,
    number: usize,
    host: HostId,
    origin: NodeId,
    life: Option<Life>,
    at: Duration,
    payload: u64,
    /// How many messages, and bytes, were under way before it.
    before: (usize, usize),
}

/// What one process has delivered.
#[derive(Debug, Default)]
struct Heard {
    /// A bit for each message, by number.
    messages: Vec<u64>,
    numbers: BTreeSet<(NodeId, u64, u64)>,
}

/// Watches what is delivered.
#[derive(Debug, Default)]
pub struct DeliveryChecker {
    lives: Lives,
    /// A number for each message.
    numbers: BTreeMap<MessageId, usize>,
    said: BTreeMap<usize, Said>,
    heard: BTreeMap<HostId, Heard>,
    /// Whom each node takes for its neighbour.
    links: BTreeMap<HostId, BTreeSet<NodeId>>,
    /// Whose application asked to leave, in which life.
    leaving: BTreeMap<HostId, Life>,
    /// Whose leave was told, and whose eviction.
    left: BTreeSet<NodeId>,
    evicted: BTreeSet<NodeId>,
    /// Which life of whom each process has told the end of, and when.
    ended: BTreeMap<(HostId, NodeId), (u64, Duration)>,
    /// Messages, standings and bytes so far.
    count: usize,
    bytes: usize,
    standings: BTreeSet<(NodeId, StandingKey)>,
}

impl Checker for DeliveryChecker {
    fn name(&self) -> &'static str {
        "delivery"
    }

    fn see(&mut self, fact: &Fact<'_>, view: View<'_>) -> Result<(), String> {
        match fact {
            Fact::Sent { .. } | Fact::Arrived { .. } | Fact::Tick => {}
            Fact::Told {
                host,
                event: Event::Message(delivery),
            } => return self.delivered(*host, delivery, view),
            Fact::Told {
                host,
                event:
                    Event::Gap {
                        origin,
                        incarnation,
                        first,
                        last,
                    },
            } => {
                let gap = (origin.id, *incarnation, *first)..=(origin.id, *incarnation, *last);
                let heard = self.heard.get(host);
                if let Some((_, _, number)) =
                    heard.and_then(|heard| heard.numbers.range(gap).next())
                {
                    return Err(format!(
                        "{} tells that messages {first} to {last} of {} in life {incarnation} have not come, and has delivered number {number}",
                        view.name(*host),
                        view.name_of(&origin.id)
                    ));
                }
            }
            Fact::Told {
                host,
                event: Event::LinkUp(peer),
            } => {
                self.links.entry(*host).or_default().insert(peer.id);
            }
            Fact::Told {
                host,
                event: Event::LinkDown { peer, .. },
            } => {
                self.links.entry(*host).or_default().remove(&peer.id);
            }
            Fact::Told {
                host,
                event: Event::Left(member),
            } => {
                self.left.insert(member.id);
                // A leave is more than an eviction: what was said before it counts again.
                self.ended.remove(&(*host, member.id));
            }
            Fact::Told {
                host,
                event:
                    Event::DeadConfirmed {
                        member,
                        incarnation,
                        ..
                    },
            } => {
                self.evicted.insert(member.id);
                self.ended
                    .insert((*host, member.id), (*incarnation, view.now));
            }
            Fact::Replied {
                host,
                request: Request::Broadcast(payload),
                reply: Reply::Broadcast(Ok(published)),
            } => self.broadcast(*host, payload, published.id, view),
            Fact::Durable {
                stored: Stored::Seed(SeedStored::Council(Durable::Proof(proof))),
                ..
            } => {
                if proof
                    .claims()
                    .is_some_and(|claims| self.standings.insert(claims))
                {
                    self.count += PROOF_FORMS;
                    self.bytes += PROOF_FORMS * PROOF_LEN;
                }
            }
            fact => {
                if let Fact::Started(host) | Fact::Stopped { host, .. } = fact {
                    self.heard.remove(host);
                    self.ended.retain(|(at, _), _| at != host);
                    self.links.remove(host);
                }
                match fact {
                    Fact::Started(host) => {
                        self.leaving.remove(host);
                    }
                    Fact::Asked {
                        host,
                        request: Request::Leave,
                    } => self
                        .leaving
                        .extend(self.lives.of(*host).map(|life| (*host, life))),
                    _ => {}
                }
                self.lives.see(fact, view);
            }
        }
        Ok(())
    }

    fn settled(&mut self, view: View<'_>) -> Result<(), String> {
        if is_forked(view) {
            return Ok(());
        }
        let stayed: Vec<(HostId, Life)> = view
            .all()
            .filter(|(_, host)| host.is_honest() && host.is_running())
            .filter_map(|(id, _)| Some((id, self.lives.of(id)?)))
            .collect();
        let islands = self.islands(&stayed, view);
        for said in self.said.values() {
            if self.is_covered(said, view) {
                self.check(said, &stayed, &islands, view)?;
            }
        }
        Ok(())
    }
}

impl DeliveryChecker {
    fn number(&mut self, id: MessageId) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(id).or_insert(next)
    }

    fn broadcast(&mut self, host: HostId, payload: &Bytes, id: MessageId, view: View<'_>) {
        if !view.host(host).is_honest() {
            return;
        }
        let number = self.number(id);
        let said = Said {
            id,
            number,
            host,
            origin: view.host(host).id(),
            life: self.lives.of(host).or(self.leaving.get(&host).copied()),
            at: view.now,
            payload: hash(payload),
            before: (self.count, self.bytes),
        };
        self.count += 1;
        self.bytes += payload.len();
        self.said.insert(number, said);
    }

    fn delivered(
        &mut self,
        host: HostId,
        delivery: &Delivery,
        view: View<'_>,
    ) -> Result<(), String> {
        if !view.host(host).is_honest() {
            return Ok(());
        }
        let origin = delivery.origin.id;
        let what = || {
            format!(
                "{} delivers message {} as number {} of {} in life {}",
                view.name(host),
                delivery.id,
                delivery.sequence,
                view.name_of(&origin),
                delivery.incarnation
            )
        };
        if origin == view.host(host).id() {
            return Err(format!("{}, which is its own", what()));
        }
        // What was let through at the moment of the eviction may come out after it.
        if let Some((life, at)) = self.ended.get(&(host, origin))
            && delivery.incarnation <= *life
            && *at < view.now
        {
            return Err(format!("{}, which was thrown out of it", what()));
        }
        let number = self.number(delivery.id);
        let is_seeded = view.host(host).setup.kind == Kind::Peer;
        let heard = self.heard.entry(host).or_default();
        let place = (origin, delivery.incarnation, delivery.sequence);
        if !heard.insert(number) || (is_seeded && !heard.numbers.insert(place)) {
            return Err(format!("{}, and has delivered that before", what()));
        }
        let speaker = view.host_of(&origin);
        if speaker.is_some_and(|speaker| !view.host(speaker).is_honest()) {
            return Ok(());
        }
        let Some(said) = self.said.get(&number) else {
            return Err(format!("{}, and nobody has said that", what()));
        };
        if said.origin != origin || said.payload != hash(&delivery.payload) {
            return Err(format!(
                "{}, but {} has said that, or something else",
                what(),
                view.name(said.host)
            ));
        }
        match said.life {
            Some(life) if life.incarnation != delivery.incarnation => Err(format!(
                "{}, but it was said in life {}",
                what(),
                life.incarnation
            )),
            _ => Ok(()),
        }
    }

    /// Whether a message has to be heard by all.
    fn is_covered(&self, said: &Said, view: View<'_>) -> bool {
        let config = &view.host(said.host).setup.options.gossip;
        let since = (self.count - said.before.0, self.bytes - said.before.1);
        let is_kept =
            since.0 < config.store_count_max / 4 * 3 && since.1 < config.store_bytes_max / 4 * 3;
        let Some(life) = said.life else {
            return false;
        };
        let has_stayed = self.lives.of(said.host) == Some(life);
        let has_left = self.leaving.get(&said.host) == Some(&life)
            && !view.host(said.host).is_up()
            && self.left.contains(&said.origin)
            && !self.evicted.contains(&said.origin);
        is_kept && view.host(said.host).id() == said.origin && (has_stayed || has_left)
    }

    fn check(
        &self,
        said: &Said,
        stayed: &[(HostId, Life)],
        islands: &BTreeMap<HostId, HostId>,
        view: View<'_>,
    ) -> Result<(), String> {
        let has = |host: &HostId| {
            *host == said.host
                || self
                    .heard
                    .get(host)
                    .is_some_and(|heard| heard.has(said.number))
        };
        let holders = stayed.iter().map(|(host, _)| host).filter(|host| has(host));
        let reached: BTreeSet<HostId> = holders
            .filter_map(|host| islands.get(host).copied())
            .collect();
        for (host, life) in stayed {
            let is_reached = islands
                .get(host)
                .is_some_and(|island| reached.contains(island));
            if life.since < said.at && is_reached && !has(host) {
                let links = self.links.get(host).into_iter().flatten();
                let links: Vec<String> = links.map(|node| view.name_of(node)).collect();
                return Err(format!(
                    "{} has not heard what {} said at {:.3} s (message {}); it is linked to {}",
                    view.name(*host),
                    view.name(said.host),
                    said.at.as_secs_f64(),
                    said.id,
                    if links.is_empty() {
                        "nobody".to_owned()
                    } else {
                        links.join(", ")
                    }
                ));
            }
        }
        Ok(())
    }

    /// Which honest members are connected with which, each named after the first of them. Where nobody lies, all have to be.
    fn islands(&self, stayed: &[(HostId, Life)], view: View<'_>) -> BTreeMap<HostId, HostId> {
        let mut islands = BTreeMap::new();
        let has_liars = view.hosts.iter().any(|host| !host.is_honest());
        if !has_liars {
            let first = stayed.first().map_or(HostId(0), |(host, _)| *host);
            return stayed.iter().map(|(host, _)| (*host, first)).collect();
        }
        let members: BTreeSet<HostId> = stayed.iter().map(|(host, _)| *host).collect();
        let takes = |one: HostId, other: HostId| {
            let links = self.links.get(&one);
            links.is_some_and(|links| links.contains(&view.host(other).id()))
        };
        for first in &members {
            let mut open = vec![*first];
            while let Some(host) = open.pop() {
                if islands.contains_key(&host) {
                    continue;
                }
                islands.insert(host, *first);
                let links = self.links.get(&host).into_iter().flatten();
                open.extend(
                    links
                        .filter_map(|node| view.host_of(node))
                        .filter(|other| members.contains(other) && takes(*other, host)),
                );
            }
        }
        islands
    }
}

impl Heard {
    fn has(&self, number: usize) -> bool {
        let word = self.messages.get(number / 64);
        word.is_some_and(|word| word & (1 << (number % 64)) != 0)
    }

    /// Notes a message; whether it was news.
    fn insert(&mut self, number: usize) -> bool {
        let is_news = !self.has(number);
        if self.messages.len() <= number / 64 {
            self.messages.resize(number / 64 + 1, 0);
        }
        self.messages[number / 64] |= 1 << (number % 64);
        is_news
    }
}

fn hash(payload: &Bytes) -> u64 {
    let mut hasher = DefaultHasher::new();
    payload.hash(&mut hasher);
    hasher.finish()
}
