//! Whole Quorate networks in one process and in virtual time, replayable from one number.

pub mod dishonest;
