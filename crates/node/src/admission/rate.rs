//! A limit in time.

use std::time::{Duration, Instant};

use quorate_consensus::{NodeId, Now};

use super::reservations::Reservations;
use super::{AdmissionPolicy, Candidate, Verdict};

/// The longest time that a rate may be over.
const PER_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Allows so many nodes per time, by this seed's own yes votes: a token bucket, full at the start.
///
/// A node counts once for each of its lives, also when it has to ask several times; not again before it has been quiet for
/// a minute.
#[derive(Debug)]
pub struct Rate {
    count: u32,
    /// How long it takes for one token to come back.
    each: Duration,
    /// When the bucket is full again, if it is not.
    full_at: Option<Instant>,
    /// Which life of a node was counted.
    counted: Reservations<NodeId, u64>,
}

/// A rate that cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RateError {
    /// Nobody would ever be let in.
    #[error("expected a rate of at least 1, got 0")]
    Zero,
    /// Too long, or so short that it is no limit.
    #[error(
        "expected a rate over at most 366 days and at least 1 µs for each, got {count} per {per:?}"
    )]
    Per {
        /// How many.
        count: u32,
        /// Per how long.
        per: Duration,
    },
}

impl Rate {
    /// At most `count` at once, and `count` more in each time of `per`.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn new(count: u32, per: Duration) -> Result<Self, RateError> {
        let each = per.checked_div(count).ok_or(RateError::Zero)?;
        if per > PER_MAX || each < Duration::from_micros(1) {
            return Err(RateError::Per { count, per });
        }
        Ok(Self {
            count,
            each,
            full_at: None,
            counted: Reservations::new(),
        })
    }

    /// How long until there is a token for one more.
    fn wait(&self, now: Instant) -> Duration {
        let missing = self
            .full_at
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        // `each` is `per / count`, rounded down: this is at most `per`.
        let room = self.each.saturating_mul(self.count - 1);
        missing.saturating_sub(room)
    }

    fn was_counted(&self, candidate: &Candidate<'_>, now: Now) -> bool {
        let record = candidate.record;
        self.counted.get(&record.node, now) == Some(&record.incarnation)
    }
}

impl AdmissionPolicy for Rate {
    fn judge(&self, candidate: &Candidate<'_>, now: Now) -> Verdict {
        let wait = self.wait(now.instant);
        if wait.is_zero() || self.was_counted(candidate, now) {
            Verdict::Allow
        } else {
            Verdict::Deny(format!(
                "too many at once; this seed has room for one more in {} s",
                wait.as_secs_f64().ceil()
            ))
        }
    }

    fn note_yes(&mut self, candidate: &Candidate<'_>, now: Now) {
        if !self.was_counted(candidate, now) {
            let from = self.full_at.map_or(now.instant, |at| at.max(now.instant));
            // Never more than `per` ahead of now, unless it was told of one that it did not allow.
            self.full_at = from.checked_add(self.each).or(self.full_at);
        }
        let record = candidate.record;
        self.counted.reserve(record.node, record.incarnation, now);
    }
}
