//! Why a node is in, out or pending, as somebody's certificates and votes have it.
//!
//! Plain data: it serialises, and prints as lines for people. [`Explanation::of`] needs a roster and the electorate that
//! it was checked against, so it works offline too; [`Council::explain`](crate::Council::explain) adds the votes that are
//! open, and how the last one ended that came to nothing.
//!
//! Left out: whether what others say in their reasons and causes is so. It is shown as they said it, on one line each.

mod words;

use serde::{Deserialize, Serialize};

use crate::certificate::Certificate;
use crate::electorate::Electorate;
use crate::id::{Digest, NodeId};
use crate::proposal::Proposal;
use crate::report::{DeadReport, Finding};
use crate::roster::{Entry, Roster, Standing};
use crate::tally::Tally;
use crate::vote::{Choice, Vote};
pub(crate) use words::{Full, names};
pub use words::{OneLine, Span};

/// A node as people know it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Who {
    /// Its key.
    pub id: NodeId,
    /// A voter's seat, or the first address that a proof names; `None` where neither is known.
    pub name: Option<String>,
}

impl Who {
    /// A node with the name of its seat, or else the address that the proof of its standing names.
    pub fn of(node: NodeId, roster: &Roster, electorate: &Electorate) -> Self {
        let seat = electorate.name_of(&node).map(str::to_owned);
        let address = || {
            let entry = roster.get(&node)?;
            if let Some(record) = entry.proof.record() {
                return record.endpoints.first().cloned();
            }
            match &*entry.proof.certificate().proposal {
                Proposal::Evict(report) => Some(report.endpoint.clone()),
                Proposal::Admit(_) | Proposal::Motion(_) => None,
            }
        };
        Self {
            id: node,
            name: seat.or_else(address),
        }
    }
}

/// Why a node is in, out or pending. See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Whom it is about.
    pub node: Who,
    /// The voter's seat, if it is one: voters need no admission.
    pub seat: Option<String>,
    /// Its standing and what proves it; `None` for one that never had any.
    pub grounds: Option<Grounds>,
    /// The votes about it that are open here, by proposal.
    pub open: Vec<OpenVote>,
    /// The last vote about it that came to nothing here, as far as it is remembered.
    pub ended: Option<EndedVote>,
}

/// A standing, and who decided it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grounds {
    /// What the node is.
    pub standing: Standing,
    /// In which of its lives.
    pub incarnation: u64,
    /// Which attempt was carried.
    pub attempt: u64,
    /// When that attempt was opened, in milliseconds since the Unix epoch: of one that left, its admission's.
    pub opened_ms: u64,
    /// How long ago that was.
    pub age_ms: u64,
    /// Where its record says it can be reached. Empty for an eviction.
    pub endpoints: Vec<String>,
    /// Whose signatures the certificate carries, by name.
    pub signers: Vec<Who>,
    /// In which epoch it was decided.
    pub epoch: u64,
    /// The later epoch whose voters endorsed it, if any: then the signatures are theirs.
    pub endorsed: Option<u64>,
    /// By which electorate it was signed.
    pub electorate: Digest,
    /// How many of how many signatures it needs; `None` when it was signed by another electorate than the reader's, or the
    /// one before it.
    pub needed: Option<Needed>,
    /// Of an eviction, what was reported.
    pub report: Option<Reported>,
}

/// A quorum, and of how many seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needed {
    /// How many yes votes carry a proposal.
    pub quorum: usize,
    /// How many seats there are.
    pub seats: usize,
}

impl Needed {
    fn of(electorate: &Electorate) -> Self {
        Self {
            quorum: electorate.quorum(),
            seats: electorate.seats().len(),
        }
    }
}

/// What was reported of a suspect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// Who reported it.
    pub reporter: Who,
    /// Where the suspect was last seen.
    pub endpoint: String,
    /// What each witness found.
    pub testimonies: Vec<Testified>,
    /// Who of the panel gave no answer, as the reporter says.
    pub silent: Vec<Who>,
}

/// What a witness found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Testified {
    /// Who.
    pub witness: Who,
    /// What.
    pub finding: Finding,
    /// How that showed.
    pub cause: String,
}

/// What a vote is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// Is this candidate to be admitted?
    Admit {
        /// In which of its lives.
        incarnation: u64,
        /// Which try.
        attempt: u64,
        /// Where it says that it can be reached.
        endpoints: Vec<String>,
    },
    /// Is this member to be evicted?
    Evict {
        /// Which of its lives.
        incarnation: u64,
        /// Which report.
        attempt: u64,
        /// What was reported.
        report: Reported,
    },
    /// A question of the application's own, which the node brought.
    Motion {
        /// What it is about.
        topic: String,
    },
}

/// The votes on one question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// The question.
    pub question: Question,
    /// When it was opened, in milliseconds since the Unix epoch, by the clock of whoever brought it.
    pub opened_ms: u64,
    /// How long ago that was.
    pub age_ms: u64,
    /// Each vote counted here, by voter.
    pub votes: Vec<Said>,
    /// The seats whose votes have not come, by name.
    pub silent: Vec<String>,
    /// How many yes votes carry it.
    pub needed: Needed,
}

/// One voter's vote, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Who.
    pub voter: Who,
    /// Yes or no.
    pub choice: Choice,
    /// Why.
    pub reason: String,
}

/// A vote that is open at the voter who explains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenVote {
    /// The votes so far.
    pub count: Count,
    /// This voter's own.
    pub own: OwnVote,
    /// A quorum has said yes: the certificate is being made durable, or waits for late signatures.
    pub is_carried: bool,
    /// In how many milliseconds this voter gives it up.
    pub closes_in_ms: u64,
}

/// How far a voter's own vote has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OwnVote {
    /// It is finding out.
    Judging,
    /// Signed, and on its way to the disk.
    Persisting,
    /// Durable, and sent.
    Cast(Choice),
    /// None will be given.
    Withheld(Withheld),
}

/// Why a voter gives no vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Withheld {
    /// It lost its store, and may have voted on this before.
    Abstaining,
    /// Its vote could not be made durable.
    NotDurable,
    /// It had made up its mind too late, by its own clock.
    TooLate,
    /// Its electorate is followed by another.
    Sealed,
    /// It could not find out for itself, and why.
    NoSay(String),
}

/// A vote that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedVote {
    /// The votes there were at its end.
    pub count: Count,
    /// How it ended.
    pub end: End,
}

/// How a vote came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// So many said no that a quorum of yes was out of reach.
    Defeated,
    /// The deadline passed first.
    Expired,
    /// It was carried, but this voter could not make the certificate durable.
    NotDurable,
}

impl Explanation {
    /// What a roster alone says of a node, at `now_ms`, in milliseconds since the Unix epoch.
    pub fn of(node: &NodeId, roster: &Roster, electorate: &Electorate, now_ms: u64) -> Self {
        let by = Reader {
            roster,
            electorate,
            now_ms,
        };
        Self {
            node: by.who(*node),
            seat: electorate.name_of(node).map(str::to_owned),
            grounds: roster.get(node).map(|entry| by.grounds(entry)),
            open: Vec::new(),
            ended: None,
        }
    }

    /// Whether there is nothing to say of it.
    pub const fn is_empty(&self) -> bool {
        self.seat.is_none()
            && self.grounds.is_none()
            && self.open.is_empty()
            && self.ended.is_none()
    }
}

/// With whose eyes proofs and votes are read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) roster: &'a Roster,
    pub(crate) electorate: &'a Electorate,
    pub(crate) now_ms: u64,
}

impl Reader<'_> {
    fn who(self, node: NodeId) -> Who {
        Who::of(node, self.roster, self.electorate)
    }

    fn grounds(self, entry: &Entry) -> Grounds {
        let certificate: &Certificate = entry.proof.certificate();
        let signed_by = self
            .electorate
            .of_epoch(certificate.epoch, &certificate.electorate);
        let record = entry.proof.record();
        let opened_ms = record.map_or_else(
            || certificate.proposal.opened_ms(),
            |record| record.opened_ms,
        );
        let signers = certificate.votes.keys();
        let mut signers: Vec<Who> = signers.map(|voter| self.who(*voter)).collect();
        signers.sort_by(|one, other| one.name.cmp(&other.name));
        Grounds {
            standing: entry.key.standing,
            incarnation: entry.key.incarnation,
            attempt: entry.key.attempt,
            opened_ms,
            age_ms: self.now_ms.saturating_sub(opened_ms),
            endpoints: record.map_or_else(Vec::new, |record| record.endpoints.clone()),
            signers,
            epoch: entry.key.decided,
            endorsed: (certificate.epoch > entry.key.decided).then_some(certificate.epoch),
            electorate: certificate.electorate,
            needed: signed_by.map(Needed::of),
            report: match &*certificate.proposal {
                Proposal::Evict(report) => Some(self.reported(report)),
                _ => None,
            },
        }
    }

    fn reported(self, report: &DeadReport) -> Reported {
        let testimonies = report.testimonies.iter().map(|testimony| Testified {
            witness: self.who(testimony.witness),
            finding: testimony.finding,
            cause: testimony.cause.clone(),
        });
        Reported {
            reporter: self.who(report.reporter),
            endpoint: report.endpoint.clone(),
            testimonies: testimonies.collect(),
            silent: report.silent.iter().map(|n| self.who(*n)).collect(),
        }
    }

    fn question(self, proposal: &Proposal) -> Question {
        match proposal {
            Proposal::Admit(record) => Question::Admit {
                incarnation: record.incarnation,
                attempt: record.attempt,
                endpoints: record.endpoints.clone(),
            },
            Proposal::Evict(report) => Question::Evict {
                incarnation: report.incarnation,
                attempt: report.attempt,
                report: self.reported(report),
            },
            Proposal::Motion(motion) => Question::Motion {
                topic: motion.topic.clone(),
            },
        }
    }

    pub(crate) fn count(self, proposal: &Proposal, tally: &Tally) -> Count {
        let said = |vote: &Vote| Said {
            voter: self.who(vote.voter),
            choice: vote.choice,
            reason: vote.reason.clone(),
        };
        Count {
            question: self.question(proposal),
            opened_ms: proposal.opened_ms(),
            age_ms: self.now_ms.saturating_sub(proposal.opened_ms()),
            votes: tally.votes().map(said).collect(),
            silent: tally.silent(self.electorate).map(str::to_owned).collect(),
            needed: Needed::of(self.electorate),
        }
    }
}
