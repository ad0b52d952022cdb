//! A chain as it is held: how it began, every decision since, and the membership they make.

use std::sync::Arc;

use super::chain::{Link, LinkError, Membership};
use super::change::Change;
use super::founding::Founding;
use crate::id::{Digest, NodeId};
use crate::record::Record;
use crate::scheme::Scheme;

/// A verified chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// `None` for voters of a fixed electorate, who were not founded but listed.
    founding: Option<Arc<Founding>>,
    first: Arc<Membership>,
    links: Vec<Arc<Link>>,
    membership: Arc<Membership>,
}

impl Chain {
    /// The chain that only has its founding yet.
    ///
    /// # Errors
    /// When the founding is not valid.
    pub fn found(founding: Founding, scheme: &dyn Scheme) -> Result<Self, LinkError> {
        let first = Arc::new(Membership::found(&founding, scheme)?);
        Ok(Self {
            founding: Some(Arc::new(founding)),
            membership: first.clone(),
            first,
            links: Vec::new(),
        })
    }

    /// The chain that begins with a membership that everybody who follows it knows otherwise: the seats of an electorate,
    /// see [`Membership::of_seats`].
    pub fn of(first: Membership) -> Self {
        let first = Arc::new(first);
        Self {
            founding: None,
            membership: first.clone(),
            first,
            links: Vec::new(),
        }
    }

    /// Checks the next decision and takes it in.
    ///
    /// # Errors
    /// Why it does not follow. Nothing has changed then.
    pub fn extend(&mut self, link: Arc<Link>, scheme: &dyn Scheme) -> Result<(), LinkError> {
        link.verify(&self.membership, scheme)?;
        self.push_verified(link);
        Ok(())
    }

    /// Takes in a decision that was checked, or made, by this node.
    pub(crate) fn push_verified(&mut self, link: Arc<Link>) {
        self.membership = Arc::new(self.membership.apply(&link));
        self.links.push(link);
    }

    /// How the network began, if it is an open one.
    pub const fn founding(&self) -> Option<&Arc<Founding>> {
        self.founding.as_ref()
    }

    /// The membership that it began with.
    pub const fn first(&self) -> &Arc<Membership> {
        &self.first
    }

    /// The membership that it makes.
    pub const fn membership(&self) -> &Arc<Membership> {
        &self.membership
    }

    /// The record by which a node is a member, or last was one.
    pub fn last_record(&self, node: &NodeId) -> Option<&Record> {
        let of_link = |link: &'_ Arc<Link>| match &link.change {
            Change::Admit { record, .. } => record.node == *node,
            Change::Evict { .. } | Change::Leave(_) => false,
        };
        let admission = self.links.iter().rev().find(|link| of_link(link));
        match admission.map(|link| &link.change) {
            Some(Change::Admit { record, .. }) => Some(record),
            _ => self.first.member(node),
        }
    }

    /// The decisions from that of `epoch` on.
    pub fn links_from(&self, epoch: u64) -> &[Arc<Link>] {
        let passed = epoch.checked_sub(self.first.epoch());
        let from = passed.and_then(|passed| usize::try_from(passed).ok());
        from.and_then(|from| self.links.get(from..))
            .unwrap_or_default()
    }

    /// The head that the decision of `epoch` follows; `None` when this chain does not go so far.
    pub fn head_at(&self, epoch: u64) -> Option<Digest> {
        match self.links_from(epoch).first() {
            Some(link) => Some(link.parent),
            None => (epoch == self.membership.epoch()).then(|| self.membership.place().head),
        }
    }

    /// The membership whose decision is that of `epoch`, replayed from the first; `None` as for
    /// [`head_at`](Self::head_at).
    pub fn membership_at(&self, epoch: u64) -> Option<Membership> {
        self.head_at(epoch)?;
        let passed = usize::try_from(epoch.checked_sub(self.first.epoch())?).ok()?;
        let first = Membership::clone(&self.first);
        let links = self.links.iter().take(passed);
        Some(links.fold(first, |membership, link| membership.apply(link)))
    }
}
