//! One voter's signed word on one proposal.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::electorate::Electorate;
use crate::id::{Digest, NetworkId, NodeId, ProposalId, Signature};
use crate::scheme::{Scheme, Signer};
use crate::text::cut;
use crate::transcript::Transcript;

/// How long a reason may be, in bytes.
pub const REASON_LEN_MAX: usize = 300;

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Choice {
    /// For the proposal.
    Yes,
    /// Against it.
    No,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "yes",
            Self::No => "no",
        })
    }
}

/// A vote as it travels. Means nothing until [verified](Vote::verify).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Vote {
    /// What it is about.
    pub proposal: ProposalId,
    /// Who votes, and signs.
    pub voter: NodeId,
    /// Yes or no.
    pub choice: Choice,
    /// The signature over network, epoch, electorate, proposal and choice.
    pub signature: Signature,
    /// Why, for people. Not signed: certificates of one proposal share one statement, whatever each voter's reasons.
    pub reason: String,
}

/// A vote whose signature was checked against an electorate that its voter belongs to. What a
/// [`Tally`](crate::Tally) counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VerifiedVote(Arc<Vote>);

/// Why a vote does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VoteError {
    /// The voter has no seat, or is not known yet.
    #[error("{0} is not a known voter of this electorate")]
    NotAVoter(NodeId),
    /// Signed by somebody else, or over another statement, network, epoch or electorate.
    #[error("the vote of {0} does not carry its signature for this electorate and proposal")]
    Signature(NodeId),
    /// Over the limit.
    #[error("expected a reason of at most {REASON_LEN_MAX} bytes, got {0}")]
    ReasonTooLong(usize),
    /// A vote on another proposal.
    #[error("expected a vote on proposal {expected}, got one on {got}")]
    AnotherProposal {
        /// What is being counted.
        expected: ProposalId,
        /// What the vote is about.
        got: ProposalId,
    },
    /// More votes on one proposal than there are voters.
    #[error("expected at most {seats} votes at once, got {got}")]
    TooMany {
        /// The electorate's size.
        seats: usize,
        /// How many came.
        got: usize,
    },
    /// The voter signed both ways. The first vote stays counted.
    #[error("{} voted both yes and no on proposal {}", .0.first.voter, .0.first.proposal)]
    Equivocation(Box<Equivocation>),
}

/// Two contradicting votes of one voter on one proposal: evidence that anyone who knows the electorate can check.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Equivocation {
    /// The vote that came first, and counts.
    pub first: Vote,
    /// The one that contradicts it.
    pub second: Vote,
}

impl Equivocation {
    /// Whether this really shows one voter of the electorate voting both ways.
    ///
    /// # Errors
    /// When a vote does not verify, or the two do not contradict each other.
    pub fn verify(&self, electorate: &Electorate, scheme: &dyn Scheme) -> Result<(), VoteError> {
        self.first.clone().verify(electorate, scheme)?;
        self.second.clone().verify(electorate, scheme)?;
        if self.first.proposal != self.second.proposal {
            return Err(VoteError::AnotherProposal {
                expected: self.first.proposal,
                got: self.second.proposal,
            });
        }
        if self.first.voter != self.second.voter || self.first.choice == self.second.choice {
            return Err(VoteError::Signature(self.second.voter));
        }
        Ok(())
    }
}

/// What the statements of all votes of an electorate begin with. Whole blocks, so that who counts many votes hashes this
/// once, and of each statement one block more.
pub(crate) fn begin((network, epoch, electorate): (NetworkId, u64, Digest)) -> Transcript {
    let mut this = Transcript::new("quorate/vote/2");
    this.bytes(network.as_ref())
        .u64(epoch)
        .bytes(electorate.as_ref())
        .fill_block();
    this
}

/// What a statement names an electorate by.
pub(crate) const fn of(electorate: &Electorate) -> (NetworkId, u64, Digest) {
    (electorate.network(), electorate.epoch(), electorate.id())
}

pub(crate) fn statement_after(
    beginning: &mut Transcript,
    proposal: &ProposalId,
    choice: Choice,
) -> Digest {
    beginning
        .bytes(proposal.as_ref())
        .bytes(match choice {
            Choice::Yes => b"yes",
            Choice::No => b"no",
        })
        .finish()
}

/// What the voters of an electorate sign: the same bytes for every voter of a proposal, so a certificate needs only their
/// signatures.
pub(crate) fn statement_of(
    electorate: &Electorate,
    proposal: &ProposalId,
    choice: Choice,
) -> Digest {
    statement_after(&mut begin(of(electorate)), proposal, choice)
}

impl Vote {
    /// Signs the signer's vote. A reason over [`REASON_LEN_MAX`] is cut.
    pub fn cast(
        signer: &dyn Signer,
        electorate: &Electorate,
        proposal: ProposalId,
        choice: Choice,
        reason: &str,
    ) -> Self {
        let statement = statement_of(electorate, &proposal, choice);
        Self::cast_as(signer, proposal, choice, reason, &statement)
    }

    /// As [`cast`](Self::cast), given [what is signed](statement_of).
    pub(crate) fn cast_as(
        signer: &dyn Signer,
        proposal: ProposalId,
        choice: Choice,
        reason: &str,
        statement: &Digest,
    ) -> Self {
        Self {
            proposal,
            voter: signer.id(),
            choice,
            signature: signer.sign(statement),
            reason: cut(reason, REASON_LEN_MAX).to_owned(),
        }
    }

    /// Checks that a voter of the electorate signed this.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn verify(
        self,
        electorate: &Electorate,
        scheme: &dyn Scheme,
    ) -> Result<VerifiedVote, VoteError> {
        let statement = statement_of(electorate, &self.proposal, self.choice);
        Arc::new(self).verify_as(electorate, scheme, &statement)
    }

    /// As [`verify`](Self::verify), given [what is signed](statement_of), which all votes for one choice share.
    #[inline]
    pub(crate) fn verify_as(
        self: Arc<Self>,
        electorate: &Electorate,
        scheme: &dyn Scheme,
        statement: &Digest,
    ) -> Result<VerifiedVote, VoteError> {
        if self.reason.len() > REASON_LEN_MAX {
            return Err(VoteError::ReasonTooLong(self.reason.len()));
        }
        if !electorate.contains(&self.voter) {
            return Err(VoteError::NotAVoter(self.voter));
        }
        if scheme.verify(&self.voter, statement, &self.signature) {
            Ok(VerifiedVote(self))
        } else {
            Err(VoteError::Signature(self.voter))
        }
    }
}

impl VerifiedVote {
    /// A vote that was just signed here.
    pub(crate) const fn own(vote: Arc<Vote>) -> Self {
        Self(vote)
    }

    /// The vote.
    pub fn vote(&self) -> &Vote {
        &self.0
    }

    pub(crate) const fn shared(&self) -> &Arc<Vote> {
        &self.0
    }

    /// The vote.
    pub fn into_vote(self) -> Arc<Vote> {
        self.0
    }
}
