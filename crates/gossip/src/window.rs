//! Which sequence numbers of each origin have been accepted: the anti-replay window of RFC 4303,
//! section 3.4.3.
//!
//! Only accepted messages move a window, so nothing that fails its check can make a genuine message
//! look old.

use std::collections::BTreeMap;

/// How many sequence numbers back from an origin's newest one can still arrive.
///
/// What is older counts as a replay. It equals the default of
/// [`Config::store_count_max`](crate::Config::store_count_max): what a neighbour can offer for
/// repair fits the window.
pub const SEQUENCE_WINDOW: u64 = 4096;

const WORDS: usize = SEQUENCE_WINDOW as usize / 64;

/// The windows of all origins, at most `max`; the origin whose last accepted message is oldest goes
/// first.
#[derive(Debug)]
pub(crate) struct Origins<P> {
    windows: BTreeMap<P, Entry>,
    by_use: BTreeMap<u64, P>,
    next_use: u64,
    max: usize,
}

#[derive(Debug)]
struct Entry {
    incarnation: u64,
    window: Window,
    last_use: u64,
}

impl<P: Copy + Ord> Origins<P> {
    pub(crate) const fn new(max: usize) -> Self {
        Self {
            windows: BTreeMap::new(),
            by_use: BTreeMap::new(),
            next_use: 0,
            max,
        }
    }

    /// Whether a message could still be accepted: it is of the origin's highest incarnation so far,
    /// or of a higher one, and its sequence number is new and not too old.
    pub(crate) fn is_fresh(&self, origin: &P, incarnation: u64, sequence: u64) -> bool {
        self.windows.get(origin).is_none_or(|entry| {
            incarnation > entry.incarnation
                || (incarnation == entry.incarnation && entry.window.is_fresh(sequence))
        })
    }

    /// Notes an accepted message; false, without any change, if it was not fresh.
    pub(crate) fn accept(&mut self, origin: P, incarnation: u64, sequence: u64) -> bool {
        if !self.is_fresh(&origin, incarnation, sequence) {
            return false;
        }
        let last_use = self.next_use;
        self.next_use += 1;
        match self.windows.get_mut(&origin) {
            Some(entry) => {
                self.by_use.remove(&entry.last_use);
                entry.last_use = last_use;
                if incarnation > entry.incarnation {
                    entry.incarnation = incarnation;
                    entry.window = Window::starting_with(sequence);
                } else {
                    entry.window.insert(sequence);
                }
            }
            None => {
                let entry = Entry {
                    incarnation,
                    window: Window::starting_with(sequence),
                    last_use,
                };
                self.windows.insert(origin, entry);
            }
        }
        self.by_use.insert(last_use, origin);
        if self.windows.len() > self.max
            && let Some((_, quietest)) = self.by_use.pop_first()
        {
            self.windows.remove(&quietest);
        }
        true
    }

    pub(crate) fn forget(&mut self, origin: &P) {
        if let Some(entry) = self.windows.remove(origin) {
            self.by_use.remove(&entry.last_use);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.windows.len()
    }
}

/// A bit for each of the [`SEQUENCE_WINDOW`] numbers up to the highest; number n has bit n modulo
/// the window.
#[derive(Debug)]
struct Window {
    highest: u64,
    bits: [u64; WORDS],
}

impl Window {
    fn starting_with(sequence: u64) -> Self {
        let mut window = Self {
            highest: sequence,
            bits: [0; WORDS],
        };
        window.mark(sequence);
        window
    }

    fn is_fresh(&self, sequence: u64) -> bool {
        match self.highest.checked_sub(sequence) {
            None => true,
            Some(age) => {
                let (word, bit) = Self::place(sequence);
                age < SEQUENCE_WINDOW && self.bits[word] & bit == 0
            }
        }
    }

    fn insert(&mut self, sequence: u64) {
        if let Some(step) = sequence.checked_sub(self.highest) {
            if step >= SEQUENCE_WINDOW {
                self.bits = [0; WORDS];
            } else {
                // The places of the numbers skipped still hold bits from one window ago.
                for skipped in self.highest + 1..=sequence {
                    let (word, bit) = Self::place(skipped);
                    self.bits[word] &= !bit;
                }
            }
            self.highest = sequence;
        }
        self.mark(sequence);
    }

    fn mark(&mut self, sequence: u64) {
        let (word, bit) = Self::place(sequence);
        self.bits[word] |= bit;
    }

    const fn place(sequence: u64) -> (usize, u64) {
        let place = sequence % SEQUENCE_WINDOW;
        ((place / 64) as usize, 1 << (place % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_accepted_once_and_only_within_the_window() {
        let mut origins = Origins::new(4);
        assert!(origins.accept('a', 0, 10_000));
        assert!(!origins.accept('a', 0, 10_000));
        let lowest = 10_000 - SEQUENCE_WINDOW + 1;
        assert!(origins.accept('a', 0, lowest));
        assert!(!origins.accept('a', 0, lowest));
        assert!(!origins.accept('a', 0, lowest - 1));
    }

    #[test]
    fn moving_on_by_less_than_a_window_makes_room_for_the_numbers_skipped() {
        let mut origins = Origins::new(4);
        for sequence in 0..SEQUENCE_WINDOW {
            assert!(origins.accept('a', 0, sequence));
        }
        assert!(origins.accept('a', 0, SEQUENCE_WINDOW + 9));
        assert!(origins.accept('a', 0, SEQUENCE_WINDOW + 3));
        assert!(!origins.accept('a', 0, SEQUENCE_WINDOW - 1));
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut origins = Origins::new(4);
        assert!(origins.accept('a', u64::MAX, 0));
        assert!(origins.accept('a', u64::MAX, u64::MAX));
        assert!(origins.accept('a', u64::MAX, u64::MAX - 1));
        assert!(!origins.accept('a', u64::MAX, u64::MAX));
        assert!(!origins.accept('a', u64::MAX, 1));
    }

    #[test]
    fn a_higher_incarnation_starts_over_and_makes_lower_ones_stale() {
        let mut origins = Origins::new(4);
        assert!(origins.accept('a', 1, 500));
        assert!(origins.accept('a', 2, 0));
        assert!(!origins.accept('a', 1, 501));
        assert!(origins.accept('a', 2, 500));
    }

    #[test]
    fn the_origin_quiet_for_longest_is_forgotten_first() {
        let mut origins = Origins::new(2);
        assert!(origins.accept('a', 0, 0));
        assert!(origins.accept('b', 0, 0));
        assert!(origins.accept('a', 0, 1));
        assert!(origins.accept('c', 0, 0));
        assert_eq!(origins.len(), 2);
        assert!(!origins.is_fresh(&'a', 0, 1));
        assert!(origins.is_fresh(&'b', 0, 0));
    }
}
