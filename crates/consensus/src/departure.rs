//! A member's own word that it leaves. No vote and no suspicion is involved.

use serde::{Deserialize, Serialize};

use crate::certificate::Certificate;
use crate::endorsement::Endorsed;
use crate::id::{Digest, Signature};
use crate::proposal::Proposal;
use crate::record::Record;
use crate::scheme::{Scheme, Signer};
use crate::transcript::Transcript;

/// What shows that a node is a member.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Passport {
    /// The certificate of its admission.
    Admission(Certificate),
    /// Its admission, endorsed by a later electorate.
    Endorsed(Box<Endorsed>),
}

impl Passport {
    /// The record by which its holder is a member; `None` when it is about something else.
    pub fn record(&self) -> Option<&Record> {
        match self {
            Self::Admission(certificate) => match &*certificate.proposal {
                Proposal::Admit(record) => Some(record),
                _ => None,
            },
            Self::Endorsed(endorsed) => endorsed.admission(),
        }
    }

    /// The certificate inside.
    pub fn certificate(&self) -> &Certificate {
        match self {
            Self::Admission(certificate) => certificate,
            Self::Endorsed(endorsed) => endorsed.certificate(),
        }
    }
}

impl From<Certificate> for Passport {
    fn from(certificate: Certificate) -> Self {
        Self::Admission(certificate)
    }
}

/// A departure: the admission that it ends, signed off by the member. Carrying the admission makes it self-contained,
/// and keeps strangers from filling rosters with departures of nodes that never were members.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Departure {
    /// By what the member is in.
    pub admission: Passport,
    /// The member's signature.
    pub signature: Signature,
}

impl Departure {
    /// Signs the signer's own departure; `None` when `admission` is not of the signer.
    pub fn sign(signer: &dyn Signer, admission: impl Into<Passport>) -> Option<Self> {
        let admission = admission.into();
        let record = admission.record()?;
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
        self.admission
            .record()
            .is_some_and(|record| scheme.verify(&record.node, &statement(record), &self.signature))
    }
}

fn statement(record: &Record) -> Digest {
    Transcript::new("quorate/departure/1")
        .bytes(record.network.as_ref())
        .bytes(record.node.as_ref())
        .u64(record.incarnation)
        .finish()
}
