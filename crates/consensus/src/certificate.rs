//! A carried proposal with its proof: the signatures of a quorum.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::electorate::Electorate;
use crate::id::{Digest, NetworkId, NodeId, ProposalId, Signature};
use crate::proposal::{Proposal, ProposalError};
use crate::scheme::Scheme;
use crate::small_map::SmallMap;
use crate::together::at_once;
use crate::vote::{self, Choice};

/// A decision that anyone who knows the electorate can check, offline. Means nothing until
/// [verified](Certificate::verify).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Certificate {
    /// What was decided.
    pub proposal: Arc<Proposal>,
    /// In which epoch.
    pub epoch: u64,
    /// By which electorate ([`Electorate::id`]).
    pub electorate: Digest,
    /// The yes votes' signatures, by voter. A quorum of them, perhaps more.
    pub votes: SmallMap<NodeId, Signature>,
}

/// Why a certificate proves nothing, or not yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Decided for another network.
    #[error("expected a certificate of network {expected}, got one of {got}")]
    AnotherNetwork {
        /// The reader's.
        expected: NetworkId,
        /// The certificate's.
        got: NetworkId,
    },
    /// Decided in another epoch or by other seats than the reader knows.
    #[error(
        "expected a certificate of electorate {expected} in epoch {expected_epoch}, got one of {got} in epoch {got_epoch}"
    )]
    AnotherElectorate {
        /// The reader's.
        expected: Digest,
        /// The reader's.
        expected_epoch: u64,
        /// The certificate's.
        got: Digest,
        /// The certificate's.
        got_epoch: u64,
    },
    /// What was decided is not acceptable in itself.
    #[error(transparent)]
    Proposal(#[from] ProposalError),
    /// More signatures than seats.
    #[error("expected at most {seats} signatures, got {got}")]
    TooManySignatures {
        /// The electorate's size.
        seats: usize,
        /// How many came.
        got: usize,
    },
    /// Too few signatures of known voters, and no unmet seats that the others could sit in.
    #[error("{0} signed, but is not a voter of this electorate, and there are too few without it")]
    NotAVoter(NodeId),
    /// A signature that is not the voter's.
    #[error("the signature of {0} does not hold for this proposal")]
    Signature(NodeId),
    /// Fewer signatures than the quorum.
    #[error("expected {quorum} signatures, got {got}")]
    TooFew {
        /// The quorum.
        quorum: usize,
        /// How many came.
        got: usize,
    },
    /// Might be a quorum, but some signers are not known to the reader yet: meet the remaining voters and ask again.
    #[error("expected {quorum} signatures of known voters, got {got}; not met yet: {}", names(.unknown))]
    Undecided {
        /// The quorum.
        quorum: usize,
        /// Signatures of known voters.
        got: usize,
        /// Signers the reader has not met.
        unknown: Vec<NodeId>,
    },
}

impl CertificateError {
    /// Whether nobody honest can hold this for true. The other errors may come of what the reader knows, or does not
    /// know, of the voters.
    pub const fn is_forgery(&self) -> bool {
        !matches!(
            self,
            Self::Undecided { .. }
                | Self::NotAVoter(_)
                | Self::AnotherElectorate { .. }
                | Self::AnotherNetwork { .. }
        )
    }
}

fn names(nodes: &[NodeId]) -> String {
    let names: Vec<_> = nodes.iter().map(|node| node.short().to_string()).collect();
    names.join(", ")
}

impl Certificate {
    pub(crate) fn assemble(
        proposal: Arc<Proposal>,
        electorate: &Electorate,
        votes: impl IntoIterator<Item = (NodeId, Signature)>,
    ) -> Self {
        Self {
            proposal,
            epoch: electorate.epoch(),
            electorate: electorate.id(),
            votes: votes.into_iter().collect(),
        }
    }

    /// The proposal's name.
    pub fn id(&self) -> ProposalId {
        self.proposal.id()
    }

    /// Checks that a quorum of this electorate, or of the one before it, decided this.
    ///
    /// # Errors
    /// [`CertificateError::Undecided`] when the reader has not met enough of the signers to know; else why it proves
    /// nothing.
    pub fn verify(
        &self,
        electorate: &Electorate,
        scheme: &dyn Scheme,
    ) -> Result<(), CertificateError> {
        at_once(scheme, |scheme| self.check(electorate, scheme))
    }

    fn check(&self, electorate: &Electorate, scheme: &dyn Scheme) -> Result<(), CertificateError> {
        let network = self.proposal.network();
        let is_any_network = planted!(NetworkIdUnchecked);
        if network != electorate.network() && !is_any_network {
            return Err(CertificateError::AnotherNetwork {
                expected: electorate.network(),
                got: network,
            });
        }
        let decided_by = electorate.of_epoch(self.epoch, &self.electorate);
        let Some(electorate) = decided_by.or(is_any_network.then_some(electorate)) else {
            return Err(CertificateError::AnotherElectorate {
                expected: electorate.id(),
                expected_epoch: electorate.epoch(),
                got: self.electorate,
                got_epoch: self.epoch,
            });
        };
        let (seats, quorum) = (electorate.seats().len(), quorum_of(electorate));
        if self.votes.len() > seats {
            return Err(CertificateError::TooManySignatures {
                seats,
                got: self.votes.len(),
            });
        }
        if self.votes.len() < quorum {
            return Err(CertificateError::TooFew {
                quorum,
                got: self.votes.len(),
            });
        }
        // Whom the reader does not know proves nothing to it, and spoils nothing either.
        let is_known = |voter: &NodeId| electorate.contains(voter);
        let unknown: Vec<NodeId> = self
            .votes
            .keys()
            .filter(|voter| !is_known(voter))
            .copied()
            .collect();
        let got = self.votes.len() - unknown.len();
        if let Some(first) = unknown.first()
            && got + unknown.len().min(electorate.unmet()) < quorum
        {
            return Err(CertificateError::NotAVoter(*first));
        }
        let content = self.proposal.content();
        self.proposal.verify_as(&content, scheme)?;
        let of = (network, self.epoch, self.electorate);
        let id = self.proposal.id_of(&content);
        let statement = vote::statement_after(&mut vote::begin(of), &id, Choice::Yes);
        let is_forged = |(voter, signature): &(&NodeId, &Signature)| {
            // With enough known voters, the others do not matter.
            (is_known(voter) || got < quorum) && !scheme.verify(voter, &statement, signature)
        };
        if let Some((voter, _)) = self.votes.iter().find(is_forged) {
            return Err(CertificateError::Signature(*voter));
        }
        if got < quorum {
            return Err(CertificateError::Undecided {
                quorum,
                got,
                unknown,
            });
        }
        Ok(())
    }
}

/// How many signatures a certificate needs.
fn quorum_of(electorate: &Electorate) -> usize {
    let quorum = electorate.quorum();
    if planted!(ElectorateByWhoIsUp) {
        // Who was up when it was decided, no reader can know.
        return 1;
    }
    quorum - usize::from(quorum > 1 && planted!(CertificateOneShort))
}
