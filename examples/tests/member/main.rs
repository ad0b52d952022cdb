//! The pure parts of the program `member`, compiled in: their own unit tests, and conversations with its console.
//!
//! They are here because an example that is tested itself (`test = true`) is no longer built as a program by `cargo test`,
//! and the tests in `tests/open` run the program.
#![allow(dead_code, reason = "the program uses what its tests do not")]

#[path = "../../member/answer.rs"]
mod answer;
#[path = "../../member/args.rs"]
mod args;
#[path = "../../member/console.rs"]
mod console;
#[cfg(test)]
mod conversation;
#[path = "../../member/naming.rs"]
mod naming;
#[path = "../../member/questions.rs"]
mod questions;
