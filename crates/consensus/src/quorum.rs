//! Quorum rules and their arithmetic.
//!
//! Every rule needs more than half of the electorate, so that any two quorums share a voter: two contradicting
//! certificates need at least one voter who signed both.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many yes votes carry a proposal. The denominator is the committed electorate, never the voters who are up.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
pub enum QuorumRule {
    /// ⌊n/2⌋+1.
    #[default]
    Majority,
    /// ⌊2n/3⌋+1: two quorums share more than a third of the voters (Castro and Liskov, OSDI 1999).
    Supermajority,
    /// Every voter.
    Unanimous,
    /// A fixed number, more than half of the electorate.
    AtLeast(usize),
}

/// A rule that an electorate of this size cannot use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuorumError {
    /// An electorate needs a voter.
    #[error("expected at least 1 voter, got none")]
    NoVoters,
    /// `AtLeast(k)` with k ≤ n/2 or k > n.
    #[error(
        "expected a quorum of more than half of {voters} voters and at most all of them, got {quorum}"
    )]
    NotAQuorum {
        /// The `k` of `AtLeast(k)`.
        quorum: usize,
        /// The electorate's size.
        voters: usize,
    },
}

impl QuorumRule {
    /// The yes votes that carry a proposal among `voters` voters.
    ///
    /// # Errors
    /// When there are no voters, or `AtLeast(k)` is not more than half of them or more than all.
    pub const fn threshold(self, voters: usize) -> Result<usize, QuorumError> {
        if voters == 0 {
            return Err(QuorumError::NoVoters);
        }
        match self {
            Self::Majority => Ok(voters / 2 + 1),
            // As ⌊2n/3⌋+1, without the overflow of 2n.
            Self::Supermajority => Ok(voters - voters.div_ceil(3) + 1),
            Self::Unanimous => Ok(voters),
            Self::AtLeast(quorum) if quorum > voters / 2 && quorum <= voters => Ok(quorum),
            Self::AtLeast(quorum) => Err(QuorumError::NotAQuorum { quorum, voters }),
        }
    }
}

impl QuorumRule {
    /// The rule for an electorate that has become one of `voters`: `AtLeast(k)` takes the nearest number that is a quorum of
    /// them.
    #[must_use]
    pub fn fitted(self, voters: usize) -> Self {
        match self {
            Self::AtLeast(quorum) => Self::AtLeast(quorum.min(voters).max(voters / 2 + 1)),
            rule => rule,
        }
    }
}

impl fmt::Display for QuorumRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Majority => f.write_str("majority"),
            Self::Supermajority => f.write_str("supermajority"),
            Self::Unanimous => f.write_str("unanimous"),
            Self::AtLeast(quorum) => write!(f, "at least {quorum}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use QuorumRule::{AtLeast, Majority, Supermajority, Unanimous};
    use proptest::prelude::*;

    #[test]
    fn thresholds() {
        // n, majority, supermajority, unanimous
        let table = [
            (1, 1, 1, 1),
            (2, 2, 2, 2),
            (3, 2, 3, 3),
            (4, 3, 3, 4),
            (5, 3, 4, 5),
            (6, 4, 5, 6),
            (7, 4, 5, 7),
            (9, 5, 7, 9),
            (10, 6, 7, 10),
        ];
        for (n, majority, supermajority, unanimous) in table {
            assert_eq!(Majority.threshold(n), Ok(majority), "majority of {n}");
            assert_eq!(
                Supermajority.threshold(n),
                Ok(supermajority),
                "supermajority of {n}"
            );
            assert_eq!(Unanimous.threshold(n), Ok(unanimous), "unanimous of {n}");
        }
        assert_eq!(Majority.threshold(0), Err(QuorumError::NoVoters));
        assert_eq!(AtLeast(3).threshold(5), Ok(3));
        for k in [0, 2, 6] {
            assert_eq!(
                AtLeast(k).threshold(5),
                Err(QuorumError::NotAQuorum {
                    quorum: k,
                    voters: 5
                })
            );
        }
    }

    proptest! {
        #[test]
        fn any_two_quorums_share_a_voter(n in 1usize..10_000, k in 0usize..10_000) {
            for rule in [Majority, Supermajority, Unanimous, AtLeast(k)] {
                if let Ok(threshold) = rule.threshold(n) {
                    prop_assert!(2 * threshold > n && threshold <= n);
                }
            }
            prop_assert_eq!(Supermajority.threshold(n), Ok(2 * n / 3 + 1));
        }

        #[test]
        fn no_size_overflows(n in usize::MAX - 10..=usize::MAX) {
            for rule in [Majority, Supermajority, Unanimous] {
                prop_assert!(rule.threshold(n).is_ok());
            }
        }
    }
}
