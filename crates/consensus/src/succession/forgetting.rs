//! A member that has lost what it said, and how it comes to take part again.
//!
//! It may have promised a ballot, or accepted a change, and must not say otherwise now. It counts what others say and goes along
//! with nobody, but leads, saying that it has lost what it said. Once so many *others* promise that no quorum goes without one of
//! them, nothing is decided that none of them has accepted, or ever will be below this ballot. If they have accepted nothing, it
//! has nothing to name either, and takes part again; otherwise it leads the latest of what they have accepted to its
//! end, and names that itself. What it promised before is void: see [`losses`](super::losses).
//!
//! Each of the others answers one ballot once: a process that lost its store again, and asks with the same number, is told a
//! higher one. So a question whose answer was lost is not answered again either; the next ballot is.

use super::ballot::{Ballot, Loss, Promise};
use super::losses::others_needed;
use super::message::Output;
use super::{Keys, StatementError, Succession};
use crate::id::NodeId;

impl Succession {
    /// This member has lost what it said, perhaps of the present decision, unless what was restored shows that it has taken part
    /// since. It takes part in no ballot, since it may have promised or accepted otherwise; it counts what others say, and
    /// follows what they decide. That it gives the opinions that it gave before is its caller's to see to.
    ///
    /// It takes part again once it leads a ballot in which so many *others* promise that no quorum goes without one of them.
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

    /// Whether there are enough others that it could ask.
    pub(super) fn can_ask(&self) -> bool {
        self.asked >= others_needed(&self.membership)
    }

    /// Whether so many of those whom it can ask have refused that the rest are too few.
    pub(super) fn is_refused_by(&self, refused: usize) -> bool {
        self.asked.saturating_sub(refused) < others_needed(&self.membership)
    }

    /// Another member has lost what it said, and asks for a promise.
    pub(super) fn handle_lost(
        &mut self,
        loss: Loss,
        keys: &Keys<'_>,
    ) -> Result<(), StatementError> {
        let (ballot, leader) = (loss.ballot, loss.ballot.leader);
        self.check_counter(ballot)?;
        if self.has_forgotten {
            self.yield_to(leader, ballot);
            return Ok(());
        }
        if !loss.is_valid(&self.membership.place(), keys.scheme) {
            return Err(StatementError::Signature(leader));
        }
        if self.promised() >= Some(ballot) {
            self.refuse(leader, ballot);
            return Ok(());
        }
        self.note_loss(loss);
        self.handle_prepare(leader, ballot, keys)
    }

    /// One more has promised: takes part again, if they are enough, or leads what some of them have accepted to its end.
    pub(super) fn come_back_if_enough(&mut self, keys: &Keys<'_>) {
        let Some(leading) = &self.leading else {
            return;
        };
        let Some(loss) = leading.loss else {
            return;
        };
        let needed = others_needed(&self.membership);
        let others: Vec<&Promise> = leading.promises.values().collect();
        let clean = others.iter().filter(|promise| promise.accepted.is_none());
        let clean: Vec<Promise> = clean.map(|promise| (*promise).clone()).collect();
        if clean.len() >= needed {
            self.leading = None;
            self.come_back(loss, clean);
            self.has_forgotten = false;
            self.become_acceptor(loss.ballot, None);
        } else if others.len() >= needed && others.len() + 1 >= self.membership.quorum() {
            let latest = others.iter().filter_map(|promise| promise.accepted).max();
            let others = others.into_iter().cloned().collect();
            self.come_back(loss, others);
            let place = self.membership.place();
            let lost = self.lost();
            let own = Promise::sign_knowing(lost, keys.signer, &place, loss.ballot, latest);
            let returns = self.return_promises.clone();
            if let Some(leading) = &mut self.leading {
                leading.return_promises.insert(self.me, returns);
                leading.promises.insert(self.me, own);
            }
            self.propose(keys);
            if self.has_forgotten {
                // It did not take that itself. Its own promise is void by the next ballot.
                self.losses.remove(&self.me);
                self.return_promises.clear();
            }
        }
    }

    fn come_back(&mut self, loss: Loss, others: Vec<Promise>) {
        self.losses.insert(self.me, loss);
        self.return_promises = others;
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
