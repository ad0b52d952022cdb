//! Quorate nodes: identity, TLS links, roles and their runtime.

pub mod client;
pub mod config;
mod error;
pub mod event;
mod identity;
mod node;
pub mod protocol;
pub mod roles;
mod runtime;
pub mod store;
mod transport;

pub use config::{Options, SeedLine, SeedList, SeedListError};
pub use error::StartError;
pub use event::{Delivery, Event, MemberInfo, Party};
pub use identity::{Identity, IdentityError};
pub use node::{Builder, Events, Node, PeerKind, SeedKind};
pub use quorate_consensus::NodeId;
pub use {quorate_consensus as consensus, quorate_gossip as gossip};
pub use roles::RequestError;
