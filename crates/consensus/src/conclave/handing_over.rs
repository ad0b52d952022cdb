//! From a decision to the next epoch: seals, the handover that they make, and who is told of it.

use std::sync::Arc;

use super::{Conclave, HANDOVERS_PER_MESSAGE, Message, Output, REPEAT};
use crate::handover::{Handover, HandoverError, Seal, Seating};
use crate::id::NodeId;
use crate::time::Now;

impl Conclave {
    /// The handovers that follow an epoch, in order, as many as one message carries.
    pub fn handovers_from(&self, epoch: u64) -> Vec<Arc<Handover>> {
        let following = self.handovers.range(epoch..).zip(epoch..);
        following
            .take_while(|((ended, _), expected)| *ended == expected)
            .take(HANDOVERS_PER_MESSAGE)
            .map(|((_, handover), _)| handover.clone())
            .collect()
    }

    pub(super) fn tell_handovers(&mut self, to: NodeId, epoch: u64) {
        let following = self.handovers_from(epoch);
        if !following.is_empty() {
            self.push_send(vec![to], Message::Handovers(following));
        }
    }

    pub(super) fn tell_seal(&mut self, to: Vec<NodeId>) {
        if let Some(seal) = self.own_seal.clone() {
            let roster = self.roster;
            self.push_send(to, Message::Sealed { seal, roster });
        }
    }

    /// Adds the seals of a handover of the epoch before this one to those that are held, and tells others if there are more
    /// now: readers who have not met the same voters can check it too.
    pub(super) fn widen(&mut self, other: &Handover) {
        let Some(before) = self.electorate.predecessor() else {
            return;
        };
        let Some(held) = self.handovers.get_mut(&before.epoch()) else {
            return;
        };
        if other.epoch != before.epoch()
            || other.next != held.next
            || other
                .seals
                .keys()
                .all(|voter| held.seals.contains_key(voter))
            || other.verify(before, &*self.scheme).is_err()
        {
            return;
        }
        let added = other
            .seals
            .iter()
            .filter(|(voter, _)| before.contains(voter));
        let handover = Arc::make_mut(held);
        let count = handover.seals.len();
        for (voter, signature) in added {
            handover.seals.entry(*voter).or_insert(*signature);
        }
        if handover.seals.len() > count {
            let handover = held.clone();
            self.out.push_back(Output::Widened(handover.clone()));
            let voters = self.linked_voters();
            self.push_send(voters, Message::Handovers(vec![handover]));
        }
    }

    /// As [`widen`](Self::widen), by one seal that came late.
    pub(super) fn widen_by(&mut self, seal: Seal) {
        let before = self.electorate.predecessor();
        let Some(before) = before.filter(|before| before.epoch() == seal.epoch) else {
            return;
        };
        let held = self.handovers.get(&seal.epoch);
        let Some(held) = held.filter(|held| held.next == seal.next) else {
            return;
        };
        if seal.verify(before, &*self.scheme).is_ok() {
            let mut wider = Handover::clone(held);
            wider.seals.insert(seal.voter, seal.signature);
            self.widen(&wider);
        }
    }

    /// The assembly has decided: this voter says so, and votes no more.
    pub(super) fn seal(&mut self, now: Now) {
        let Some(assembly) = self.assembly.as_ref().filter(|_| self.own_seal.is_none()) else {
            return;
        };
        let next = Seating::of(assembly.membership(), self.electorate.rule());
        let seal = Seal::sign(&*self.signer, &self.electorate, next.clone());
        self.seals
            .insert(self.signer.id(), (seal.clone(), self.roster));
        self.own_seal = Some(seal);
        self.repeat_at = Some(now.instant + REPEAT);
        self.out.push_back(Output::Decided(next));
        let voters = self.linked_voters();
        self.tell_seal(voters);
    }

    /// Ends the epoch once a quorum of those who sealed, this voter among them, hold one roster.
    pub(super) fn hand_over(&mut self, now: Now) {
        if self.own_seal.is_none() {
            return;
        }
        let roster = self.roster;
        let me = self.signer.id();
        let same = self.seals.iter().filter(|(voter, (_, held))| {
            // What this voter holds itself may have grown since it sealed.
            **voter == me || *held == roster
        });
        let same = same.map(|(_, (seal, _))| seal);
        if let Some(handover) = Handover::assemble(&self.electorate, same) {
            // Signed by voters whose seals were verified: it holds, unless the next electorate cannot be.
            let _taken = self.take_over(Arc::new(handover), now);
        }
    }

    pub(super) fn take_over(
        &mut self,
        mut handover: Arc<Handover>,
        now: Now,
    ) -> Result<(), HandoverError> {
        let electorate = handover.verify(&self.electorate, &*self.scheme)?;
        let wider = Arc::make_mut(&mut handover);
        for (seal, _) in self.seals.values() {
            // Verified when it came.
            if seal.next == wider.next {
                wider.seals.entry(seal.voter).or_insert(seal.signature);
            }
        }
        let (voters, quorum) = (self.electorate.seats().len(), self.electorate.quorum());
        if self.undecided.len() > voters - quorum {
            // The epoch that begins cannot have begun before what was forgotten.
            self.has_forgotten = false;
        }
        self.undecided.clear();
        self.electorate = electorate;
        self.handovers.insert(handover.epoch, handover.clone());
        self.assembly = None;
        self.said.clear();
        self.own_seal = None;
        self.seals.clear();
        self.repeat_at = None;
        let electorate = &self.electorate;
        self.challenged.retain(|voter| electorate.contains(voter));
        self.nominated.retain(|voter, wanted| {
            wanted.retain(|node, _| !electorate.contains(node));
            !wanted.is_empty() && (electorate.contains(voter) || wanted.contains_key(voter))
        });
        self.out.push_back(Output::HandedOver {
            handover: handover.clone(),
            electorate: Box::new(self.electorate.clone()),
        });
        // Whoever is linked follows: voters, and those who only look on.
        let all: Vec<NodeId> = self.linked.iter().copied().collect();
        self.push_send(all, Message::Handovers(vec![handover.clone()]));
        if self.electorate.contains(&self.signer.id()) {
            self.assemble(now);
            self.accuse_the_challenged(now);
        }
        Ok(())
    }
}
