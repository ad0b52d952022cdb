//! What Quorate's parts cost, beside others in the same run.
//!
//! ```text
//! cargo bench -p quorate-benches --bench decisions
//! cargo bench -p quorate-benches --bench catch_up
//! cargo bench -p quorate-benches --bench registrations
//! ```
//!
//! Nothing here is a library; the programs are in `benches/`.
