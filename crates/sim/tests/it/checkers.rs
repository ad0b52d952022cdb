//! The checkers: they say nothing of networks that are as they should be, and each is seen to speak.
//!
//! A checker is made to speak in one of three ways: it is told of something that did not happen; it is not told of something
//! that did; or the world is not as it should be.

mod dealing;
mod false_alarms;
mod open;
mod reseating;
mod seeded;
mod small;
