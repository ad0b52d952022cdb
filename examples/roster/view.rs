//! A store as it was read: a seed's, or a member's of an open network.

use std::collections::BTreeSet;
use std::path::Path;

use quorate_node::consensus::NodeId;
use quorate_node::store::{Held, Kind, Store};

use crate::open::Opened;
use crate::seeded::Seeded;

/// What a store holds, checked.
pub(crate) enum View {
    /// A seed's.
    Seeded(Box<Seeded>),
    /// A member's of an open network.
    Open(Box<Opened>),
}

/// What there is to say, and whether all is well.
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) is_good: bool,
}

impl Said {
    pub(crate) const fn good(text: String) -> Self {
        Self {
            text,
            is_good: true,
        }
    }
}

impl View {
    pub(crate) fn load(store: &Path, config: Option<&Path>) -> Result<Self, String> {
        match Store::inspect(store).map_err(|error| error.to_string())? {
            (Kind::Seed(network), Held::Seed(held)) => {
                let seeded = Seeded::new(network, held, config)?;
                Ok(Self::Seeded(Box::new(seeded)))
            }
            (Kind::Member(_), _) if config.is_some() => Err(format!(
                "the store {} is that of a member of an open network, which has no seed list",
                store.display()
            )),
            (Kind::Member(node), Held::Member(held)) => {
                Ok(Self::Open(Box::new(Opened::new(node, *held))))
            }
            // What a store holds is of its kind.
            _ => Err(format!("the store {} is of no kind", store.display())),
        }
    }

    /// The node that is meant.
    pub(crate) fn find(&self, prefix: &str) -> Result<NodeId, String> {
        let prefix = prefix.to_ascii_lowercase();
        let is_hex = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit());
        if prefix.is_empty() || prefix.len() > 64 || !is_hex(&prefix) {
            return Err(format!(
                "expected a node's id or its first hexadecimal digits, got {prefix:?}"
            ));
        }
        let known: BTreeSet<NodeId> = match self {
            Self::Seeded(seeded) => seeded.known(),
            Self::Open(opened) => opened.known(),
        };
        let meant = known
            .iter()
            .filter(|id| id.to_string().starts_with(&prefix));
        match &meant.collect::<Vec<_>>()[..] {
            [] => Err(format!("the store knows of no node {prefix}")),
            [node] => Ok(**node),
            several => {
                let shown: Vec<String> = several.iter().take(4).map(|id| id.to_string()).collect();
                let count = several.len();
                Err(format!(
                    "{prefix} may be {count} nodes: {}{}",
                    shown.join(", "),
                    if count > shown.len() { ", …" } else { "" }
                ))
            }
        }
    }

    pub(crate) fn list(&self) -> String {
        match self {
            Self::Seeded(seeded) => seeded.list(),
            Self::Open(opened) => opened.list(),
        }
    }

    pub(crate) fn explain(&self, node: NodeId) -> Result<Said, String> {
        let text = match self {
            Self::Seeded(seeded) => seeded.explain(&node),
            Self::Open(opened) => opened.explain(&node),
        };
        Ok(Said::good(format!("{text}\n")))
    }

    pub(crate) fn verify(&self) -> Said {
        match self {
            Self::Seeded(seeded) => seeded.verify(),
            Self::Open(opened) => opened.verify(),
        }
    }

    pub(crate) fn export(&self) -> Result<String, String> {
        let json = match self {
            Self::Seeded(seeded) => seeded.export(),
            Self::Open(opened) => opened.export(),
        };
        json.map(|json| json + "\n")
            .map_err(|error| format!("cannot write this as JSON: {error}"))
    }
}
