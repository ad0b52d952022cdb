//! From votes to decisions: counting, certifying, committing, and closing what is over.

use std::sync::Arc;
use std::time::Instant;

use super::matter::{Matter, Own, send_all};
use super::remembered::Casting;
use super::{Council, Decision, Durable, Message, Output, claimed_key};
use crate::certificate::Certificate;
use crate::explanation::End;
use crate::id::{NodeId, ProposalId};
use crate::proposal::Proposal;
use crate::roster::{Merged, Proof, Standing, StandingKey, VerifiedProof};
use crate::tally::{Counted, Outcome};
use crate::vote::{Choice, VerifiedVote, Vote, VoteError};

impl Council {
    pub(super) fn vote_is_durable(&mut self, casting: Casting) {
        let Casting {
            opened_ms,
            vote,
            since,
        } = casting;
        let remembered = self.remembered.entry(vote.proposal, opened_ms);
        remembered.vote = Some(vote.clone());
        remembered.since = Some(since);
        // Its matter may have ended meanwhile: nobody waits for the vote here, but it was given.
        let matter = self.matters.get_mut(&vote.proposal);
        let Some(matter) = matter.filter(|matter| matches!(matter.own, Own::Persisting)) else {
            return;
        };
        matter.own = Own::Cast(vote.choice);
        self.outputs
            .extend(matter.asked_by.iter().map(|to| Output::Send {
                to: *to,
                message: Message::Vote(vote.clone()),
            }));
        // Its own vote, counted once: neither foreign nor contradicting.
        let _counted = self.count(VerifiedVote::own(vote));
    }

    pub(super) fn count(&mut self, vote: VerifiedVote) -> Result<(), VoteError> {
        match self.matters.place_of(&vote.vote().proposal) {
            Ok(place) => self.count_in(place, vote),
            Err(_) => Ok(()),
        }
    }

    /// Counts a vote on the matter at this place.
    pub(super) fn count_in(&mut self, place: usize, vote: VerifiedVote) -> Result<(), VoteError> {
        let matter = self.matters.at_mut(place);
        match matter.tally.count_shared(vote.shared()) {
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
        let Vote {
            proposal: id,
            choice,
            ..
        } = *vote.vote();
        let is_motion = matter.is_motion();
        if matter.is_told && !is_motion && matter.asked_by.len() < self.others.len() {
            matter.late.push(vote.shared().clone());
            if matter.tally.is_complete(&self.electorate) {
                matter.tell_late(&self.others, &mut self.outputs);
            }
        }
        self.outputs.push_back(Output::Counted {
            proposal: matter.proposal().clone(),
            vote: vote.into_vote(),
        });
        // Later yes votes widen the certificate of a standing for readers who know other voters; a motion's is told once,
        // and later noes change nothing.
        let adds = !matter.carried || (choice == Choice::Yes && !is_motion);
        if adds || !matter.announced {
            // A proof from elsewhere may have carried it before this tally does.
            let outcome = matter.tally.outcome(&self.electorate);
            if outcome != Outcome::Open && matter.is_brought && !matter.is_told {
                matter.tell(&self.others, &mut self.outputs);
            }
            match outcome {
                Outcome::Carried if adds => {
                    matter.carried = true;
                    matter.announced |= is_motion;
                    let proposal = matter.proposal();
                    let certificate = matter.tally.certificate_of(proposal, &self.electorate);
                    self.carried(certificate);
                    self.close_if_done(&id);
                    return Ok(());
                }
                Outcome::Defeated if !matter.announced => {
                    let reasons = matter
                        .tally
                        .votes()
                        .filter(|vote| vote.choice == Choice::No)
                        .map(|vote| (vote.voter, vote.reason.clone()))
                        .collect();
                    let proposal = matter.proposal().clone();
                    if let Some(matter) = self.end(&id) {
                        self.ends.note(matter, End::Defeated);
                    }
                    self.decided(proposal, Decision::Defeated(reasons));
                    return Ok(());
                }
                _ => {}
            }
        }
        if matter.is_done(&self.electorate) {
            let _carried = self.end(&id);
        }
        Ok(())
    }

    /// What follows from a quorum of yes, or from one more.
    fn carried(&mut self, certificate: Certificate) {
        if !matches!(*certificate.proposal, Proposal::Motion(_)) {
            let proof = Proof::of(certificate).map(Arc::new);
            if let Some(proof) = proof.and_then(VerifiedProof::own) {
                self.persist_proof(proof);
            }
            return;
        }
        let proposal = certificate.proposal.clone();
        self.decided(proposal, Decision::Carried(Box::new(certificate)));
    }

    /// A decided matter stays open for late votes, which widen its certificate, until all have voted.
    pub(super) fn close_if_done(&mut self, id: &ProposalId) {
        let matter = self.matters.get(id);
        if matter.is_some_and(|matter| matter.is_done(&self.electorate)) {
            let _carried = self.end(id);
        }
    }

    /// Closes a matter whose end was told, and remembers that it was.
    pub(super) fn end(&mut self, id: &ProposalId) -> Option<Box<Matter>> {
        let matter = self.matters.remove(id)?;
        let remembered = self.remembered.entry(*id, matter.proposal().opened_ms());
        remembered.has_ended = true;
        Some(matter)
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
                if previous
                    .as_ref()
                    .is_some_and(|entry| is_again(&entry.key, &key))
                {
                    // Who took part in the first decision only does not hear of the second.
                    let message = Message::Proof(proof.clone());
                    send_all(self.others.iter(), &message, &mut self.outputs);
                }
                self.outputs.push_back(Output::Committed {
                    node,
                    proof: proof.clone(),
                    previous: previous.map(Box::new),
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
                matter.proposal().subject() == node && is_overtaken(matter.proposal())
            })
            .map(|(id, _)| *id)
            .collect();
        for id in overtaken {
            let Some(matter) = self.matters.get(&id) else {
                continue;
            };
            let proposal = matter.proposal().clone();
            if claimed_key(&proposal).is_some_and(|claimed| claimed.is_same(&key)) {
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
        let subject = matter.proposal().subject();
        if matter.announced {
            let _carried = self.end(id);
        } else if self.committing.about(&subject).next().is_some() {
            // A decision about the node is on its way to the disk, and says how this ends.
            matter.deadline = now + self.config.deadline;
        } else if let Some(matter) = self.matters.remove(id) {
            let silent = matter
                .tally
                .silent(&self.electorate)
                .map(str::to_owned)
                .collect();
            self.decided(matter.proposal().clone(), Decision::Expired { silent });
            self.ends.note(matter, End::Expired);
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
        let certificate = matter.tally.certificate(matter.proposal(), &electorate);
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

/// Whether two questions of one kind were decided about one life: two attempts at an admission, two reports of a death.
fn is_again(first: &StandingKey, second: &StandingKey) -> bool {
    let about = |key: &StandingKey| (key.incarnation, key.standing);
    about(first) == about(second) && !first.is_same(second)
}
