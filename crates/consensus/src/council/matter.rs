//! One open proposal: its count, the own vote's progress, and when to do what.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::Config;
use crate::electorate::Electorate;
use crate::explanation::Withheld;
use crate::id::{Digest, ProposalId};
use crate::proposal::Proposal;
use crate::tally::Tally;
use crate::vote::{Choice, Vote};

/// How far this voter's own vote has come.
#[derive(Debug)]
pub(super) enum Own {
    /// The caller was asked.
    Judging,
    /// Signed, not durable yet: must not leave.
    Persisting,
    /// Durable and sent.
    Cast(Vote),
    /// None will be cast, and why.
    Withheld(Withheld),
}

#[derive(Debug)]
pub(super) struct Matter {
    pub(super) proposal: Arc<Proposal>,
    pub(super) tally: Tally,
    pub(super) own: Own,
    /// A quorum said yes.
    pub(super) carried: bool,
    /// The caller was told how it ended.
    pub(super) announced: bool,
    pub(super) deadline: Instant,
    pub(super) resend_at: Instant,
    pause: Duration,
    /// What voters of an electorate sign for yes; a no is rare.
    yes: Option<(Digest, Digest)>,
}

impl Matter {
    pub(super) fn new(
        id: ProposalId,
        proposal: Arc<Proposal>,
        config: &Config,
        now: Instant,
    ) -> Self {
        Self {
            proposal,
            tally: Tally::new(id),
            own: Own::Judging,
            carried: false,
            announced: false,
            deadline: now + config.deadline,
            resend_at: now + config.resend_first,
            pause: config.resend_first,
            yes: None,
        }
    }

    /// What the voter of a vote on this signs: hashed once for all who say yes.
    pub(super) fn statement(&mut self, vote: &Vote, electorate: &Electorate) -> Digest {
        match self.yes {
            Some((of, statement)) if vote.choice == Choice::Yes && of == electorate.id() => {
                statement
            }
            _ => {
                let statement = vote.statement(electorate);
                if vote.choice == Choice::Yes {
                    self.yes = Some((electorate.id(), statement));
                }
                statement
            }
        }
    }

    /// Whether no vote can be added any more.
    pub(super) fn is_complete(&self, electorate: &Electorate) -> bool {
        self.tally.silent(electorate).next().is_none()
    }

    /// Sets the next sending: the pause doubles up to the limit, and ±25 % keep voters from sending in step.
    pub(super) fn back_off(&mut self, config: &Config, rng: &mut ChaCha8Rng, now: Instant) {
        self.resend_at = now + self.pause.mul_f64(rng.random_range(0.75..1.25));
        self.pause = (self.pause * 2).min(config.resend_max);
    }
}
