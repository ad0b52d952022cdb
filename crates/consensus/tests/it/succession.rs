//! Successions from outside: what makes a change valid, which valid one comes next, and what nobody can be talked into.

mod bounds;
mod chain;
mod choice;
mod crowd;
mod evidence;
mod forgetting;
mod founding;
mod interleavings;
mod leading;
mod losing;
mod losses;
mod restarts;
pub(crate) mod ring;
mod saying;
