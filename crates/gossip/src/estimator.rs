//! How long a link's pauses usually are, and how long a pause is too long.
//!
//! Jacobson's estimator of round-trip times ["Congestion Avoidance and Control", SIGCOMM 1988;
//! constants as in RFC 6298] put to the gaps between arrivals: a running mean and a running mean
//! deviation, in additions and shifts.

use std::time::{Duration, Instant};

/// The bounds that all links of an engine share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SilenceBounds {
    pub(crate) heartbeat_interval: Duration,
    pub(crate) silence_min: Duration,
    pub(crate) silence_max: Duration,
}

/// One link's history.
///
/// One gap in each heartbeat interval is a sample, and not every gap: a burst of arrivals says that
/// the link is busy and nothing about its pauses, and would otherwise drive the mean to zero. A
/// pause longer than the interval is always a sample, because it ends one.
#[derive(Debug)]
pub(crate) struct GapEstimator {
    bounds: SilenceBounds,
    mean: Duration,
    deviation: Duration,
    next_sample: Instant,
}

impl GapEstimator {
    /// A link without a history gets the whole of `silence_max`, and earns a shorter timeout by
    /// being regular.
    pub(crate) fn new(bounds: SilenceBounds, now: Instant) -> Self {
        let mean = bounds.heartbeat_interval;
        let deviation = bounds.silence_max.saturating_sub(mean) / 4;
        Self {
            bounds,
            mean,
            deviation,
            next_sample: now + bounds.heartbeat_interval,
        }
    }

    /// Something arrived after a gap.
    pub(crate) fn on_arrival(&mut self, gap: Duration, now: Instant) {
        if now < self.next_sample {
            return;
        }
        // No pause may count for more than the longest that is ever tolerated.
        let sample = gap.min(self.bounds.silence_max);
        let error = sample.abs_diff(self.mean);
        if sample > self.mean {
            self.mean += error / 8;
        } else {
            self.mean -= error / 8;
        }
        self.deviation = self.deviation - self.deviation / 4 + error / 4;
        self.next_sample = now + self.bounds.heartbeat_interval;
    }

    /// How long a silence is too long: mean + 4 deviations, within the bounds.
    pub(crate) fn timeout(&self) -> Duration {
        // As RFC 6298 keeps the second term above the clock's grain: on a perfectly regular link
        // the deviation vanishes, and the next arrival would be late by being a microsecond late.
        let slack = (self.deviation * 4).max(self.bounds.heartbeat_interval);
        (self.mean + slack).clamp(self.bounds.silence_min, self.bounds.silence_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: SilenceBounds = SilenceBounds {
        heartbeat_interval: Duration::from_millis(500),
        silence_min: Duration::from_millis(1500),
        silence_max: Duration::from_secs(5),
    };

    #[expect(clippy::disallowed_methods, reason = "an Instant has no other origin")]
    fn start() -> Instant {
        Instant::now()
    }

    /// Feeds bursts of `burst` arrivals a millisecond apart, each after a pause.
    fn after(pause: Duration, burst: u32, rounds: u32) -> GapEstimator {
        let mut now = start();
        let mut estimator = GapEstimator::new(BOUNDS, now);
        for _ in 0..rounds {
            now += pause;
            estimator.on_arrival(pause, now);
            for _ in 1..burst {
                now += Duration::from_millis(1);
                estimator.on_arrival(Duration::from_millis(1), now);
            }
        }
        estimator
    }

    #[test]
    fn a_new_link_has_the_longest_timeout_and_a_regular_one_earns_the_shortest() {
        assert_eq!(after(Duration::ZERO, 1, 0).timeout(), BOUNDS.silence_max);
        assert_eq!(
            after(BOUNDS.heartbeat_interval, 1, 20).timeout(),
            BOUNDS.silence_min
        );
    }

    #[test]
    fn bursts_do_not_hide_the_pauses_between_them() {
        let pause = Duration::from_secs(2);
        assert!(after(pause, 100, 50).timeout() > pause);
    }

    #[test]
    fn the_timeout_of_a_slow_link_stays_above_its_pace_at_every_step() {
        let pause = Duration::from_millis(2500);
        for rounds in 0..300 {
            let margin = after(pause, 1, rounds).timeout().saturating_sub(pause);
            assert!(
                margin >= Duration::from_millis(100),
                "after {rounds} arrivals: {margin:?}"
            );
        }
    }

    #[test]
    fn an_erratic_link_gets_the_longest_timeout_and_no_more() {
        let mut now = start();
        let mut estimator = GapEstimator::new(BOUNDS, now);
        for round in 0..50 {
            let pause = Duration::from_millis(if round % 2 == 0 { 500 } else { 60_000 });
            now += pause;
            estimator.on_arrival(pause, now);
        }
        assert_eq!(estimator.timeout(), BOUNDS.silence_max);
    }

    #[test]
    fn one_long_pause_is_soon_forgiven() {
        let mut estimator = after(Duration::ZERO, 1, 0);
        let mut now = estimator.next_sample;
        for pause in
            std::iter::once(Duration::from_secs(3600)).chain([BOUNDS.heartbeat_interval; 25])
        {
            now += pause;
            estimator.on_arrival(pause, now);
        }
        assert_eq!(estimator.timeout(), BOUNDS.silence_min);
    }
}
