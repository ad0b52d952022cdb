//! The crate from outside: a file per behaviour.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod hostile_bodies;
#[cfg(test)]
mod hostile_streams;
#[cfg(test)]
mod sample;
