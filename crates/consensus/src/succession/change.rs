//! What one epoch can decide: a candidate comes in, dead members go, a member leaves.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::chain::Membership;
use super::opinion::{Accusation, Leave, is_allow};
use crate::id::{Digest, NodeId, Signature};
use crate::record::{Record, RecordError};
use crate::scheme::Scheme;
use crate::transcript::Transcript;

/// A change of the membership with what makes it valid. Means nothing until [verified](Change::verify).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Change {
    /// Every member allows this record.
    Admit {
        /// The candidate's.
        record: Record,
        /// Each member's ALLOW.
        allows: BTreeMap<NodeId, Signature>,
    },
    /// All other members, and enough of them to decide, say that these do not answer.
    Evict {
        /// Each suspect, with the accusation of every member that stays.
        suspects: BTreeMap<NodeId, BTreeMap<NodeId, Signature>>,
    },
    /// A member goes by its own word.
    Leave(Leave),
}

/// Why a change is not valid in an epoch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The candidate's record is not acceptable in itself.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The candidate's record is for another network, a member's, or of a life that has ended.
    #[error("the record of {node} cannot be admitted: {reason}")]
    Candidate {
        /// Whose.
        node: NodeId,
        /// Why not.
        reason: String,
    },
    /// The signatures are not exactly those of the members they must be of.
    #[error("expected the signatures of {expected} members, got {got} of them")]
    Signers {
        /// How many there must be.
        expected: usize,
        /// How many of these came.
        got: usize,
    },
    /// A signature that is not the member's.
    #[error("the signature of {0} does not hold for this change")]
    Signature(NodeId),
    /// Who is to go is no member.
    #[error("{0} is no member")]
    NotAMember(NodeId),
    /// Nobody is to go.
    #[error("expected at least 1 suspect, got none")]
    Nobody,
    /// Too few would stay.
    #[error("expected at least {quorum} members to stay, got {staying}")]
    TooFewStay {
        /// The quorum.
        quorum: usize,
        /// How many would stay.
        staying: usize,
    },
}

impl Change {
    /// The digest of what it decides, without the signatures that make it valid: two of one decision are one change.
    pub fn hash(&self) -> Digest {
        match self {
            Self::Admit { record, .. } => Transcript::new("quorate/admit/1")
                .bytes(record.hash().as_ref())
                .finish(),
            Self::Evict { suspects } => Transcript::new("quorate/evict/1")
                .list(suspects.keys())
                .finish(),
            Self::Leave(leave) => Transcript::new("quorate/left/1")
                .bytes(leave.member.as_ref())
                .finish(),
        }
    }

    /// Checks that this epoch's members have made it valid.
    ///
    /// # Errors
    /// Why it is not.
    pub fn verify(&self, membership: &Membership, scheme: &dyn Scheme) -> Result<(), ChangeError> {
        match self {
            Self::Admit { record, allows } => {
                membership.check_candidate(record)?;
                record.verify(scheme)?;
                let hash = record.hash();
                let network = membership.network();
                each_signed(
                    membership.members(),
                    allows_needed(membership),
                    allows,
                    |member, incarnation, signature| {
                        is_allow(network, &hash, (member, incarnation), signature, scheme)
                    },
                )
            }
            Self::Evict { suspects } => verify_eviction(suspects, membership, scheme),
            Self::Leave(leave) => {
                if membership.member(&leave.member).is_none() {
                    Err(ChangeError::NotAMember(leave.member))
                } else if leave.is_valid(&membership.place(), scheme) {
                    Ok(())
                } else {
                    Err(ChangeError::Signature(leave.member))
                }
            }
        }
    }
}

fn verify_eviction(
    suspects: &BTreeMap<NodeId, BTreeMap<NodeId, Signature>>,
    membership: &Membership,
    scheme: &dyn Scheme,
) -> Result<(), ChangeError> {
    if suspects.is_empty() {
        return Err(ChangeError::Nobody);
    }
    if let Some(stranger) = suspects
        .keys()
        .find(|node| membership.member(node).is_none())
    {
        return Err(ChangeError::NotAMember(*stranger));
    }
    let staying = || {
        membership
            .members()
            .filter(|record| !suspects.contains_key(&record.node))
    };
    let (quorum, count) = (membership.quorum(), staying().count());
    if count < quorum {
        return Err(ChangeError::TooFewStay {
            quorum,
            staying: count,
        });
    }
    let place = membership.place();
    for (suspect, accusations) in suspects {
        let incarnation = membership
            .member(suspect)
            .map_or(0, |record| record.incarnation);
        each_signed(staying(), count, accusations, |accuser, _, signature| {
            let accusation = Accusation {
                accuser: *accuser,
                suspect: *suspect,
                incarnation,
                signature: *signature,
            };
            accusation.is_valid(&place, scheme)
        })?;
    }
    Ok(())
}

/// How many members have to allow an admission: all.
pub(super) fn allows_needed(membership: &Membership) -> usize {
    if planted!(AllowOfMost) {
        membership.quorum()
    } else {
        membership.len()
    }
}

/// Checks that so many of these members signed as there are to be, and nobody else.
fn each_signed<'a>(
    members: impl Iterator<Item = &'a Record>,
    expected: usize,
    signatures: &BTreeMap<NodeId, Signature>,
    is_valid: impl Fn(&NodeId, u64, &Signature) -> bool,
) -> Result<(), ChangeError> {
    let of_members = |record: &'a Record| Some((record, signatures.get(&record.node)?));
    let signed: Vec<_> = members.filter_map(of_members).collect();
    if signed.len() < expected || signatures.len() != signed.len() {
        return Err(ChangeError::Signers {
            expected,
            got: signed.len(),
        });
    }
    let is_forged = |(record, signature): &(&Record, &Signature)| {
        !is_valid(&record.node, record.incarnation, signature)
    };
    signed
        .into_iter()
        .find(is_forged)
        .map_or(Ok(()), |(record, _)| {
            Err(ChangeError::Signature(record.node))
        })
}
