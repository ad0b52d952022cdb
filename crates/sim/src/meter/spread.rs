//! How numbers are spread: their median, what nearly all keep to, and the worst.

use std::time::Duration;

use serde::Serialize;

/// How times are spread, in microseconds of virtual time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// How many there are.
    pub count: u64,
    /// Half of them are no longer than this.
    pub median_us: u64,
    /// Nineteen of twenty are no longer than this.
    pub p95_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Spread {
    /// Of these, in any order.
    pub fn of(mut times_us: Vec<u64>) -> Self {
        times_us.sort_unstable();
        Self {
            count: times_us.len() as u64,
            median_us: percentile(&times_us, 50),
            p95_us: percentile(&times_us, 95),
            max_us: percentile(&times_us, 100),
        }
    }
}

/// How many links messages crossed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Hops {
    /// Half of the messages crossed no more than this.
    pub median: u64,
    /// The most.
    pub max: u64,
}

impl Hops {
    /// Of these, in any order.
    pub fn of(mut hops: Vec<u64>) -> Self {
        hops.sort_unstable();
        Self {
            median: percentile(&hops, 50),
            max: percentile(&hops, 100),
        }
    }
}

/// The smallest of sorted numbers that at least so many percent of them do not exceed (the nearest rank); 0 of none.
pub(super) fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// A span in whole microseconds.
pub(super) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
