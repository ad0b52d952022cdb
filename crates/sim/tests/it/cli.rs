//! The program, as somebody at a terminal has it.

use std::process::{Command, Output};

use serde_json::Value;

/// A run that is over soon, of a network in which nothing goes wrong.
const SHORT: &[&str] = &["--seed", "5", "--nodes", "4", "--seconds", "5"];

fn program(args: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_quorate-sim");
    Command::new(program).args(args).output().unwrap()
}

fn with(more: &[&str]) -> Output {
    program(&[SHORT, more].concat())
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn lines(output: &Output) -> Vec<&str> {
    text(&output.stdout).lines().collect()
}

#[test]
fn a_run_tells_the_command_that_repeats_it_and_that_all_held() {
    let output = with(&[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let lines = lines(&output);
    assert_eq!(
        lines[0],
        "cargo run --release -p quorate-sim -- --seed 5 --network seeded --nodes 4 --seeds 3 --seconds 5 --faults none --liars none"
    );
    assert_eq!(lines.last(), Some(&"all promises held"));
    // Nothing but a terminal is shown how far it is.
    assert_eq!(text(&output.stderr), "");
    let number = |name: &str| {
        let line = lines.iter().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert!((1..=4).contains(&number("admissions")));
    assert!(number("steps") > 100);
    let repeated: Vec<&str> = lines[0].split(" -- ").nth(1).unwrap().split(' ').collect();
    let again = program(&repeated);
    let trace = |output: &Output| {
        let lines = text(&output.stdout).lines();
        lines
            .filter(|line| line.starts_with("trace "))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(trace(&again), trace(&output));
    assert_eq!(trace(&output).len(), 1);
}

#[test]
fn json_has_the_standard_output_to_itself() {
    let output = with(&["--json", "--network", "open"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(lines(&output).len(), 1);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["held"], true);
    assert_eq!(json["seed"], 5);
    assert_eq!(json["network"], "open");
    assert_eq!(json["nodes"], 4);
    assert!(json["violation"].is_null());
    assert!(
        json["options"]
            .as_str()
            .unwrap()
            .starts_with("--seed 5 --network open --nodes 4")
    );
    assert!(json["command"].as_str().unwrap().starts_with("cargo run"));
    assert_eq!(json["hash"].as_str().unwrap().len(), 64);
    for field in ["virtual_us", "real_us", "entries"] {
        assert!(json[field].as_u64().unwrap() > 0, "{field}");
    }
    let metrics = &json["metrics"];
    // Who founds the network is not admitted to it.
    assert!((1..=3).contains(&metrics["admissions"]["count"].as_u64().unwrap()));
    for (part, fields) in [
        ("admissions", &["median_us", "p95_us", "max_us"][..]),
        ("evictions", &["count", "of_running", "dead_for_good"]),
        (
            "gossip",
            &[
                "broadcasts",
                "deliveries",
                "expected",
                "missing",
                "gaps",
                "copies",
                "redundancy_permille",
            ],
        ),
        (
            "traffic",
            &[
                "node_seconds",
                "frames_per_node_second_milli",
                "bytes_per_node_second",
            ],
        ),
        ("connections", &["made", "ended", "too_slow"]),
    ] {
        for field in fields {
            assert!(metrics[part][field].is_u64(), "{part}.{field}");
        }
    }
    for spread in [
        &metrics["evictions"]["first"],
        &metrics["evictions"]["last"],
        &metrics["gossip"]["latency"],
    ] {
        assert!(spread["p95_us"].is_u64());
    }
    assert!(metrics["gossip"]["last_hop"]["max"].is_u64());
    for kind in [
        "total",
        "payloads",
        "ids",
        "heartbeats",
        "council",
        "roster",
        "suspicion",
        "others",
        "by_liars",
    ] {
        assert!(metrics["traffic"][kind]["bytes"].is_u64(), "{kind}");
    }
    assert!(metrics["steps"].as_u64().unwrap() > 100);
}

#[test]
fn the_trace_is_written_where_it_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace.log");
    let output = with(&[&format!("--trace={}", path.display())]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let written = std::fs::read_to_string(&path).unwrap();
    let entries: usize = lines(&output)
        .iter()
        .find_map(|line| {
            line.strip_prefix("trace ")?
                .split_whitespace()
                .nth(2)?
                .parse()
                .ok()
        })
        .unwrap();
    assert_eq!(written.lines().count(), entries);
    let output = with(&["--trace"]);
    assert!(text(&output.stdout).starts_with(&written));
    let nowhere = with(&["--trace=/nowhere/trace.log"]);
    assert_eq!(nowhere.status.code(), Some(2));
    let error = text(&nowhere.stderr);
    assert!(
        error.starts_with("error: cannot write /nowhere/trace.log: "),
        "{error}"
    );
}

/// A disk that is full takes nothing, and says so only when it is written to.
#[cfg(target_os = "linux")]
#[test]
fn a_trace_that_could_not_be_written_to_its_end_is_an_error_after_the_report() {
    let output = with(&["--trace=/dev/full"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(
        text(&output.stderr),
        "error: cannot write /dev/full: No space left on device (os error 28)\n"
    );
    assert_eq!(lines(&output).last(), Some(&"all promises held"));
}

#[test]
fn unproven_signatures_are_not_passed_over_in_silence() {
    let output = with(&["--signatures", "unproven"]);
    assert!(text(&output.stdout).contains("signatures are unproven"));
    assert!(!text(&with(&[]).stdout).contains("unproven"));
}

#[test]
fn a_swarm_is_the_same_on_any_number_of_threads() {
    let runs = |threads: &str, more: &[&str]| {
        let args = [
            "--swarm",
            "2",
            "--nodes",
            "4",
            "--seed",
            "3",
            "--signatures",
            "unproven",
            "--threads",
            threads,
        ];
        let output = program(&[&args[..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(text(&output.stderr), "");
        output
    };
    let one = runs("1", &["--json"]);
    let numbers = |output: &Output| {
        let runs = lines(output).into_iter().map(|line| {
            let mut run: Value = serde_json::from_str(line).unwrap();
            // How long it took is its own.
            run["real_us"].take();
            run
        });
        runs.collect::<Vec<_>>()
    };
    let expected = numbers(&one);
    assert_eq!(numbers(&runs("2", &["--json"])), expected);
    let said = runs("2", &[]);
    let lines = lines(&said);
    assert_eq!(lines.len(), expected.len() + 1);
    for (index, (line, json)) in lines.iter().zip(&expected).enumerate() {
        assert_eq!(json["run"], index + 1);
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(
            words[..3],
            [&(index + 1).to_string(), "seed", &json["seed"].to_string()]
        );
        assert!(
            words.contains(&&json["hash"].as_str().unwrap()[..16]),
            "{line}"
        );
        assert!(words.contains(&"ok"), "{line}");
    }
    assert!(lines[2].starts_with("2 of 2 runs in "));
    assert!(lines[2].ends_with(" 0 broke a promise"));
}

#[test]
fn bad_arguments_end_with_one_line_and_two() {
    for (args, expected) in [
        (
            &["--nodes", "none"][..],
            "error: invalid value 'none' for '--nodes <NUMBER>': expected 1 to 100000 nodes\n",
        ),
        (
            &["--network", "both"],
            "error: expected --network seeded or open for one run, got both, which is for a swarm\n",
        ),
        (
            &["--fail-fast"],
            "error: the following required arguments were not provided: --swarm <RUNS>\n",
        ),
        (&["--quiet"], "error: unexpected argument '--quiet' found\n"),
    ] {
        let output = program(args);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(text(&output.stderr), expected);
        assert_eq!(text(&output.stdout), "");
    }
}

#[cfg(not(feature = "planted"))]
#[test]
fn nothing_can_be_planted_in_a_usual_build_and_it_says_in_which_it_can() {
    let output = with(&["--plant", "repair-off"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("cargo run -p quorate-sim --features planted"));
}
