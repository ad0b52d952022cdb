//! What members say: of a candidate (ALLOW or DENY), of a dead member (ACCUSE), of themselves (LEAVE).

use serde::{Deserialize, Serialize};

use super::chain::Place;
use crate::id::{Digest, NetworkId, NodeId, Signature};
use crate::scheme::{Scheme, Signer};
use crate::text::cut;
use crate::transcript::Transcript;
use crate::vote::{Choice, REASON_LEN_MAX};

/// One member's signed word on a candidate's record: the documents' ALLOW or DENY. Given once per record, and not bound to
/// an epoch: it counts while its signer is a member in the life in which it signed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Opinion {
    /// The record's hash.
    pub record: Digest,
    /// Who says it, and signs.
    pub voter: NodeId,
    /// In which of the voter's lives.
    pub incarnation: u64,
    /// ALLOW is yes, DENY is no.
    pub choice: Choice,
    /// Why not, for the candidate. Empty for ALLOW.
    pub reason: String,
    /// The voter's signature over all of the above and the network.
    pub signature: Signature,
}

impl Opinion {
    /// Signs an opinion of the signer's own. A reason is cut to [`REASON_LEN_MAX`] bytes, and dropped for ALLOW.
    pub fn sign(
        signer: &dyn Signer,
        network: NetworkId,
        record: Digest,
        incarnation: u64,
        choice: Choice,
        reason: &str,
    ) -> Self {
        let reason = match choice {
            Choice::Yes => "",
            Choice::No => cut(reason, REASON_LEN_MAX),
        };
        let statement = statement(network, &record, incarnation, choice, reason);
        Self {
            record,
            voter: signer.id(),
            incarnation,
            choice,
            reason: reason.to_owned(),
            signature: signer.sign(&statement),
        }
    }

    /// Whether form and signature hold.
    pub fn is_valid(&self, network: NetworkId, scheme: &dyn Scheme) -> bool {
        let is_formed = match self.choice {
            Choice::Yes => self.reason.is_empty(),
            Choice::No => self.reason.len() <= REASON_LEN_MAX,
        };
        let statement = statement(
            network,
            &self.record,
            self.incarnation,
            self.choice,
            &self.reason,
        );
        is_formed && scheme.verify(&self.voter, &statement, &self.signature)
    }
}

/// Whether `signature` is an ALLOW of the voter's.
pub(super) fn is_allow(
    network: NetworkId,
    record: &Digest,
    (voter, incarnation): (&NodeId, u64),
    signature: &Signature,
    scheme: &dyn Scheme,
) -> bool {
    let statement = statement(network, record, incarnation, Choice::Yes, "");
    scheme.verify(voter, &statement, signature)
}

fn statement(
    network: NetworkId,
    record: &Digest,
    incarnation: u64,
    choice: Choice,
    reason: &str,
) -> Digest {
    Transcript::new("quorate/opinion/1")
        .bytes(network.as_ref())
        .bytes(record.as_ref())
        .u64(incarnation)
        .u64(u64::from(choice == Choice::Yes))
        .bytes(reason.as_bytes())
        .finish()
}

/// One member's signed word that another does not answer: the documents' accusation. Void after the next decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Accusation {
    /// Who says it, and signs.
    pub accuser: NodeId,
    /// Of whom.
    pub suspect: NodeId,
    /// In which of the suspect's lives.
    pub incarnation: u64,
    /// The accuser's signature over all of the above and the head.
    pub signature: Signature,
}

impl Accusation {
    /// Signs an accusation.
    pub fn sign(signer: &dyn Signer, place: &Place, suspect: NodeId, incarnation: u64) -> Self {
        Self {
            accuser: signer.id(),
            suspect,
            incarnation,
            signature: signer.sign(&Self::statement(place, &suspect, incarnation)),
        }
    }

    pub(super) fn is_valid(&self, place: &Place, scheme: &dyn Scheme) -> bool {
        let statement = Self::statement(place, &self.suspect, self.incarnation);
        scheme.verify(&self.accuser, &statement, &self.signature)
    }

    fn statement(place: &Place, suspect: &NodeId, incarnation: u64) -> Digest {
        place
            .transcript("quorate/accuse/1")
            .bytes(suspect.as_ref())
            .u64(incarnation)
            .finish()
    }
}

/// A member's signed word that it leaves. Void after the next decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Leave {
    /// Who leaves, and signs.
    pub member: NodeId,
    /// The signature over the head.
    pub signature: Signature,
}

impl Leave {
    /// Signs the signer's own leave.
    pub fn sign(signer: &dyn Signer, place: &Place) -> Self {
        Self {
            member: signer.id(),
            signature: signer.sign(&place.transcript("quorate/leave/1").finish()),
        }
    }

    pub(super) fn is_valid(&self, place: &Place, scheme: &dyn Scheme) -> bool {
        let statement = place.transcript("quorate/leave/1").finish();
        scheme.verify(&self.member, &statement, &self.signature)
    }
}
