//! The crate from outside: a file per behaviour.

#[cfg(test)]
mod checkers;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod dishonest;
mod runs;
#[cfg(test)]
mod stage;
