//! Who is in, since when, and how long it took to get in and to be put out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorate_consensus::NodeId;
use quorate_node::Event;
use quorate_node::protocol::{JoinMessage, Message};
use quorate_node::roles::Frame;

use super::metrics::Evictions;
use super::spread::{Spread, micros};
use crate::fact::View;
use crate::host::HostId;

/// What is known of every host.
#[derive(Debug, Default)]
pub(super) struct Lives {
    of: BTreeMap<HostId, Life>,
    /// How long admissions took.
    admissions_us: Vec<u64>,
    /// The lives that were ended by decision.
    evicted: BTreeSet<(NodeId, u64)>,
    of_running: u64,
}

#[derive(Debug, Default)]
struct Life {
    /// Since when its process has been asking to be let in.
    asking: Option<Duration>,
    /// Since when its process has been a member, and in which incarnation.
    member: Option<(Duration, u64)>,
    /// How the member's process ended, if none has run since.
    death: Option<Death>,
}

/// A member's process ended without its will.
#[derive(Debug)]
struct Death {
    at: Duration,
    incarnation: u64,
    /// When the first and the last heard that it is out.
    confirmed: Option<(Duration, Option<Duration>)>,
}

impl Lives {
    pub(super) fn started(&mut self, host: HostId) {
        self.of.insert(host, Life::default());
    }

    pub(super) fn stopped(&mut self, host: HostId, by_itself: bool, now: Duration) {
        let life = self.of.entry(host).or_default();
        life.asking = None;
        let member = life.member.take();
        life.death = member.filter(|_| !by_itself).map(|(_, incarnation)| Death {
            at: now,
            incarnation,
            confirmed: None,
        });
    }

    pub(super) fn sent(&mut self, host: HostId, frame: &Frame, now: Duration) {
        let is_request = matches!(
            frame,
            Frame::Message(Message::RegisterRequest(_) | Message::Join(JoinMessage::Request(_)))
        );
        if is_request {
            let life = self.of.entry(host).or_default();
            life.asking.get_or_insert(now);
        }
    }

    pub(super) fn told(&mut self, host: HostId, event: &Event, view: View<'_>) {
        match event {
            Event::Joined { incarnation } => {
                let life = self.of.entry(host).or_default();
                life.member = Some((view.now, *incarnation));
                if let Some(asked) = life.asking.take() {
                    self.admissions_us
                        .push(micros(view.now.saturating_sub(asked)));
                }
            }
            Event::Evicted { .. } => {
                let life = self.of.entry(host).or_default();
                life.member = None;
                life.asking = None;
            }
            Event::DeadConfirmed {
                member,
                incarnation,
                ..
            } => self.confirmed(host, member.id, *incarnation, view),
            _ => {}
        }
    }

    /// A node heard that another is out.
    fn confirmed(&mut self, witness: HostId, node: NodeId, incarnation: u64, view: View<'_>) {
        let is_news = self.evicted.insert((node, incarnation));
        let joined = self.of.get(&witness).and_then(|life| life.member);
        let Some(life) = view.host_of(&node).and_then(|host| self.of.get_mut(&host)) else {
            return;
        };
        if is_news
            && life
                .member
                .is_some_and(|(_, running)| running == incarnation)
        {
            self.of_running += 1;
        }
        if let Some(death) = &mut life.death
            && death.incarnation == incarnation
        {
            let (_, last) = death.confirmed.get_or_insert((view.now, None));
            if joined.is_some_and(|(since, _)| since <= death.at) {
                *last = Some(view.now);
            }
        }
    }

    /// All hosts whose processes are members by their own word.
    pub(super) fn members(&self) -> impl Iterator<Item = HostId> {
        self.of
            .iter()
            .filter(|(_, life)| life.member.is_some())
            .map(|(host, _)| *host)
    }

    pub(super) fn admissions(&self) -> Spread {
        Spread::of(self.admissions_us.clone())
    }

    pub(super) fn evictions(&self) -> Evictions {
        let deaths = || self.of.values().filter_map(|life| life.death.as_ref());
        let span = |death: &Death, end: Duration| micros(end.saturating_sub(death.at));
        let first = deaths().filter_map(|death| Some(span(death, death.confirmed?.0)));
        let last = deaths().filter_map(|death| Some(span(death, death.confirmed?.1?)));
        Evictions {
            count: self.evicted.len() as u64,
            of_running: self.of_running,
            dead_for_good: deaths().count() as u64,
            first: Spread::of(first.collect()),
            last: Spread::of(last.collect()),
        }
    }
}
