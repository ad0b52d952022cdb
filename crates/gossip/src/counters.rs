//! Numbers for metrics and for people.

/// What has happened since the engine was made. Every field only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Broadcasts that arrived well-formed; each is also counted once among the outcomes below, or
    /// still waits.
    pub received: u64,
    /// Arrivals whose id was seen before or of which the same copy was waiting, and echoes of our
    /// own.
    pub duplicates: u64,
    /// Application messages with a sequence number that was used before or is too old, or of an
    /// incarnation that has been superseded.
    pub stale: u64,
    /// Arrivals for which there was no room among the unchecked.
    pub dropped_unchecked: u64,
    /// Contents that the driver did not check in time.
    pub expired: u64,
    /// Contents that the driver found good and new.
    pub delivered: u64,
    /// Messages told to be missing.
    pub missing: u64,
    /// Contents that the driver found known.
    pub ignored: u64,
    /// Contents that the driver found bad.
    pub rejected: u64,
    /// Waiting copies dropped because another copy of the same id was settled.
    pub superseded: u64,
    /// Broadcasts of our own.
    pub published: u64,
    /// Copies sent on to neighbours after a check.
    pub forwarded: u64,
    /// Ids asked for; an id asked for twice counts twice.
    pub grafts_sent: u64,
    /// Copies sent because a neighbour asked for them.
    pub grafts_answered: u64,
    /// Neighbours asked not to send broadcasts unasked, because they sent a duplicate.
    pub prunes_sent: u64,
    /// Announced ids not noted because the announcer has too many to its name.
    pub announcements_dropped: u64,
    /// Neighbours reported as silent.
    pub silences: u64,
    /// How often this node itself was found to have stood still.
    pub late_wakeups: u64,
    /// Messages refused with a [`MessageError`](crate::MessageError).
    pub refused: u64,
}

/// How full the engine's bounded memory is; the limits are in [`Config`](crate::Config).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Neighbours.
    pub neighbors: usize,
    /// Those that are sent broadcasts unasked; the others are told of them.
    pub eager: usize,
    /// Ids in the message list.
    pub seen: usize,
    /// Origins with a sequence window.
    pub origins: usize,
    /// Contents stored for repair.
    pub stored: usize,
    /// Their length in bytes.
    pub stored_bytes: usize,
    /// Contents that wait for a check.
    pub unchecked: usize,
    /// What they are charged at, in bytes.
    pub unchecked_bytes: usize,
    /// Ids that neighbours hold and we lack.
    pub wanted: usize,
}
