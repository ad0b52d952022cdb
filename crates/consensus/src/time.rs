//! The two clocks that a voter is told.

use std::time::{Duration, Instant};

/// How far, in milliseconds, a voter's own clock may be from a proposal's opening for it to take part: 30 s. Votes
/// from different moments never add up.
pub const VOTING_WINDOW_MS: u64 = 30_000;

/// A moment as the caller's clocks show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The monotonic clock: timers run by it.
    pub instant: Instant,
    /// The wall clock in milliseconds since the Unix epoch: proposals name it, and it may jump.
    pub unix_ms: u64,
}

impl Now {
    /// Later by `duration` on both clocks.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self {
            instant: self.instant + duration,
            unix_ms: self
                .unix_ms
                .saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    /// Whether a proposal opened at `opened_ms` is open to votes now.
    pub const fn is_within_window(self, opened_ms: u64) -> bool {
        self.unix_ms.abs_diff(opened_ms) <= VOTING_WINDOW_MS
    }
}
