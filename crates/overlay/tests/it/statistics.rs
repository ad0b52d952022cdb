//! Whether grown overlays have the degrees they should.

use quorate_overlay::{Config, Graph};

const MEMBERS: u32 = 5000;

/// The tail must follow a power law of the configured density exponent, 2.5. Estimated by maximum likelihood above 20
/// links (Clauset et al. 2009, eq. 3.7): below, the ends' degrees still show that everyone opens at least 3 and is
/// chosen now and then. Tolerance 0.3: seeds differ by 0.1, attachment fattens the tail by as much. A thin tail (links to
/// members chosen evenly) gives far above 3. The cutoff is put out of the way to see the tail at all.
#[test]
fn the_tail_of_the_degrees_is_a_power_law() {
    let degrees = degrees(Config {
        degree_cutoff: 1000,
        ..Config::default()
    });
    let tail: Vec<f64> = degrees
        .iter()
        .filter(|&&k| k >= 20)
        .map(|&k| k as f64)
        .collect();
    let exponent = 1.0 + tail.len() as f64 / tail.iter().map(|k| (k / 19.5).ln()).sum::<f64>();
    assert!(
        (exponent - 2.5).abs() < 0.3,
        "exponent {exponent} of {} members",
        tail.len()
    );
    assert!(
        degrees[degrees.len() - 1] > 40 * degrees[degrees.len() / 2],
        "{:?}",
        degrees.last()
    );
}

/// Under the default cutoff: half of the members have at most 8 links, yet at least 3 % have four times the mean or more
/// (12 links; of a Poisson law of that mean it would be one in 10¹⁵), and growth takes nobody over the cutoff.
#[test]
fn the_default_overlay_has_many_small_members_and_some_hubs_at_the_cutoff() {
    let config = Config::default();
    let degrees = degrees(config);
    let mean = degrees.iter().sum::<usize>() as f64 / degrees.len() as f64;
    let hubs = degrees.iter().filter(|&&k| k as f64 >= 4.0 * mean).count();
    assert!(
        degrees[degrees.len() / 2] <= 8,
        "median {}",
        degrees[degrees.len() / 2]
    );
    assert!(hubs * 100 >= 3 * degrees.len(), "{hubs} hubs, mean {mean}");
    assert_eq!(degrees.first(), Some(&config.min_degree));
    assert_eq!(degrees.last(), Some(&config.degree_cutoff));
}

/// Ascending.
fn degrees(config: Config) -> Vec<usize> {
    let mut graph = Graph::new(config, 1).unwrap();
    for member in 0..MEMBERS {
        graph.attach(member);
    }
    graph.check().unwrap();
    let mut degrees: Vec<usize> = graph.members().map(|member| graph.degree(member)).collect();
    degrees.sort_unstable();
    degrees
}
