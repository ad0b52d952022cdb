//! When to ping each neighbour, and which have been silent for too long.
//!
//! Anything that arrives over a link is a sign of life. The timeout adapts to the link
//! ([`crate::estimator`]) and to the node itself: time during which the own process stood still is
//! nobody's silence. That is the idea of Lifeguard's local health [Dadgar, Phillips and Currey, DSN
//! 2018 workshops], found out by timers that fire late and not by unanswered probes.
//!
//! Left out: what to do about a silent neighbour. It is noticed here, investigated by an
//! [`Inquiry`](crate::Inquiry), and never declared dead by one node.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::config::Config;
use crate::estimator::{GapEstimator, SilenceBounds};

/// The heartbeats of all links.
#[derive(Debug)]
pub(crate) struct Detector<P> {
    links: BTreeMap<P, Link>,
    /// When something is due on each link that is not reported; what [`Link::due`] says, in order.
    due: BTreeSet<(Instant, P)>,
    bounds: SilenceBounds,
    rng: ChaCha8Rng,
}

#[derive(Debug)]
struct Link {
    heard: Instant,
    gaps: GapEstimator,
    ping_due: Instant,
    /// Reported silent, and nothing heard since: there is nothing more to do about it.
    reported: bool,
}

/// What is due on a link.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beat<P> {
    Ping { peer: P, nonce: u64 },
    Silent { peer: P, silence: Duration },
}

impl<P: Copy + Ord> Detector<P> {
    pub(crate) fn new(config: &Config, seed: u64) -> Self {
        let bounds = SilenceBounds {
            heartbeat_interval: config.heartbeat_interval,
            silence_min: config.silence_min,
            silence_max: config.silence_max,
        };
        Self {
            links: BTreeMap::new(),
            due: BTreeSet::new(),
            bounds,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    pub(crate) fn insert(&mut self, peer: P, now: Instant) {
        // The first ping falls anywhere within the interval: links that came up together do not
        // beat together.
        let ping_due = now + self.random_below(self.bounds.heartbeat_interval);
        let gaps = GapEstimator::new(self.bounds, now);
        let link = Link {
            heard: now,
            gaps,
            ping_due,
            reported: false,
        };
        self.remove(&peer);
        self.due.extend(link.due().map(|due| (due, peer)));
        self.links.insert(peer, link);
    }

    pub(crate) fn remove(&mut self, peer: &P) {
        if let Some(due) = self.links.remove(peer).and_then(|link| link.due()) {
            self.due.remove(&(due, *peer));
        }
    }

    pub(crate) fn on_arrival(&mut self, peer: &P, now: Instant) {
        self.change(peer, |link| {
            link.gaps
                .on_arrival(now.saturating_duration_since(link.heard), now);
            link.heard = link.heard.max(now);
            link.reported = false;
        });
    }

    /// The neighbour asks whether we are there, which answers our own next question: of the two ends
    /// of a link, whoever asks first goes on asking. The other would ask an eighth to three eighths
    /// of an interval late: it does not cross with a question on its way, and two that did cross do
    /// not stay in step.
    pub(crate) fn on_ping(&mut self, peer: &P, now: Instant) {
        let pause = self.jittered_interval() + self.bounds.heartbeat_interval / 4;
        self.change(peer, |link| {
            link.ping_due = link.ping_due.max(now + pause);
        });
    }

    /// The own process stood still for `lateness`: what did not arrive meanwhile is held against
    /// nobody.
    pub(crate) fn on_late(&mut self, lateness: Duration, now: Instant) {
        let peers: Vec<P> = self.links.keys().copied().collect();
        for peer in peers {
            self.change(&peer, |link| link.heard = (link.heard + lateness).min(now));
        }
    }

    pub(crate) fn on_timeout(&mut self, now: Instant) -> Vec<Beat<P>> {
        let mut beats = Vec::new();
        let mut pinged = Vec::new();
        let all = self.due.iter().take_while(|(due, _)| *due <= now);
        let due: BTreeSet<P> = all.map(|(_, peer)| *peer).collect();
        for peer in due {
            let silence = self.change(&peer, |link| {
                link.reported = link.silent_at() <= now;
                link.reported
                    .then(|| now.saturating_duration_since(link.heard))
            });
            match silence.flatten() {
                Some(silence) => beats.push(Beat::Silent { peer, silence }),
                None => pinged.push(peer),
            }
        }
        for peer in pinged {
            beats.push(Beat::Ping {
                peer,
                nonce: self.rng.next_u64(),
            });
            let pause = self.jittered_interval();
            // Counted from now and not from when it was due: after a pause one ping is enough.
            self.change(&peer, |link| link.ping_due = now + pause);
        }
        beats
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Changes a link, and keeps the order of what is due.
    fn change<T>(&mut self, peer: &P, change: impl FnOnce(&mut Link) -> T) -> Option<T> {
        let link = self.links.get_mut(peer)?;
        let before = link.due();
        let result = change(link);
        let after = link.due();
        if before != after {
            before.map(|due| self.due.remove(&(due, *peer)));
            self.due.extend(after.map(|due| (due, *peer)));
        }
        Some(result)
    }

    /// The interval, give or take an eighth.
    fn jittered_interval(&mut self) -> Duration {
        let interval = self.bounds.heartbeat_interval;
        interval - interval / 8 + self.random_below(interval / 4)
    }

    /// A multiple of a microsecond below the bound. Drawn by hand, because `rand` may change how
    /// its ranges are drawn from one release to the next, and a seed has to mean the same for ever;
    /// the bias is far below a microsecond.
    fn random_below(&mut self, bound: Duration) -> Duration {
        let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(self.rng.next_u64() % micros)
    }
}

impl Link {
    fn silent_at(&self) -> Instant {
        self.heard + self.gaps.timeout()
    }

    /// When there is something to do about it.
    fn due(&self) -> Option<Instant> {
        (!self.reported).then(|| self.ping_due.min(self.silent_at()))
    }
}
