//! Every order of events that some bounds allow, over the real `Succession`: three members, two candidates, one member that
//! the others accuse, and a network that loses, repeats and reorders. The checker is Stateright.
//!
//! `cargo test --release -p quorate-consensus --test succession_model -- --nocapture` prints bounds, counts and, for two
//! deliberate weakenings, the counter-example that refutes each.

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod calm;
#[cfg(test)]
mod cast;
#[cfg(test)]
mod explore;
#[cfg(test)]
mod held;
#[cfg(test)]
mod model;
#[cfg(test)]
mod node;
#[cfg(test)]
mod telling;
#[cfg(test)]
mod wire;
