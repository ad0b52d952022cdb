//! Gossip with bounded deduplication, repair and two-step liveness, as a pure state machine.
//!
//! [`Gossip`] is one node's engine: it broadcasts to all nodes over links between neighbours,
//! delivers every broadcast once after the caller has checked it, repairs what a new neighbour
//! lacks, and notices neighbours that have fallen silent. An [`Inquiry`] then asks a [`Panel`] of
//! other members, which nobody has chosen, whether the silent one is really unreachable.
//!
//! Everything is sans-IO: no sockets, tasks, clocks, threads or global randomness, and no
//! cryptography but SHA-256. Messages, time and seeds come in as arguments; what is to be done
//! comes out of [`Gossip::poll_output`]. The same inputs give the same outputs.
//!
//! # Example
//!
//! Three nodes in a row, with their messages carried by hand:
//!
//! ```
//! use std::collections::{BTreeMap, VecDeque};
//! use std::time::Instant;
//!
//! use bytes::Bytes;
//! use quorate_gossip::{Config, Gossip, Output, Verdict};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = Instant::now();
//! let mut nodes = BTreeMap::new();
//! for id in [*b"a", *b"b", *b"c"] {
//!     nodes.insert(id, Gossip::new(id, Config::default(), 7, now)?);
//! }
//! for (one, other) in [(b"a", b"b"), (b"b", b"c")] {
//!     nodes.get_mut(one).ok_or("no node")?.handle_link_up(*other, now);
//!     nodes.get_mut(other).ok_or("no node")?.handle_link_up(*one, now);
//! }
//!
//! let a = nodes.get_mut(b"a").ok_or("no node")?;
//! let draft = a.draft(Bytes::from("hello"))?;
//! let signature = Bytes::copy_from_slice(draft.id().as_bytes()); // sign it for real
//! let published = a.publish(draft, signature, now);
//! assert_eq!(published.neighbors, 1);
//!
//! let mut delivered = Vec::new();
//! let mut in_flight = VecDeque::new();
//! loop {
//!     for (&id, node) in &mut nodes {
//!         while let Some(output) = node.poll_output() {
//!             match output {
//!                 Output::Send { to, message } => {
//!                     in_flight.extend(to.into_iter().map(|to| (id, to, message.clone())));
//!                 }
//!                 // Verify the signature for real.
//!                 Output::Check { check, .. } => node.handle_checked(check, Verdict::Accept, now),
//!                 Output::Deliver { hop_count, .. } => delivered.push((id, hop_count)),
//!                 Output::Gap(_) => {}         // tell the application
//!                 Output::Silent { .. } => {} // close the link
//!             }
//!         }
//!     }
//!     let Some((from, to, message)) = in_flight.pop_front() else { break };
//!     nodes.get_mut(&to).ok_or("no node")?.handle_message(from, message, now)?;
//! }
//! assert_eq!(delivered, [(*b"b", 1), (*b"c", 2)]);
//! # Ok(())
//! # }
//! ```

#[macro_use]
mod planted;

mod broadcast;
mod config;
mod content;
mod counters;
mod detector;
mod engine;
mod error;
mod estimator;
mod gap;
mod hash;
mod id;
mod inquiry;
mod message;
mod output;
mod panel;
mod peer;
mod repair;
mod seen;
mod store;
mod unchecked;
mod window;

pub use config::{Config, InquiryConfig};
pub use content::{
    CONTENT_LEN_MAX, CONTENT_OVERHEAD_MAX, Content, ORIGIN_LEN_MAX, SIGNATURE_LEN_MAX,
};
pub use counters::{Counters, Usage};
pub use engine::{Draft, Gossip, Published};
pub use error::{
    BroadcastError, ConfigError, ContentError, InquiryError, MessageError, ParseIdError,
};
pub use gap::Gap;
pub use id::MessageId;
pub use inquiry::{Answer, Finding, Inquiry, InquiryOutput};
pub use message::{IDS_PER_MESSAGE_MAX, Message};
pub use output::{CheckId, Output, Verdict};
pub use panel::{PANEL_MIN, PANEL_SIZE, Panel, panel_order};
pub use peer::PeerId;
pub use window::SEQUENCE_WINDOW;

/// The README's example, compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
