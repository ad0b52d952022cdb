//! Random choices without floating point, so that every machine draws the same.

use std::time::Duration;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

/// Draws from a seeded generator.
pub(crate) trait Dice {
    /// True once in `n` times.
    fn one_in(&mut self, n: u32) -> bool;
    /// A span, evenly from the range.
    fn span(&mut self, from: Duration, to: Duration) -> Duration;
    /// A span with many short ones and few long ones: evenly up to `max` once in two times, up to twice that once in four,
    /// up to eight times at most.
    fn wait(&mut self, max: Duration) -> Duration;
    /// One of these.
    fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T>;
}

impl Dice for ChaCha8Rng {
    fn one_in(&mut self, n: u32) -> bool {
        n > 0 && self.random_range(0..n) == 0
    }

    fn span(&mut self, from: Duration, to: Duration) -> Duration {
        let (from, to) = (nanos(from), nanos(to));
        Duration::from_nanos(if from >= to {
            from
        } else {
            self.random_range(from..=to)
        })
    }

    fn wait(&mut self, max: Duration) -> Duration {
        let doublings = self.random::<u32>().trailing_zeros().min(3);
        self.span(Duration::ZERO, max * (1 << doublings))
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        if of.is_empty() {
            return None;
        }
        of.get(self.random_range(0..of.len()))
    }
}

/// A number that depends on nothing but these two: what belongs to a pair of hosts for a whole run (splitmix64, Steele
/// et al., OOPSLA 2014).
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let mut z = a ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
