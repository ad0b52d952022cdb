//! How many registrations a second three seeds decide, end to end, and where the time goes.
//!
//! ```text
//! cargo bench -p quorate-benches --bench registrations
//! ```
//!
//! Three real seeds and real peers over TLS on loopback, in this process; every vote is durable before it is sent. A
//! registration is timed from the start of its peer, with a new key, until the peer holds its certificate. One at a time, and
//! so many at once; and the same with stores in memory, and with no stores, which shows what the disk costs. Where the time
//! of one goes is counted: handshakes and signatures are timed alone, in this run.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot go on has nothing to measure"
)]

#[path = "common/cpu.rs"]
mod cpu;
#[path = "registrations/network.rs"]
mod network;
#[path = "registrations/parts.rs"]
mod parts;

use std::path::Path;
use std::time::Instant;

use cpu::cpu_time;
use network::{Network, Stores};

/// How many register in each case.
const REGISTRATIONS: usize = 200;

/// How many of them at once.
const AT_ONCE: [usize; 2] = [1, 100];

#[tokio::main]
async fn main() {
    // `cargo test --benches` runs this too, as a check that it works.
    let is_test = !std::env::args().any(|argument| argument == "--bench");
    let registrations = if is_test { 10 } else { REGISTRATIONS };
    println!("{registrations} registrations, three seeds, TLS on loopback");
    println!(
        "{:<24} {:>8} {:>12} {:>12} {:>12} {:>12} {:>8}",
        "stores", "at once", "per second", "median", "longest", "CPU each", "refused"
    );
    let memory = Path::new("/dev/shm");
    let stores = [
        Stores::Disk,
        if memory.is_dir() {
            Stores::In(memory)
        } else {
            Stores::Disk
        },
        Stores::None,
    ];
    for stores in stores {
        for at_once in AT_ONCE {
            let network = Network::start(stores).await;
            let (begun, cpu) = (Instant::now(), cpu_time());
            let registered = network
                .register(registrations, at_once.min(registrations))
                .await;
            let (wall, cpu) = (begun.elapsed(), cpu_time().saturating_sub(cpu));
            let (mut times, refused): (Vec<_>, Vec<usize>) = registered.into_iter().unzip();
            times.sort_unstable();
            let each = u32::try_from(registrations).unwrap_or(u32::MAX);
            println!(
                "{:<24} {at_once:>8} {:>12.1} {:>12.1?} {:>12.1?} {:>12.1?} {:>8}",
                stores.to_string(),
                registrations as f64 / wall.as_secs_f64(),
                times[times.len() / 2],
                times[times.len() - 1],
                cpu / each,
                refused.iter().sum::<usize>(),
            );
            network.stop();
        }
    }
    parts::print().await;
}
