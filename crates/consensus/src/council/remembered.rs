//! What a voter keeps of a proposal when its matter is gone: its own word, and whether the end was told.

use std::time::{Duration, Instant};

use crate::time::{Now, VOTING_WINDOW_MS};
use crate::vote::Vote;

/// Kept while the attempt may still be open to any voter's clock, and as long again.
const REMEMBERED_MS: u64 = 4 * VOTING_WINDOW_MS;

/// An own vote on its way to the disk.
#[derive(Debug)]
pub(super) struct Casting {
    pub(super) opened_ms: u64,
    pub(super) vote: Vote,
    pub(super) since: Instant,
}

/// A proposal that was voted on.
#[derive(Debug)]
pub(super) struct Remembered {
    opened_ms: u64,
    /// The own vote, durable.
    pub(super) vote: Option<Vote>,
    /// Whether it was decided here, so that nobody's repeating it opens it again.
    pub(super) has_ended: bool,
    /// When it was voted on; the first look at it, if that is not known.
    pub(super) since: Option<Instant>,
}

impl Remembered {
    pub(super) const fn new(opened_ms: u64) -> Self {
        Self {
            opened_ms,
            vote: None,
            has_ended: false,
            since: None,
        }
    }

    /// Whether it can be forgotten. Both clocks must say so: a wall clock that jumps ahead and is put right must not
    /// make a voter forget its word.
    pub(super) fn is_outdated(&mut self, now: Now) -> bool {
        let since = *self.since.get_or_insert(now.instant);
        now.unix_ms.saturating_sub(self.opened_ms) > REMEMBERED_MS
            && now.instant.saturating_duration_since(since) > Duration::from_millis(REMEMBERED_MS)
    }
}
