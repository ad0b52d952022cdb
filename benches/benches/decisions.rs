//! Decisions in memory, in one thread, with messages in a queue, 3, 5 and 7 voters, one decision at a time: councils of
//! this project, unsigned and signed, beside omnipaxos and raft-rs in the same run.
//!
//! What is decided is 64 bytes long. A decision counts once every voter has it, and each looks that it is the one that was
//! proposed. The others agree on an order as well, by a leader, and prove nothing to outsiders; a council has no leader and
//! no order, and leaves a certificate. The comparison says what the machinery costs, not which is better.

#![expect(
    clippy::unwrap_used,
    reason = "what fails here has no speed, and a run without it says nothing"
)]

#[path = "contestants/mod.rs"]
mod contestants;

use contestants::{Contestant, VOTERS, councils, omni, raft_rs};
use divan::Bencher;
use divan::counter::ItemsCount;

/// So many decisions are one sample.
const DECISIONS: usize = 500;

fn main() {
    divan::main();
}

fn run(bencher: Bencher<'_, '_>, mut contestant: impl Contestant) {
    let counter = ItemsCount::new(DECISIONS);
    bencher
        .counter(counter)
        .bench_local(|| (0..DECISIONS).for_each(|_| contestant.decide()));
}

#[divan::bench(args = VOTERS)]
fn council_unsigned(bencher: Bencher<'_, '_>, voters: usize) {
    run(bencher, councils::Councils::unsigned(voters));
}

#[divan::bench(args = VOTERS, sample_count = 10)]
fn council_signed(bencher: Bencher<'_, '_>, voters: usize) {
    run(bencher, councils::Councils::signed(voters));
}

#[divan::bench(args = VOTERS)]
fn omnipaxos(bencher: Bencher<'_, '_>, voters: usize) {
    run(bencher, omni::Cluster::new(voters));
}

#[divan::bench(args = VOTERS)]
fn raft(bencher: Bencher<'_, '_>, voters: usize) {
    run(bencher, raft_rs::Cluster::new(voters));
}
