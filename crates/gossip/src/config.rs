//! Every limit and every interval of the engine.

use std::time::Duration;

use crate::content::{CONTENT_LEN_MAX, CONTENT_OVERHEAD_MAX};
use crate::error::ConfigError;
use crate::unchecked::ENTRY_OVERHEAD;

/// How one [`Gossip`](crate::Gossip) engine behaves.
///
/// Neighbours need not agree on any of it except `payload_max`: a node with a lower one refuses
/// what the others pass on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Longest payload or proof, in bytes. It has to fit the driver's frames with
    /// [`CONTENT_OVERHEAD_MAX`] to spare. Default 128 KiB.
    pub payload_max: usize,
    /// How many ids the message list holds; the oldest is forgotten first. More remember longer
    /// that a proof is old news (application messages are also covered by their sequence windows)
    /// at some 100 bytes each. At least `store_count_max`. Default 65,536.
    pub seen_max: usize,
    /// For how many origins a sequence window is kept, at some 600 bytes each. Over the limit the
    /// one that has been quiet for longest is forgotten, and with it the protection against replays
    /// of what it once said, and its holes are told as gaps: choose more than the network has members.
    /// Default 4096.
    pub origins_max: usize,
    /// How long a message may take after a later one of its origin came, before it is told to be
    /// missing; longer than it takes to ask several neighbours. Default 30 s.
    pub gap_timeout: Duration,
    /// How many contents are kept to repair neighbours' gaps; the oldest is dropped first. More
    /// bridge longer partitions. Default 4096, which is also what a sequence window spans.
    pub store_count_max: usize,
    /// How many bytes of contents are kept for repair; whichever limit is reached first counts.
    /// Default 16 MiB.
    pub store_bytes_max: usize,
    /// How many bytes may wait for the driver's check, counting 256 for the upkeep of each content.
    /// Over the limit a new arrival is dropped, and asked for again later. Default 16 MiB.
    pub unchecked_bytes_max: usize,
    /// How many of those bytes one neighbour may fill, so that a flood from one leaves room for the
    /// others. Default 4 MiB.
    pub unchecked_bytes_per_neighbor_max: usize,
    /// How long the driver may take to check a content, before it is dropped as if it had never
    /// come. Default 30 s.
    pub check_timeout: Duration,
    /// How many announced ids that we lack are remembered per neighbour; what it announces beyond
    /// is ignored. Less than the neighbours' `store_count_max` makes a repair incomplete. Default
    /// 4096.
    pub wanted_per_neighbor_max: usize,
    /// How long to wait for a content asked for, before asking another neighbour that has it.
    /// Longer than a round trip; shorter asks twice for what is merely slow. One that goes on sending
    /// duplicates is asked not to as often. Default 1 s.
    pub graft_timeout: Duration,
    /// How long ids are gathered before they are announced over links that are sent no broadcasts
    /// unasked. Longer makes fewer messages, and fewer needless copies where a broadcast takes longer
    /// over the tree than that; shorter finds sooner that one did not come. Default 300 ms.
    pub announce_delay: Duration,
    /// How often one of the two ends of a link pings the other; whoever is pinged need not. Up to an eighth is added or taken away at random, so that
    /// nodes started together do not stay in step. Default 500 ms.
    pub heartbeat_interval: Duration,
    /// A link is never called silent sooner, however regular it was. At least twice
    /// `heartbeat_interval`. Lower finds the dead sooner and suspects more of the living. Default
    /// 1.5 s.
    pub silence_min: Duration,
    /// A link is always called silent by then, however irregular it was; a new link, without a
    /// history, is given this long. At least `silence_min`. Default 5 s.
    pub silence_max: Duration,
    /// How much later than [`poll_timeout`](crate::Gossip::poll_timeout) asked for an engine may be
    /// called and not conclude that it was its own process that stood still. Below `silence_min`.
    /// Default 200 ms.
    pub late_tolerance: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            payload_max: 128 * 1024,
            seen_max: 65_536,
            origins_max: 4_096,
            gap_timeout: Duration::from_secs(30),
            store_count_max: 4_096,
            store_bytes_max: 16 * 1024 * 1024,
            unchecked_bytes_max: 16 * 1024 * 1024,
            unchecked_bytes_per_neighbor_max: 4 * 1024 * 1024,
            check_timeout: Duration::from_secs(30),
            wanted_per_neighbor_max: 4_096,
            graft_timeout: Duration::from_secs(1),
            announce_delay: Duration::from_millis(300),
            heartbeat_interval: Duration::from_millis(500),
            silence_min: Duration::from_millis(1500),
            silence_max: Duration::from_secs(5),
            late_tolerance: Duration::from_millis(200),
        }
    }
}

impl Config {
    /// Checks every setting alone and against its neighbours.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first setting that cannot work, and why.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let payload_limit = CONTENT_LEN_MAX - CONTENT_OVERHEAD_MAX;
        if self.payload_max > payload_limit {
            return Err(ConfigError::PayloadMaxTooLarge {
                value: self.payload_max,
                max: payload_limit,
            });
        }
        for (field, value) in [
            ("payload_max", self.payload_max),
            ("seen_max", self.seen_max),
            ("origins_max", self.origins_max),
            ("store_count_max", self.store_count_max),
            ("wanted_per_neighbor_max", self.wanted_per_neighbor_max),
        ] {
            not_zero(field, value == 0)?;
        }
        for (field, value) in [
            ("check_timeout", self.check_timeout),
            ("gap_timeout", self.gap_timeout),
            ("graft_timeout", self.graft_timeout),
            ("announce_delay", self.announce_delay),
            ("heartbeat_interval", self.heartbeat_interval),
            ("silence_min", self.silence_min),
            ("silence_max", self.silence_max),
            ("late_tolerance", self.late_tolerance),
        ] {
            sane_duration(field, value)?;
        }
        let content_max = self.content_max();
        at_least(
            "seen_max",
            "`store_count_max`",
            self.seen_max >= self.store_count_max,
        )?;
        at_least(
            "store_bytes_max",
            "one content of `payload_max`",
            self.store_bytes_max >= content_max,
        )?;
        at_least(
            "unchecked_bytes_per_neighbor_max",
            "one content of `payload_max`",
            self.unchecked_bytes_per_neighbor_max >= content_max + ENTRY_OVERHEAD,
        )?;
        at_least(
            "unchecked_bytes_max",
            "`unchecked_bytes_per_neighbor_max`",
            self.unchecked_bytes_max >= self.unchecked_bytes_per_neighbor_max,
        )?;
        at_least(
            "silence_min",
            "twice `heartbeat_interval`",
            self.silence_min >= self.heartbeat_interval * 2,
        )?;
        at_least(
            "silence_max",
            "`silence_min`",
            self.silence_max >= self.silence_min,
        )?;
        at_least(
            "silence_min",
            "longer than `late_tolerance`",
            self.silence_min > self.late_tolerance,
        )
    }

    /// The longest encoded content that is accepted, in bytes.
    pub(crate) const fn content_max(&self) -> usize {
        self.payload_max + CONTENT_OVERHEAD_MAX
    }
}

/// How one [`Inquiry`](crate::Inquiry) behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InquiryConfig {
    /// How long each rank waits for the one before it, so that one neighbour asks and not all.
    /// Longer than a panel usually takes to answer is wasted time when the first has died too.
    /// Default 1 s.
    pub rank_delay: Duration,
    /// How long a panelist may take before the next one is asked in its place. It has to cover the
    /// panelist's own probe of the suspect. Default 2.5 s.
    pub answer_timeout: Duration,
    /// How long after its first question the inquiry gives up. Several times `answer_timeout`, so
    /// that the silent can be replaced. Default 15 s.
    pub deadline: Duration,
}

impl Default for InquiryConfig {
    fn default() -> Self {
        Self {
            rank_delay: Duration::from_secs(1),
            answer_timeout: Duration::from_millis(2500),
            deadline: Duration::from_secs(15),
        }
    }
}

impl InquiryConfig {
    /// Checks every setting alone and against its neighbours.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names the first setting that cannot work, and why.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.rank_delay > DURATION_MAX {
            return Err(ConfigError::DurationTooLong {
                field: "rank_delay",
                max: DURATION_MAX,
            });
        }
        sane_duration("answer_timeout", self.answer_timeout)?;
        sane_duration("deadline", self.deadline)?;
        at_least(
            "deadline",
            "`answer_timeout`",
            self.deadline >= self.answer_timeout,
        )
    }
}

const fn not_zero(field: &'static str, is_zero: bool) -> Result<(), ConfigError> {
    if is_zero {
        Err(ConfigError::Zero { field })
    } else {
        Ok(())
    }
}

const fn at_least(
    field: &'static str,
    bound: &'static str,
    holds: bool,
) -> Result<(), ConfigError> {
    if holds {
        Ok(())
    } else {
        Err(ConfigError::TooSmall { field, bound })
    }
}

fn sane_duration(field: &'static str, value: Duration) -> Result<(), ConfigError> {
    not_zero(field, value.is_zero())?;
    if value > DURATION_MAX {
        Err(ConfigError::DurationTooLong {
            field,
            max: DURATION_MAX,
        })
    } else {
        Ok(())
    }
}

/// Durations are added to instants; a day keeps that far from overflowing.
const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);
