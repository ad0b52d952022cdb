//! Decisions in memory, in one thread, with messages in a queue, 3, 5 and 7 voters, one decision at a time: councils of
//! this project, unsigned and signed, beside omnipaxos and raft-rs in the same run.
//!
//! What is decided is 64 bytes long. A decision counts once every voter has it. The others agree on an order as well, by a
//! leader, and prove nothing to outsiders; a council has no leader and no order, and leaves a certificate. The comparison
//! says what the machinery costs, not which is better.

#[path = "decisions/councils.rs"]
mod councils;
#[path = "decisions/omni.rs"]
mod omni;
#[path = "decisions/raft_rs.rs"]
mod raft_rs;

use divan::Bencher;
use divan::counter::ItemsCount;

/// So many decisions are one sample.
const DECISIONS: usize = 500;

const VOTERS: [usize; 3] = [3, 5, 7];

/// What is decided: a number in 64 bytes.
fn command(number: u64) -> [u8; 64] {
    let mut command = [0xa5; 64];
    command[..8].copy_from_slice(&number.to_le_bytes());
    command
}

fn main() {
    divan::main();
}

#[divan::bench(args = VOTERS)]
fn council_unsigned(bencher: Bencher<'_, '_>, voters: usize) {
    let mut councils = councils::Councils::unsigned(voters);
    let counter = ItemsCount::new(DECISIONS);
    bencher
        .counter(counter)
        .bench_local(|| (0..DECISIONS).for_each(|_| councils.decide()));
}

#[divan::bench(args = VOTERS, sample_count = 10)]
fn council_signed(bencher: Bencher<'_, '_>, voters: usize) {
    let mut councils = councils::Councils::signed(voters);
    let counter = ItemsCount::new(DECISIONS);
    bencher
        .counter(counter)
        .bench_local(|| (0..DECISIONS).for_each(|_| councils.decide()));
}

#[divan::bench(args = VOTERS)]
fn omnipaxos(bencher: Bencher<'_, '_>, voters: usize) {
    let mut cluster = omni::Cluster::new(voters);
    let counter = ItemsCount::new(DECISIONS);
    bencher
        .counter(counter)
        .bench_local(|| (0..DECISIONS).for_each(|_| cluster.decide()));
}

#[divan::bench(args = VOTERS)]
fn raft(bencher: Bencher<'_, '_>, voters: usize) {
    let mut cluster = raft_rs::Cluster::new(voters);
    let counter = ItemsCount::new(DECISIONS);
    bencher
        .counter(counter)
        .bench_local(|| (0..DECISIONS).for_each(|_| cluster.decide()));
}
