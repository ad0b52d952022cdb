//! What other voters say: their proposals, votes and proofs.

use std::sync::Arc;

use super::matter::Origin;
use super::{Council, Message, ProposeError};
use crate::id::NodeId;
use crate::named::Named;
use crate::roster::{Proof, ProofError, StandingKey};
use crate::time::Now;
use crate::vote::{self, Vote, VoteError};

impl Council {
    /// A proposal that another voter brought, or sends again because it lacks our vote.
    ///
    /// # Errors
    /// Why this voter takes no part; nothing changes then. When it is [`ProposeError::Settled`], the proof has been
    /// sent back to `from`.
    pub fn handle_proposal(
        &mut self,
        from: NodeId,
        proposal: impl Into<Named>,
        now: Now,
    ) -> Result<(), ProposeError> {
        let named: Named = proposal.into();
        let id = named.id();
        let remembered = self.remembered.of(&id);
        let said = remembered.and_then(|remembered| remembered.vote.clone());
        if !self.matters.contains_key(&id) {
            let opened = match remembered {
                Some(remembered) if remembered.has_ended => self.check_standing(&named),
                _ => self.open(named, Origin::Asked, now),
            };
            match opened {
                Err(ProposeError::Settled(proof)) => {
                    if let Some(vote) = said {
                        // So that it need not ask for it again.
                        self.send(from, Message::Vote(vote));
                    }
                    self.send(from, Message::Proof(proof.clone()));
                    return Err(ProposeError::Settled(proof));
                }
                opened => opened?,
            }
        }
        if let Some(matter) = self.matters.get_mut(&id) {
            matter.ask(from, &self.others);
            if matter.announced {
                // Whoever decided it may have told no other.
                let votes = Arc::new(matter.tally.shared());
                self.send(from, Message::Votes(votes));
                return Ok(());
            }
        }
        if let Some(vote) = said {
            self.send(from, Message::Vote(vote));
        }
        Ok(())
    }

    /// A vote of another voter. It may arrive before its proposal. One that adds nothing, as it was counted already or its
    /// proposal has ended here, is not verified and not an error.
    ///
    /// # Errors
    /// When it does not verify, or contradicts the voter's first vote (which is also output as
    /// [`Output::Equivocated`](super::Output::Equivocated)).
    pub fn handle_vote(&mut self, vote: impl Into<Arc<Vote>>) -> Result<(), VoteError> {
        let vote: Arc<Vote> = vote.into();
        let Ok(place) = self.matters.place_of(&vote.proposal) else {
            return self.keep_early(vote);
        };
        if self.matters.at(place).tally.holds(&vote) {
            return Ok(());
        }
        self.verify_and_count(place, vote)
    }

    /// The own word is not taken from others: a voter that lost its store passes on nothing that it cannot vouch for.
    fn is_own(&self, vote: &Vote) -> bool {
        vote.voter == self.signer.id()
    }

    fn verify_and_count(&mut self, place: usize, vote: Arc<Vote>) -> Result<(), VoteError> {
        if self.is_own(&vote) {
            return Ok(());
        }
        let statement = self
            .matters
            .at(place)
            .statement(vote.choice, &self.electorate);
        let vote = vote.verify_as(&self.electorate, &*self.scheme, &statement)?;
        self.count_in(place, vote)
    }

    fn keep_early(&mut self, vote: Arc<Vote>) -> Result<(), VoteError> {
        if self.has_ended(&vote.proposal) || self.is_own(&vote) {
            return Ok(());
        }
        let statement = vote::statement_of(&self.electorate, &vote.proposal, vote.choice);
        let vote = vote.verify_as(&self.electorate, &*self.scheme, &statement)?;
        if self.early.contains(&vote) {
            return Ok(());
        }
        self.early.push_back(vote);
        if self.early.len() > self.config.early_votes_max {
            self.early.pop_front();
        }
        Ok(())
    }

    /// Votes of several voters, that another has counted.
    ///
    /// # Errors
    /// As [`handle_vote`](Self::handle_vote), of the first that does not count; the others do.
    /// [`VoteError::TooMany`] when they cannot be of one proposal's voters: none counts then.
    pub fn handle_votes(&mut self, votes: &[Arc<Vote>]) -> Result<(), VoteError> {
        let (seats, got) = (self.electorate.seats().len(), votes.len());
        if got > seats {
            return Err(VoteError::TooMany { seats, got });
        }
        let counted = votes
            .iter()
            .map(|vote| match self.matters.place_of(&vote.proposal) {
                Ok(place) if self.matters.at(place).tally.holds(vote) => Ok(()),
                Ok(place) => self.verify_and_count(place, vote.clone()),
                Err(_) => self.keep_early(vote.clone()),
            });
        counted.fold(Ok(()), Result::and)
    }

    /// A proof of a standing, from anywhere: another voter, a member's passport, an exchange of rosters.
    ///
    /// # Errors
    /// When it does not verify. A proof of what is known already is not verified and not an error.
    pub fn handle_proof(&mut self, proof: Arc<Proof>) -> Result<(), ProofError> {
        if self.is_news(&proof) {
            let proof = proof.verify(&self.electorate, &*self.scheme)?;
            self.persist_proof(proof);
        }
        Ok(())
    }

    /// [`Message::Proof`]: another voter says that what it was asked is settled there. If more is settled here, it is told so,
    /// as the votes that settled it went to those who took part.
    ///
    /// # Errors
    /// As [`handle_proof`](Self::handle_proof).
    pub fn handle_settled(&mut self, from: NodeId, proof: Arc<Proof>) -> Result<(), ProofError> {
        if let Some((node, key)) = proof.claims()
            && let Some(entry) = self.roster.get(&node)
            && entry.key > key
        {
            let more = entry.proof.clone();
            self.send(from, Message::Proof(more));
            return Ok(());
        }
        self.handle_proof(proof)
    }

    /// As [`handle_proof`](Self::handle_proof), for many that came together; returns what was wrong with those that do not
    /// verify.
    pub fn handle_proofs(&mut self, mut proofs: Vec<Arc<Proof>>) -> Vec<ProofError> {
        proofs.retain(|proof| self.is_news(proof));
        let mut wrong = Vec::new();
        for proof in Proof::verify_all(proofs, &self.electorate, &*self.scheme) {
            match proof {
                Ok(proof) => self.persist_proof(proof),
                Err(error) => wrong.push(error),
            }
        }
        wrong
    }

    /// Whether a node's standing, or a larger one, is durable or about to be.
    pub fn holds(&self, node: &NodeId, key: &StandingKey) -> bool {
        let entry = self.roster.get(node);
        entry.is_some_and(|entry| entry.key >= *key)
            || self.committing.about(node).any(|known| known.key() >= *key)
    }

    /// Whether a proof says more than what is known, as far as that shows without checking it.
    fn is_news(&self, proof: &Arc<Proof>) -> bool {
        let Some((node, key)) = proof.claims() else {
            return true;
        };
        let entry = self.roster.get(&node);
        let is_known = entry.is_some_and(|entry| entry.outdoes(&key, proof));
        let mut committing = self.committing.about(&node);
        !is_known && !committing.any(|known| known.proof() == proof)
    }
}
