//! One host's clocks: they begin with the virtual time, drift from it, and the wall clock jumps.

use std::time::{Duration, Instant};

use quorate_consensus::Now;

/// What wall clocks show when a run begins, in milliseconds since the Unix epoch.
const START_MS: u64 = 1_800_000_000_000;

/// The largest drift, in parts per million: five percent is far worse than any crystal.
pub const DRIFT_MAX: i64 = 50_000;

const MILLION: i64 = 1_000_000;

/// The clocks of one host. Virtual time is counted from the start of the run.
#[derive(Debug, Clone)]
pub struct Clock {
    base: Instant,
    /// The virtual time at which the present drift began, and what the host's clock showed then.
    anchor: (Duration, Duration),
    ppm: i64,
    jumped_ms: i64,
}

impl Clock {
    /// A true clock. `base` stands for the start of the run, the same for all hosts.
    pub const fn new(base: Instant) -> Self {
        Self {
            base,
            anchor: (Duration::ZERO, Duration::ZERO),
            ppm: 0,
            jumped_ms: 0,
        }
    }

    /// What the host's clocks show.
    pub fn now(&self, at: Duration) -> Now {
        let local = self.local(at);
        let wall_ms = START_MS.saturating_add(u64::try_from(local.as_millis()).unwrap_or(u64::MAX));
        Now {
            instant: self.base + local,
            unix_ms: wall_ms.saturating_add_signed(self.jumped_ms),
        }
    }

    /// The first virtual time at which the host's monotonic clock shows `instant` or later.
    pub fn when(&self, instant: Instant) -> Duration {
        let local = instant.saturating_duration_since(self.base);
        if self.ppm == 0 {
            return self.anchor.0 + local.saturating_sub(self.anchor.1);
        }
        let since = local.saturating_sub(self.anchor.1).as_nanos();
        let (rate, million) = (
            u128::from((MILLION + self.ppm).unsigned_abs()),
            MILLION.unsigned_abs(),
        );
        let span = (since * u128::from(million)).div_ceil(rate);
        self.anchor.0 + nanos(span)
    }

    /// From now on the host's clocks run faster or slower, by parts per million, at most [`DRIFT_MAX`].
    pub fn drift(&mut self, at: Duration, ppm: i64) {
        self.anchor = (at, self.local(at));
        self.ppm = ppm.clamp(-DRIFT_MAX, DRIFT_MAX);
    }

    /// The wall clock jumps.
    pub const fn jump(&mut self, ms: i64) {
        self.jumped_ms = self.jumped_ms.saturating_add(ms);
    }

    /// The wall clock is set right; the monotonic clock cannot be set, and stops drifting.
    pub fn correct(&mut self, at: Duration) {
        self.drift(at, 0);
        self.jumped_ms = 0;
        let local_ms = self.local(at).as_millis();
        let behind_ms = i128::try_from(at.as_millis()).unwrap_or(i128::MAX)
            - i128::try_from(local_ms).unwrap_or(0);
        self.jumped_ms = i64::try_from(behind_ms).unwrap_or(0);
    }

    fn local(&self, at: Duration) -> Duration {
        let since = at.saturating_sub(self.anchor.0);
        if self.ppm == 0 {
            return self.anchor.1 + since;
        }
        let since = since.as_nanos();
        let rate = u128::from((MILLION + self.ppm).unsigned_abs());
        self.anchor.1 + nanos(since * rate / u128::from(MILLION.unsigned_abs()))
    }
}

fn nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_has_come_when_the_clock_says_so() {
        let base = Instant::now();
        for ppm in [-50_000, -137, 0, 1, 49_999] {
            let mut clock = Clock::new(base);
            clock.drift(Duration::from_secs(7), ppm);
            for ms in [7_001, 9_999, 123_456] {
                let deadline = base + Duration::from_millis(ms);
                let when = clock.when(deadline);
                assert!(clock.now(when).instant >= deadline, "{ppm} {ms}");
                let before = when - Duration::from_nanos(2);
                assert!(clock.now(before).instant < deadline, "{ppm} {ms}");
            }
        }
    }

    #[test]
    fn a_corrected_clock_shows_the_time() {
        let mut clock = Clock::new(Instant::now());
        clock.drift(Duration::ZERO, 40_000);
        clock.jump(-90_000);
        let at = Duration::from_secs(100);
        assert_eq!(clock.now(at).unix_ms, START_MS + 104_000 - 90_000);
        clock.correct(at);
        assert_eq!(clock.now(at).unix_ms, START_MS + 100_000);
        assert_eq!(clock.now(at * 2).unix_ms, START_MS + 200_000);
    }
}
