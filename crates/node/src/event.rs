//! What a node tells its application.
//!
//! Printed, an event is a line of the documents' logs: `REGISTER_REQUEST`, `GOSSIP received (first time)`, `DEAD_REPORT`,
//! and so on, in their words.

mod words;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use quorate_consensus::succession::Evidence;
use quorate_consensus::{
    Choice, DeadReport, Electorate, Equivocation, Finding, NetworkId, NodeId, Proof, Proposal,
    Record, Roster,
};
use quorate_gossip::MessageId;

pub use words::dead_node_line;

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
    if let Some(record) = proof.record() {
        return record.endpoints.first().cloned();
    }
    match &*proof.certificate().proposal {
        Proposal::Admit(record) => record.endpoints.first().cloned(),
        Proposal::Evict(report) => Some(report.endpoint.clone()),
        Proposal::Motion(_) => None,
    }
}

impl From<&Record> for Party {
    fn from(record: &Record) -> Self {
        Self {
            id: record.node,
            address: record.endpoints.first().cloned(),
        }
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
    /// Messages of another member that have not come, though later ones of it came half a minute ago or have left them behind:
    /// lost on the way, or never sent. What comes after this was told is delivered all the same. Members of an open network
    /// number their messages anew with every start of their process, and the life does not tell starts apart.
    Gap {
        /// Who wrote them.
        origin: Party,
        /// In which of its lives.
        incarnation: u64,
        /// The number of the first of them.
        first: u64,
        /// The number of the last of them.
        last: u64,
    },
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
    /// A member reported another dead that answered this seed's own probe, or in a report that its witnesses did not sign.
    /// From the third on, its reports are taken up ever more rarely.
    FalseReport {
        /// Who reported.
        reporter: Party,
        /// About whom.
        suspect: Party,
        /// How many of its last reports were refuted by this seed.
        count: usize,
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
    /// This seed's key is older than its store: it may have voted on what is still open, and gives no votes for so long. In
    /// changing the seeds it takes part again when so many others have promised that no quorum goes without one of them; a seed
    /// alone does not, and goes on with `Builder::recover`.
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
    /// A node registered with this bootstrap.
    Registered {
        /// Who.
        node: Party,
    },
    /// A node left this bootstrap, or did not renew its registration.
    LeaseEnded {
        /// Who.
        node: Party,
    },
    /// A bootstrap answered.
    BootstrapAnswered {
        /// Which.
        address: String,
        /// How many members it named.
        members: usize,
    },
    /// A bootstrap does not answer (any more); it is dialled again until it does.
    BootstrapLost {
        /// Which.
        address: String,
        /// Why.
        cause: String,
    },
    /// For some time now this node finds no network, and may not found one: a member of an open network, or a peer that reaches
    /// no seed. It goes on looking, and tells it again and again, a peer ever more rarely.
    NoWayIn {
        /// Where it looked, and what came of it.
        reason: String,
    },
    /// This node founded an open network.
    Founded {
        /// Its id.
        network: NetworkId,
        /// The network that it goes on from, if any.
        after: Option<NetworkId>,
    },
    /// The key was older than its store, and whose it was cannot know what it has said: this is a new node.
    NewIdentity {
        /// Who it was.
        lost: NodeId,
    },
    /// A candidate asks a member of an open network to be let in, or a seed whose policy asks its operator: answer with
    /// [`Node::allow`](crate::Node::allow) or [`Node::deny`](crate::Node::deny). A candidate tries again and again, and is
    /// told of once.
    JoinRequest {
        /// Who.
        candidate: Party,
        /// What it says of itself.
        record: Box<Record>,
    },
    /// A candidate that the application was asked about has gone away, or was decided about without it.
    JoinWithdrawn {
        /// Who.
        candidate: Party,
    },
    /// A member allows or denies a candidate, perhaps this node.
    Opinion {
        /// On whom.
        candidate: Party,
        /// By whom.
        voter: Party,
        /// ALLOW is yes, DENY is no.
        choice: Choice,
        /// Why not.
        reason: String,
    },
    /// How this node's request stands.
    JoinStatus {
        /// Who allows it.
        allowed: Vec<Party>,
        /// Who has not answered.
        waiting: Vec<Party>,
    },
    /// A member does not take up this node's request, and why; it is made again.
    JoinHindered {
        /// Who.
        member: Party,
        /// Why.
        reason: String,
    },
    /// This node is not let in. It asks again when told to: [`Node::join_again`](crate::Node::join_again).
    JoinRefused {
        /// Who denied it, and why.
        denied: Vec<(Party, String)>,
    },
    /// A candidate is a member of the open network now.
    Entered {
        /// Who.
        member: Party,
        /// Which of its lives.
        incarnation: u64,
        /// The epoch that this began.
        epoch: u64,
        /// How many members there are, all of which but the new one allowed it.
        members: usize,
    },
    /// So many members do not answer that the others can decide nothing: wait for them, or
    /// [`Node::refound`](crate::Node::refound).
    Stuck {
        /// Who does not answer.
        silent: Vec<Party>,
        /// How many members there are.
        members: usize,
        /// How many of them are needed.
        quorum: usize,
    },
    /// A member contradicted itself. After a fork, this node decides nothing more.
    Contradiction(Box<Evidence>),
    /// A node, or the person at another seed, wants a seat for it. Agree with [`Node::seat`](crate::Node::seat).
    SeatWanted {
        /// For whom.
        candidate: Party,
        /// Who wants it: a seed's person, or the node itself.
        by: Party,
    },
    /// The person at another seed wants a seed unseated. Agree with [`Node::unseat`](crate::Node::unseat).
    SeatChallenged {
        /// Which seed.
        seed: Party,
        /// Whose person.
        by: Party,
    },
    /// Who votes next is decided. Until a quorum of seeds hold the same roster, nobody votes.
    ElectorateDecided {
        /// The next seats.
        seats: Vec<String>,
    },
    /// Other seeds vote now.
    ElectorateChanged {
        /// Which electorate this is.
        epoch: u64,
        /// Its seats.
        seats: Vec<String>,
    },
    /// An operator went on with other seeds, without a vote of those before; told at every start.
    ElectorateRecovered {
        /// Which electorate was made so.
        epoch: u64,
        /// Its seats.
        seats: Vec<String>,
    },
    /// This seed has no seat any more.
    Unseated {
        /// Since which epoch.
        epoch: u64,
    },
    /// The seeds of this epoch have endorsed what was decided before it.
    Endorsed {
        /// Which epoch.
        epoch: u64,
        /// How many standings.
        standings: u64,
    },
    /// Something could not be made durable; what depends on it was not done. A seed does not tell the same again within 10 s.
    StoreFailed(String),
    /// Nothing that this seed says can be made durable: it gives no votes until that is different.
    VotingStopped,
    /// What this seed says is made durable again: it gives votes.
    VotingResumed,
    /// The listener was too slow: so many events were dropped before the next one.
    Lagged(u64),
    /// The node stops.
    ShuttingDown,
}
