//! Whose turn it is to lead: by rank, with patience for who leads already, and a jittered back-off for who was refused.

use std::time::{Duration, Instant};

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::{Assembly, Config};
use crate::id::NodeId;
use crate::succession::{Membership, Succession};
use crate::transcript::Transcript;

/// At the most so many comparisons pass before what was said is said again.
const REPEATED_EVERY: u32 = 16;

/// How many patiences a ballot is led before a new one is begun: what was proposed may be refused by all who are left.
const PATIENCES_PER_BALLOT: u32 = 8;

/// How often patience doubles within an epoch.
const DOUBLINGS_MAX: u32 = 5;

/// When this member leads, and repeats itself.
#[derive(Debug)]
pub(super) struct Turns {
    lead_at: Option<Instant>,
    /// When to repeat the question of the ballot led, and when to begin a new one.
    leading: Option<(Instant, Instant)>,
    failures: u32,
    /// How many ballots were led, and how many of others were seen, in this epoch.
    led: u32,
    ballots: u32,
    pub(super) sync_at: Instant,
    /// How often what is known was compared in which epoch.
    synced: (u64, u32),
    /// Until when nobody is chosen to be thrown out.
    pub(super) hold_evictions_until: Option<Instant>,
}

impl Turns {
    pub(super) const fn new(sync_at: Instant) -> Self {
        Self {
            lead_at: None,
            leading: None,
            failures: 0,
            led: 0,
            ballots: 0,
            sync_at,
            synced: (0, 0),
            hold_evictions_until: None,
        }
    }

    /// Whether this time everything is said again that was said about the present decision, ever more rarely while there is
    /// none: who waits for a person waits for hours.
    pub(super) fn repeats_at_sync(&mut self, epoch: u64) -> bool {
        let count = match self.synced {
            (of, count) if of == epoch => count.saturating_add(1),
            _ => 0,
        };
        self.synced = (epoch, count);
        count.is_power_of_two() || (count > 0 && count.is_multiple_of(REPEATED_EVERY))
    }

    pub(super) fn sync_is_due(&self, now: Instant) -> bool {
        now >= self.sync_at
    }

    /// Sets what is not set yet, and drops what has no cause any more.
    pub(super) fn plan(
        &mut self,
        core: &Succession,
        config: &Config,
        now: Instant,
        rng: &mut ChaCha8Rng,
    ) {
        if core.leads().is_some() {
            self.lead_at = None;
            // Who has forgotten may have to wait for one who is away, and each ballot is a write on every disk.
            let doublings = if core.has_forgotten() {
                self.led.min(DOUBLINGS_MAX)
            } else {
                0
            };
            let patience = config.patience.saturating_mul(1 << doublings);
            self.leading
                .get_or_insert((now + config.repeat, now + patience * PATIENCES_PER_BALLOT));
        } else {
            self.leading = None;
            if !core.has_cause() {
                self.lead_at = None;
            } else if self.lead_at.is_none() {
                let rank = u32::try_from(rank(core.membership(), &core.me())).unwrap_or(u32::MAX);
                let delay = config.rank_delay.saturating_mul(rank);
                self.lead_at = Some(now + delay + jitter(config.rank_delay, rng));
            }
        }
    }

    /// Another leads a larger ballot. Every further one in this epoch is given twice the time: where a round takes longer
    /// than expected, leaders that cut in on each other would go on doing so.
    pub(super) fn wait_for_other(&mut self, config: &Config, now: Instant, rng: &mut ChaCha8Rng) {
        let patience = config
            .patience
            .saturating_mul(1 << self.ballots.min(DOUBLINGS_MAX));
        self.ballots = self.ballots.saturating_add(1);
        self.leading = None;
        self.lead_at = Some(now + patience + jitter(patience, rng));
    }

    /// The ballot led was refused.
    pub(super) fn refused(&mut self, config: &Config, now: Instant, rng: &mut ChaCha8Rng) {
        let (first, max) = config.back_off;
        let pause = first.saturating_mul(1 << self.failures.min(16)).min(max);
        self.failures = self.failures.saturating_add(1);
        self.leading = None;
        self.lead_at = Some(now + pause + jitter(pause, rng));
    }

    /// The epoch is decided: a new order of ranks, and nobody leads yet.
    pub(super) fn decided(&mut self) {
        self.lead_at = None;
        self.leading = None;
        self.failures = 0;
        (self.led, self.ballots) = (0, 0);
    }

    /// Whether nobody is chosen to be thrown out now.
    pub(super) fn holds_evictions(&mut self, now: Instant) -> bool {
        self.hold_evictions_until = self.hold_evictions_until.filter(|until| now < *until);
        self.hold_evictions_until.is_some()
    }

    /// When the next turn is due; who may not speak only compares chains.
    pub(super) fn poll_timeout(&self, may_speak: bool) -> Option<Instant> {
        let repeat = self
            .leading
            .map(|(repeat, new_ballot)| repeat.min(new_ballot));
        let turns = [self.lead_at, repeat].into_iter().flatten();
        turns
            .filter(|_| may_speak)
            .chain(self.hold_evictions_until)
            .chain([self.sync_at])
            .min()
    }
}

impl Assembly {
    /// Leads, or repeats itself, if it is time.
    pub(super) fn take_turn(&mut self, now: crate::time::Now) {
        let now = now.instant;
        if let Some((repeat, new_ballot)) = self.turns.leading {
            if now >= new_ballot {
                self.turns.leading = None;
                self.lead();
            } else if now >= repeat {
                self.turns.leading = Some((now + self.config.repeat, new_ballot));
                self.core.repeat();
            }
        } else if self.turns.lead_at.is_some_and(|at| now >= at) {
            self.turns.lead_at = None;
            self.lead();
        }
    }

    fn lead(&mut self) {
        self.turns.led = self.turns.led.saturating_add(1);
        let _leads = self.with_core(|core, keys| core.lead(keys));
    }
}

fn jitter(span: Duration, rng: &mut ChaCha8Rng) -> Duration {
    span.mul_f64(rng.random_range(0.0..0.5))
}

/// A member's place in the order of this decision's leaders, from 0: drawn anew with every head.
fn rank(membership: &Membership, me: &NodeId) -> usize {
    let head = membership.place().head;
    let draw = |node: &NodeId| {
        Transcript::new("quorate/rank/1")
            .bytes(head.as_ref())
            .bytes(node.as_ref())
            .finish()
    };
    let own = draw(me);
    membership
        .members()
        .filter(|record| draw(&record.node) < own)
        .count()
}
