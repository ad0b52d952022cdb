//! Members of open networks, driven by hand: their roles, without sockets, disks and clocks.

mod interleavings;
mod lies;
mod monitor;
mod returns;
mod splits;
mod world;
