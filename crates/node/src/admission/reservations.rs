//! What a seed's own yes votes may turn into: kept in mind until the vote has ended everywhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use quorate_consensus::{Now, VOTING_WINDOW_MS};

/// How long a yes vote may still become an admission: the voting window on both sides of a clock.
const KEPT: Duration = Duration::from_millis(2 * VOTING_WINDOW_MS);

/// How many are kept.
const MAX: usize = 4096;

/// Reserved keys, each with what it is reserved for.
#[derive(Debug)]
pub(super) struct Reservations<K, V>(BTreeMap<K, (V, Instant)>);

impl<K: Ord + Clone, V> Reservations<K, V> {
    pub(super) const fn new() -> Self {
        Self(BTreeMap::new())
    }

    pub(super) fn get(&self, key: &K, now: Now) -> Option<&V> {
        let (value, until) = self.0.get(key)?;
        (now.instant < *until).then_some(value)
    }

    pub(super) fn iter(&self, now: Now) -> impl Iterator<Item = (&K, &V)> {
        let live = self
            .0
            .iter()
            .filter(move |(_, (_, until))| now.instant < *until);
        live.map(|(key, (value, _))| (key, value))
    }

    /// Whether another one would drop one.
    pub(super) fn is_full(&self, now: Now) -> bool {
        self.0.len() >= MAX && self.iter(now).count() >= MAX
    }

    /// Reserves a key from now on. Where all places are taken, the one that ends next is dropped.
    pub(super) fn reserve(&mut self, key: K, value: V, now: Now) {
        if self.0.len() >= MAX {
            self.0.retain(|_, (_, until)| now.instant < *until);
        }
        if self.0.len() >= MAX
            && !self.0.contains_key(&key)
            && let Some(next) = self.0.iter().min_by_key(|(_, (_, until))| *until)
        {
            let next = next.0.clone();
            self.0.remove(&next);
        }
        self.0.insert(key, (value, now.instant + KEPT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_end_and_have_a_limit() {
        let start = Now {
            instant: Instant::now(),
            unix_ms: 0,
        };
        let mut reservations = Reservations::new();
        for number in 0..2 * MAX {
            reservations.reserve(number, (), start.after(Duration::from_nanos(number as u64)));
        }
        assert_eq!(reservations.0.len(), MAX);
        assert!(reservations.is_full(start));
        assert_eq!(reservations.get(&0, start), None);
        assert_eq!(reservations.get(&MAX, start), Some(&()));
        let later = start.after(KEPT).after(Duration::from_millis(1));
        assert_eq!(reservations.get(&MAX, later), None);
        assert!(!reservations.is_full(later));
        reservations.reserve(1, (), later);
        assert_eq!(reservations.0.len(), 1);
    }
}
