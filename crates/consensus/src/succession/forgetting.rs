//! A member that has lost what it said, and how it comes to take part again.
//!
//! It may have promised a ballot, or accepted a change, and must not say otherwise now. It counts what others say and goes along
//! with nobody, but leads: a ballot far above all that others have heard of. Once so many *others* promise it that no quorum goes
//! without one of them, and have accepted nothing, nothing that it may have accepted is decided or ever will be, and what it
//! may have promised is below; it need not propose. If something is accepted, it leads that to its end, by a quorum of others
//! or, where there is none, by one that it completes itself. Who heard it accept something tells it, so that it does not
//! do otherwise then.
//!
//! A question that is asked again does not help: whoever has promised has heard of the ballot, and cannot tell a second asking
//! from that of a process that forgot that it had asked. What is not answered ends, and the next ballot is above it.
//!
//! # Limits
//!
//! Nothing decided is undone by one member that lost its store. But one who heard it accept something, and was away for so
//! long that it takes part again, finds it in contradiction, and refuses what rests on its promises. And of several that lost
//! their stores in one epoch, one may have promised the other a ballot that nobody else heard of, and then goes below
//! that. To tell such promises from those made since, all would have to carry who lost what, and when: see Michael et al.,
//! "Recovering Shared Objects Without Stable Storage" (DISC 2017).

use super::ballot::{Accepted, Ballot, Promise};
use super::leading::Leading;
use super::message::{Output, Reminder};
use super::{COUNTER_JUMP_MAX, Keys, StatementError, Succession};
use crate::id::NodeId;

/// So far at least a member that has forgotten goes above all that others heard, and twice as far at most: above what it may
/// have promised. A leader that only it could hear then would have had to lead as many ballots, unless that had itself
/// forgotten, and went as far for the same reason. Several such steps fit under the limit.
const STEP: u64 = COUNTER_JUMP_MAX / 16;

impl Succession {
    /// This member has lost what it said, perhaps of the present decision, unless what was restored shows that it has taken part
    /// since. It takes part in no ballot, since it may have promised or accepted otherwise; it counts what others say, and
    /// follows what they decide. That it gives the opinions that it gave before is its caller's to see to.
    ///
    /// It takes part again once it leads a ballot in which so many *others* promise that no quorum goes without one of them, who
    /// have accepted nothing, and had heard of nothing but ballots far below. What it may have accepted is not decided then, and
    /// never will be; and what it may have promised is below, unless a leader that none of them heard was far ahead of them.
    /// If something is accepted, perhaps by itself, of which those who heard it tell it, it leads that to its end. Who waits before it asks is told in time, and whatever was under way has ended:
    /// see [`Config::remember_after`](crate::assembly::Config::remember_after).
    pub const fn forget(&mut self) {
        self.has_forgotten = self.acceptor.is_none();
    }

    /// How many other members one that has forgotten can ask, whatever it thinks of them.
    pub const fn set_asked(&mut self, others: usize) {
        self.asked = others;
    }

    /// Whether it may have said of the present decision what it does not know any more.
    pub const fn has_forgotten(&self) -> bool {
        self.has_forgotten
    }

    /// How many others have to promise one that has forgotten: so many that no quorum goes without one of them. What they have
    /// not accepted, and will not, it cannot have decided with the rest.
    fn others_needed(&self) -> usize {
        let quorum = self.membership.quorum();
        self.membership.len().saturating_sub(quorum) + 1
    }

    /// Whether there are enough others that it could ask.
    pub(super) fn can_ask(&self) -> bool {
        self.asked >= self.others_needed()
    }

    /// Whether so many of those whom it can ask have refused that the rest are too few.
    pub(super) fn is_refused_by(&self, refused: usize) -> bool {
        self.asked.saturating_sub(refused) < self.others_needed()
    }

    /// The counter of the next ballot that it leads.
    pub(super) const fn counter_above_all_said(&self) -> u64 {
        self.counter.saturating_add(2 * STEP)
    }

    /// What to tell whoever asks for a promise, in case that it has forgotten: how far ballots had come before, in steps, and
    /// what of its own was heard.
    pub(super) fn reminder_for(&self, leader: &NodeId) -> Reminder {
        Reminder {
            heard: self.counter - self.counter % STEP,
            yours: self.accepted.get(leader).copied().map(Box::new),
        }
    }

    /// Somebody says what this member has accepted, by its own signature.
    pub(super) fn handle_own_accepted(
        &mut self,
        accepted: Accepted,
        keys: &Keys<'_>,
    ) -> Result<(), StatementError> {
        if self.has_forgotten && accepted.voter == self.me {
            self.handle_accepted(accepted, keys)?;
        }
        Ok(())
    }

    /// Whether the ballot promised is above all that this member may have promised, by what the other had heard. If not, the
    /// next one is.
    pub(super) fn is_above_all_said(
        &mut self,
        promise: &Promise,
        reminder: &Reminder,
        keys: &Keys<'_>,
    ) -> Result<bool, StatementError> {
        if let Some(own) = reminder.yours.as_deref() {
            self.handle_own_accepted(*own, keys)?;
        }
        let counter = promise.ballot.counter;
        let is_above = reminder.heard.saturating_add(2 * STEP) <= counter;
        if !is_above {
            let max = counter.saturating_add(COUNTER_JUMP_MAX);
            self.counter = self.counter.max(reminder.heard.min(max));
        }
        Ok(is_above)
    }

    /// One more has promised: takes part again, if they are enough, or leads what some of them have accepted to its end.
    pub(super) fn take_part_if_enough(&mut self, keys: &Keys<'_>) {
        let Some(leading) = &self.leading else {
            return;
        };
        let (ballot, promises) = (leading.ballot, leading.promises.values());
        let clean = promises.filter(|promise| promise.accepted.is_none());
        // What it is known to have accepted it would have to name in promises, and cannot.
        let is_known = self.accepted.contains_key(&self.me);
        if clean.count() >= self.others_needed() && !is_known {
            self.leading = None;
            self.has_forgotten = false;
            self.become_acceptor(ballot, None);
            return;
        }
        let (others, quorum) = (leading.promises.len(), self.membership.quorum());
        if others >= self.others_needed() && others + 1 == quorum {
            self.promise_after_others(keys);
        }
        let is_led = |leading: &Leading| leading.promises.len() >= quorum;
        if self.leading.as_ref().is_some_and(is_led) {
            self.propose(keys);
        }
    }

    /// Promises its own ballot, where no quorum of others is to be had: one of two, or of four with one dead. It names the latest
    /// of what the others have accepted, and of what it is known to have. If anything was decided, one of them accepted it,
    /// and whatever was accepted later is the same; and what is not decided by now, they have promised not to take part in.
    fn promise_after_others(&mut self, keys: &Keys<'_>) {
        let own = self.accepted.get(&self.me);
        let own = own.map(|accepted| (accepted.ballot, accepted.change));
        let Some(leading) = &mut self.leading else {
            return;
        };
        let heard = leading.promises.values();
        let latest = heard.filter_map(|promise| promise.accepted).chain(own);
        let Some(latest) = latest.max() else {
            return;
        };
        // Of its own it knows the name alone, unless it was proposed again since.
        let known = self.changes.get(&latest.1).cloned();
        leading
            .changes
            .extend(known.map(|change| (latest.1, change)));
        if leading.changes.contains_key(&latest.1) {
            let place = self.membership.place();
            let promise = Promise::sign(keys.signer, &place, leading.ballot, Some(latest));
            leading.promises.insert(self.me, promise);
        }
    }

    /// Somebody else leads: this member does not go along. A larger ballot goes before its own.
    pub(super) fn yield_to(&mut self, leader: NodeId, ballot: Ballot) {
        self.counter = self.counter.max(ballot.counter);
        if self.leads().is_some_and(|own| own < ballot) {
            self.leading = None;
            self.out.push_back(Output::Refused);
        }
        self.refuse(leader, ballot);
    }
}
