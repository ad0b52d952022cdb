//! What the crate promises, seen from outside: a file per behaviour.

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod checks;
#[cfg(test)]
mod configs;
#[cfg(test)]
mod content;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod gaps;
#[cfg(test)]
mod inquiry;
#[cfg(test)]
mod panel;
#[cfg(test)]
#[cfg(feature = "planted")]
mod planted;
#[cfg(test)]
mod publishing;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod repair;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod silence;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tree;
