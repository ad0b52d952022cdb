//! Where a member looks for its network, and says that it is there: bootstraps, and addresses that it was given.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use quorate_consensus::{NetworkId, NodeId, Now};
use rand_chacha::ChaCha8Rng;

use super::Member;
use crate::config::{Discovery, Options};
use crate::event::Event;
use crate::protocol::{DiscoveryMessage, KnownMember, Message, Purpose};
use crate::roles::back_off::BackOff;
use crate::roles::connections::Connections;
use crate::roles::{ConnId, DialError, DialId, Outbox, earlier};

/// How soon a bootstrap is asked again that had nothing to say yet.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// How long nothing may come of looking before the application is told, and how long until it is told again.
const PATIENCE: Duration = Duration::from_secs(2);
const TOLD_AGAIN: Duration = Duration::from_secs(30);

/// The first and the longest pause before a bootstrap is dialled again: often enough to be back before a newly started one
/// lets anybody found a network.
const REDIAL: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(800));

/// A bootstrap, as this node is in touch with it.
#[derive(Debug)]
struct Source {
    address: String,
    dial: Option<DialId>,
    conn: Option<ConnId>,
    back_off: BackOff,
    ask_at: Option<Instant>,
    answer: Option<Answer>,
    /// Why there is no connection, once that was told.
    lost: Option<String>,
}

#[derive(Debug)]
struct Answer {
    members: Vec<KnownMember>,
    may_found: bool,
    ask_again: bool,
}

/// All that a node does to find its network.
#[derive(Debug)]
pub(super) struct Looking {
    sources: Vec<Source>,
    pub(super) join: Vec<String>,
    found: bool,
    lease: Duration,
    endpoints: Vec<String>,
    /// Since when nothing has come of it, while it matters.
    failing_since: Option<Instant>,
    told_at: Option<Instant>,
}

impl Looking {
    pub(super) fn new(discovery: Discovery, endpoints: Vec<String>, options: &Options) -> Self {
        let mut bootstraps = discovery.bootstraps;
        // All nodes ask in one order, so that two first starters do not each get the word of another bootstrap.
        bootstraps.sort();
        bootstraps.dedup();
        let sources = bootstraps.into_iter().map(|address| Source {
            address,
            dial: None,
            conn: None,
            back_off: BackOff::default(),
            ask_at: None,
            answer: None,
            lost: None,
        });
        Self {
            sources: sources.collect(),
            join: discovery.join,
            found: discovery.found,
            lease: options.lease,
            endpoints,
            failing_since: None,
            told_at: None,
        }
    }

    /// Whether a network may be founded now: told to, or more than half of the bootstraps say that there is none.
    pub(super) fn may_found(&self) -> bool {
        let granted = |source: &&Source| {
            source.conn.is_some()
                && source
                    .answer
                    .as_ref()
                    .is_some_and(|answer| answer.may_found)
        };
        let words = self.sources.iter().filter(granted).count();
        self.found
            || (self.join.is_empty() && !self.sources.is_empty() && words * 2 > self.sources.len())
    }

    /// Founding is done once.
    pub(super) fn has_founded(&mut self) {
        self.found = false;
    }

    /// Members that bootstraps name, those of the network that most of them are in first.
    pub(super) fn known(&self) -> Vec<KnownMember> {
        let mut members: BTreeMap<NodeId, &KnownMember> = BTreeMap::new();
        let answers = self
            .sources
            .iter()
            .filter_map(|source| source.answer.as_ref());
        for member in answers.flat_map(|answer| &answer.members) {
            members.insert(member.id, member);
        }
        let mut sizes: BTreeMap<NetworkId, usize> = BTreeMap::new();
        for member in members.values() {
            *sizes.entry(member.network).or_default() += 1;
        }
        let mut known: Vec<KnownMember> = members.into_values().cloned().collect();
        let size = |member: &KnownMember| sizes.get(&member.network).copied().unwrap_or_default();
        known.sort_by_key(|member| (std::cmp::Reverse(size(member)), member.network, member.id));
        known
    }

    /// Asks all again at once: what this node is has changed.
    pub(super) fn hurry(&mut self, now: Instant) {
        for source in &mut self.sources {
            source.ask_at = source.conn.map(|_| now);
        }
    }

    /// The network was found, or something else came of looking.
    pub(super) fn succeeded(&mut self) {
        self.failing_since = None;
        self.told_at = None;
    }

    /// Dials and asks what is due. `network` is the one this node is a member of.
    pub(super) fn act(
        &mut self,
        network: Option<NetworkId>,
        connections: &mut Connections,
        now: Now,
        out: &mut Outbox,
    ) {
        let mut earlier_ones_granted = true;
        let would_ever_found = network.is_none() && self.join.is_empty();
        for source in &mut self.sources {
            let is_idle = source.conn.is_none() && source.dial.is_none();
            if is_idle && source.back_off.is_due(now.instant) {
                let endpoints = vec![source.address.clone()];
                source.dial = Some(connections.dial(Purpose::Discover, endpoints, None, out));
            }
            if let Some(conn) = source.conn
                && source.ask_at.is_some_and(|at| now.instant >= at)
            {
                source.ask_at = None;
                let register = DiscoveryMessage::Register {
                    endpoints: self.endpoints.clone(),
                    network,
                    would_found: would_ever_found && earlier_ones_granted,
                };
                out.send(conn, Message::Discovery(register));
            }
            let has_granted = source
                .answer
                .as_ref()
                .is_some_and(|answer| answer.may_found);
            earlier_ones_granted &= has_granted || source.conn.is_none();
        }
    }

    pub(super) fn handle_connected(&mut self, conn: ConnId, dial: DialId) {
        if let Some(source) = self
            .sources
            .iter_mut()
            .find(|source| source.dial == Some(dial))
        {
            source.dial = None;
            source.conn = Some(conn);
        }
    }

    pub(super) fn handle_ready(&mut self, conn: ConnId, now: Instant) {
        if let Some(source) = self.by_conn(conn) {
            source.back_off.reset();
            source.ask_at = Some(now);
        }
    }

    pub(super) fn handle_dial_failed(
        &mut self,
        dial: DialId,
        error: &DialError,
        (rng, now): (&mut ChaCha8Rng, Instant),
        out: &mut Outbox,
    ) {
        if let Some(source) = self
            .sources
            .iter_mut()
            .find(|source| source.dial == Some(dial))
        {
            source.dial = None;
            source.fail(error.to_string(), (rng, now), out);
        }
    }

    pub(super) fn handle_closed(
        &mut self,
        conn: ConnId,
        cause: &str,
        (rng, now): (&mut ChaCha8Rng, Instant),
        out: &mut Outbox,
    ) {
        if let Some(source) = self.by_conn(conn) {
            source.conn = None;
            source.ask_at = None;
            source.fail(cause.to_owned(), (rng, now), out);
        }
    }

    /// What a bootstrap says. `is_member` decides how soon it is asked again.
    pub(super) fn handle_known(
        &mut self,
        conn: ConnId,
        message: DiscoveryMessage,
        is_member: bool,
        now: Instant,
        out: &mut Outbox,
    ) {
        let lease = self.lease;
        let DiscoveryMessage::Known {
            members,
            may_found,
            ask_again,
        } = message
        else {
            return;
        };
        if let Some(source) = self.by_conn(conn) {
            let count = members.len();
            let is_news = source.lost.take().is_some()
                || source.answer.as_ref().map(|answer| answer.members.len()) != Some(count);
            if is_news {
                let address = source.address.clone();
                out.event(Event::BootstrapAnswered {
                    address,
                    members: count,
                });
            }
            let soon = !is_member && (ask_again || may_found || count == 0);
            source.ask_at = Some(now + if soon { ASK_AGAIN } else { lease / 3 });
            source.answer = Some(Answer {
                members,
                may_found,
                ask_again,
            });
        }
    }

    /// What came of looking, if nothing has for some time and the application does not know.
    pub(super) fn failure(&mut self, own: Option<NetworkId>, now: Instant) -> Option<String> {
        let since = *self.failing_since.get_or_insert(now);
        let is_told = self
            .told_at
            .is_some_and(|at| now.saturating_duration_since(at) < TOLD_AGAIN);
        if now.saturating_duration_since(since) < PATIENCE || is_told {
            return None;
        }
        self.told_at = Some(now);
        let of_source = |source: &Source| match (&source.lost, &source.answer) {
            (Some(cause), _) => format!("bootstrap {}: {cause}", source.address),
            (None, None) => format!("bootstrap {}: no answer", source.address),
            (None, Some(answer)) if answer.ask_again => format!(
                "bootstrap {}: another node may found a network first",
                source.address
            ),
            (None, Some(answer)) if answer.members.is_empty() => format!(
                "bootstrap {}: it knows nobody, and more than half of the bootstraps have to say so",
                source.address
            ),
            (None, Some(answer)) if own.is_some() && answer.has_none_of(own) => format!(
                "bootstrap {}: it names members of other networks only, and this node's store is of another",
                source.address
            ),
            (None, Some(answer)) => format!(
                "bootstrap {}: none of the {} members that it names lets this node ask",
                source.address,
                answer.members.len()
            ),
        };
        let addresses = self
            .join
            .iter()
            .map(|address| format!("{address}: no member lets this node ask"));
        let all: Vec<String> = self
            .sources
            .iter()
            .map(of_source)
            .chain(addresses)
            .collect();
        if all.is_empty() {
            return Some("no member of the network in its store lets this node ask".to_owned());
        }
        Some(all.join("; "))
    }

    pub(super) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let sources = self.sources.iter().fold(None, |least, source| {
            let redial = (source.conn.is_none() && source.dial.is_none())
                .then(|| source.back_off.wait(now))
                .flatten();
            earlier(least, earlier(redial, source.ask_at))
        });
        let patience = self.failing_since.map(|since| match self.told_at {
            Some(at) => at + TOLD_AGAIN,
            None => since + PATIENCE,
        });
        earlier(sources, patience)
    }

    fn by_conn(&mut self, conn: ConnId) -> Option<&mut Source> {
        self.sources
            .iter_mut()
            .find(|source| source.conn == Some(conn))
    }
}

impl Answer {
    /// Whether all members it names are of other networks.
    fn has_none_of(&self, network: Option<NetworkId>) -> bool {
        let mut networks = self.members.iter().map(|member| Some(member.network));
        networks.all(|of| of != network)
    }
}

impl Source {
    fn fail(&mut self, cause: String, (rng, now): (&mut ChaCha8Rng, Instant), out: &mut Outbox) {
        self.back_off.fail(REDIAL, rng, now);
        self.answer = None;
        if self.lost.is_none() {
            out.event(Event::BootstrapLost {
                address: self.address.clone(),
                cause: cause.clone(),
            });
        }
        self.lost = Some(cause);
    }
}

impl Member {
    /// Whether the network is found; if not for some time, says so.
    pub(super) fn tell_if_lost(&mut self, now: Now) {
        if self.assembly.is_some() || self.asking.has_company() || self.is_idle() {
            self.looking.succeeded();
            return;
        }
        let chain = self.asking.chain.as_ref();
        let own = chain.map(|chain| chain.membership().network());
        if let Some(reason) = self.looking.failure(own, now.instant) {
            self.out.event(Event::NoWayIn { reason });
        }
    }
}
