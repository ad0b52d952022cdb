//! A leader's part in a ballot: PREPARE, and ACCEPT once a quorum has promised.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ballot::{Ballot, Loss, Promise, Proposed};
use super::change::Change;
use super::losses::others_needed;
use super::message::{Grounds, Output, Statement, To};
use super::{Keys, StatementError, Succession};
use crate::id::{Digest, NodeId};

/// A ballot that this member leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Leading {
    pub(super) ballot: Ballot,
    /// If it has lost what it said before.
    pub(super) loss: Option<Loss>,
    pub(super) promises: BTreeMap<NodeId, Promise>,
    /// What promises name as accepted.
    pub(super) changes: BTreeMap<Digest, Arc<Change>>,
    /// By whose promises those who have lost what they said take part again.
    pub(super) return_promises: BTreeMap<NodeId, Vec<Promise>>,
    /// Who does not go along.
    pub(super) refused: BTreeSet<NodeId>,
    /// What is proposed, once a quorum has promised.
    pub(super) proposed: Option<(Proposed, Arc<Change>)>,
}

impl Leading {
    /// The ballot's present question, for who may not have heard it.
    pub(super) fn repeat(&self) -> Statement {
        match &self.proposed {
            None => self
                .loss
                .map_or(Statement::Prepare(self.ballot), Statement::Lost),
            Some((proposed, change)) => Statement::Accept {
                proposed: *proposed,
                change: change.clone(),
                promises: self.promises.values().cloned().collect(),
                return_promises: self.return_promises.clone(),
            },
        }
    }
}

impl Succession {
    /// Leads a new ballot, if there is cause. Returns whether it does.
    pub fn lead(&mut self, keys: &Keys<'_>) -> bool {
        if !self.has_cause() {
            return false;
        }
        let ballot = Ballot {
            counter: self.counter.saturating_add(1),
            leader: self.me,
        };
        let place = self.membership.place();
        let loss = self
            .has_forgotten
            .then(|| Loss::sign(keys.signer, &place, ballot.counter));
        let leading = Leading {
            ballot,
            loss,
            promises: BTreeMap::new(),
            changes: BTreeMap::new(),
            return_promises: BTreeMap::new(),
            refused: BTreeSet::new(),
            proposed: None,
        };
        self.send(To::All, self.at(leading.repeat()));
        self.leading = Some(leading);
        if self.has_forgotten {
            // Who has answered does not answer again: the next ballot is above this one.
            self.counter = ballot.counter;
        } else {
            // The own promise comes as the others' do; it is valid.
            let _counted = self.handle_prepare(self.me, ballot, keys);
        }
        true
    }

    /// The ballot that this member leads, if any.
    pub fn leads(&self) -> Option<Ballot> {
        self.leading.as_ref().map(|leading| leading.ballot)
    }

    /// Repeats the present question of the ballot led to the members who have not answered it.
    pub fn repeat(&mut self) {
        let Some(leading) = &self.leading else {
            return;
        };
        let has_answered = |node: &NodeId| match &leading.proposed {
            None => leading.promises.contains_key(node),
            Some((proposed, _)) => {
                let accepted = self.accepted.get(node);
                accepted.is_some_and(|accepted| accepted.ballot == proposed.ballot)
            }
        };
        let message = self.at(leading.repeat());
        let silent: Vec<NodeId> = self
            .membership
            .members()
            .map(|record| record.node)
            .filter(|node| *node != self.me && !has_answered(node))
            .collect();
        let repeated = silent.into_iter().map(|node| Output::Send {
            to: To::One(node),
            message: message.clone(),
        });
        self.out.extend(repeated);
    }

    pub(super) fn handle_promise(
        &mut self,
        promise: Promise,
        change: Option<Arc<Change>>,
        grounds: Grounds,
        keys: &Keys<'_>,
    ) -> Result<(), StatementError> {
        let place = self.membership.place();
        let is_awaited = self
            .leading
            .as_ref()
            .is_some_and(|leading| leading.ballot == promise.ballot && leading.proposed.is_none());
        if !is_awaited {
            return Ok(());
        }
        if !promise.is_valid(&place, keys.scheme) {
            return Err(StatementError::Signature(promise.voter));
        }
        if self.has_forgotten && promise.lost.get(&self.me) != Some(&promise.ballot) {
            // An answer to an earlier process that led a ballot of this number, and may have proposed something in it.
            return Ok(());
        }
        let losses = self.check_grounds(&promise, &grounds, keys)?;
        let mut known = None;
        if let Some((ballot, hash)) = promise.accepted {
            let is_it = |change: &Arc<Change>| change.hash() == hash;
            let change = change
                .filter(is_it)
                .ok_or(StatementError::Promises("the change it names is missing"))?;
            if ballot >= promise.ballot {
                return Err(StatementError::Promises("it accepted in a later ballot"));
            }
            change.verify(&self.membership, keys.scheme)?;
            known = Some((hash, change));
        }
        losses.into_iter().for_each(|loss| self.note_loss(loss));
        if let Some(leading) = &mut self.leading {
            let voter = promise.voter;
            if promise.since().is_some() {
                let returns = grounds.return_promises;
                leading.return_promises.insert(voter, returns);
            }
            leading.promises.insert(voter, promise);
            leading.changes.extend(known);
        }
        self.go_on_if_enough(keys);
        Ok(())
    }

    /// Goes on, if enough have promised what is not void, and hides nothing. That is known only with so many: one promise may show
    /// that another is from before its voter lost its store, and then that hides nothing but says nothing either.
    fn go_on_if_enough(&mut self, keys: &Keys<'_>) {
        let enough = |this: &Self| {
            let promises = this
                .leading
                .as_ref()
                .map_or(0, |leading| leading.promises.len());
            let needed = if this.has_forgotten {
                others_needed(&this.membership)
            } else {
                this.membership.quorum()
            };
            promises >= needed
        };
        let void = self.drop_promises(|this, promise, _| this.is_void(promise));
        for voter in void {
            // It gave this promise before it lost its store, or knows less of that than others.
            if let Some(loss) = self.losses.get(&voter) {
                let told = self.at(Statement::Lost(*loss));
                self.send(To::One(voter), told);
            }
        }
        if enough(self) {
            let _hiding = self.drop_promises(|this, promise, returns| {
                let shown = std::iter::once(promise).chain(returns);
                let hiding = shown.filter(|promise| this.check_against_acceptance(promise));
                hiding.count() > 0
            });
        }
        if !enough(self) {
            return;
        }
        if self.has_forgotten {
            self.come_back_if_enough(keys);
        } else {
            self.propose(keys);
        }
    }

    /// Drops promises, by themselves and those by which their voters came back. Returns whose they were.
    fn drop_promises(
        &mut self,
        is_dropped: impl Fn(&mut Self, &Promise, &[Promise]) -> bool,
    ) -> Vec<NodeId> {
        let Some(mut leading) = self.leading.take() else {
            return Vec::new();
        };
        let mut dropped = Vec::new();
        for (voter, promise) in &leading.promises {
            let returns = leading.return_promises.get(voter);
            if is_dropped(self, promise, returns.map_or(&[][..], Vec::as_slice)) {
                dropped.push(*voter);
            }
        }
        for voter in &dropped {
            leading.promises.remove(voter);
            leading.return_promises.remove(voter);
        }
        self.leading = Some(leading);
        dropped
    }

    /// A quorum has promised: asks to accept what the promises demand, or else the own choice.
    pub(super) fn propose(&mut self, keys: &Keys<'_>) {
        let Some(leading) = &self.leading else {
            return;
        };
        let demanded = leading
            .promises
            .values()
            .filter_map(|promise| promise.accepted)
            .max()
            .and_then(|(_, hash)| leading.changes.get(&hash).cloned());
        let Some(change) = demanded.or_else(|| self.choice().map(Arc::new)) else {
            // The cause has gone away meanwhile: a candidate that left, say.
            self.leading = None;
            return;
        };
        let (place, counter) = (self.membership.place(), leading.ballot.counter);
        let proposed = Proposed::sign(keys.signer, &place, counter, change.hash());
        let promises: Vec<Promise> = leading.promises.values().cloned().collect();
        let return_promises = leading.return_promises.clone();
        if self
            .check_promises(proposed.ballot, &promises, &return_promises, keys)
            .is_err()
        {
            // Nobody would take it.
            self.leading = None;
            self.out.push_back(Output::Refused);
            return;
        }
        if let Some(leading) = &mut self.leading {
            leading.proposed = Some((proposed, change.clone()));
        }
        let accept = Statement::Accept {
            proposed,
            change: change.clone(),
            promises: promises.clone(),
            return_promises: return_promises.clone(),
        };
        self.send(To::All, self.at(accept));
        // The own acceptance comes as the others' do. It is valid, unless a larger ballot was promised meanwhile.
        let _accepted =
            self.handle_accept(self.me, proposed, change, &promises, &return_promises, keys);
    }
}
