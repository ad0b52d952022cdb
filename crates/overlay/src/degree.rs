//! How many links a newcomer opens: a Pareto law cut off at both ends.
//!
//! The continuous law has density ∝ x^−α between `min_degree − ½` and `degree_cutoff + ½` and is rounded to the nearest
//! integer, which is the discrete power law's usual approximation (Clauset, Shalizi, Newman 2009, "Power-law
//! distributions in empirical data", appendix D). Draws beyond the cutoff are thrown away and drawn anew, which spreads
//! their probability over the whole range; clamping would pile it up as a spike of hubs that all have exactly
//! `degree_cutoff` links.

use rand::Rng;
use rand_distr::{Distribution, Pareto};

use crate::config::Config;

/// How many draws beyond the cutoff are thrown away before the cutoff itself is taken. A valid configuration keeps at
/// least one draw in a few hundred, so this bounds the loop and nothing else.
const DRAWS_MAX: usize = 100_000;

/// The law of link counts of one valid [`Config`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct LinkCounts {
    /// `None` for a configuration that is not valid.
    law: Option<Pareto<f64>>,
    highest: f64,
    cutoff: usize,
    min: usize,
}

impl LinkCounts {
    /// `config` must be valid.
    pub(crate) fn new(config: &Config) -> Self {
        let lowest = config.min_degree as f64 - 0.5;
        Self {
            // Pareto's shape is the exponent of the CCDF.
            law: Pareto::new(lowest, config.exponent - 1.0).ok(),
            highest: config.degree_cutoff as f64 + 0.5,
            cutoff: config.degree_cutoff,
            min: config.min_degree,
        }
    }

    /// Draws one link count, between `min_degree` and `degree_cutoff`.
    pub(crate) fn draw(&self, rng: &mut impl Rng) -> usize {
        let within = |law: Pareto<f64>| {
            law.sample_iter(rng)
                .take(DRAWS_MAX)
                .find(|x| *x < self.highest)
        };
        let drawn = self.law.and_then(within).unwrap_or(self.highest);
        // Rounding may leave the range at its very ends.
        (drawn.round() as usize).clamp(self.min, self.cutoff)
    }
}

#[cfg(test)]
mod tests {
    use rand::RngExt as _;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const SAMPLE: usize = 40_000;

    fn sample(config: &Config) -> Vec<usize> {
        let law = LinkCounts::new(config);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        (0..SAMPLE).map(|_| law.draw(&mut rng)).collect()
    }

    #[test]
    fn counts_stay_in_range_and_reach_both_ends() {
        let config = Config {
            degree_cutoff: 16,
            ..Config::default()
        };
        let counts = sample(&config);
        assert_eq!(counts.iter().min(), Some(&3));
        assert_eq!(counts.iter().max(), Some(&16));
    }

    /// Eq. 3.7 of Clauset et al. assumes no cutoff and is accurate for a minimum of about 6 and more, so both are
    /// chosen so. Tolerance: four standard errors, (α−1)/√n each (their eq. 3.2).
    #[test]
    fn without_a_near_cutoff_the_maximum_likelihood_exponent_is_the_configured_one() {
        for exponent in [2.2, 2.5, 3.0] {
            let config = Config {
                exponent,
                min_degree: 6,
                degree_cutoff: 10_000_000,
            };
            let counts = sample(&config);
            let logs: f64 = counts.iter().map(|&k| (k as f64 / 5.5).ln()).sum();
            let estimate = 1.0 + SAMPLE as f64 / logs;
            let tolerance = 4.0 * (exponent - 1.0) / (SAMPLE as f64).sqrt();
            assert!(
                (estimate - exponent).abs() < tolerance,
                "{estimate} for {exponent}"
            );
        }
    }

    /// An independent oracle: the inverted CDF of the truncated law. Tolerance: the two-sample Kolmogorov-Smirnov
    /// distance at the 0.1 % level, 1.95·√(2/n). At this cutoff, clamping would add 6 % of all counts to the last one.
    #[test]
    fn truncation_is_rejection_not_clamping() {
        let config = Config {
            degree_cutoff: 16,
            ..Config::default()
        };
        let ours = sample(&config);
        let (lowest, highest, tail): (f64, f64, f64) = (2.5, 16.5, 1.5);
        let kept = 1.0 - (lowest / highest).powf(tail);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let oracle: Vec<usize> = std::iter::repeat_with(|| rng.random::<f64>())
            .map(|uniform| lowest * (1.0 - uniform * kept).powf(-1.0 / tail))
            .map(|x| x.round() as usize)
            .take(SAMPLE)
            .collect();
        let share = |counts: &[usize], k| {
            counts.iter().filter(|&&count| count <= k).count() as f64 / SAMPLE as f64
        };
        let distance = (3..=16)
            .map(|k| (share(&ours, k) - share(&oracle, k)).abs())
            .fold(0.0, f64::max);
        assert!(
            distance < 1.95 * (2.0 / SAMPLE as f64).sqrt(),
            "distance {distance}"
        );
    }
}
