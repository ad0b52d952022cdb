//! When to ping each neighbour, and which have been silent for too long.
//!
//! Anything that arrives over a link is a sign of life. The timeout adapts to the link
//! ([`crate::estimator`]) and to the node itself: time during which the own process stood still is
//! nobody's silence. That is the idea of Lifeguard's local health [Dadgar, Phillips and Currey, DSN
//! 2018 workshops], found out by timers that fire late and not by unanswered probes.
//!
//! Left out: what to do about a silent neighbour. It is noticed here, investigated by an
//! [`Inquiry`](crate::Inquiry), and never declared dead by one node.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::config::Config;
use crate::estimator::{GapEstimator, SilenceBounds};

/// The heartbeats of all links.
#[derive(Debug)]
pub(crate) struct Detector<P> {
    links: BTreeMap<P, Link>,
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
            bounds,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    pub(crate) fn insert(&mut self, peer: P, now: Instant) {
        // The first ping falls anywhere within the interval: links that came up together do not
        // beat together.
        let ping_due = now + self.random_below(self.bounds.heartbeat_interval);
        let gaps = GapEstimator::new(self.bounds, now);
        self.links.insert(
            peer,
            Link {
                heard: now,
                gaps,
                ping_due,
                reported: false,
            },
        );
    }

    pub(crate) fn remove(&mut self, peer: &P) {
        self.links.remove(peer);
    }

    pub(crate) fn on_arrival(&mut self, peer: &P, now: Instant) {
        if let Some(link) = self.links.get_mut(peer) {
            link.gaps
                .on_arrival(now.saturating_duration_since(link.heard), now);
            link.heard = link.heard.max(now);
            link.reported = false;
        }
    }

    /// The own process stood still for `lateness`: what did not arrive meanwhile is held against
    /// nobody.
    pub(crate) fn on_late(&mut self, lateness: Duration, now: Instant) {
        for link in self.links.values_mut() {
            link.heard = (link.heard + lateness).min(now);
        }
    }

    pub(crate) fn on_timeout(&mut self, now: Instant) -> Vec<Beat<P>> {
        let mut beats = Vec::new();
        let mut pinged = Vec::new();
        for (&peer, link) in self.links.iter_mut().filter(|(_, link)| !link.reported) {
            if link.silent_at() <= now {
                link.reported = true;
                beats.push(Beat::Silent {
                    peer,
                    silence: now.saturating_duration_since(link.heard),
                });
            } else if link.ping_due <= now {
                pinged.push(peer);
            }
        }
        for peer in pinged {
            beats.push(Beat::Ping {
                peer,
                nonce: self.rng.next_u64(),
            });
            let pause = self.jittered_interval();
            if let Some(link) = self.links.get_mut(&peer) {
                // Counted from now and not from when it was due: after a pause one ping is enough.
                link.ping_due = now + pause;
            }
        }
        beats
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.links
            .values()
            .filter(|link| !link.reported)
            .map(|link| link.ping_due.min(link.silent_at()))
            .min()
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
}
