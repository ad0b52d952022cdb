//! Contradictions that only a dishonest member, or one that lost its store, can have signed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ballot::{Accepted, Promise, Proposed};
use super::chain::{Link, Membership, Place};
use super::opinion::Opinion;
use crate::id::{NetworkId, NodeId};
use crate::scheme::Scheme;

/// Two signed statements of one member that exclude each other, or two decisions of one epoch. Anyone can check them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Evidence {
    /// ALLOW and DENY of one record.
    Opinions {
        /// In which network.
        network: NetworkId,
        /// The one that came first, and counts.
        first: Opinion,
        /// The one that contradicts it.
        second: Opinion,
    },
    /// A leader proposed two changes in one ballot.
    Proposed {
        /// Where.
        place: Place,
        /// One.
        first: Proposed,
        /// The other.
        second: Proposed,
    },
    /// Two changes accepted in one ballot.
    Accepted {
        /// Where.
        place: Place,
        /// One.
        first: Accepted,
        /// The other.
        second: Accepted,
    },
    /// A promise that hides, or forbade, an acceptance.
    Promise {
        /// Where.
        place: Place,
        /// It says that nothing was accepted in the acceptance's ballot or later, and forbids to accept there.
        promise: Promise,
        /// What was accepted all the same.
        accepted: Accepted,
    },
    /// Two decisions of one epoch: somebody promised the larger ballot and hid what it had accepted in the smaller one, or
    /// accepted twice in one ballot.
    Fork {
        /// The one this node holds.
        first: Box<Link>,
        /// The other.
        second: Box<Link>,
    },
}

impl Evidence {
    /// Whether it shows what it says. A fork needs the membership that both decisions follow.
    pub fn is_valid(&self, followed: Option<&Membership>, scheme: &dyn Scheme) -> bool {
        match self {
            Self::Opinions {
                network,
                first,
                second,
            } => {
                (first.record, first.voter) == (second.record, second.voter)
                    && first.choice != second.choice
                    && first.is_valid(*network, scheme)
                    && second.is_valid(*network, scheme)
            }
            Self::Proposed {
                place,
                first,
                second,
            } => {
                first.ballot == second.ballot
                    && first.change != second.change
                    && first.is_valid(place, scheme)
                    && second.is_valid(place, scheme)
            }
            Self::Accepted {
                place,
                first,
                second,
            } => {
                (first.voter, first.ballot) == (second.voter, second.ballot)
                    && first.change != second.change
                    && first.is_valid(place, scheme)
                    && second.is_valid(place, scheme)
            }
            Self::Promise {
                place,
                promise,
                accepted,
            } => {
                contradict(promise, accepted)
                    && promise.is_valid(place, scheme)
                    && accepted.is_valid(place, scheme)
            }
            Self::Fork { first, second } => followed.is_some_and(|membership| {
                first.head() != second.head()
                    && first.verify(membership, scheme).is_ok()
                    && second.verify(membership, scheme).is_ok()
            }),
        }
    }

    /// Who contradicted itself. Of a fork, those among whom is one who did: the others are honest, so it is no proof against
    /// any of them.
    pub fn suspects(&self) -> Vec<NodeId> {
        match self {
            Self::Opinions { first, .. } => vec![first.voter],
            Self::Proposed { first, .. } => vec![first.ballot.leader],
            Self::Accepted { first, .. } => vec![first.voter],
            Self::Promise { promise, .. } => vec![promise.voter],
            Self::Fork { first, second } => {
                let (smaller, larger) = if first.ballot <= second.ballot {
                    (first, second)
                } else {
                    (second, first)
                };
                // A quorum promised the larger ballot, so one that accepted the smaller one did, and hid it.
                let is_suspect = |voter: &&NodeId| {
                    smaller.ballot < larger.ballot || larger.accepted.contains_key(*voter)
                };
                smaller
                    .accepted
                    .keys()
                    .filter(is_suspect)
                    .copied()
                    .collect()
            }
        }
    }
}

/// Whether a voter that made this promise cannot honestly have accepted this too.
pub(super) fn contradict(promise: &Promise, accepted: &Accepted) -> bool {
    promise.voter == accepted.voter
        && accepted.ballot < promise.ballot
        // What it has lost, it does not know to name.
        && promise.since().is_none_or(|since| accepted.ballot >= since)
        && promise.accepted.is_none_or(|(ballot, change)| {
            ballot < accepted.ballot || (ballot == accepted.ballot && change != accepted.change)
        })
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suspects: Vec<String> = self
            .suspects()
            .iter()
            .map(|node| node.short().to_string())
            .collect();
        let suspects = suspects.join(", ");
        match self {
            Self::Opinions { .. } => write!(f, "{suspects} both allowed and denied one record"),
            Self::Proposed { .. } => write!(f, "{suspects} proposed two changes in one ballot"),
            Self::Accepted { .. } => write!(f, "{suspects} accepted two changes in one ballot"),
            Self::Promise { .. } => write!(f, "{suspects} accepted a change against its promise"),
            Self::Fork { first, .. } => write!(
                f,
                "two decisions of epoch {}; one of {suspects} contradicted itself",
                first.epoch
            ),
        }
    }
}
