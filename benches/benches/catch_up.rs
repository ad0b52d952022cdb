//! How long a seed takes to catch up to a roster of 10,000: one that lost its store but not its key, and one that was away
//! while the last 2,000 of them were admitted.
//!
//! ```text
//! cargo bench -p quorate-benches --bench catch_up
//! ```
//!
//! Three real seeds over TLS on loopback, with stores on disk; every signature is Ed25519 and is checked. Two of them have the
//! roster; the third is started, and timed from its first link to another seed until it has every standing, durably.
//! Starting, which is not timed, includes checking what its own store holds. The CPU is that of all three seeds in that time.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark that cannot go on has nothing to measure"
)]

#[path = "common/cpu.rs"]
mod cpu;
#[path = "catch_up/roster.rs"]
mod roster;
#[path = "catch_up/seeds.rs"]
mod seeds;

use std::time::Duration;

use roster::Population;
use seeds::Seeds;

/// How many members there are.
const MEMBERS: usize = 10_000;

/// How many of them a seed that was away does not know.
const MISSED: usize = 2_000;

/// How often each case is timed.
const RUNS: usize = 7;

#[tokio::main]
async fn main() {
    // `cargo test --benches` runs this too, as a check that it works.
    let is_test = !std::env::args().any(|argument| argument == "--bench");
    let (members, runs) = if is_test {
        (MEMBERS / 20, 1)
    } else {
        (MEMBERS, RUNS)
    };
    let missed = members * MISSED / MEMBERS;
    println!("{members} members, {runs} runs each; from the first link to an equal roster:");
    println!(
        "{:<34} {:>10} {:>10} {:>10} {:>10}",
        "", "min", "median", "max", "least CPU"
    );
    for signatures in [2, 3] {
        let seeds = Seeds::plan();
        let population = Population::new(&seeds, members, signatures);
        let seeds = seeds.start(&population).await;
        for (what, known) in [("lost its store", 0), ("was away", members - missed)] {
            let mut times = Vec::new();
            for _ in 0..runs {
                times.push(seeds.catch_up(&population, known).await);
            }
            print(&format!("{what}, {signatures} signatures each"), times);
        }
    }
}

fn print(what: &str, timed: Vec<(Duration, Duration)>) {
    let (mut times, mut cpu): (Vec<Duration>, Vec<Duration>) = timed.into_iter().unzip();
    times.sort_unstable();
    cpu.sort_unstable();
    let (min, max) = (times[0], times[times.len() - 1]);
    let median = times[times.len() / 2];
    let cpu = cpu[0];
    println!("{what:<34} {min:>10.1?} {median:>10.1?} {max:>10.1?} {cpu:>10.1?}");
}
