//! Nodes of a Quorate network: identity, TLS links, roles, and the runtime that drives them.
//!
//! In a seeded network, a **seed** votes on who enters and who is thrown out; a **peer** is voted in, gossips, and helps to
//! confirm deaths. In an open network all are **members**, who do both; a **bootstrap** tells who is there.
//! All are pure state machines ([`roles`]) driven by one loop over real sockets.
//!
//! A seed and two peers, one of which says something:
//!
//! ```
//! use std::net::TcpListener;
//! use quorate_node::{Event, Node, SeedList};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let seeds = SeedList::parse(&format!("127.0.0.1,{}", address.port()))?;
//! let seed = Node::seed(address, seeds.clone()).listener(listener).spawn().await?;
//!
//! let anna = Node::peer("127.0.0.1:0".parse()?, seeds.clone()).spawn().await?;
//! let bert = Node::peer("127.0.0.1:0".parse()?, seeds).spawn().await?;
//!
//! let mut events = anna.events();
//! while !matches!(events.next().await, Some(Event::LinkUp(_))) {}
//! anna.broadcast("hello").await?;
//!
//! let mut events = bert.events();
//! while let Some(event) = events.next().await {
//!     if let Event::Message(message) = event {
//!         assert_eq!(message.payload, "hello");
//!         assert_eq!(message.origin.id, anna.id());
//!         break;
//!     }
//! }
//! # anna.leave().await;
//! # bert.leave().await;
//! # seed.leave().await;
//! # Ok(())
//! # }
//! ```
//!
//! Left out: what the parts promise. See `ARCHITECTURE.md` for the protocol and the invariants.

#[macro_use]
mod planted;

pub mod admission;
mod builder;
mod checking;
pub mod client;
pub mod config;
mod error;
pub mod event;
pub mod explanation;
mod identity;
mod joining;
pub mod limits;
mod node;
pub mod protocol;
pub mod roles;
mod runtime;
pub mod store;
mod transport;

pub use admission::{AdmissionPolicy, PendingCandidate};
pub use builder::{BootstrapKind, Builder, MemberKind, PeerKind, SeedKind};
pub use config::{Admission, Discovery, Options, Others, SeedLine, SeedList, SeedListError};
pub use error::StartError;
pub use event::{Delivery, Event, MemberInfo, Party};
pub use explanation::Explanation;
pub use identity::{Identity, IdentityError};
pub use node::{Events, Node};
pub use quorate_consensus::{Invitation, NodeId};
pub use roles::{ElectorateInfo, RequestError, SeatWanted};
pub use {quorate_consensus as consensus, quorate_gossip as gossip};

/// The examples in the READMEs, compiled as tests.
#[cfg(doctest)]
mod readme {
    #[doc = include_str!("../../../README.md")]
    mod workspace {}
    #[doc = include_str!("../README.md")]
    mod node {}
}
