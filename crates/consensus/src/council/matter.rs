//! One open proposal: its count, the own vote's progress, and when to do what.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use smallvec::SmallVec;

use super::ahead::Ahead;
use super::{Config, Message, Output};
use crate::electorate::Electorate;
use crate::explanation::Withheld;
use crate::id::{Digest, NodeId};
use crate::named::Named;
use crate::proposal::Proposal;
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
    Cast(Choice),
    /// None will be cast, and why.
    Withheld(Withheld),
}

/// How a proposal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Signed by this voter just now.
    Signed,
    /// Brought by this voter's caller.
    Brought,
    /// Another voter asks for a vote.
    Asked,
}

#[derive(Debug)]
pub(super) struct Matter {
    named: Named,
    pub(super) tally: Tally,
    pub(super) own: Own,
    /// This voter brought it: the others send it their votes, and it tells them all when they have decided.
    pub(super) is_brought: bool,
    /// Who else brought it, or sends it again because it lacks votes: who is sent the own vote.
    pub(super) asked_by: SmallVec<[NodeId; 1]>,
    /// The others were told of the votes that decided it.
    pub(super) is_told: bool,
    /// Votes that came later, for a wider certificate.
    pub(super) late: Vec<Arc<Vote>>,
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
        named: Named,
        origin: Origin,
        electorate: &Electorate,
        ahead: &Ahead,
        config: &Config,
        now: Instant,
    ) -> Self {
        Self {
            tally: Tally::with_room(named.id(), electorate.seats().len()),
            own: Own::Judging,
            is_brought: origin != Origin::Asked,
            asked_by: SmallVec::new(),
            is_told: false,
            late: Vec::new(),
            carried: false,
            announced: false,
            deadline: now + config.deadline,
            resend_at: now + config.resend_first,
            pause: config.resend_first,
            yes: (
                electorate.id(),
                ahead.statement(electorate, &named.id(), Choice::Yes),
            ),
            named,
        }
    }

    pub(super) fn proposal(&self) -> &Arc<Proposal> {
        self.named.proposal()
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
    pub(super) fn send(&self, to: NodeId, me: &NodeId, outputs: &mut VecDeque<Output>) {
        let message = Message::Proposal(self.named.clone());
        outputs.push_back(Output::Send { to, message });
        if matches!(self.own, Own::Cast(_))
            && let Some(vote) = self.tally.shared_of(me)
        {
            let message = Message::Vote(vote.clone());
            outputs.push_back(Output::Send { to, message });
        }
    }

    /// Notes that a voter wants votes on it.
    pub(super) fn ask(&mut self, voter: NodeId, others: &[NodeId]) {
        if !self.asked_by.contains(&voter) && others.contains(&voter) {
            self.asked_by.push(voter);
        }
    }

    /// Sends the votes that decide to all others.
    pub(super) fn tell(&mut self, others: &[NodeId], outputs: &mut VecDeque<Output>) {
        self.is_told = true;
        let votes = Message::Votes(Arc::new(self.tally.shared()));
        send_all(others.iter(), &votes, outputs);
    }

    /// Sends the votes that came later, and widen a standing's certificate, to those who sent theirs to this voter only.
    pub(super) fn tell_late(&mut self, others: &[NodeId], outputs: &mut VecDeque<Output>) {
        let votes = Message::Votes(Arc::new(std::mem::take(&mut self.late)));
        let others = others.iter();
        let untold = others.filter(|other| !self.asked_by.contains(other));
        send_all(untold, &votes, outputs);
    }

    pub(super) fn is_motion(&self) -> bool {
        matches!(*self.named, Proposal::Motion(_))
    }

    /// Whether its end was told and no vote can be added any more. Late votes on a motion add nothing: only who brought it
    /// waits for them, and asks for them again.
    #[inline]
    pub(super) fn is_done(&self, electorate: &Electorate) -> bool {
        let is_own_said = !matches!(self.own, Own::Judging | Own::Persisting);
        let is_over = is_own_said && !self.is_brought && self.is_motion();
        self.announced && (is_over || self.tally.is_complete(electorate))
    }

    /// Sets the next sending: the pause doubles up to the limit, and ±25 % keep voters from sending in step.
    pub(super) fn back_off(&mut self, config: &Config, rng: &mut ChaCha8Rng, now: Instant) {
        self.resend_at = now + self.pause.mul_f64(rng.random_range(0.75..1.25));
        self.pause = (self.pause * 2).min(config.resend_max);
    }
}

pub(super) fn send_all<'a>(
    to: impl Iterator<Item = &'a NodeId>,
    message: &Message,
    outputs: &mut VecDeque<Output>,
) {
    outputs.extend(to.map(|to| Output::Send {
        to: *to,
        message: message.clone(),
    }));
}
