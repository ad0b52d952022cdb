//! The crate from outside: a file per behaviour.

#[cfg(test)]
mod assembly;
#[cfg(test)]
mod certificate;
#[cfg(test)]
mod conclave;
#[cfg(test)]
mod council;
#[cfg(test)]
mod endorsement;
mod explanation;
#[cfg(test)]
mod net;
#[cfg(test)]
#[cfg(feature = "planted")]
mod planted;
#[cfg(test)]
mod roster;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod succession;
#[cfg(test)]
mod together;
