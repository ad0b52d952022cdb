//! Which sequence numbers of each origin have been accepted: the anti-replay window of RFC 4303,
//! section 3.4.3.
//!
//! Only accepted messages move a window, so nothing that fails its check can make a genuine message
//! look old.
//!
//! A number below the newest one that has not come is a hole. A hole that stays for too long, or that
//! the window leaves behind, is a [`Gap`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};
use std::time::{Duration, Instant};

use crate::gap::Gap;

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
    /// When each origin's holes have stayed for too long.
    overdue: BTreeSet<(Instant, P)>,
    next_use: u64,
    max: usize,
    gap_timeout: Duration,
}

#[derive(Debug)]
struct Entry {
    incarnation: u64,
    window: Window,
    last_use: u64,
    /// Every number below has come, or was told to be missing, or was said before the first that
    /// came.
    settled: u64,
    /// Until when the holes up to a number may be filled, if there are any.
    patience: Option<(Instant, u64)>,
}

impl<P: Copy + Ord> Origins<P> {
    pub(crate) const fn new(max: usize, gap_timeout: Duration) -> Self {
        Self {
            windows: BTreeMap::new(),
            by_use: BTreeMap::new(),
            overdue: BTreeSet::new(),
            next_use: 0,
            max,
            gap_timeout,
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

    /// Notes an accepted message, and says what will not come any more because of it; `None`, without
    /// any change, if it was not fresh.
    pub(crate) fn accept(
        &mut self,
        origin: P,
        incarnation: u64,
        sequence: u64,
        now: Instant,
    ) -> Option<Vec<Gap<P>>> {
        if !self.is_fresh(&origin, incarnation, sequence) {
            return None;
        }
        let last_use = self.next_use;
        self.next_use += 1;
        // What a window that ends here leaves behind cannot come any more.
        let low = sequence.saturating_sub(SEQUENCE_WINDOW - 1);
        let mut gaps = Vec::new();
        let mut entry = match self.take(&origin) {
            Some(mut entry) if incarnation > entry.incarnation => {
                gaps.extend(entry.gaps(origin, entry.end()));
                // Its numbers begin at 0, and we were here.
                Entry::starting_with(incarnation, sequence, 0)
            }
            Some(mut entry) => {
                gaps.extend(entry.gaps(origin, low));
                entry.window.insert(sequence);
                entry
            }
            None => Entry::starting_with(incarnation, sequence, sequence),
        };
        gaps.extend(entry.gaps(origin, low));
        entry.last_use = last_use;
        entry.settle(now + self.gap_timeout);
        self.put(origin, entry);
        if self.windows.len() > self.max
            && let Some((_, quietest)) = self.by_use.first_key_value()
        {
            let quietest = *quietest;
            let entry = self.take(&quietest);
            gaps.extend(entry.into_iter().flat_map(|mut entry| {
                let end = entry.end();
                entry.gaps(quietest, end)
            }));
        }
        Some(gaps)
    }

    /// What has not come for too long. Should it come after all, it is delivered still.
    pub(crate) fn on_timeout(&mut self, now: Instant) -> Vec<Gap<P>> {
        let mut gaps = Vec::new();
        while let Some(&(_, origin)) = self.overdue.first().filter(|(at, _)| *at <= now) {
            let Some(mut entry) = self.take(&origin) else {
                break;
            };
            if let Some((_, last)) = entry.patience.take() {
                gaps.extend(entry.gaps(origin, last.saturating_add(1)));
            }
            entry.settle(now + self.gap_timeout);
            self.put(origin, entry);
        }
        gaps
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.overdue.first().map(|(at, _)| *at)
    }

    pub(crate) fn forget(&mut self, origin: &P) {
        self.take(origin);
    }

    pub(crate) fn len(&self) -> usize {
        self.windows.len()
    }

    fn take(&mut self, origin: &P) -> Option<Entry> {
        let entry = self.windows.remove(origin)?;
        self.by_use.remove(&entry.last_use);
        if let Some((at, _)) = entry.patience {
            self.overdue.remove(&(at, *origin));
        }
        Some(entry)
    }

    fn put(&mut self, origin: P, entry: Entry) {
        self.by_use.insert(entry.last_use, origin);
        self.overdue
            .extend(entry.patience.map(|(at, _)| (at, origin)));
        self.windows.insert(origin, entry);
    }
}

impl Entry {
    fn starting_with(incarnation: u64, sequence: u64, settled: u64) -> Self {
        Self {
            incarnation,
            window: Window::starting_with(sequence),
            last_use: 0,
            settled,
            patience: None,
        }
    }

    /// One more than the highest number so far; the last number of all is no hole and ends no hole.
    const fn end(&self) -> u64 {
        self.window.highest.saturating_add(1)
    }

    /// The holes below `end`, which are settled with this.
    fn gaps<P: Copy>(&mut self, origin: P, end: u64) -> Vec<Gap<P>> {
        let holes = self.window.holes(self.settled..end);
        self.settled = self.settled.max(end);
        let gap = |sequences| Gap {
            origin,
            incarnation: self.incarnation,
            sequences,
        };
        holes.into_iter().map(gap).collect()
    }

    /// Passes over what has come, and gives the first hole there is, and all above it, so long.
    fn settle(&mut self, until: Instant) {
        while self.settled < self.end() && self.window.has(self.settled) {
            self.settled += 1;
        }
        match self.patience {
            _ if self.settled >= self.end() => self.patience = None,
            Some((_, last)) if self.settled <= last => {}
            _ => self.patience = Some((until, self.window.highest)),
        }
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
            Some(age) => age < SEQUENCE_WINDOW && !self.has(sequence),
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

    /// The numbers among these that have not come.
    fn holes(&self, among: Range<u64>) -> Vec<RangeInclusive<u64>> {
        let low = self.highest.saturating_sub(SEQUENCE_WINDOW - 1);
        let (begin, end) = (among.start.max(low), among.end.min(self.highest));
        let mut holes: Vec<RangeInclusive<u64>> = Vec::new();
        let mut add = |from: u64, to: u64| {
            if from >= to {
                return;
            }
            match holes.last_mut() {
                Some(last) if last.end() + 1 == from => *last = *last.start()..=to - 1,
                _ => holes.push(from..=to - 1),
            }
        };
        add(among.start, among.end.min(low));
        for number in begin..end {
            add(number, number + u64::from(!self.has(number)));
        }
        add(among.start.max(self.highest.saturating_add(1)), among.end);
        holes
    }

    /// Whether a number within the window has come.
    const fn has(&self, sequence: u64) -> bool {
        let (word, bit) = Self::place(sequence);
        self.bits[word] & bit != 0
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

    const PATIENCE: Duration = Duration::from_secs(30);

    #[expect(clippy::disallowed_methods, reason = "an Instant has no other origin")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn a_number_is_accepted_once_and_only_within_the_window() {
        let mut origins = Origins::new(4, PATIENCE);
        assert!(origins.accept('a', 0, 10_000, start()).is_some());
        assert_eq!(origins.accept('a', 0, 10_000, start()), None);
        let lowest = 10_000 - SEQUENCE_WINDOW + 1;
        assert!(origins.accept('a', 0, lowest, start()).is_some());
        assert_eq!(origins.accept('a', 0, lowest, start()), None);
        assert_eq!(origins.accept('a', 0, lowest - 1, start()), None);
    }

    #[test]
    fn moving_on_by_less_than_a_window_makes_room_for_the_numbers_skipped() {
        let mut origins = Origins::new(4, PATIENCE);
        for sequence in 0..SEQUENCE_WINDOW {
            assert!(origins.accept('a', 0, sequence, start()).is_some());
        }
        assert!(
            origins
                .accept('a', 0, SEQUENCE_WINDOW + 9, start())
                .is_some()
        );
        assert!(
            origins
                .accept('a', 0, SEQUENCE_WINDOW + 3, start())
                .is_some()
        );
        assert_eq!(origins.accept('a', 0, SEQUENCE_WINDOW - 1, start()), None);
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        let mut origins = Origins::new(4, PATIENCE);
        assert!(origins.accept('a', u64::MAX, 0, start()).is_some());
        assert!(origins.accept('a', u64::MAX, u64::MAX, start()).is_some());
        assert!(
            origins
                .accept('a', u64::MAX, u64::MAX - 1, start())
                .is_some()
        );
        assert_eq!(origins.accept('a', u64::MAX, u64::MAX, start()), None);
        assert_eq!(origins.accept('a', u64::MAX, 1, start()), None);
    }

    #[test]
    fn a_higher_incarnation_starts_over_and_makes_lower_ones_stale() {
        let mut origins = Origins::new(4, PATIENCE);
        assert!(origins.accept('a', 1, 500, start()).is_some());
        assert!(origins.accept('a', 2, 0, start()).is_some());
        assert_eq!(origins.accept('a', 1, 501, start()), None);
        assert!(origins.accept('a', 2, 500, start()).is_some());
    }

    #[test]
    fn the_origin_quiet_for_longest_is_forgotten_first() {
        let mut origins = Origins::new(2, PATIENCE);
        assert!(origins.accept('a', 0, 0, start()).is_some());
        assert!(origins.accept('b', 0, 0, start()).is_some());
        assert!(origins.accept('a', 0, 1, start()).is_some());
        assert!(origins.accept('c', 0, 0, start()).is_some());
        assert_eq!(origins.len(), 2);
        assert!(!origins.is_fresh(&'a', 0, 1));
        assert!(origins.is_fresh(&'b', 0, 0));
    }

    fn said(gaps: &[Gap<char>]) -> Vec<(char, u64, RangeInclusive<u64>)> {
        let said = |gap: &Gap<char>| (gap.origin, gap.incarnation, gap.sequences.clone());
        gaps.iter().map(said).collect()
    }

    #[test]
    fn a_hole_that_stays_is_told_once_and_may_be_filled_still() {
        let now = start();
        let mut origins = Origins::new(4, PATIENCE);
        for sequence in [7, 8, 11] {
            assert_eq!(origins.accept('a', 0, sequence, now), Some(vec![]));
        }
        let due = now + PATIENCE;
        assert_eq!(origins.next_deadline(), Some(due));
        assert_eq!(origins.on_timeout(due - Duration::from_millis(1)), []);
        let gaps = origins.on_timeout(due);
        assert_eq!(said(&gaps), [('a', 0, 9..=10)]);
        assert_eq!(origins.next_deadline(), None);
        assert_eq!(origins.accept('a', 0, 10, due), Some(vec![]));
        assert_eq!(origins.accept('a', 0, 10, due), None);
    }

    #[test]
    fn a_hole_that_is_filled_is_not_told() {
        let now = start();
        let mut origins = Origins::new(4, PATIENCE);
        for sequence in [0, 3, 2, 1] {
            assert_eq!(origins.accept('a', 0, sequence, now), Some(vec![]));
        }
        assert_eq!(origins.next_deadline(), None);
    }

    #[test]
    fn each_hole_is_given_its_time() {
        let now = start();
        let mut origins = Origins::new(4, PATIENCE);
        for (sequence, after) in [(0, 0), (2, 0), (4, 20)] {
            let at = now + Duration::from_secs(after);
            assert_eq!(origins.accept('a', 0, sequence, at), Some(vec![]));
        }
        assert_eq!(said(&origins.on_timeout(now + PATIENCE)), [('a', 0, 1..=1)]);
        let later = origins.next_deadline();
        assert_eq!(later, Some(now + PATIENCE * 2));
        assert_eq!(
            said(&origins.on_timeout(now + PATIENCE * 2)),
            [('a', 0, 3..=3)]
        );
    }

    #[test]
    fn what_a_window_leaves_behind_is_told_at_once() {
        let now = start();
        let mut origins = Origins::new(4, PATIENCE);
        origins.accept('a', 0, 0, now);
        origins.accept('a', 0, 2, now);
        let next = SEQUENCE_WINDOW + 2;
        // 3 can come still, and 1 cannot.
        let gaps = origins.accept('a', 0, next, now).unwrap();
        assert_eq!(said(&gaps), [('a', 0, 1..=1)]);
        let far = 1 << 40;
        let gaps = origins.accept('a', 0, far, now).unwrap();
        assert_eq!(
            said(&gaps),
            [
                ('a', 0, 3..=next - 1),
                ('a', 0, next + 1..=far - SEQUENCE_WINDOW)
            ]
        );
    }

    #[test]
    fn a_new_life_begins_at_0_and_ends_the_holes_of_the_one_before() {
        let now = start();
        let mut origins = Origins::new(4, PATIENCE);
        origins.accept('a', 1, 5, now);
        origins.accept('a', 1, 7, now);
        let gaps = origins.accept('a', 2, 2, now).unwrap();
        assert_eq!(said(&gaps), [('a', 1, 6..=6)]);
        assert_eq!(said(&origins.on_timeout(now + PATIENCE)), [('a', 2, 0..=1)]);
    }

    #[test]
    fn whoever_is_forgotten_for_others_has_its_holes_told_and_whoever_is_gone_has_not() {
        let now = start();
        let mut origins = Origins::new(1, PATIENCE);
        origins.accept('a', 0, 0, now);
        origins.accept('a', 0, 2, now);
        let gaps = origins.accept('b', 0, 0, now).unwrap();
        assert_eq!(said(&gaps), [('a', 0, 1..=1)]);
        origins.accept('b', 0, 2, now);
        origins.forget(&'b');
        assert_eq!(origins.next_deadline(), None);
    }

    #[test]
    fn the_last_number_of_all_leaves_no_hole_that_is_told_for_ever() {
        let now = start();
        let mut origins = Origins::new(4, PATIENCE);
        origins.accept('a', 0, u64::MAX - 2, now);
        origins.accept('a', 0, u64::MAX, now);
        let gaps = origins.on_timeout(now + PATIENCE);
        assert_eq!(said(&gaps), [('a', 0, u64::MAX - 1..=u64::MAX - 1)]);
        assert_eq!(origins.next_deadline(), None);
    }
}
