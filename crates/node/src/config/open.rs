//! How a member of an open network finds it, and whom it lets in without being asked.

use std::collections::BTreeSet;

use quorate_consensus::{Choice, NodeId};

/// Where a node looks for the network. Without any of these it cannot start: a network is founded only when a bootstrap
/// says that there is none, or when it is told to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovery {
    /// Bootstraps, as `host:port`. More than half of them must say that there is no network before one is founded.
    pub bootstraps: Vec<String>,
    /// Members, as `host:port`. With any, a network is joined, never founded.
    pub join: Vec<String>,
    /// Founds a network at once, whoever else is there.
    pub found: bool,
}

impl Discovery {
    /// By these bootstraps.
    pub fn by_bootstraps(addresses: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            bootstraps: addresses.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// By these members.
    pub fn by_members(addresses: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            join: addresses.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// By founding a network.
    pub fn by_founding() -> Self {
        Self {
            found: true,
            ..Self::default()
        }
    }
}

/// Whom a member of an open network lets in without being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// These, by their keys.
    pub allowed: BTreeSet<NodeId>,
    /// Who was a member before, whether it left or was thrown out for being silent. Default yes.
    pub returning: bool,
    /// What becomes of all others.
    pub others: Others,
}

/// What becomes of a candidate that no rule concerns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Others {
    /// The application is asked: [`Event::JoinRequest`](crate::Event::JoinRequest).
    #[default]
    Ask,
    /// It is allowed.
    Allow,
    /// It is denied.
    Deny,
}

impl Admission {
    /// Asks the application about everybody who is new.
    pub const fn ask() -> Self {
        Self::others(Others::Ask)
    }

    /// Allows everybody.
    pub const fn allow_all() -> Self {
        Self::others(Others::Allow)
    }

    /// Denies everybody who is new.
    pub const fn deny_all() -> Self {
        Self::others(Others::Deny)
    }

    /// Allows these, and denies all others who are new.
    pub fn allow_only(allowed: impl IntoIterator<Item = NodeId>) -> Self {
        Self {
            allowed: allowed.into_iter().collect(),
            ..Self::deny_all()
        }
    }

    const fn others(others: Others) -> Self {
        Self {
            allowed: BTreeSet::new(),
            returning: true,
            others,
        }
    }

    /// What to say of a candidate, and why; `None` to ask.
    pub(crate) fn judge(&self, node: &NodeId, was_member: bool) -> Option<(Choice, &'static str)> {
        if self.allowed.contains(node) || (self.returning && was_member) {
            return Some((Choice::Yes, ""));
        }
        match self.others {
            Others::Ask => None,
            Others::Allow => Some((Choice::Yes, "")),
            Others::Deny => Some((Choice::No, "this member lets in nobody it does not know")),
        }
    }
}

impl Default for Admission {
    fn default() -> Self {
        Self::ask()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_listed_or_comes_back_is_not_asked_about() {
        let [listed, stranger] = [1, 2].map(NodeId::from);
        let yes = Some((Choice::Yes, ""));
        let listing = Admission::allow_only([listed]);
        assert_eq!(listing.judge(&listed, false), yes);
        assert_eq!(listing.judge(&stranger, true), yes);
        assert!(matches!(
            listing.judge(&stranger, false),
            Some((Choice::No, _))
        ));
        assert_eq!(Admission::ask().judge(&stranger, false), None);
        assert_eq!(Admission::ask().judge(&stranger, true), yes);
        assert_eq!(Admission::allow_all().judge(&stranger, false), yes);
        let forgetful = Admission {
            returning: false,
            ..Admission::ask()
        };
        assert_eq!(forgetful.judge(&stranger, true), None);
    }
}
