//! Who has lost what it said about the present decision, as far as this member knows, and whose promises are void for that.
//!
//! A member that lost its store may have promised or accepted what it does not know any more. It comes back by the promises of so
//! many others that no quorum goes without one of them ([`forgetting`](super::forgetting)), and each of these names the
//! loss in every promise that it gives from then on. So no quorum's promises hold one from before the loss, where it
//! would count for a member that has said otherwise since, without showing by another that it is void: the promises that a change
//! is proposed with have to be consistent. That is a crash vector (Michael, Ports, Sharma, Szekeres, "Recovering
//! Shared Objects Without Stable Storage", DISC 2017).
//!
//! What the member had accepted before needs no name: if it was decided, one of those others has accepted it, and the member
//! comes back with that; if not, it never will be. That it came back so, and did not only say that it has lost something, its
//! promises show by theirs.

use std::collections::{BTreeMap, BTreeSet};

use super::ballot::{Ballot, Loss, Lost, Promise};
use super::message::Grounds;
use super::{Keys, Membership, StatementError, Succession};
use crate::id::NodeId;

impl Succession {
    /// As this member's promises name them.
    pub(super) fn lost(&self) -> Lost {
        let losses = self.losses.values();
        losses
            .map(|loss| (loss.ballot.leader, loss.ballot))
            .collect()
    }

    pub(super) fn grounds(&self) -> Grounds {
        Grounds {
            losses: self.losses.values().copied().collect(),
            return_promises: self.return_promises.clone(),
        }
    }

    /// Notes a loss that was checked.
    pub(super) fn note_loss(&mut self, loss: Loss) {
        let node = loss.ballot.leader;
        if self.knows_of_loss(&node, loss.ballot) {
            return;
        }
        if node == self.me {
            // By its own signature: an earlier process asked further than this one, which came back below; or its store is an
            // older one put back.
            (self.acceptor, self.leading) = (None, None);
            self.counter = self.counter.max(loss.ballot.counter);
            self.has_forgotten = true;
        } else {
            self.losses.insert(node, loss);
        }
    }

    /// Somebody shows this member what it has signed itself.
    pub(super) fn handle_own_loss(
        &mut self,
        loss: Loss,
        keys: &Keys<'_>,
    ) -> Result<(), StatementError> {
        if !loss.is_valid(&self.membership.place(), keys.scheme) {
            return Err(StatementError::Signature(self.me));
        }
        self.note_loss(loss);
        Ok(())
    }

    fn knows_of_loss(&self, node: &NodeId, ballot: Ballot) -> bool {
        let known = self.losses.get(node);
        let own = self.leading.as_ref().and_then(|leading| leading.loss);
        let own = own.filter(|_| *node == self.me);
        known
            .into_iter()
            .chain(&own)
            .any(|loss| loss.ballot >= ballot)
    }

    /// Whether its voter has lost this promise.
    pub(super) fn is_void(&self, promise: &Promise) -> bool {
        let loss = self.losses.get(&promise.voter);
        promise.since() < loss.map(|loss| loss.ballot)
    }

    /// Checks that what a promise says of losses is so, and returns them.
    pub(super) fn check_grounds(
        &self,
        promise: &Promise,
        grounds: &Grounds,
        keys: &Keys<'_>,
    ) -> Result<Vec<Loss>, StatementError> {
        let membership = &self.membership;
        if grounds.losses.len() > membership.len() {
            return Err(StatementError::Promises(
                "there are more losses than members",
            ));
        }
        check_form(promise, membership)?;
        check_return(promise, &grounds.return_promises, membership, keys)?;
        let mut losses = Vec::new();
        for (node, ballot) in &promise.lost {
            if self.knows_of_loss(node, *ballot) {
                continue;
            }
            let shown = grounds.losses.iter().find(|loss| loss.ballot == *ballot);
            match shown {
                Some(loss) if loss.is_valid(&membership.place(), keys.scheme) => losses.push(*loss),
                _ => {
                    return Err(StatementError::Promises(
                        "it names a loss that it does not show",
                    ));
                }
            }
        }
        Ok(losses)
    }
}

/// How many others have to promise one that has lost what it said: so many that no quorum goes without one of them. As quorums
/// are majorities, two such sets of others have one in common, too, who knows of both losses.
pub(super) fn others_needed(membership: &Membership) -> usize {
    membership.len().saturating_sub(membership.quorum()) + 1
}

/// Checks that a promise names losses of members, each once, and none after its own ballot.
pub(super) fn check_form(promise: &Promise, membership: &Membership) -> Result<(), StatementError> {
    let is_sound = |(node, ballot): (&NodeId, &Ballot)| {
        ballot.leader == *node && *ballot <= promise.ballot && membership.member(node).is_some()
    };
    if promise.lost.iter().all(is_sound) {
        Ok(())
    } else {
        Err(StatementError::Promises("one names a loss that cannot be"))
    }
}

/// Whether none of these promises is void by what another of them says.
pub(super) fn are_consistent<'a>(promises: impl Iterator<Item = &'a Promise> + Clone) -> bool {
    let mut latest: BTreeMap<&NodeId, &Ballot> = BTreeMap::new();
    for (node, ballot) in promises.clone().flat_map(|promise| &promise.lost) {
        let known = latest.entry(node).or_insert(ballot);
        *known = ballot.max(known);
    }
    let mut promises = promises;
    promises.all(|promise| promise.since().as_ref() >= latest.get(&promise.voter).copied())
}

/// Checks that who has lost what it said came back by the promises of enough others, with the latest that they had accepted or
/// a later one; and that nothing else is shown.
pub(super) fn check_return(
    promise: &Promise,
    others: &[Promise],
    membership: &Membership,
    keys: &Keys<'_>,
) -> Result<(), StatementError> {
    let Some(since) = promise.since() else {
        return if others.is_empty() {
            Ok(())
        } else {
            Err(StatementError::Promises(
                "one shows a return of a member that has lost nothing",
            ))
        };
    };
    let place = membership.place();
    let voters: BTreeSet<NodeId> = others.iter().map(|other| other.voter).collect();
    let latest = others.iter().filter_map(|other| other.accepted).max();
    let is_its = |other: &Promise| {
        other.ballot == since
            && other.voter != promise.voter
            && membership.member(&other.voter).is_some()
            && other.lost.get(&promise.voter) == Some(&since)
            && other.accepted.is_none_or(|(ballot, _)| ballot < since)
            && check_form(other, membership).is_ok()
    };
    // Signatures last: they cost most, and by now there is at most one of each member.
    let is_return = voters.len() == others.len()
        && voters.len() >= others_needed(membership)
        && promise.accepted >= latest
        && others.iter().all(is_its)
        && are_consistent(others.iter())
        && others
            .iter()
            .all(|other| other.is_valid(&place, keys.scheme));
    if is_return {
        Ok(())
    } else {
        Err(StatementError::Promises(
            "one is of a member that has lost what it said, and has not come back by others",
        ))
    }
}
