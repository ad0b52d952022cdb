use proptest::prelude::*;
use quorate_sim::dishonest::Conduct;

use super::*;

fn parse(args: &[&str]) -> Result<Job, String> {
    let all = std::iter::once("quorate-sim").chain(args.iter().copied());
    let args = Args::try_parse_from(all).map_err(|error| error.to_string())?;
    args.job()
}

fn options(line: &str) -> Options {
    let args: Vec<&str> = line.split_whitespace().collect();
    match parse(&args) {
        Ok(Job::One(one)) => one.options,
        other => panic!("{line}: {other:?}"),
    }
}

fn swarm(line: &str) -> Swarm {
    let args: Vec<&str> = line.split_whitespace().collect();
    match parse(&args) {
        Ok(Job::Swarm(swarm)) => swarm,
        other => panic!("{line}: {other:?}"),
    }
}

prop_compose! {
    fn any_options()(
        seed: u64,
        is_open: bool,
        nodes in 20_usize..=100_000,
        seeds in 1_usize..=64,
        seconds in 1_u64..=86_400,
        faults in prop::collection::btree_set(prop::sample::select(&FaultKind::ALL), 0..=12),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        is_unproven: bool,
        is_growth: bool,
    ) -> Options {
        let network = if is_open { NetworkKind::Open } else { NetworkKind::Seeded };
        let seeds = if is_open { SEEDS } else { seeds };
        let fitting = swarm::fitting(network);
        let mut liars: Vec<Conduct> = Vec::new();
        for pick in picks {
            liars.push(*pick.get(&fitting));
            if swarm::dishonest_seeds(&liars) > swarm::dishonest_max(seeds) {
                liars.pop();
            }
        }
        Options {
            nodes,
            seeds,
            duration: Duration::from_secs(seconds),
            faults,
            liars,
            story: match (is_growth, is_open, seed % 3) {
                (true, ..) => Story::Growth,
                (false, false, 0) => Story::Reseating,
                _ => Story::Mixed,
            },
            signatures: if is_unproven { Signatures::Unproven } else { Signatures::Ed25519 },
            ..Options::new(network, seed)
        }
    }
}

proptest! {
    #[test]
    fn options_read_back_from_what_they_print(options in any_options()) {
        prop_assert_eq!(self::options(&options.to_string()), options);
    }

    #[test]
    fn every_run_of_a_swarm_can_be_repeated_by_itself(
        number in 1_u64..1_000_000,
        base: u64,
        nodes in 1_usize..200,
    ) {
        let options = swarm::mix(number, base, None, nodes);
        prop_assert_eq!(self::options(&options.to_string()), options);
    }
}

#[test]
fn without_arguments_a_calm_seeded_network_runs() {
    assert_eq!(options(""), Options::new(NetworkKind::Seeded, 1));
}

#[test]
fn all_and_none_minutes_and_both_forms_of_the_trace_are_understood() {
    let all = options("--faults all --liars all --minutes 10 --seed 0");
    assert_eq!(all.faults.len(), FaultKind::ALL.len());
    assert_eq!(all.duration, Duration::from_secs(600));
    assert_eq!(options("--faults none --liars none"), options(""));
    let trace = |arg: &str| match parse(&[arg]) {
        Ok(Job::One(one)) => one.trace,
        other => panic!("{arg}: {other:?}"),
    };
    assert_eq!(trace("--trace"), Some(Trace::Stdout));
    assert_eq!(trace("--trace=x.log"), Some(Trace::File("x.log".into())));
}

#[test]
fn all_liars_are_one_of_each_that_fits_and_of_the_seeds_one_in_three() {
    let fitting = |network, is_seed: bool| {
        let all = swarm::fitting(network).into_iter();
        let of = all.filter(|conduct| swarm::dishonest_seeds(&[*conduct]) == usize::from(is_seed));
        of.collect::<Vec<_>>()
    };
    let others = fitting(NetworkKind::Seeded, false);
    for (seeds, liars) in [(1, 0), (2, 0), (3, 1), (5, 1), (6, 2), (7, 2)] {
        let all = options(&format!("--seeds {seeds} --liars all")).liars;
        assert_eq!(swarm::dishonest_seeds(&all), liars, "{seeds} seeds");
        assert_eq!(all[..others.len()], others);
    }
    // Which seed lies depends on the run, so that over some runs all do.
    let mut seen = BTreeSet::new();
    for seed in 0..20 {
        let all = options(&format!("--seed {seed} --liars all")).liars;
        seen.insert(all[others.len()]);
    }
    assert_eq!(Vec::from_iter(seen), fitting(NetworkKind::Seeded, true));
    assert_eq!(
        options("--network open --liars all").liars,
        fitting(NetworkKind::Open, false)
    );
}

#[test]
fn all_liars_are_as_many_as_have_room_and_the_command_that_is_printed_names_them() {
    for (network, kinds) in [("seeded", 9), ("open", 3)] {
        let mut seen = BTreeSet::new();
        for (nodes, seed) in (1..=12).flat_map(|nodes| (0..9).map(move |seed| (nodes, seed))) {
            let line = format!("--network {network} --nodes {nodes} --seed {seed} --liars all");
            let all = options(&line);
            let others = all.liars.len() - swarm::dishonest_seeds(&all.liars);
            assert_eq!(others, kinds.min(nodes - 1), "{line}");
            assert_eq!(options(&all.to_string()), all);
            if nodes == 2 {
                seen.insert(all.liars[0]);
            }
        }
        // Who has room depends on the run, so that over some runs all have.
        assert_eq!(seen.len(), kinds);
    }
}

#[test]
fn a_swarm_alternates_unless_told_otherwise_and_takes_its_base_from_a_date() {
    assert_eq!(swarm("--swarm 5").network, None);
    assert_eq!(swarm("--swarm 5 --network both").network, None);
    let open = swarm("--swarm 5 --network open --signatures unproven");
    assert_eq!(open.network, Some(NetworkKind::Open));
    assert!((1..=5).all(|number| {
        let options = open.options(number);
        options.network == NetworkKind::Open && options.signatures == Signatures::Unproven
    }));
    let of = |date: &str| swarm(&format!("--swarm 5 --from-date {date}")).base;
    assert_eq!(of("2026-11-22"), of("2026-11-22"));
    assert_ne!(of("2026-11-22"), of("2026-11-23"));
    assert_eq!(of("2024-02-29"), swarm::base_of("2024-02-29"));
}

#[test]
fn what_cannot_be_used_is_told_with_what_is_expected() {
    let table = [
        ("--seed x", "expected 0 to 18446744073709551615"),
        ("--from-date 2026-02-29", "expected a date like 2026-01-31"),
        ("--from-date 2026-1-31", "expected a date like 2026-01-31"),
        ("--from-date 2026-01-31 --seed 3", "cannot be used with"),
        ("--network closed", "expected seeded, open or both"),
        (
            "--network both",
            "expected --network seeded or open for one run, got both",
        ),
        ("--nodes 0", "expected 1 to 100000 nodes"),
        ("--seeds 65", "expected 1 to 64 seeds"),
        (
            "--seeds 5 --network open",
            "expected --seeds with a seeded network only",
        ),
        ("--minutes 0", "expected 1 to 1440 minutes"),
        ("--seconds 1.5", "expected 1 to 86400 seconds"),
        ("--minutes 1 --seconds 1", "cannot be used with"),
        (
            "--faults crash,crush",
            "expected all, none or some of crash, power-loss",
        ),
        ("--faults crash,crush", "got \"crush\""),
        ("--liars liar", "expected all, none or some of accuser"),
        (
            "--liars accuser --network open",
            "expected liars that fit the open network (opinion-forger",
        ),
        (
            "--liars double-voter,mute-seed",
            "expected at most 1 of 3 seeds to lie",
        ),
        (
            "--liars accuser,accuser --nodes 1",
            "expected at most 1 liars among 1 nodes, got 2",
        ),
        (
            "--network open --liars equivocator --nodes 1",
            "expected at most 0 liars among 1 nodes",
        ),
        ("--story sad", "expected one of mixed, growth, reseating"),
        (
            "--network open --story reseating",
            "expected --story reseating with a seeded network only",
        ),
        ("--signatures rsa", "expected ed25519 or unproven"),
        ("--plant no-such-thing", "expected "),
        ("--json --trace", "expected --trace=FILE with --json"),
        ("--swarm 0", "expected 1 to"),
        ("--swarm 2 --faults all", "cannot be used with"),
        ("--swarm 2 --trace", "cannot be used with"),
        ("--threads 2", "--swarm"),
        ("--fail-fast", "--swarm"),
    ];
    for (line, expected) in table {
        let args: Vec<&str> = line.split_whitespace().collect();
        let error = parse(&args).expect_err(line);
        assert!(error.contains(expected), "{line}: {error}");
    }
}

/// Only with this build: every fault that can be planted can be asked for, and reads back.
#[cfg(feature = "planted")]
#[test]
fn what_can_be_planted_can_be_asked_for() {
    for fault in quorate_planted::Fault::ALL {
        let planted = options(&format!("--plant {fault}"));
        assert_eq!(planted.planted.as_deref(), Some(fault.name()));
        assert_eq!(options(&planted.to_string()), planted);
    }
}
