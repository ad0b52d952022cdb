//! A leader's part in a ballot: PREPARE, and ACCEPT once a quorum has promised.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ballot::{Ballot, Promise, Proposed};
use super::change::Change;
use super::message::{Output, Reminder, Statement, To};
use super::{Keys, StatementError, Succession};
use crate::id::{Digest, NodeId};

/// A ballot that this member leads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Leading {
    pub(super) ballot: Ballot,
    pub(super) promises: BTreeMap<NodeId, Promise>,
    /// What promises name as accepted.
    pub(super) changes: BTreeMap<Digest, Arc<Change>>,
    /// Who does not go along.
    pub(super) refused: BTreeSet<NodeId>,
    /// What is proposed, once a quorum has promised.
    pub(super) proposed: Option<(Proposed, Arc<Change>)>,
}

impl Leading {
    /// The ballot's present question, for who may not have heard it.
    pub(super) fn repeat(&self) -> Statement {
        match &self.proposed {
            None => Statement::Prepare(self.ballot),
            Some((proposed, change)) => Statement::Accept {
                proposed: *proposed,
                change: change.clone(),
                promises: self.promises.values().copied().collect(),
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
        let counter = if self.has_forgotten {
            self.counter_above_all_said()
        } else {
            self.counter.saturating_add(1)
        };
        let ballot = Ballot {
            counter,
            leader: self.me,
        };
        self.leading = Some(Leading {
            ballot,
            promises: BTreeMap::new(),
            changes: BTreeMap::new(),
            refused: BTreeSet::new(),
            proposed: None,
        });
        self.send(To::All, self.at(Statement::Prepare(ballot)));
        if self.has_forgotten {
            // Others will have heard of it when this member asks again: that has to be above it, then.
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
        reminder: &Reminder,
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
        if self.check_against_acceptance(&promise) {
            return Ok(());
        }
        if self.has_forgotten && !self.is_above_all_said(&promise, reminder, keys)? {
            return Ok(());
        }
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
        if let Some(leading) = &mut self.leading {
            leading.promises.insert(promise.voter, promise);
            leading.changes.extend(known);
            let promises = leading.promises.len();
            if self.has_forgotten {
                self.take_part_if_enough(keys);
            } else if promises >= self.membership.quorum() {
                self.propose(keys);
            }
        }
        Ok(())
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
        let promises: Vec<Promise> = leading.promises.values().copied().collect();
        if let Some(leading) = &mut self.leading {
            leading.proposed = Some((proposed, change.clone()));
        }
        let accept = Statement::Accept {
            proposed,
            change: change.clone(),
            promises: promises.clone(),
        };
        self.send(To::All, self.at(accept));
        // The own acceptance comes as the others' do. It is valid, unless a larger ballot was promised meanwhile.
        let _accepted = self.handle_accept(self.me, proposed, change, &promises, keys);
    }
}
