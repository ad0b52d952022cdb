//! A member's own word that it leaves. No vote and no suspicion is involved.

use serde::{Deserialize, Serialize};

use crate::certificate::Certificate;
use crate::id::{Digest, Signature};
use crate::proposal::Proposal;
use crate::record::Record;
use crate::scheme::{Scheme, Signer};
use crate::transcript::Transcript;

/// A departure: the admission that it ends, signed off by the member. Carrying the admission makes it self-contained,
/// and keeps strangers from filling rosters with departures of nodes that never were members.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Departure {
    /// The certificate by which the member is in.
    pub admission: Certificate,
    /// The member's signature.
    pub signature: Signature,
}

impl Departure {
    /// Signs the signer's own departure; `None` when `admission` is not of the signer.
    pub fn sign(signer: &dyn Signer, admission: Certificate) -> Option<Self> {
        let Proposal::Admit(record) = &*admission.proposal else {
            return None;
        };
        if record.node != signer.id() {
            return None;
        }
        let signature = signer.sign(&statement(record));
        Some(Self {
            admission,
            signature,
        })
    }

    /// Whether the member signed; the admission is checked on its own.
    pub(crate) fn is_signed(&self, scheme: &dyn Scheme) -> bool {
        let Proposal::Admit(record) = &*self.admission.proposal else {
            return false;
        };
        scheme.verify(&record.node, &statement(record), &self.signature)
    }
}

fn statement(record: &Record) -> Digest {
    Transcript::new("quorate/departure/1")
        .bytes(record.network.as_ref())
        .bytes(record.node.as_ref())
        .u64(record.incarnation)
        .finish()
}
