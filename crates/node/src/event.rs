//! What a node tells its application.
//!
//! Printed, an event is a line of the documents' logs: `REGISTER_REQUEST`, `GOSSIP received (first time)`, `DEAD_REPORT`,
//! and so on, in their words.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use quorate_consensus::{
    Choice, DeadReport, Electorate, Equivocation, Finding, NodeId, Proof, Proposal, Record, Roster,
};
use quorate_gossip::MessageId;

/// A node as people see it: its address, where known, and its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party {
    /// Its key.
    pub id: NodeId,
    /// Where it listens, as `host:port`.
    pub address: Option<String>,
}

impl Party {
    /// A node with its address: a seed's line of the list, or what the proof of its standing names.
    pub fn of(node: NodeId, roster: &Roster, electorate: &Electorate) -> Self {
        let of_member = || roster.get(&node).and_then(|entry| address_of(&entry.proof));
        let of_seed = electorate.name_of(&node).map(str::to_owned);
        Self {
            id: node,
            address: of_seed.or_else(of_member),
        }
    }
}

/// The first address that a proof names for its node.
pub(crate) fn address_of(proof: &Proof) -> Option<String> {
    match &proof.certificate().proposal {
        Proposal::Admit(record) => record.endpoints.first().cloned(),
        Proposal::Evict(report) => Some(report.endpoint.clone()),
        Proposal::Motion(_) => None,
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Some(address) => f.write_str(address),
            None => write!(f, "{}", self.id.short()),
        }
    }
}

/// A member as the roster has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberInfo {
    /// Its key.
    pub id: NodeId,
    /// Where it listens, in order of preference.
    pub endpoints: Vec<String>,
    /// Which of its lives this is.
    pub incarnation: u64,
}

impl MemberInfo {
    /// What the member's record says.
    pub fn of(record: &Record) -> Self {
        Self {
            id: record.node,
            endpoints: record.endpoints.clone(),
            incarnation: record.incarnation,
        }
    }
}

/// A message of another member, delivered once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The message's name: SHA-256 of origin, incarnation, sequence and payload.
    pub id: MessageId,
    /// Who wrote and signed it.
    pub origin: Party,
    /// In which of its lives.
    pub incarnation: u64,
    /// Its number among the origin's messages of that life, from 0.
    pub sequence: u64,
    /// The content.
    pub payload: Bytes,
    /// The neighbour it came from.
    pub from: Party,
    /// How many links it crossed.
    pub hop_count: u16,
}

/// Whether a protocol message was sent or received by this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By this node.
    Sent,
    /// By the other.
    Received,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sent => "sent to",
            Self::Received => "received from",
        })
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A seed is connected.
    SeedConnected(Party),
    /// A seed's connection is gone; it is dialled again until it is back.
    SeedLost {
        /// Which.
        seed: Party,
        /// Why.
        cause: String,
    },
    /// The identity behind a line of the seed list was learned by dialling it.
    SeedIdentified {
        /// The line.
        address: String,
        /// Who answered there.
        id: NodeId,
    },
    /// Another key than the remembered or pinned one answers at a seed's address: it is not trusted.
    SeedIdentityChanged {
        /// The line.
        address: String,
        /// Who belongs there.
        expected: NodeId,
        /// Who answered, where known.
        found: String,
    },
    /// A connection was refused, by this node or by the other.
    Refused {
        /// The other end.
        remote: Party,
        /// Which of the two refused.
        by_us: bool,
        /// Why.
        reason: String,
    },
    /// A neighbour is linked.
    LinkUp(Party),
    /// A neighbour's link is gone.
    LinkDown {
        /// Whose.
        peer: Party,
        /// Why.
        cause: String,
    },
    /// A candidate asks to be admitted.
    RegisterRequest {
        /// Who.
        candidate: Party,
        /// Which of its lives.
        incarnation: u64,
        /// Sent, or received.
        way: Way,
    },
    /// A candidate is put to the vote.
    RegisterProposal {
        /// Who.
        candidate: Party,
        /// The seed that proposes, this one or another.
        proposer: Party,
    },
    /// A seed's vote on a candidate was counted.
    RegisterVote {
        /// On whom.
        candidate: Party,
        /// By whom.
        voter: Party,
        /// Yes or no.
        choice: Choice,
        /// Why.
        reason: String,
    },
    /// A candidate, perhaps this node, is not admitted now.
    RegisterRefused {
        /// Who.
        candidate: Party,
        /// Why; names the silent seeds where the deadline passed.
        reason: String,
    },
    /// A node is a member now, by certificate.
    Admitted {
        /// Who.
        member: Party,
        /// Which of its lives.
        incarnation: u64,
        /// How many signatures the certificate carries.
        votes: usize,
        /// How many were needed.
        quorum: usize,
        /// How many seeds there are.
        seeds: usize,
    },
    /// This node is a member: it can broadcast.
    Joined {
        /// Which of its lives.
        incarnation: u64,
    },
    /// The members as this node knows them, after an exchange with another node.
    PeerList {
        /// From whom the news came.
        from: Party,
        /// All members, sorted by address.
        members: Vec<Party>,
    },
    /// A message of another member, delivered once.
    Message(Delivery),
    /// A member does not answer this node.
    Suspected {
        /// Who.
        suspect: Party,
        /// What was noticed.
        cause: String,
    },
    /// A panelist is asked about a suspect.
    SuspectRequest {
        /// About whom.
        suspect: Party,
        /// The other end.
        other: Party,
        /// Sent, or received.
        way: Way,
    },
    /// A panelist answers about a suspect.
    SuspectResponse {
        /// About whom.
        suspect: Party,
        /// The witness.
        witness: Party,
        /// What it found.
        finding: Finding,
        /// How.
        cause: String,
        /// Sent, or received.
        way: Way,
    },
    /// A suspicion came to nothing.
    SuspicionDropped {
        /// About whom.
        suspect: Party,
        /// Why.
        reason: String,
    },
    /// The panel's testimonies go to the seeds.
    DeadReport {
        /// The report.
        report: Box<DeadReport>,
        /// The reporter's address, for the documents' line.
        reporter: Party,
        /// Sent, or received.
        way: Way,
    },
    /// A report was refused, or voted down.
    DeadReportRefused {
        /// About whom.
        suspect: Party,
        /// Who had reported.
        reporter: Party,
        /// Why.
        reason: String,
    },
    /// A suspect is put to the vote.
    DeadProposal {
        /// Who.
        suspect: Party,
        /// The seed that proposes, this one or another.
        proposer: Party,
    },
    /// A seed's vote on a suspect was counted.
    DeadVote {
        /// On whom.
        suspect: Party,
        /// By whom.
        voter: Party,
        /// Yes or no.
        choice: Choice,
        /// Why.
        reason: String,
    },
    /// This seed's key is older than its store: it may have voted on what is still open, and gives no votes for so long.
    Abstaining(Duration),
    /// This seed gives no vote: it could not find out for itself.
    Abstained {
        /// On whom.
        about: Party,
        /// Why.
        reason: String,
    },
    /// A member is evicted, by certificate.
    DeadConfirmed {
        /// Who.
        member: Party,
        /// Which of its lives.
        incarnation: u64,
        /// How many signatures the certificate carries.
        votes: usize,
        /// How many were needed.
        quorum: usize,
    },
    /// A member has left by its own word.
    Left(Party),
    /// This node finds itself evicted; it rejoins at the next incarnation unless told not to.
    Evicted {
        /// Which of its lives was ended.
        incarnation: u64,
    },
    /// A seed signed both ways.
    Equivocation(Box<Equivocation>),
    /// Something could not be made durable; what depends on it was not done.
    StoreFailed(String),
    /// The listener was too slow: so many events were dropped before the next one.
    Lagged(u64),
    /// The node stops.
    ShuttingDown,
}

fn list(parties: &[Party]) -> String {
    let names: Vec<_> = parties.iter().map(ToString::to_string).collect();
    names.join(", ")
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SeedConnected(seed) => write!(f, "Connected to seed {seed}"),
            Self::SeedLost { seed, cause } => write!(f, "Lost seed {seed}: {cause}"),
            Self::SeedIdentified { address, id } => write!(f, "Seed {address} is {id}"),
            Self::SeedIdentityChanged {
                address,
                expected,
                found,
            } => write!(
                f,
                "SEED IDENTITY CHANGED at {address}: expected {expected}, got {found}; not trusted. If the seed was set \
                 up anew, pin its new id in the third column of config.csv"
            ),
            Self::Refused {
                remote,
                by_us: true,
                reason,
            } => write!(f, "Refused {remote}: {reason}"),
            Self::Refused {
                remote,
                by_us: false,
                reason,
            } => write!(f, "Refused by {remote}: {reason}"),
            Self::LinkUp(peer) => write!(f, "Linked to {peer}"),
            Self::LinkDown { peer, cause } => write!(f, "Link to {peer} is down: {cause}"),
            Self::RegisterRequest {
                candidate,
                incarnation,
                way,
            } => match way {
                Way::Received => write!(
                    f,
                    "REGISTER_REQUEST received from {candidate} (incarnation {incarnation})"
                ),
                Way::Sent => write!(
                    f,
                    "REGISTER_REQUEST sent for {candidate} (incarnation {incarnation})"
                ),
            },
            Self::RegisterProposal {
                candidate,
                proposer,
            } => {
                write!(f, "REGISTER_PROPOSAL for {candidate} by seed {proposer}")
            }
            Self::RegisterVote {
                candidate,
                voter,
                choice,
                reason,
            } => {
                write!(
                    f,
                    "REGISTER_VOTE on {candidate} from seed {voter}: {choice} ({reason})"
                )
            }
            Self::RegisterRefused { candidate, reason } => {
                write!(f, "REGISTER refused for {candidate}: {reason}")
            }
            Self::Admitted {
                member,
                incarnation,
                votes,
                quorum,
                seeds,
            } => write!(
                f,
                "REGISTER committed: {member} (incarnation {incarnation}) with {votes} of {seeds} votes, quorum {quorum}"
            ),
            Self::Joined { incarnation } => {
                write!(f, "Joined the network (incarnation {incarnation})")
            }
            Self::PeerList { from, members } => {
                write!(f, "Peer list received from {from}: [{}]", list(members))
            }
            Self::Message(delivery) => write!(
                f,
                "GOSSIP received (first time): '{}' from {}",
                String::from_utf8_lossy(&delivery.payload),
                delivery.from
            ),
            Self::Suspected { suspect, cause } => write!(f, "SUSPECTED {suspect}: {cause}"),
            Self::SuspectRequest {
                suspect,
                other,
                way,
            } => write!(f, "SUSPECT_REQUEST about {suspect} {way} {other}"),
            Self::SuspectResponse {
                suspect,
                witness,
                finding,
                cause,
                way,
            } => {
                let finding = match finding {
                    Finding::Unreachable => "unreachable",
                    Finding::Alive => "alive",
                };
                match way {
                    Way::Sent => write!(
                        f,
                        "SUSPECT_RESPONSE about {suspect} sent: {finding} ({cause})"
                    ),
                    Way::Received => {
                        write!(
                            f,
                            "SUSPECT_RESPONSE about {suspect} received from {witness}: {finding} ({cause})"
                        )
                    }
                }
            }
            Self::SuspicionDropped { suspect, reason } => {
                write!(f, "Suspicion of {suspect} dropped: {reason}")
            }
            Self::DeadReport {
                report,
                reporter,
                way,
            } => {
                let line = dead_node_line(report, reporter);
                match way {
                    Way::Sent => write!(f, "DEAD_REPORT sent to the seeds: {line}"),
                    Way::Received => write!(f, "DEAD_REPORT received from {reporter}: {line}"),
                }
            }
            Self::DeadReportRefused {
                suspect,
                reporter,
                reason,
            } => {
                write!(
                    f,
                    "DEAD_REPORT about {suspect} by {reporter} refused: {reason}"
                )
            }
            Self::DeadProposal { suspect, proposer } => {
                write!(f, "DEAD_PROPOSAL for {suspect} by seed {proposer}")
            }
            Self::DeadVote {
                suspect,
                voter,
                choice,
                reason,
            } => {
                write!(
                    f,
                    "DEAD_VOTE on {suspect} from seed {voter}: {choice} ({reason})"
                )
            }
            Self::Abstaining(span) => write!(
                f,
                "The store is lost, the key is not: this seed gives no votes for {span:?}"
            ),
            Self::Abstained { about, reason } => {
                write!(f, "No vote on {about} from this seed: {reason}")
            }
            Self::DeadConfirmed {
                member,
                incarnation,
                votes,
                quorum,
            } => write!(
                f,
                "DEAD_CONFIRMED {member} (incarnation {incarnation}) with {votes} votes, quorum {quorum}"
            ),
            Self::Left(member) => write!(f, "{member} has left"),
            Self::Evicted { incarnation } => {
                write!(f, "Evicted by vote (incarnation {incarnation})")
            }
            Self::Equivocation(evidence) => write!(
                f,
                "EQUIVOCATION: {} voted both yes and no on proposal {}",
                evidence.first.voter, evidence.first.proposal
            ),
            Self::StoreFailed(why) => write!(f, "Cannot store: {why}"),
            Self::Lagged(count) => {
                write!(f, "{count} events were dropped: the listener is too slow")
            }
            Self::ShuttingDown => f.write_str("Shutting down."),
        }
    }
}

/// `Dead Node:<DeadNode.IP>:<DeadNode.Port>:<timestamp>:<reporter.IP>`, the documents' report line. The timestamp is
/// when the inquiry was opened, in seconds since the Unix epoch.
pub fn dead_node_line(report: &DeadReport, reporter: &Party) -> String {
    let address = reporter.address.as_deref().unwrap_or_default();
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let (seconds, millis) = (report.opened_ms / 1000, report.opened_ms % 1000);
    format!(
        "Dead Node:{}:{seconds}.{millis:03}000:{host}",
        report.endpoint
    )
}
