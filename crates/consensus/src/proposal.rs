//! What is decided: a proposal, named by the digest of everything it says.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{Digest, NetworkId, NodeId, ProposalId, Signature};
use crate::record::{Record, RecordError};
use crate::report::{DeadReport, ReportError};
use crate::scheme::{Scheme, Signer};
use crate::transcript::Transcript;

/// How long a motion's topic and body may be together, in bytes.
pub const MOTION_LEN_MAX: usize = 64 * 1024;

/// A question put to the electorate. Whoever brings it signs it, so two voters who propose the same record or the same
/// report propose the same thing.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Proposal {
    /// Admit the node that signed this record.
    Admit(Record),
    /// Evict the suspect of this report.
    Evict(DeadReport),
    /// Anything else that the electorate decides for its own purposes; the roster does not know it.
    Motion(Motion),
}

/// A question of the application's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Motion {
    /// The network.
    pub network: NetworkId,
    /// What it is about.
    pub topic: String,
    /// Its content.
    pub body: Vec<u8>,
    /// The proposer's nonce: each try is a new question.
    pub attempt: u64,
    /// When it was opened, in milliseconds since the Unix epoch, by the proposer's clock.
    pub opened_ms: u64,
    /// Who brings it, and signs.
    pub proposer: NodeId,
    /// The proposer's signature over all of the above.
    pub signature: Signature,
}

/// Why a proposal's content is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProposalError {
    /// The record of an admission.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The report of an eviction.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// A motion over its limit.
    #[error("expected a motion of at most {MOTION_LEN_MAX} bytes, got {0}")]
    MotionTooLong(usize),
    /// A motion not signed by whom it names.
    #[error("the motion of {0} does not carry its signature")]
    MotionSignature(NodeId),
}

impl Motion {
    /// Signs a motion of the signer's own.
    pub fn sign(
        signer: &dyn Signer,
        network: NetworkId,
        topic: impl Into<String>,
        body: impl Into<Vec<u8>>,
        attempt: u64,
        opened_ms: u64,
    ) -> Self {
        let begin = &mut Self::begin(network);
        let (topic, body) = (topic.into(), body.into());
        Self::sign_after(begin, signer, network, topic, body, attempt, opened_ms).0
    }

    /// As [`sign`](Self::sign), with its [`hash`](Self::hash).
    pub(crate) fn sign_after(
        begin: &mut Transcript,
        signer: &dyn Signer,
        network: NetworkId,
        topic: String,
        body: Vec<u8>,
        attempt: u64,
        opened_ms: u64,
    ) -> (Self, Digest) {
        let mut this = Self {
            network,
            topic,
            body,
            attempt,
            opened_ms,
            proposer: signer.id(),
            signature: Signature::new([0; 64]),
        };
        let hash = this.hash_after(begin);
        this.signature = signer.sign(&hash);
        (this, hash)
    }

    /// The digest of everything but the signature.
    pub fn hash(&self) -> Digest {
        self.hash_after(&mut Self::begin(self.network))
    }

    /// What the statements of all motions of a network begin with.
    pub(crate) fn begin(network: NetworkId) -> Transcript {
        let mut this = Transcript::new("quorate/motion/1");
        this.bytes(network.as_ref());
        this
    }

    pub(crate) fn hash_after(&self, beginning: &mut Transcript) -> Digest {
        beginning
            .bytes(self.topic.as_bytes())
            .bytes(&self.body)
            .u64(self.attempt)
            .u64(self.opened_ms)
            .bytes(self.proposer.as_ref())
            .finish()
    }

    pub(crate) fn check_len(&self) -> Result<(), ProposalError> {
        match self.topic.len().saturating_add(self.body.len()) {
            len if len > MOTION_LEN_MAX => Err(ProposalError::MotionTooLong(len)),
            _ => Ok(()),
        }
    }

    fn verify_as(&self, hash: &Digest, scheme: &dyn Scheme) -> Result<(), ProposalError> {
        self.check_len()?;
        if scheme.verify(&self.proposer, hash, &self.signature) {
            Ok(())
        } else {
            Err(ProposalError::MotionSignature(self.proposer))
        }
    }
}

impl Proposal {
    /// What votes name it by.
    pub fn id(&self) -> ProposalId {
        self.id_of(&self.content())
    }

    /// The digest of what is in it, which its own signature is over.
    pub(crate) fn content(&self) -> Digest {
        match self {
            Self::Admit(record) => record.hash(),
            Self::Evict(report) => report.hash(),
            Self::Motion(motion) => motion.hash(),
        }
    }

    pub(crate) fn id_of(&self, content: &Digest) -> ProposalId {
        let kind = match self {
            Self::Admit(_) => "admit",
            Self::Evict(_) => "evict",
            Self::Motion(_) => "motion",
        };
        let digest = Transcript::new("quorate/proposal/1")
            .bytes(kind.as_bytes())
            .bytes(content.as_ref())
            .finish();
        ProposalId::new(*digest.as_bytes())
    }

    /// The network it belongs to.
    pub const fn network(&self) -> NetworkId {
        match self {
            Self::Admit(record) => record.network,
            Self::Evict(report) => report.network,
            Self::Motion(motion) => motion.network,
        }
    }

    /// When it was opened, in milliseconds since the Unix epoch, by the clock of whoever brings it.
    pub const fn opened_ms(&self) -> u64 {
        match self {
            Self::Admit(record) => record.opened_ms,
            Self::Evict(report) => report.opened_ms,
            Self::Motion(motion) => motion.opened_ms,
        }
    }

    /// Whom it is about: the candidate, the suspect, or the motion's proposer.
    pub const fn subject(&self) -> NodeId {
        match self {
            Self::Admit(record) => record.node,
            Self::Evict(report) => report.suspect,
            Self::Motion(motion) => motion.proposer,
        }
    }

    /// Checks the content's form and signatures; not who may bring it, nor when.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, scheme: &dyn Scheme) -> Result<(), ProposalError> {
        self.verify_as(&self.content(), scheme)
    }

    /// As [`verify`](Self::verify), given its [`content`](Self::content).
    pub(crate) fn verify_as(
        &self,
        content: &Digest,
        scheme: &dyn Scheme,
    ) -> Result<(), ProposalError> {
        match self {
            Self::Admit(record) => Ok(record.verify_as(content, scheme)?),
            Self::Evict(report) => Ok(report.verify_as(content, scheme)?),
            Self::Motion(motion) => motion.verify_as(content, scheme),
        }
    }
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admit(r) => write!(
                f,
                "admit {} at incarnation {}",
                r.node.short(),
                r.incarnation
            ),
            Self::Evict(r) => write!(
                f,
                "evict {} at incarnation {}",
                r.suspect.short(),
                r.incarnation
            ),
            Self::Motion(m) => write!(f, "motion {:?} of {}", m.topic, m.proposer.short()),
        }
    }
}
