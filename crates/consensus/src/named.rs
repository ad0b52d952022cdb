//! A proposal with its name, hashed once however often it is looked at.

use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{Digest, ProposalId};
use crate::proposal::{Motion, Proposal, ProposalError};
use crate::scheme::Scheme;

/// A proposal as voters hand it on: with its [name](Proposal::id), which was made of its content and cannot be set. It is
/// serialised as the proposal alone, and named anew by whoever reads it. Cloning shares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named(Arc<Content>);

#[derive(Debug, PartialEq, Eq)]
struct Content {
    proposal: Arc<Proposal>,
    id: ProposalId,
    /// [`Proposal::content`]
    digest: Digest,
}

impl Named {
    fn new(proposal: Arc<Proposal>, digest: Digest) -> Self {
        Self(Arc::new(Content {
            id: proposal.id_of(&digest),
            proposal,
            digest,
        }))
    }

    /// A motion, given its hash.
    pub(crate) fn motion(motion: Motion, hash: Digest) -> Self {
        Self::new(Arc::new(Proposal::Motion(motion)), hash)
    }

    /// What votes name it by.
    pub fn id(&self) -> ProposalId {
        self.0.id
    }

    /// The proposal.
    pub fn proposal(&self) -> &Arc<Proposal> {
        &self.0.proposal
    }

    /// As [`Proposal::verify`].
    pub(crate) fn verify(&self, scheme: &dyn Scheme) -> Result<(), ProposalError> {
        self.0.proposal.verify_as(&self.0.digest, scheme)
    }
}

impl Deref for Named {
    type Target = Proposal;

    fn deref(&self) -> &Proposal {
        &self.0.proposal
    }
}

impl From<Arc<Proposal>> for Named {
    fn from(proposal: Arc<Proposal>) -> Self {
        let digest = proposal.content();
        Self::new(proposal, digest)
    }
}

impl From<Proposal> for Named {
    fn from(proposal: Proposal) -> Self {
        Arc::new(proposal).into()
    }
}

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.proposal.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Proposal::deserialize(deserializer).map(Self::from)
    }
}
