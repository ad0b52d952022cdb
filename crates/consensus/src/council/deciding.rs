//! From votes to decisions: counting, certifying, committing, and closing what is over.

use std::sync::Arc;
use std::time::Instant;

use super::matter::{Matter, Own};
use super::remembered::Casting;
use super::{Council, Decision, Durable, Message, Output, claimed_key};
use crate::id::{NodeId, ProposalId};
use crate::proposal::Proposal;
use crate::roster::{Merged, Proof, Standing, StandingKey, VerifiedProof};
use crate::tally::{Counted, Outcome};
use crate::vote::{Choice, VerifiedVote, VoteError};

impl Council {
    pub(super) fn vote_is_durable(&mut self, casting: Casting) {
        let Casting {
            opened_ms,
            vote,
            since,
        } = casting;
        let remembered = self.remember(vote.proposal, opened_ms);
        remembered.vote = Some(vote.clone());
        remembered.since = Some(since);
        // Its matter may have ended meanwhile: nobody waits for the vote here, but it was given.
        let matter = self.matters.get_mut(&vote.proposal);
        let Some(matter) = matter.filter(|matter| matches!(matter.own, Own::Persisting)) else {
            return;
        };
        matter.own = Own::Cast(vote.clone());
        for voter in self.others() {
            self.send(voter, Message::Vote(vote.clone()));
        }
        // Its own vote, counted once: neither foreign nor contradicting.
        let _counted = self.count(VerifiedVote::own(vote));
    }

    pub(super) fn count(&mut self, vote: VerifiedVote) -> Result<(), VoteError> {
        let id = vote.vote().proposal;
        let Some(matter) = self.matters.get_mut(&id) else {
            return Ok(());
        };
        match matter.tally.count(vote.clone()) {
            Ok(Counted::Duplicate) => return Ok(()),
            Ok(Counted::New) => {}
            Err(error) => {
                if let VoteError::Equivocation(evidence) = &error
                    && !planted!(EvidenceSwallowed)
                {
                    self.outputs
                        .push_back(Output::Equivocated(evidence.clone()));
                }
                return Err(error);
            }
        }
        let proposal = matter.proposal.clone();
        let outcome = matter.tally.outcome(&self.electorate);
        let (was_carried, was_announced) = (matter.carried, matter.announced);
        // A proof from elsewhere may have carried it before this tally does.
        matter.carried |= outcome == Outcome::Carried;
        let choice = vote.vote().choice;
        // Later yes votes widen the certificate of a standing for readers who know other voters; a motion's is told once,
        // and later noes change nothing.
        let is_motion = matches!(*proposal, Proposal::Motion(_));
        let adds = !was_carried || (choice == Choice::Yes && !is_motion);
        let certificate = (outcome == Outcome::Carried && adds)
            .then(|| matter.tally.certificate(&proposal, &self.electorate))
            .flatten();
        self.outputs.push_back(Output::Counted {
            proposal: proposal.clone(),
            vote: vote.into_vote(),
        });
        match (outcome, certificate) {
            (Outcome::Carried, Some(certificate)) if is_motion => {
                matter.announced = true;
                self.decided(proposal, Decision::Carried(Box::new(certificate)));
            }
            (Outcome::Carried, Some(certificate)) => {
                let proof = Proof::of(certificate).map(Arc::new);
                if let Some(proof) = proof.and_then(VerifiedProof::own) {
                    self.persist_proof(proof);
                }
            }
            (Outcome::Defeated, _) if !was_announced => {
                let reasons = self.matters[&id]
                    .tally
                    .votes()
                    .filter(|vote| vote.choice == Choice::No)
                    .map(|vote| (vote.voter, vote.reason.clone()))
                    .collect();
                self.end(&id);
                self.decided(proposal, Decision::Defeated(reasons));
            }
            _ => {}
        }
        self.close_if_done(&id);
        Ok(())
    }

    /// A decided matter stays open for late votes, which widen its certificate, until all have voted.
    pub(super) fn close_if_done(&mut self, id: &ProposalId) {
        let is_done = |matter: &Matter| matter.announced && matter.is_complete(&self.electorate);
        if self.matters.get(id).is_some_and(is_done) {
            self.end(id);
        }
    }

    /// Closes a matter whose end was told, and remembers that it was.
    pub(super) fn end(&mut self, id: &ProposalId) {
        if let Some(matter) = self.matters.remove(id) {
            self.remember(*id, matter.proposal.opened_ms()).has_ended = true;
        }
    }

    pub(super) fn persist_proof(&mut self, proof: VerifiedProof) {
        // The store keeps what was written last of a node, so what adds nothing to what is there, or on its way, must
        // not follow it.
        let adds_nothing = |key: StandingKey, known: &Proof| {
            key > proof.key() || (key == proof.key() && !proof.proof().adds_to(known))
        };
        let node = proof.node();
        let entry = self.roster.get(&node);
        if entry.is_some_and(|entry| adds_nothing(entry.key, &entry.proof))
            || self
                .committing
                .about(&node)
                .any(|pending| adds_nothing(pending.key(), pending.proof()))
        {
            return;
        }
        let durable = Durable::Proof(proof.proof().clone());
        let persist = self.persist(durable);
        if planted!(StoreIgnored) {
            self.commit(proof);
        } else {
            self.committing.insert(persist, proof);
        }
    }

    pub(super) fn commit(&mut self, proof: VerifiedProof) {
        let node = proof.node();
        match self.roster.merge(proof) {
            Merged::Changed(previous) => {
                let Some(entry) = self.roster.get(&node) else {
                    return;
                };
                let (key, proof) = (entry.key, entry.proof.clone());
                self.outputs.push_back(Output::Committed {
                    node,
                    proof: proof.clone(),
                    previous,
                });
                self.settle(node, key, &proof);
            }
            Merged::Widened => {
                if let Some(entry) = self.roster.get(&node) {
                    let proof = entry.proof.clone();
                    self.outputs.push_back(Output::Widened { node, proof });
                }
            }
            Merged::Known | Merged::Outdated => {}
        }
    }

    /// Closes what a new standing has decided or overtaken.
    pub(super) fn settle(&mut self, node: NodeId, key: StandingKey, proof: &Arc<Proof>) {
        let is_overtaken = |proposal: &Proposal| match proposal {
            // Once is enough, whoever reported, and whichever attempt was faster.
            Proposal::Evict(report) if key.standing >= Standing::Evicted => {
                report.incarnation <= key.incarnation
            }
            Proposal::Admit(record) => record.incarnation <= key.incarnation,
            _ => claimed_key(proposal).is_some_and(|claimed| claimed <= key),
        };
        let overtaken: Vec<ProposalId> = self
            .matters
            .iter()
            .filter(|(_, matter)| {
                matter.proposal.subject() == node && is_overtaken(&matter.proposal)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in overtaken {
            let Some(matter) = self.matters.get(&id) else {
                continue;
            };
            let proposal = matter.proposal.clone();
            if claimed_key(&proposal) == Some(key) {
                if let Some(matter) = self.matters.get_mut(&id) {
                    matter.carried = true;
                    matter.announced = true;
                }
                let certificate = Box::new(proof.certificate().clone());
                self.decided(proposal, Decision::Carried(certificate));
                self.close_if_done(&id);
            } else if let Some(matter) = self.matters.remove(&id)
                && !matter.announced
            {
                self.decided(proposal, Decision::Superseded(proof.clone()));
            }
        }
    }

    pub(super) fn expire(&mut self, id: &ProposalId, now: Instant) {
        let Some(matter) = self.matters.get_mut(id) else {
            return;
        };
        let subject = matter.proposal.subject();
        if matter.announced {
            self.end(id);
        } else if self.committing.about(&subject).next().is_some() {
            // A decision about the node is on its way to the disk, and says how this ends.
            matter.deadline = now + self.config.deadline;
        } else if let Some(matter) = self.matters.remove(id) {
            let silent = matter
                .tally
                .silent(&self.electorate)
                .map(str::to_owned)
                .collect();
            self.decided(matter.proposal, Decision::Expired { silent });
        }
    }

    /// A planted fault: who has not voted by now is taken for no part of the electorate.
    #[cfg(feature = "planted")]
    pub(super) fn decide_without_the_silent(&mut self, id: &ProposalId) {
        let Some(matter) = self.matters.get_mut(id).filter(|matter| !matter.carried) else {
            return;
        };
        let up: Vec<NodeId> = matter.tally.votes().map(|vote| vote.voter).collect();
        let Some(electorate) = self.electorate.among(&up) else {
            return;
        };
        let certificate = matter.tally.certificate(&matter.proposal, &electorate);
        if let Some(proof) = certificate
            .and_then(Proof::of)
            .and_then(|proof| VerifiedProof::own(Arc::new(proof)))
        {
            matter.carried = true;
            self.persist_proof(proof);
        }
    }

    pub(super) fn decided(&mut self, proposal: Arc<Proposal>, decision: Decision) {
        self.outputs
            .push_back(Output::Decided { proposal, decision });
    }
}
