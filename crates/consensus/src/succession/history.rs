//! A chain as it is held: the founding, every decision since, and the membership they make.

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
    founding: Arc<Founding>,
    links: Vec<Arc<Link>>,
    membership: Arc<Membership>,
}

impl Chain {
    /// The chain that only has its founding yet.
    ///
    /// # Errors
    /// When the founding is not valid.
    pub fn found(founding: Founding, scheme: &dyn Scheme) -> Result<Self, LinkError> {
        Ok(Self {
            membership: Arc::new(Membership::found(&founding, scheme)?),
            founding: Arc::new(founding),
            links: Vec::new(),
        })
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

    /// How the network began.
    pub const fn founding(&self) -> &Arc<Founding> {
        &self.founding
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
            _ => Some(&self.founding.record).filter(|founder| founder.node == *node),
        }
    }

    /// The decisions from that of `epoch` on.
    pub fn links_from(&self, epoch: u64) -> &[Arc<Link>] {
        let from = usize::try_from(epoch).unwrap_or(usize::MAX);
        self.links.get(from..).unwrap_or_default()
    }

    /// The head that the decision of `epoch` follows; `None` when this chain does not go so far.
    pub fn head_at(&self, epoch: u64) -> Option<Digest> {
        match self.links_from(epoch).first() {
            Some(link) => Some(link.parent),
            None => (epoch == self.membership.epoch()).then(|| self.membership.place().head),
        }
    }

    /// The membership whose decision is that of `epoch`, replayed from the founding; `None` as for
    /// [`head_at`](Self::head_at).
    pub fn membership_at(&self, epoch: u64, scheme: &dyn Scheme) -> Option<Membership> {
        self.head_at(epoch)?;
        let upto = usize::try_from(epoch).ok()?;
        let founded = Membership::found(&self.founding, scheme).ok()?;
        let links = self.links.iter().take(upto);
        Some(links.fold(founded, |membership, link| membership.apply(link)))
    }
}
