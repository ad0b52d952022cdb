//! What a voter keeps of a proposal when its matter is gone: its own word, and whether the end was told.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::id::ProposalId;
use crate::time::{Now, VOTING_WINDOW_MS};
use crate::vote::Vote;

/// Kept while the attempt may still be open to any voter's clock, and as long again.
const REMEMBERED_MS: u64 = 4 * VOTING_WINDOW_MS;

/// An own vote on its way to the disk.
#[derive(Debug)]
pub(super) struct Casting {
    pub(super) opened_ms: u64,
    pub(super) vote: Arc<Vote>,
    pub(super) since: Instant,
}

/// A proposal that was voted on.
#[derive(Debug)]
pub(super) struct Remembered {
    opened_ms: u64,
    /// The own vote, durable.
    pub(super) vote: Option<Arc<Vote>>,
    /// Whether it was decided here, so that nobody's repeating it opens it again.
    pub(super) has_ended: bool,
    /// When it was voted on; the first look at it, if that is not known.
    pub(super) since: Option<Instant>,
}

impl Remembered {
    const fn new(opened_ms: u64) -> Self {
        Self {
            opened_ms,
            vote: None,
            has_ended: false,
            since: None,
        }
    }

    /// Whether it can be forgotten. Both clocks must say so: a wall clock that jumps ahead and is put right must not
    /// make a voter forget its word.
    fn is_outdated(&mut self, now: Now) -> bool {
        let since = *self.since.get_or_insert(now.instant);
        now.unix_ms.saturating_sub(self.opened_ms) > REMEMBERED_MS
            && now.instant.saturating_duration_since(since) > Duration::from_millis(REMEMBERED_MS)
    }
}

/// Fewer are not worth looking through.
const FORGET_FIRST: usize = 64;

/// What is remembered, by proposal. In no order, which therefore must not show.
pub(super) struct Memory {
    of: HashMap<ProposalId, Remembered, Keyed>,
    /// How many there are when it is worth looking for outdated ones: twice as many as were left the last time, so that
    /// looking costs each proposal the same, however many there are.
    forget_at: usize,
}

impl Memory {
    /// An empty one. Where things are kept depends on the seed, so that nobody can make many names fall together.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            of: HashMap::with_hasher(Keyed(seed)),
            forget_at: FORGET_FIRST,
        }
    }

    pub(super) fn of(&self, id: &ProposalId) -> Option<&Remembered> {
        self.of.get(id)
    }

    pub(super) fn entry(&mut self, id: ProposalId, opened_ms: u64) -> &mut Remembered {
        let remembered = self.of.entry(id);
        remembered.or_insert(Remembered::new(opened_ms))
    }

    /// Whether there is room for one more, of at most `max`.
    pub(super) fn has_room(&mut self, max: usize, now: Now) -> bool {
        if self.of.len() >= max.min(self.forget_at) {
            self.forget(now);
        }
        self.of.len() < max
    }

    /// Forgets everything: it was said in another epoch.
    pub(super) fn clear(&mut self) {
        self.of.clear();
        self.forget_at = FORGET_FIRST;
    }

    pub(super) fn forget(&mut self, now: Now) {
        self.of.retain(|_, remembered| !remembered.is_outdated(now));
        self.forget_at = FORGET_FIRST.max(2 * self.of.len());
    }
}

impl fmt::Debug for Memory {
    /// In order, so that what is equal looks equal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sorted: BTreeMap<_, _> = self.of.iter().collect();
        sorted.fmt(f)
    }
}

/// Hashes names. They are digests already, of which nobody finds many that begin with the same eight bytes; the key keeps
/// others from choosing where in the table they are.
#[derive(Debug, Clone, Copy)]
struct Keyed(u64);

impl BuildHasher for Keyed {
    type Hasher = Folding;

    fn build_hasher(&self) -> Folding {
        Folding(self.0)
    }
}

struct Folding(u64);

impl Hasher for Folding {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(word) = bytes.first_chunk() {
            // An odd number without a pattern: the golden ratio's fraction.
            let product = u128::from(self.0 ^ u64::from_le_bytes(*word)) * 0x9e37_79b9_7f4a_7c15;
            self.0 = product as u64 ^ (product >> 64) as u64;
        }
    }

    fn write_usize(&mut self, _len: usize) {
        // All names are of one length.
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
