//! The count of votes on one proposal: a time-free core.
//!
//! Carried as soon as the quorum says yes, defeated as soon as it no longer can. The outcome depends only on which
//! votes were counted, never on their order, as long as no voter signs both ways; the vote of one who does counts as
//! it first came, and the contradiction is returned as evidence.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::certificate::Certificate;
use crate::electorate::Electorate;
use crate::id::{NodeId, ProposalId};
use crate::proposal::Proposal;
use crate::vote::{Choice, Equivocation, VerifiedVote, Vote, VoteError};

/// Votes on one proposal. At most one per voter, so as many as the electorate has seats.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tally {
    proposal: ProposalId,
    /// Sorted by voter, one of each.
    votes: SmallVec<[Arc<Vote>; USUAL]>,
}

/// So many votes are counted without allocating.
const USUAL: usize = 7;

/// Where a vote stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Neither side has it yet.
    Open,
    /// A quorum said yes.
    Carried,
    /// So many said no that a quorum of yes is out of reach.
    Defeated,
}

/// What counting a vote changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counted {
    /// The voter's first vote here.
    New,
    /// The voter had voted the same already.
    Duplicate,
}

impl Tally {
    /// An empty count.
    pub const fn new(proposal: ProposalId) -> Self {
        Self {
            proposal,
            votes: SmallVec::new_const(),
        }
    }

    /// An empty count, with room for as many votes.
    pub(crate) fn with_room(proposal: ProposalId, votes: usize) -> Self {
        Self {
            proposal,
            votes: SmallVec::with_capacity(votes),
        }
    }

    /// What is voted on.
    pub(crate) const fn proposal(&self) -> &ProposalId {
        &self.proposal
    }

    /// Counts a vote.
    ///
    /// # Errors
    /// [`VoteError::AnotherProposal`], or [`VoteError::Equivocation`] with both votes as evidence. The count is
    /// unchanged then.
    #[inline]
    pub fn count(&mut self, vote: VerifiedVote) -> Result<Counted, VoteError> {
        self.count_shared(vote.shared())
    }

    /// As [`count`](Self::count), of a vote that is used elsewhere too.
    pub(crate) fn count_shared(&mut self, vote: &Arc<Vote>) -> Result<Counted, VoteError> {
        if vote.proposal != self.proposal {
            return Err(VoteError::AnotherProposal {
                expected: self.proposal,
                got: vote.proposal,
            });
        }
        match self.place_of(&vote.voter) {
            Err(place) => {
                self.votes.insert(place, vote.clone());
                Ok(Counted::New)
            }
            Ok(place) if self.votes[place].choice == vote.choice => Ok(Counted::Duplicate),
            Ok(place) => Err(VoteError::Equivocation(Box::new(Equivocation {
                first: Vote::clone(&self.votes[place]),
                second: Vote::clone(vote),
            }))),
        }
    }

    /// How it stands in this electorate. Votes of others than its voters do not count.
    #[inline]
    pub fn outcome(&self, electorate: &Electorate) -> Outcome {
        let (quorum, seats) = (electorate.quorum(), electorate.seats().len());
        let all = |choice| {
            self.votes
                .iter()
                .filter(|vote| vote.choice == choice)
                .count()
        };
        // Most are counted before it matters whether all are voters'.
        if all(Choice::Yes) < quorum && seats >= all(Choice::No) + quorum {
            return Outcome::Open;
        }
        let of = |choice| {
            let chosen =
                |vote: &&Arc<Vote>| vote.choice == choice && electorate.contains(&vote.voter);
            self.votes.iter().filter(chosen).count()
        };
        if of(Choice::Yes) >= quorum {
            Outcome::Carried
        } else if seats - of(Choice::No) < quorum {
            Outcome::Defeated
        } else {
            Outcome::Open
        }
    }

    /// The certificate, once carried. `proposal` must be the one counted.
    pub fn certificate(&self, proposal: &Proposal, electorate: &Electorate) -> Option<Certificate> {
        let carried =
            self.outcome(electorate) == Outcome::Carried && proposal.id() == self.proposal;
        carried.then(|| self.certificate_of(&Arc::new(proposal.clone()), electorate))
    }

    /// The certificate of what is known to be carried, and to be the proposal counted.
    pub(crate) fn certificate_of(
        &self,
        proposal: &Arc<Proposal>,
        electorate: &Electorate,
    ) -> Certificate {
        let yes = self.votes.iter().filter(|vote| vote.choice == Choice::Yes);
        Certificate::assemble(
            proposal.clone(),
            electorate,
            yes.map(|vote| (vote.voter, vote.signature)),
        )
    }

    /// The votes counted, by voter.
    pub fn votes(&self) -> impl Iterator<Item = &Vote> {
        self.votes.iter().map(|vote| &**vote)
    }

    /// The votes counted, by voter, to be sent on.
    pub(crate) fn shared(&self) -> Vec<Arc<Vote>> {
        self.votes.to_vec()
    }

    /// A voter's vote.
    #[inline]
    pub fn vote_of(&self, voter: &NodeId) -> Option<&Vote> {
        let place = self.place_of(voter).ok()?;
        Some(&self.votes[place])
    }

    /// Whether this very vote was counted.
    pub(crate) fn holds(&self, vote: &Vote) -> bool {
        self.vote_of(&vote.voter) == Some(vote)
    }

    /// As [`vote_of`](Self::vote_of), to be sent on.
    pub(crate) fn shared_of(&self, voter: &NodeId) -> Option<&Arc<Vote>> {
        let place = self.place_of(voter).ok()?;
        Some(&self.votes[place])
    }

    #[inline]
    fn place_of(&self, voter: &NodeId) -> Result<usize, usize> {
        // Voters are often heard in order.
        match self.votes.last() {
            Some(last) if last.voter < *voter => Err(self.votes.len()),
            _ => self.votes.binary_search_by(|vote| vote.voter.cmp(voter)),
        }
    }

    /// Whether every seat has voted, if all votes counted are of voters of this electorate.
    #[inline]
    pub(crate) fn is_complete(&self, electorate: &Electorate) -> bool {
        self.votes.len() >= electorate.seats().len()
    }

    /// The names of the seats that have not voted.
    pub fn silent<'a>(&'a self, electorate: &'a Electorate) -> impl Iterator<Item = &'a str> + 'a {
        let voted = |voter: NodeId| self.vote_of(&voter).is_some();
        electorate
            .seats()
            .iter()
            .filter(move |seat| !seat.voter.is_some_and(voted))
            .map(|seat| seat.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NetworkId;
    use crate::proposal::Motion;
    use crate::quorum::QuorumRule;
    use crate::scheme::Unproven;
    use proptest::prelude::*;

    fn electorate(voters: u64, rule: QuorumRule) -> Electorate {
        let voters = (1..=voters).map(NodeId::from);
        Electorate::of(NetworkId::new([7; 32]), rule, voters).unwrap()
    }

    fn motion() -> Proposal {
        let proposer = Unproven::signer(NodeId::from(1));
        Proposal::Motion(Motion::sign(
            &proposer,
            NetworkId::new([7; 32]),
            "tea",
            "yes?",
            1,
            0,
        ))
    }

    fn vote(electorate: &Electorate, voter: u64, choice: Choice) -> VerifiedVote {
        let signer = Unproven::signer(NodeId::from(voter));
        Vote::cast(&signer, electorate, motion().id(), choice, "")
            .verify(electorate, &Unproven)
            .unwrap()
    }

    #[test]
    fn early_carry_and_early_defeat() {
        use Outcome::{Carried, Defeated, Open};
        use QuorumRule::{Majority, Supermajority, Unanimous};
        // voters, rule, votes in order ('y' of the next voter, 'n' likewise), outcome after each
        let table: [(u64, QuorumRule, &str, &[Outcome]); 6] = [
            (1, Majority, "y", &[Carried]),
            (2, Majority, "yn", &[Open, Defeated]),
            (3, Majority, "yny", &[Open, Open, Carried]),
            (3, Majority, "nn", &[Open, Defeated]),
            (4, Supermajority, "nyyy", &[Open, Open, Open, Carried]),
            (3, Unanimous, "yn", &[Open, Defeated]),
        ];
        for (voters, rule, votes, outcomes) in table {
            let electorate = electorate(voters, rule);
            let mut tally = Tally::new(motion().id());
            for (index, (choice, outcome)) in votes.chars().zip(outcomes).enumerate() {
                let choice = if choice == 'y' {
                    Choice::Yes
                } else {
                    Choice::No
                };
                tally
                    .count(vote(&electorate, index as u64 + 1, choice))
                    .unwrap();
                assert_eq!(
                    tally.outcome(&electorate),
                    *outcome,
                    "{rule} {votes} at {index}"
                );
            }
        }
    }

    #[test]
    fn both_ways_is_evidence_and_changes_nothing() {
        let electorate = electorate(3, QuorumRule::Majority);
        let mut tally = Tally::new(motion().id());
        assert_eq!(
            tally.count(vote(&electorate, 1, Choice::Yes)),
            Ok(Counted::New)
        );
        assert_eq!(
            tally.count(vote(&electorate, 1, Choice::Yes)),
            Ok(Counted::Duplicate)
        );
        let before = tally.clone();
        let Err(VoteError::Equivocation(evidence)) = tally.count(vote(&electorate, 1, Choice::No))
        else {
            panic!("an equivocation was counted");
        };
        assert_eq!(evidence.verify(&electorate, &Unproven), Ok(()));
        assert_eq!(tally, before);
        let harmless = Equivocation {
            first: evidence.first.clone(),
            second: evidence.first,
        };
        assert!(harmless.verify(&electorate, &Unproven).is_err());
    }

    proptest! {
        #[test]
        fn the_order_of_votes_does_not_matter(
            choices in proptest::collection::vec(any::<Option<bool>>(), 1..8),
            order in any::<proptest::sample::Index>(),
        ) {
            let electorate = electorate(choices.len() as u64, QuorumRule::Majority);
            let votes: Vec<_> = choices
                .iter()
                .zip(1..)
                .filter_map(|(choice, voter)| {
                    let choice = if (*choice)? { Choice::Yes } else { Choice::No };
                    Some(vote(&electorate, voter, choice))
                })
                .collect();
            let mut forward = Tally::new(motion().id());
            let mut turned = Tally::new(motion().id());
            for vote in &votes {
                forward.count(vote.clone()).unwrap();
            }
            let start = if votes.is_empty() { 0 } else { order.index(votes.len()) };
            for vote in votes[start..].iter().chain(&votes[..start]).rev() {
                turned.count(vote.clone()).unwrap();
            }
            prop_assert_eq!(&forward, &turned);
            prop_assert_eq!(forward.certificate(&motion(), &electorate), turned.certificate(&motion(), &electorate));
        }
    }
}
