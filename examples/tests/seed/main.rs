//! The parts of the program `seed` that need no network: its arguments, and its prompt.
#![allow(dead_code, reason = "the program uses what its tests do not")]

#[cfg(test)]
#[path = "../../seed/args.rs"]
mod args;
#[cfg(test)]
#[path = "../../seed/prompt.rs"]
mod prompt;
