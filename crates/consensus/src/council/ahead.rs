//! What all statements of one electorate begin with, hashed ahead.

use crate::electorate::Electorate;
use crate::id::{Digest, ProposalId};
use crate::proposal::Motion;
use crate::transcript::Transcript;
use crate::vote::{self, Choice};

/// Beginnings of statements, for the network and the electorate that they name. For others, statements are hashed whole.
#[derive(Debug)]
pub(super) struct Ahead {
    motion: Transcript,
    electorate: Digest,
    vote: Transcript,
}

impl Ahead {
    pub(super) fn of(electorate: &Electorate) -> Self {
        Self {
            motion: Motion::begin(electorate.network()).ahead(),
            electorate: electorate.id(),
            vote: vote::begin(vote::of(electorate)).ahead(),
        }
    }

    /// What a motion of this network begins with.
    pub(super) fn motion(&self) -> Transcript {
        self.motion.clone()
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
