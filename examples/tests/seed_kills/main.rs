//! Seeds that are killed with SIGKILL while peers register: one, two or all three, at random moments. Whatever a peer was
//! told of is in every seed's roster afterwards, and all rosters are equal.
//!
//! ```text
//! cargo test -p quorate-examples --test seed_kills                                        six small rounds
//! cargo test --release -p quorate-examples --test seed_kills -- --ignored --nocapture hundred
//! ```
//!
//! The second form is 100 rounds, or as many as `QUORATE_ROUNDS` says, and prints how long recovery took. A round has 24
//! registrations, ten at a time, or as many as `QUORATE_REGISTRATIONS` says. What is killed and when is drawn from a seed, which is printed; `QUORATE_SEED=<seed>`
//! draws the same again, though the processes' own timing is never the same.
//!
//! Each round is a network of its own: three seeds as processes, with stores on disk and TLS between all, and peers of the
//! library in this process.
#![cfg(unix)]

#[cfg(test)]
mod chance;
#[cfg(test)]
#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "some of it is for tests of the programs")]
mod common;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod registrations;
#[cfg(test)]
mod round;
#[cfg(test)]
mod seed_process;
#[cfg(test)]
mod stores;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use crate::chance::Chance;
    use crate::recovery::Recoveries;
    use crate::round::{Kill, Round};

    /// How many peers register in a round.
    const REGISTRATIONS: usize = 24;

    /// A number from the environment.
    fn given(variable: &str) -> Option<usize> {
        std::env::var(variable).ok()?.parse().ok()
    }

    async fn rounds(rounds: usize) {
        let registrations = given("QUORATE_REGISTRATIONS").unwrap_or(REGISTRATIONS);
        let _turn = crate::common::turn();
        let mut chance = Chance::new();
        let mut recoveries = Recoveries::default();
        let begun = Instant::now();
        for number in 0..rounds {
            let kill = Kill::ALL[number % Kill::ALL.len()];
            let round = Round::draw(kill, registrations, &mut chance);
            println!("round {number}: {round}");
            let begun = Instant::now();
            let recovery = round.run().await;
            println!("  {recovery}; {:.1?} in all", begun.elapsed());
            recoveries.add(kill, recovery);
        }
        println!(
            "{rounds} rounds of {registrations} registrations in {:?}\n{recoveries}",
            begun.elapsed()
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn seeds_killed_while_peers_register_lose_no_admission_that_was_told() {
        rounds(6).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "a hundred rounds take many minutes; run it in release"]
    async fn hundred_rounds_of_seeds_killed_while_peers_register() {
        rounds(given("QUORATE_ROUNDS").unwrap_or(100)).await;
    }
}
