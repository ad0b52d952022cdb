//! Whole Quorate networks in one process and in virtual time, replayable from one number.

pub mod applicant;
mod cast;
pub mod checkers;
pub mod clock;
mod dice;
pub mod dishonest;
pub mod disk;
pub mod fact;
mod faults;
pub mod host;
mod memo;
pub mod meter;
pub mod network;
pub mod options;
mod people;
mod planting;
pub mod process;
mod queue;
pub mod reseating;
pub mod run;
mod story;
pub mod swarm;
pub mod trace;
pub mod world;
