//! Councils over a virtual network: what they decide, and what they refuse to.

mod admission;
mod bounds;
mod durability;
mod eviction;
mod interleavings;
mod pacing;
mod telling;
mod votes;
