//! What peers say of a death: signed testimonies, gathered into a report (the documents' `DEAD_REPORT`).
//!
//! A report is an accusation, not a decision: it opens a vote, and each voter probes the suspect itself.

use serde::{Deserialize, Serialize};

use crate::id::{Digest, NetworkId, NodeId, Signature};
use crate::scheme::{Scheme, Signer};
use crate::text::cut;
use crate::transcript::Transcript;

/// How many testimonies a report may list.
pub const TESTIMONIES_MAX: usize = 16;
/// How many silent panelists a report may list.
pub const SILENT_MAX: usize = 256;
/// How long a testimony's cause and a suspect's endpoint may be, in bytes.
pub const CAUSE_LEN_MAX: usize = 300;

/// What a witness found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Finding {
    /// The suspect did not answer the witness's own probe.
    Unreachable,
    /// It did.
    Alive,
}

/// One witness's signed answer to one inquiry about one suspect.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Testimony {
    /// The network.
    pub network: NetworkId,
    /// Whom it is about.
    pub suspect: NodeId,
    /// Which of the suspect's lives.
    pub incarnation: u64,
    /// The inquiry's nonce, which becomes the report's attempt; a testimony counts in no other.
    pub attempt: u64,
    /// Who says it, and signs.
    pub witness: NodeId,
    /// What it found.
    pub finding: Finding,
    /// How: "connection refused", "no echo within 1 s", … For people; decides nothing.
    pub cause: String,
    /// The witness's signature over all of the above.
    pub signature: Signature,
}

/// The question that testimonies answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Inquiry {
    /// The network.
    pub network: NetworkId,
    /// Whom it is about.
    pub suspect: NodeId,
    /// Which of the suspect's lives.
    pub incarnation: u64,
    /// A nonce of the one who asks.
    pub attempt: u64,
}

/// Testimonies of a suspect's panel, gathered and signed by the one who noticed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeadReport {
    /// The network.
    pub network: NetworkId,
    /// Whom it is about.
    pub suspect: NodeId,
    /// Which of the suspect's lives.
    pub incarnation: u64,
    /// Where the suspect was last seen, as `host:port`. For people.
    pub endpoint: String,
    /// The inquiry's nonce: each report is a new question.
    pub attempt: u64,
    /// When the inquiry was opened, in milliseconds since the Unix epoch, by the reporter's clock.
    pub opened_ms: u64,
    /// Who gathered it, and signs.
    pub reporter: NodeId,
    /// What the witnesses said.
    pub testimonies: Vec<Testimony>,
    /// Panelists who gave no answer and were replaced by the next in order.
    pub silent: Vec<NodeId>,
    /// The reporter's signature over all of the above.
    pub signature: Signature,
}

/// Why a testimony or a report is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A list or a text over its limit.
    #[error("expected at most {max} {what}, got {got}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
        /// What came.
        got: usize,
    },
    /// A testimony of another inquiry.
    #[error(
        "a testimony of {witness} is about another network, suspect, incarnation or inquiry than the report"
    )]
    AnotherInquiry {
        /// Whose.
        witness: NodeId,
    },
    /// A witness counted twice.
    #[error("{0} testifies twice")]
    TwiceTheSameWitness(NodeId),
    /// The suspect as its own witness, or reporting itself.
    #[error("the suspect {0} cannot be a witness or reporter of its own death")]
    SuspectTestifies(NodeId),
    /// Not signed by whom it names.
    #[error("the {what} of {by} does not carry its signature")]
    Signature {
        /// "testimony" or "report".
        what: &'static str,
        /// Whom it names.
        by: NodeId,
    },
}

const fn at_most(what: &'static str, max: usize, got: usize) -> Result<(), ReportError> {
    if got <= max {
        Ok(())
    } else {
        Err(ReportError::TooMuch { what, max, got })
    }
}

impl Testimony {
    /// Signs the signer's own finding. A cause over [`CAUSE_LEN_MAX`] is cut.
    pub fn sign(signer: &dyn Signer, inquiry: Inquiry, finding: Finding, cause: &str) -> Self {
        let mut this = Self {
            network: inquiry.network,
            suspect: inquiry.suspect,
            incarnation: inquiry.incarnation,
            attempt: inquiry.attempt,
            witness: signer.id(),
            finding,
            cause: cut(cause, CAUSE_LEN_MAX).to_owned(),
            signature: Signature::new([0; 64]),
        };
        this.signature = signer.sign(&this.hash());
        this
    }

    /// The digest of everything but the signature.
    pub fn hash(&self) -> Digest {
        Transcript::new("quorate/testimony/1")
            .bytes(self.network.as_ref())
            .bytes(self.suspect.as_ref())
            .u64(self.incarnation)
            .u64(self.attempt)
            .bytes(self.witness.as_ref())
            .u64(match self.finding {
                Finding::Unreachable => 0,
                Finding::Alive => 1,
            })
            .bytes(self.cause.as_bytes())
            .finish()
    }

    /// The question it answers.
    pub const fn inquiry(&self) -> Inquiry {
        Inquiry {
            network: self.network,
            suspect: self.suspect,
            incarnation: self.incarnation,
            attempt: self.attempt,
        }
    }

    /// Checks form and signature.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, scheme: &dyn Scheme) -> Result<(), ReportError> {
        at_most("bytes of cause", CAUSE_LEN_MAX, self.cause.len())?;
        if self.witness == self.suspect {
            return Err(ReportError::SuspectTestifies(self.suspect));
        }
        if scheme.verify(&self.witness, &self.hash(), &self.signature) {
            Ok(())
        } else {
            Err(ReportError::Signature {
                what: "testimony",
                by: self.witness,
            })
        }
    }
}

impl DeadReport {
    /// Signs a report of what was gathered.
    pub fn sign(
        signer: &dyn Signer,
        inquiry: Inquiry,
        endpoint: String,
        opened_ms: u64,
        testimonies: Vec<Testimony>,
        silent: Vec<NodeId>,
    ) -> Self {
        let mut this = Self {
            network: inquiry.network,
            suspect: inquiry.suspect,
            incarnation: inquiry.incarnation,
            endpoint,
            attempt: inquiry.attempt,
            opened_ms,
            reporter: signer.id(),
            testimonies,
            silent,
            signature: Signature::new([0; 64]),
        };
        this.signature = signer.sign(&this.hash());
        this
    }

    /// The digest of everything but the signature, testimonies included.
    pub fn hash(&self) -> Digest {
        Transcript::new("quorate/dead-report/1")
            .bytes(self.network.as_ref())
            .bytes(self.suspect.as_ref())
            .u64(self.incarnation)
            .bytes(self.endpoint.as_bytes())
            .u64(self.attempt)
            .u64(self.opened_ms)
            .bytes(self.reporter.as_ref())
            .list(self.testimonies.iter().map(Testimony::hash))
            .list(self.testimonies.iter().map(|t| t.signature))
            .list(self.silent.iter())
            .finish()
    }

    /// The question its testimonies answer.
    pub const fn inquiry(&self) -> Inquiry {
        Inquiry {
            network: self.network,
            suspect: self.suspect,
            incarnation: self.incarnation,
            attempt: self.attempt,
        }
    }

    /// Checks form and all signatures. Whether the witnesses are the right ones, and enough, is for the voter, who
    /// knows the members.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, scheme: &dyn Scheme) -> Result<(), ReportError> {
        self.verify_as(&self.hash(), scheme)
    }

    /// As [`verify`](Self::verify), given its [`hash`](Self::hash).
    pub(crate) fn verify_as(&self, hash: &Digest, scheme: &dyn Scheme) -> Result<(), ReportError> {
        at_most("testimonies", TESTIMONIES_MAX, self.testimonies.len())?;
        at_most("silent panelists", SILENT_MAX, self.silent.len())?;
        at_most("bytes of endpoint", CAUSE_LEN_MAX, self.endpoint.len())?;
        if self.reporter == self.suspect {
            return Err(ReportError::SuspectTestifies(self.suspect));
        }
        for (index, testimony) in self.testimonies.iter().enumerate() {
            let witness = testimony.witness;
            if testimony.inquiry() != self.inquiry() {
                return Err(ReportError::AnotherInquiry { witness });
            }
            if self.testimonies[..index]
                .iter()
                .any(|t| t.witness == witness)
            {
                return Err(ReportError::TwiceTheSameWitness(witness));
            }
        }
        if !scheme.verify(&self.reporter, hash, &self.signature) {
            return Err(ReportError::Signature {
                what: "report",
                by: self.reporter,
            });
        }
        if planted!(WitnessSignaturesUnchecked) {
            return Ok(());
        }
        self.testimonies.iter().try_for_each(|t| t.verify(scheme))
    }
}
