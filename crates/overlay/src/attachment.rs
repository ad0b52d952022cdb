//! Whom a link is opened to: preferential attachment.
//!
//! A member is chosen with weight degree + 1 (Barabási, Albert 1999, "Emergence of scaling in random networks"; the one
//! more lets a member without links be found). Ends are distinct: weighted sampling without replacement by the keys of
//! Efraimidis and Spirakis (2006), u^(1/w) with u uniform, of which the largest win. The keys are compared as ln(u)/w,
//! which orders them the same and does not round to 1 for large weights.

use std::cmp::Reverse;

use rand::{Rng, RngExt};

/// How many ends to choose, and from whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    /// How many ends, if so many candidates are below the cutoff.
    pub(crate) count: usize,
    /// How many ends in any case, even if that takes candidates at the cutoff; at most `count`.
    pub(crate) at_least: usize,
    /// Candidates of this degree and more are full.
    pub(crate) degree_cutoff: usize,
}

/// Chooses distinct ends among `candidates`, given with their degrees.
///
/// Only if the open candidates do not suffice for `at_least` does it take full ones, those of least degree first: a
/// member must not be left out because all others have enough links. Returns fewer only where candidates run out.
pub(crate) fn choose<P: Copy + Ord>(
    rng: &mut impl Rng,
    candidates: impl Iterator<Item = (P, usize)>,
    demand: Demand,
) -> Vec<P> {
    if demand.count == 0 {
        return Vec::new();
    }
    let (open, mut full): (Vec<_>, Vec<_>) =
        candidates.partition(|&(_, degree)| degree < demand.degree_cutoff);
    let mut keyed: Vec<(f64, P)> = open
        .into_iter()
        .map(|(candidate, degree)| (key(rng, degree), candidate))
        .collect();
    let by_key = |a: &(f64, P), b: &(f64, P)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if keyed.len() > demand.count {
        keyed.select_nth_unstable_by(demand.count, by_key);
        keyed.truncate(demand.count);
    }
    keyed.sort_by(by_key);
    let mut ends: Vec<P> = keyed.into_iter().map(|(_, candidate)| candidate).collect();

    if ends.len() < demand.at_least {
        full.sort_by_key(|&(candidate, degree)| (degree, Reverse(candidate)));
        let missing = demand.at_least - ends.len();
        ends.extend(
            full.into_iter()
                .take(missing)
                .map(|(candidate, _)| candidate),
        );
    }
    ends
}

fn key(rng: &mut impl Rng, degree: usize) -> f64 {
    // `random` is in [0, 1), whose mirror image has a finite logarithm.
    let uniform = 1.0 - rng.random::<f64>();
    uniform.ln() / (degree as f64 + 1.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn ends(seed: u64, degrees: &[usize], count: usize, at_least: usize) -> Vec<usize> {
        choose(
            &mut ChaCha8Rng::seed_from_u64(seed),
            degrees.iter().copied().enumerate(),
            Demand {
                count,
                at_least,
                degree_cutoff: 10,
            },
        )
    }

    #[test]
    fn ends_are_distinct_open_and_the_same_for_a_seed() {
        for seed in 0..200 {
            let chosen = ends(seed, &[0, 10, 3, 9, 12, 5], 3, 3);
            assert_eq!(chosen, ends(seed, &[0, 10, 3, 9, 12, 5], 3, 3));
            assert_eq!(chosen.iter().collect::<BTreeSet<_>>().len(), 3);
            assert!(!chosen.contains(&1) && !chosen.contains(&4));
        }
    }

    #[test]
    fn full_members_are_taken_only_by_who_would_starve_and_the_least_loaded_first() {
        let degrees = [12, 3, 10, 11];
        assert_eq!(ends(1, &degrees, 3, 1), [1]);
        assert_eq!(ends(1, &degrees, 3, 2), [1, 2]);
        assert_eq!(ends(1, &degrees, 3, 3), [1, 2, 3]);
        assert_eq!(ends(1, &[12, 12], 3, 3).len(), 2);
    }

    /// One end of two, 20 000 times: the shares must be those of the weights, 1 : 9. Tolerance: five standard errors,
    /// √(0.1·0.9/20 000) each.
    #[test]
    fn the_chance_is_proportional_to_degree_plus_one() {
        let rounds = 20_000;
        let low = (0..rounds)
            .filter(|&seed| ends(seed, &[0, 8], 1, 1) == [0])
            .count();
        let share = low as f64 / rounds as f64;
        assert!(
            (share - 0.1).abs() < 5.0 * (0.1_f64 * 0.9 / rounds as f64).sqrt(),
            "{share}"
        );
    }
}
