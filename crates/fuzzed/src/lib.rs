//! What is done with random bytes: the body of each fuzz target, as an ordinary function.
//!
//! ```text
//! cargo test -p quorate-fuzzed                           the corpus in fuzz/corpus, and samples changed at random places
//! cargo run -p quorate-fuzzed --example corpus           writes the samples into the corpus
//! cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz run -s none vote      with cargo-fuzz, for as long as you like
//! ```
//!
//! Nothing a target is given may panic, and what each promises of the values it can read is asserted in it. The first byte
//! chooses the format; the signatures are of the scheme that proves nothing, so that what was changed at random can be
//! signed anew.

mod cast;
pub mod certificate;
pub mod roster_merge;
pub mod store_record;
pub mod vote;

/// Takes bytes, and panics if a promise is broken.
pub type Target = fn(&[u8]);

/// A sample's name and bytes.
pub type Sample = (&'static str, Vec<u8>);

/// A target: its name, its body, and the samples its corpus begins with.
pub type Entry = (&'static str, Target, fn() -> Vec<Sample>);

/// All targets.
pub const TARGETS: [Entry; 4] = [
    ("vote", vote::run, vote::samples),
    ("certificate", certificate::run, certificate::samples),
    ("roster_merge", roster_merge::run, roster_merge::samples),
    ("store_record", store_record::run, store_record::samples),
];
