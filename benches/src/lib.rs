//! What Quorate's parts cost, beside others in the same run. See the README for how to run them.
//!
//! Nothing here is a library; the programs are in `benches/`.
