//! Black-box tests of the overlay: a file per behaviour.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking, as tests do"
)]

mod graph_properties;
mod live_network;
mod neighborhood_rules;
mod statistics;
mod world;
