//! Power-law overlays: who links to whom, and how links are repaired.
//!
//! A newcomer draws how many links to open from a truncated Pareto law and opens them by preferential attachment, so a
//! few members become hubs and paths stay short. Hubs are capped, everyone keeps a minimum of links, and linked members
//! tell each other whom else they are linked to: when one departs, those it held together link among themselves.
//!
//! - [`Neighborhood`] is one member's view, to be embedded in a network node.
//! - [`Graph`] is a whole overlay in one value, for tests, simulations and study.
//! - [`repair_links`] is the rule by which both repair; its page says why it needs no agreement.
//!
//! The crate is sans-IO and deterministic: no clock, no socket, no thread; randomness is a seed at construction. Equal
//! seeds and calls give equal answers, on one platform: `ln` and `powf` may differ between platforms in the last bit,
//! which would show where two candidates' keys are that close.
//!
//! ```
//! use std::collections::BTreeSet;
//! use quorate_overlay::{Config, Neighborhood};
//!
//! let mut view = Neighborhood::new(0, Config::default(), 42)?;
//! for peer in 1..=9 {
//!     view.insert_member(peer);
//! }
//! let nobody = BTreeSet::new();
//! let ends = view.wanted(&nobody, &nobody);
//! assert_eq!(ends.len(), view.target_degree());
//!
//! // The dials succeed, and the first neighbor tells whom it is linked to. Then it is evicted.
//! for &peer in &ends {
//!     view.link_up(peer);
//! }
//! let hub = ends[0];
//! let behind: Vec<u32> = (1..=9).filter(|peer| !ends.contains(peer)).collect();
//! view.set_neighbors_of(hub, behind.iter().copied());
//! view.remove_member(hub);
//!
//! // Nothing held this member and those behind the hub together but the hub, so one of them is dialled.
//! let repair = view.wanted(&nobody, &nobody);
//! assert!(behind.contains(&repair[0]));
//! # Ok::<(), quorate_overlay::ConfigError>(())
//! ```

mod attachment;
mod config;
mod degree;
mod graph;
mod neighborhood;
mod repair;
mod vacancy;

pub use config::{Config, ConfigError};
pub use graph::{Graph, Violation};
pub use neighborhood::Neighborhood;
pub use repair::repair_links;

/// The README's example, compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
