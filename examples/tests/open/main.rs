//! The programs `bootstrap` and `member` as people use them: separate processes, people at pseudo-terminals, scripts at
//! pipes, kills, pauses, restarts. A file per behaviour.
//!
//! ```text
//! cargo test -p quorate-examples                                   builds the programs, then runs this and the rest
//! cargo build -p quorate-examples --examples && cargo test -p quorate-examples --test open -- --nocapture
//! ```
//!
//! The second form needs the first half: `--test` alone does not build examples. The tests take turns, also across
//! test processes, so that two cores are enough for them; a failed one prints every terminal.
#![cfg(unix)]

#[cfg(test)]
mod bad_input;
#[cfg(test)]
#[path = "../common/mod.rs"]
mod common;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod founding;
#[cfg(test)]
mod prompts;
#[cfg(test)]
mod restarts;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod stuck;
#[cfg(test)]
mod together;
#[cfg(test)]
mod walk_through;
