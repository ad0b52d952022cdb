//! One open proposal: its count, the own vote's progress, and when to do what.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::ahead::Ahead;
use super::{Config, Message, Output};
use crate::electorate::Electorate;
use crate::explanation::Withheld;
use crate::id::{Digest, NodeId};
use crate::proposal::{Named, Proposal};
use crate::tally::Tally;
use crate::vote::{self, Choice, Vote};

/// How far this voter's own vote has come.
#[derive(Debug)]
pub(super) enum Own {
    /// The caller was asked.
    Judging,
    /// Signed, not durable yet: must not leave.
    Persisting,
    /// Durable and sent.
    Cast(Arc<Vote>),
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
    /// An electorate, and what its voters sign for yes; a no is rare.
    yes: (Digest, Digest),
}

impl Matter {
    pub(super) fn new(
        Named { id, proposal, .. }: Named,
        electorate: &Electorate,
        ahead: &Ahead,
        config: &Config,
        now: Instant,
    ) -> Self {
        Self {
            proposal,
            tally: Tally::with_room(id, electorate.seats().len()),
            own: Own::Judging,
            carried: false,
            announced: false,
            deadline: now + config.deadline,
            resend_at: now + config.resend_first,
            pause: config.resend_first,
            yes: (
                electorate.id(),
                ahead.statement(electorate, &id, Choice::Yes),
            ),
        }
    }

    /// What a voter signs: hashed once for all who say yes.
    #[inline]
    pub(super) fn statement(&self, choice: Choice, electorate: &Electorate) -> Digest {
        match self.yes {
            (of, statement) if choice == Choice::Yes && of == electorate.id() => statement,
            _ => vote::statement_of(electorate, self.tally.proposal(), choice),
        }
    }

    /// The proposal to a voter, and the own vote once it may leave.
    pub(super) fn send(&self, to: NodeId, outputs: &mut VecDeque<Output>) {
        let message = Message::Proposal(self.proposal.clone());
        outputs.push_back(Output::Send { to, message });
        if let Own::Cast(vote) = &self.own {
            let message = Message::Vote(vote.clone());
            outputs.push_back(Output::Send { to, message });
        }
    }

    /// Whether its end was told and no vote can be added any more.
    #[inline]
    pub(super) fn is_done(&self, electorate: &Electorate) -> bool {
        self.announced && self.tally.is_complete(electorate)
    }

    /// Sets the next sending: the pause doubles up to the limit, and ±25 % keep voters from sending in step.
    pub(super) fn back_off(&mut self, config: &Config, rng: &mut ChaCha8Rng, now: Instant) {
        self.resend_at = now + self.pause.mul_f64(rng.random_range(0.75..1.25));
        self.pause = (self.pause * 2).min(config.resend_max);
    }
}
