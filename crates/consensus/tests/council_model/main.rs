//! Every order of events that some bounds allow, over the real `Council`: three seeds, two candidates, one of them evicted
//! and reborn, a seed that crashes, a seed that votes both ways, and a network that loses, repeats and reorders. The checker
//! is Stateright.
//!
//! `cargo test --release -p quorate-consensus --test council_model -- --nocapture` prints bounds, counts and, for two
//! deliberate weakenings, the counter-examples that refute each.

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod calm;
#[cfg(test)]
mod cast;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod explore;
#[cfg(test)]
mod face;
#[cfg(test)]
#[path = "../succession_model/held.rs"]
mod held;
#[cfg(test)]
mod liar;
#[cfg(test)]
mod model;
#[cfg(test)]
mod node;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod telling;
#[cfg(test)]
mod wire;
#[cfg(test)]
mod work;
