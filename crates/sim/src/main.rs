//! Runs whole Quorate networks in virtual time: one that is described, or a swarm of random ones.
//!
//! ```text
//! cargo run --release -p quorate-sim -- --seed 42 --nodes 100 --minutes 10 --faults all
//! cargo run --release -p quorate-sim -- --swarm 100
//! ```
//!
//! It ends with 0 if all promises held, with 1 if one was broken, and with 2 if it cannot do what it is asked for. A failure
//! names the command that repeats it.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
