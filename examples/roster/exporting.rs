//! What `export` writes. Ids, hashes and signatures are hexadecimal; lists are sorted, so that the same store gives the
//! same text. A problem is `null` where all holds.

use quorate_node::consensus::succession::{Founding, Link};
use quorate_node::consensus::{NetworkId, NodeId, Proof, Proposal, Standing, Vote};
use serde::Serialize;

use crate::open::Opened;
use crate::seeded::Seeded;

/// A seed's store.
#[derive(Serialize)]
pub(crate) struct SeedStore<'a> {
    /// `"seed"`.
    kind: &'static str,
    /// The network: a hash of the seeds' addresses.
    network: NetworkId,
    /// Which electorate of the network decides, counted from 0.
    epoch: u64,
    /// How many seeds decide.
    quorum: usize,
    /// The seeds, by address.
    seats: Vec<Seat<'a>>,
    /// Everybody's standing, by node.
    standings: Vec<StandingOf<'a>>,
    /// This seed's own votes that may still be open to somebody's clock, by when their proposals were opened.
    votes: Vec<VoteOf<'a>>,
}

/// A line of the seed list.
#[derive(Serialize)]
struct Seat<'a> {
    /// The line's address.
    address: &'a str,
    /// Who sits there; `null` until met.
    voter: Option<NodeId>,
}

/// One node's standing.
#[derive(Serialize)]
struct StandingOf<'a> {
    /// Whose.
    node: NodeId,
    /// `"Admitted"`, `"Evicted"` or `"Left"`.
    standing: Standing,
    /// In which of its lives.
    incarnation: u64,
    /// Which attempt was carried.
    attempt: u64,
    /// When that attempt was opened, in milliseconds since the Unix epoch.
    opened_ms: u64,
    /// Where it can be, or was last, reached.
    address: String,
    /// Whose signatures the certificate carries, by id.
    signers: Vec<NodeId>,
    /// Why the proof does not hold.
    problem: Option<&'a str>,
    /// The certificate, or the departure, as the network's own JSON format has it.
    proof: &'a Proof,
}

/// A vote of this seed.
#[derive(Serialize)]
struct VoteOf<'a> {
    /// When its proposal was opened, in milliseconds since the Unix epoch.
    opened_ms: u64,
    /// Why it does not hold.
    problem: Option<&'a str>,
    /// The vote, as the network's own JSON format has it.
    vote: &'a Vote,
}

/// A member's store.
#[derive(Serialize)]
pub(crate) struct MemberStore<'a> {
    /// `"member"`.
    kind: &'static str,
    /// Whose store it is.
    node: NodeId,
    /// The network: the hash of its founding; `null` of a node that never got into one.
    network: Option<NetworkId>,
    /// How many decisions hold.
    epoch: u64,
    /// The members after them, by id.
    members: Vec<MemberOf<'a>>,
    /// Why the next decision does not hold.
    problem: Option<&'a str>,
    /// How the network began.
    founding: Option<&'a Founding>,
    /// The decisions, from epoch 0 on, with the signatures that prove them.
    links: Vec<&'a Link>,
}

/// A member of an open network.
#[derive(Serialize)]
struct MemberOf<'a> {
    /// Who.
    node: NodeId,
    /// In which of its lives.
    incarnation: u64,
    /// Where it can be reached.
    endpoints: &'a [String],
}

/// The first address that a proof names.
pub(crate) fn address(proof: &Proof) -> String {
    if let Some(record) = proof.record() {
        return record.endpoints.first().cloned().unwrap_or_default();
    }
    match &*proof.certificate().proposal {
        Proposal::Evict(report) => report.endpoint.clone(),
        Proposal::Admit(_) | Proposal::Motion(_) => String::new(),
    }
}

impl<'a> SeedStore<'a> {
    pub(crate) fn of(seeded: &'a Seeded) -> Self {
        let seats = seeded.electorate.seats().iter().map(|seat| Seat {
            address: &seat.name,
            voter: seat.voter,
        });
        let standings = seeded.proofs.iter().map(|checked| {
            let certificate = checked.proof.certificate();
            StandingOf {
                node: checked.node,
                standing: checked.key.standing,
                incarnation: checked.key.incarnation,
                attempt: checked.key.attempt,
                opened_ms: checked.proof.record().map_or_else(
                    || certificate.proposal.opened_ms(),
                    |record| record.opened_ms,
                ),
                address: address(&checked.proof),
                signers: certificate.votes.keys().copied().collect(),
                problem: checked.fault.as_deref(),
                proof: &checked.proof,
            }
        });
        let votes = seeded.votes.iter().map(|(opened_ms, vote, fault)| VoteOf {
            opened_ms: *opened_ms,
            problem: fault.as_deref(),
            vote,
        });
        Self {
            kind: "seed",
            network: seeded.network,
            epoch: seeded.electorate.epoch(),
            quorum: seeded.electorate.quorum(),
            seats: seats.collect(),
            standings: standings.collect(),
            votes: votes.collect(),
        }
    }
}

impl<'a> MemberStore<'a> {
    pub(crate) fn of(opened: &'a Opened) -> Self {
        let membership = opened.chain.as_ref().map(|chain| chain.membership());
        let members = membership.iter().flat_map(|membership| {
            membership.members().map(|record| MemberOf {
                node: record.node,
                incarnation: record.incarnation,
                endpoints: &record.endpoints,
            })
        });
        Self {
            kind: "member",
            node: opened.node,
            network: membership.map(|membership| membership.network()),
            epoch: membership.map_or(0, |membership| membership.epoch()),
            members: members.collect(),
            problem: opened.fault.as_deref(),
            founding: opened.founding.as_ref(),
            links: opened.links.iter().map(|link| &**link).collect(),
        }
    }
}
