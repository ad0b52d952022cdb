//! When to try again.

use std::time::{Duration, Instant};

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::earlier;

/// When to dial a target again after failures: the pause doubles from `first` to `max`, give or take a quarter.
#[derive(Debug, Default, Clone)]
pub struct BackOff {
    failures: u32,
    next: Option<Instant>,
}

impl BackOff {
    /// The target answered.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// The target did not answer, or not for long.
    pub fn fail(&mut self, (first, max): (Duration, Duration), rng: &mut ChaCha8Rng, now: Instant) {
        let pause = first.saturating_mul(1 << self.failures.min(16)).min(max);
        self.failures = self.failures.saturating_add(1);
        self.next = Some(now + pause.mul_f64(rng.random_range(0.75..1.25)));
    }

    /// Not before then, whatever happened.
    pub fn rest_until(&mut self, until: Instant) {
        self.next = Some(until);
    }

    /// How often it has failed since it last answered.
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether it may be dialled now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    /// When it may be dialled, if that is later than now.
    pub fn wait(&self, now: Instant) -> Option<Instant> {
        self.next.filter(|next| *next > now)
    }

    /// The earliest of several waits.
    pub fn earliest<'a>(waits: impl Iterator<Item = &'a Self>, now: Instant) -> Option<Instant> {
        waits.fold(None, |least, wait| earlier(least, wait.wait(now)))
    }
}
