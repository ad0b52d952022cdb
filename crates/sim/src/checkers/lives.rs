//! Which life each node is in, by its own word: what several checkers have to know.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_node::Event;
use quorate_node::roles::{Reply, Request};

use crate::fact::{Fact, View};
use crate::host::HostId;

/// A membership as its own node told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    /// Which of the node's memberships.
    pub(super) incarnation: u64,
    /// Since when.
    pub(super) since: Duration,
    /// In which process.
    pub(super) process: u64,
}

/// The memberships of all nodes. One ends when the process does, when it is told that it is out, and when it is asked to
/// leave or to found anew.
#[derive(Debug, Default)]
pub(super) struct Lives(BTreeMap<HostId, Life>);

impl Lives {
    pub(super) fn see(&mut self, fact: &Fact<'_>, view: View<'_>) {
        match fact {
            Fact::Told {
                host,
                event: Event::Joined { incarnation },
            } => {
                let life = Life {
                    incarnation: *incarnation,
                    since: view.now,
                    process: view.host(*host).life,
                };
                self.0.insert(*host, life);
            }
            Fact::Started(host)
            | Fact::Stopped { host, .. }
            | Fact::Told {
                host,
                event: Event::Evicted { .. },
            }
            | Fact::Asked {
                host,
                request: Request::Leave,
            }
            | Fact::Replied {
                host,
                request: Request::Refound,
                reply: Reply::Done(Ok(())),
            } => {
                self.0.remove(host);
            }
            _ => {}
        }
    }

    /// The membership that a node is in.
    pub(super) fn of(&self, host: HostId) -> Option<Life> {
        self.0.get(&host).copied()
    }
}
