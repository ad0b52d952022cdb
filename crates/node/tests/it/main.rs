//! The crate from outside, over real sockets on free ports: a file per behaviour.

#[cfg(test)]
mod admission;
#[cfg(test)]
mod application;
#[cfg(test)]
mod assembly;
#[cfg(test)]
mod catching_up;
#[cfg(test)]
mod driver;
#[cfg(test)]
mod electorate;
#[cfg(test)]
mod forgeries;
#[cfg(test)]
mod forging;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod fuzz_seats;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod input;
#[cfg(test)]
mod late_requests;
#[cfg(test)]
mod liveness;
#[cfg(test)]
mod net;
#[cfg(test)]
mod open;
#[cfg(test)]
mod passports;
#[cfg(test)]
#[cfg(feature = "planted")]
mod planted;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod reporters;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod small_world;
#[cfg(test)]
mod talk;
#[cfg(test)]
mod telling;
