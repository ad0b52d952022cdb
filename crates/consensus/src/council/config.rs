//! The council's knobs.

use std::time::Duration;

use crate::id::NodeId;

/// How a [`Council`](super::Council) paces and bounds itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How long a proposal stays open here before it is given up, naming the silent. Longer waits for slow voters,
    /// shorter tells the candidate sooner. At most 30 s, the voting window. Default 5 s.
    pub deadline: Duration,
    /// When a proposal is first sent again to voters not heard from; doubles each time, with jitter, up to
    /// `resend_max`. Default 300 ms.
    pub resend_first: Duration,
    /// The longest pause between two sendings. Default 2 s.
    pub resend_max: Duration,
    /// How many proposals may be open at once; more are refused. So are more than 64 times as many within the two
    /// minutes that a vote is remembered. Default 1024.
    pub open_max: usize,
    /// How many proposals about one node may be open at once; more are refused. Default 8.
    pub open_per_subject_max: usize,
    /// How many votes that overtook their proposal are kept; the oldest go first. Default 1024.
    pub early_votes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(5),
            resend_first: Duration::from_millis(300),
            resend_max: Duration::from_secs(2),
            open_max: 1024,
            open_per_subject_max: 8,
            early_votes_max: 1024,
        }
    }
}

/// A configuration that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The signer is not among the voters.
    #[error("{0} has no seat in the electorate")]
    NotAVoter(NodeId),
    /// A field outside its range.
    #[error("expected {field} {expected}, got {got}")]
    OutOfRange {
        /// The field.
        field: &'static str,
        /// Its range.
        expected: &'static str,
        /// Its value.
        got: String,
    },
}

impl Config {
    /// Checks that the fields fit each other.
    ///
    /// # Errors
    /// The first field that does not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let check = |ok: bool, field, expected, got: String| {
            if ok {
                Ok(())
            } else {
                Err(ConfigError::OutOfRange {
                    field,
                    expected,
                    got,
                })
            }
        };
        let window = Duration::from_millis(crate::time::VOTING_WINDOW_MS);
        check(
            !self.deadline.is_zero() && self.deadline <= window,
            "deadline",
            "over 0 and at most 30 s",
            format!("{:?}", self.deadline),
        )?;
        check(
            !self.resend_first.is_zero() && self.resend_first <= self.resend_max,
            "resend_first",
            "over 0 and at most resend_max",
            format!("{:?}", self.resend_first),
        )?;
        check(
            self.open_max > 0,
            "open_max",
            "over 0",
            self.open_max.to_string(),
        )?;
        check(
            self.open_per_subject_max > 0,
            "open_per_subject_max",
            "over 0",
            self.open_per_subject_max.to_string(),
        )
    }
}
