//! Candidates that wait for their probe.
//!
//! What a probe costs is its handshake, at both ends. Where hundreds of candidates come at once, probes of all of them
//! would share the processors so evenly that none is answered in its time. So few are begun at once, in the order in which
//! they were asked for, and a probe's time begins with it. Members' probes never wait.
//!
//! Who does not answer costs nothing but a place: it gives that up after a part of its time, while its probe goes on. One
//! host's candidates, silent or not, never take more than half of the places. Hosts are what records name, by the first
//! endpoint: whoever names hosts at will is stopped by no place, but by how many may ask.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use quorate_consensus::{Digest, NodeId};

use super::ProbeId;
use crate::admission::Host;
use crate::roles::earlier;

/// How many candidates' probes may be young at once. More make better use of slow links, fewer of slow processors.
pub(super) const YOUNG_MAX: usize = 16;

/// And how many of them at one host.
pub(super) const YOUNG_PER_HOST_MAX: usize = YOUNG_MAX / 2;

/// A probe is young in this part of its time. Who answers at all, answers in much less, unless it is far away.
const YOUTH: u32 = 4;

/// How much a probe that waits is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Something is decided by it.
    Now,
    /// It is decided without it, and would still be worth knowing: after those that are wanted now.
    Spare,
    /// No more.
    No,
}

/// A probe to be made.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) id: ProbeId,
    pub(super) target: NodeId,
    pub(super) endpoints: Vec<String>,
    pub(super) record: Digest,
    /// When there is no sense in beginning it any more.
    pub(super) until: Instant,
}

impl Waiter {
    fn host(&self) -> Option<Host> {
        self.endpoints.first().and_then(|first| Host::of(first))
    }
}

/// What becomes of one that waited.
#[derive(Debug)]
pub(super) enum Next {
    /// Its turn has come.
    Begin(Waiter),
    /// It waited for too long, or for nobody.
    GiveUp(Waiter),
}

/// Who waits, and which probes are young. Bounded by its owner.
#[derive(Debug)]
pub(super) struct Waiting {
    youth: Duration,
    queue: VecDeque<(Waiter, Option<Host>)>,
    /// Where each young probe goes, and until when it is young.
    young: BTreeMap<ProbeId, (Option<Host>, Instant)>,
}

impl Waiting {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            youth: timeout / YOUTH,
            queue: VecDeque::new(),
            young: BTreeMap::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn push(&mut self, waiter: Waiter) {
        let host = waiter.host();
        self.queue.push_back((waiter, host));
    }

    /// A probe ended.
    pub(super) fn ended(&mut self, probe: ProbeId) {
        self.young.remove(&probe);
    }

    /// Who is to be begun with now, or given up.
    pub(super) fn take_next(
        &mut self,
        wanted: impl Fn(ProbeId, NodeId) -> Wanted,
        now: Instant,
    ) -> Option<Next> {
        self.young.retain(|_, (_, until)| now < *until);
        let is_late = |(waiter, _): &(Waiter, _)| now >= waiter.until;
        if let Some(late) = self.queue.iter().position(is_late) {
            return self.take(late).map(|(waiter, _)| Next::GiveUp(waiter));
        }
        if self.young.len() >= YOUNG_MAX {
            return None;
        }
        let full = self.full_hosts();
        let mut spare = None;
        let mut next = None;
        for (place, (waiter, host)) in self.queue.iter().enumerate() {
            if full.contains(host) {
                continue;
            }
            match wanted(waiter.id, waiter.target) {
                Wanted::Now => {
                    next = Some(place);
                    break;
                }
                Wanted::Spare => spare = spare.or(Some(place)),
                Wanted::No => return self.take(place).map(|(waiter, _)| Next::GiveUp(waiter)),
            }
        }
        let (waiter, host) = self.take(next.or(spare)?)?;
        self.young.insert(waiter.id, (host, now + self.youth));
        Some(Next::Begin(waiter))
    }

    fn take(&mut self, place: usize) -> Option<(Waiter, Option<Host>)> {
        self.queue.remove(place)
    }

    /// Where no more probes may go for now: very few, as each takes up half of the places.
    fn full_hosts(&self) -> Vec<Option<Host>> {
        let mut counts: BTreeMap<&Option<Host>, usize> = BTreeMap::new();
        for (host, _) in self.young.values() {
            *counts.entry(host).or_default() += 1;
        }
        let full = counts
            .into_iter()
            .filter(|(_, count)| *count >= YOUNG_PER_HOST_MAX);
        full.map(|(host, _)| host.clone()).collect()
    }

    /// When a place may be free, or somebody has waited for too long.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let first = self.queue.iter().map(|(waiter, _)| waiter.until).min()?;
        let place = self.young.values().map(|(_, until)| *until).min();
        earlier(Some(first), place)
    }
}
