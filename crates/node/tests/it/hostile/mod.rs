//! Open networks under attack: by members that lie, candidates that push, bootstraps that make things up, disks that fail.

mod candidates;
mod disks;
mod liars;
pub(crate) mod puppet;
mod sockets;
mod stores;
