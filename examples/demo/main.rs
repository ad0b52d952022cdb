//! The whole story in one command: a network forms by vote, gossips, loses a member, votes it out, and takes it back.
//!
//! ```text
//! cargo run --release --example demo
//! ```
//!
//! Three seeds and eight peers in one process, over real TLS connections on 127.0.0.1. No arguments, no terminal needed,
//! under 20 s. Every step is checked: exit code 0 means that all of it happened.

mod cast;
mod show;
mod story;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    quorate_examples::trace_as_asked();
    quorate_examples::exit(story::tell().await)
}
