//! What all statements of one electorate begin with, hashed ahead.

use crate::electorate::Electorate;
use crate::id::{Digest, NetworkId, ProposalId};
use crate::proposal::{Motion, Proposal};
use crate::transcript::Transcript;
use crate::vote::{self, Choice};

/// Beginnings of statements, for the network and the electorate that they name. For others, statements are hashed whole.
#[derive(Debug)]
pub(super) struct Ahead {
    network: NetworkId,
    motion: Transcript,
    electorate: Digest,
    vote: Transcript,
}

impl Ahead {
    pub(super) fn of(electorate: &Electorate) -> Self {
        Self {
            network: electorate.network(),
            motion: Motion::begin(electorate.network()).ahead(),
            electorate: electorate.id(),
            vote: vote::begin(vote::of(electorate)).ahead(),
        }
    }

    /// What a motion of this network begins with.
    pub(super) fn motion(&self) -> Transcript {
        self.motion.clone()
    }

    /// As [`Proposal::content`].
    pub(super) fn content(&self, proposal: &Proposal) -> Digest {
        match proposal {
            Proposal::Motion(motion) if motion.network == self.network => {
                motion.hash_after(&mut self.motion.clone())
            }
            _ => proposal.content(),
        }
    }

    /// As [`vote::statement_of`].
    pub(super) fn statement(
        &self,
        electorate: &Electorate,
        proposal: &ProposalId,
        choice: Choice,
    ) -> Digest {
        if electorate.id() == self.electorate {
            vote::statement_after(&mut self.vote.clone(), proposal, choice)
        } else {
            vote::statement_of(electorate, proposal, choice)
        }
    }
}
