//! The knobs of an overlay, and which combinations of them make sense.

use thiserror::Error;

/// How many links members open, and how many they may hold.
///
/// All members of one network should use the same values: nothing breaks if they do not, but then nobody's idea of a
/// full hub is everybody's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// Exponent α of the *probability density* of the number of links a newcomer opens, p(x) ∝ x^−α; the CCDF then
    /// falls as x^−(α−1). Between 1.01 and 10. Lower means more and larger hubs, so shorter paths and a greater loss
    /// when a hub dies.
    pub exponent: f64,
    /// Fewest links a newcomer opens and a member keeps, where the network has that many other members. At least 1;
    /// with 1 the overlay may be a tree, in which every loss must be repaired before gossip passes again.
    pub min_degree: usize,
    /// Most links a newcomer opens, and the number from which a member takes no ordinary link any more (the hub cap).
    /// At least `2 * min_degree + 1`, see [`ConfigError::CutoffTooLow`]. Also the most entries kept of each neighbor's
    /// list of neighbors, so one member remembers at most about `degree_cutoff²` ids.
    pub degree_cutoff: usize,
}

impl Default for Config {
    /// A power law with density exponent 2.5, from 3 to 64 links.
    fn default() -> Self {
        Self {
            exponent: 2.5,
            min_degree: 3,
            degree_cutoff: 64,
        }
    }
}

impl Config {
    /// Says whether these values can make an overlay.
    ///
    /// # Errors
    ///
    /// The first field found wrong.
    pub fn validate(&self) -> Result<(), ConfigError> {
        // A NaN is in no range, so it is refused here as well.
        if !(EXPONENT_MIN..=EXPONENT_MAX).contains(&self.exponent) {
            return Err(ConfigError::ExponentOutOfRange(self.exponent));
        }
        if self.min_degree == 0 {
            return Err(ConfigError::MinDegreeZero);
        }
        if self.degree_cutoff / 2 < self.min_degree || self.degree_cutoff == 2 * self.min_degree {
            return Err(ConfigError::CutoffTooLow {
                min_degree: self.min_degree,
                degree_cutoff: self.degree_cutoff,
            });
        }
        Ok(())
    }

    /// How many links a member may come to hold while the overlay is kept in one piece:
    /// `degree_cutoff + min_degree + 8`.
    ///
    /// Past the cutoff a member is taken by others only if they would otherwise have fewer than `min_degree` links
    /// (that is the part of `min_degree`), or for a repair link where the survivors of greater id are all full (that is
    /// the 8). A departure then raises a full survivor by one or so, once, because the link stays.
    ///
    /// The 8 is measured, not proven: connectivity goes before the cap. Under random joins and departures, or the
    /// departure of the largest hub each time, members came at most 6 over cutoffs from 3 to 64, and 1 over the default.
    /// The worst found by a greedy adversary, who sees the whole graph and chooses each departure to make a hub grow, was
    /// 10 over a cutoff of 12 with `min_degree` 3, starting from 1600 members.
    #[must_use]
    pub fn degree_limit(&self) -> usize {
        self.starving_limit().saturating_add(REPAIR_SLACK)
    }

    /// Up to how many links a member takes those who would otherwise have fewer than `min_degree`.
    pub(crate) fn starving_limit(&self) -> usize {
        self.degree_cutoff.saturating_add(self.min_degree)
    }
}

/// Why a [`Config`] cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The exponent is not a number between 1.01 and 10. At 1 and below the density has no normalisation without the
    /// cutoff; above 10 practically every member opens `min_degree` links.
    #[error("exponent {0} is not between {EXPONENT_MIN} and {EXPONENT_MAX}")]
    ExponentOutOfRange(f64),
    /// A member without a link is not in the overlay.
    #[error("min_degree is 0, so members would need no link")]
    MinDegreeZero,
    /// Where every member opens `min_degree` links the mean degree is twice that, so a lower cutoff leaves newcomers
    /// nowhere to link.
    #[error("degree_cutoff {degree_cutoff} is not above twice min_degree {min_degree}")]
    CutoffTooLow {
        /// The `min_degree` given.
        min_degree: usize,
        /// The `degree_cutoff` given.
        degree_cutoff: usize,
    },
}

/// See [`Config::degree_limit`].
const REPAIR_SLACK: usize = 8;
const EXPONENT_MIN: f64 = 1.01;
const EXPONENT_MAX: f64 = 10.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validation_names_what_is_wrong() {
        let with = |exponent, min_degree, degree_cutoff| {
            Config {
                exponent,
                min_degree,
                degree_cutoff,
            }
            .validate()
        };
        assert_eq!(Config::default().validate(), Ok(()));
        assert_eq!(with(2.5, 1, 3), Ok(()));
        for exponent in [1.0, 10.5, f64::INFINITY] {
            assert_eq!(
                with(exponent, 3, 64),
                Err(ConfigError::ExponentOutOfRange(exponent))
            );
        }
        assert!(with(f64::NAN, 3, 64).is_err());
        assert_eq!(with(2.5, 0, 64), Err(ConfigError::MinDegreeZero));
        for (min_degree, degree_cutoff) in [(3, 6), (3, 2), (usize::MAX, usize::MAX)] {
            assert_eq!(
                with(2.5, min_degree, degree_cutoff),
                Err(ConfigError::CutoffTooLow {
                    min_degree,
                    degree_cutoff
                })
            );
        }
    }
}
