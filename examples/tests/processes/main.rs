//! The programs `seed` and `peer` as a person runs them: separate processes, their output files, signals, restarts. A
//! file per behaviour.
//!
//! ```text
//! cargo test -p quorate-examples                                   builds the programs, then runs this and the rest
//! cargo build -p quorate-examples --examples && cargo test -p quorate-examples --test processes -- --nocapture
//! ```
//!
//! The second form needs the first half: `--test` alone does not build examples. The tests take turns, also across
//! test processes, so that two cores are enough for them; a failed one prints the end of every log.
#![cfg(unix)]

#[cfg(test)]
mod admission;
#[cfg(test)]
mod any_order;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
#[path = "../common/mod.rs"]
mod common;
#[cfg(test)]
mod death;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod full_disk;
#[cfg(test)]
mod ghosts;
#[cfg(test)]
mod gossip;
#[cfg(test)]
mod log;
#[cfg(test)]
mod missing_seeds;
#[cfg(test)]
mod network;
#[cfg(test)]
mod pause;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod raw_tcp;
#[cfg(test)]
mod registration;
#[cfg(test)]
mod roster;
#[cfg(test)]
mod seed_restart;
#[cfg(test)]
mod shutdown;
