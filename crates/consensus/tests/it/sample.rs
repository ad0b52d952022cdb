//! Made-up nodes, proposals and certificates, signed with the scheme that proves nothing.

use std::sync::Arc;
use std::time::Instant;

use quorate_consensus::{
    Certificate, Choice, DeadReport, Departure, Electorate, Finding, Inquiry, Motion, NetworkId,
    NodeId, Now, Proof, Proposal, QuorumRule, Record, Seat, Signer, Testimony, Unproven,
    UnprovenSigner, Vote,
};

pub(crate) const NETWORK: NetworkId = NetworkId::new([7; 32]);

/// Where wall clocks start, in milliseconds since the Unix epoch.
pub(crate) const START_MS: u64 = 1_700_000_000_000;

/// The moment that every test starts at. Monotonic clocks have no zero, so this is the one reading of a real one.
#[expect(
    clippy::disallowed_methods,
    reason = "the standard library has no other way to an Instant; only differences matter"
)]
pub(crate) fn start() -> Now {
    Now {
        instant: Instant::now(),
        unix_ms: START_MS,
    }
}

pub(crate) fn node(number: u64) -> NodeId {
    NodeId::from(number)
}

pub(crate) fn signer(number: u64) -> UnprovenSigner {
    Unproven::signer(node(number))
}

/// Voters 1 to `voters`, all known, who decide by majority.
pub(crate) fn electorate(voters: u64) -> Electorate {
    electorate_of(NETWORK, 0, QuorumRule::Majority, voters)
}

pub(crate) fn electorate_of(
    network: NetworkId,
    epoch: u64,
    rule: QuorumRule,
    voters: u64,
) -> Electorate {
    let seats = (1..=voters).map(|number| seat(number, true));
    Electorate::new(network, epoch, rule, seats).unwrap()
}

/// The seat of voter `number`, whose key is known or not.
pub(crate) fn seat(number: u64, is_met: bool) -> Seat {
    Seat {
        name: format!("seat-{number}"),
        voter: is_met.then(|| node(number)),
    }
}

pub(crate) fn record(
    candidate: &dyn Signer,
    incarnation: u64,
    attempt: u64,
    opened_ms: u64,
) -> Record {
    let endpoints = vec!["node.example:5000".to_owned()];
    Record::sign(
        candidate,
        NETWORK,
        endpoints,
        incarnation,
        attempt,
        opened_ms,
    )
    .unwrap()
}

/// A candidate's first try, opened when the clocks start.
pub(crate) fn admission(candidate: u64) -> Proposal {
    Proposal::Admit(record(&signer(candidate), 1, 1, START_MS))
}

/// A report of a death with one testimony, of the reporter itself.
pub(crate) fn report(
    reporter: &dyn Signer,
    suspect: NodeId,
    incarnation: u64,
    attempt: u64,
    opened_ms: u64,
) -> DeadReport {
    let inquiry = Inquiry {
        network: NETWORK,
        suspect,
        incarnation,
        attempt,
    };
    let testimony = Testimony::sign(
        reporter,
        inquiry,
        Finding::Unreachable,
        "no echo within 1 s",
    );
    DeadReport::sign(
        reporter,
        inquiry,
        "node.example:5000".to_owned(),
        opened_ms,
        vec![testimony],
        vec![],
    )
}

/// The eviction of a suspect in its first life, reported when the clocks start.
pub(crate) fn eviction(reporter: u64, suspect: u64) -> Proposal {
    Proposal::Evict(report(&signer(reporter), node(suspect), 1, 1, START_MS))
}

pub(crate) fn motion(proposer: u64, attempt: u64) -> Proposal {
    let proposer = signer(proposer);
    Proposal::Motion(Motion::sign(
        &proposer, NETWORK, "tea", "at four", attempt, START_MS,
    ))
}

/// The certificate that these voters' yes votes make, a quorum or not.
pub(crate) fn certificate(
    electorate: &Electorate,
    proposal: &Proposal,
    voters: impl IntoIterator<Item = u64>,
) -> Certificate {
    let votes = voters
        .into_iter()
        .map(|number| vote(electorate, proposal, number, Choice::Yes))
        .map(|vote| (vote.voter, vote.signature))
        .collect();
    Certificate {
        proposal: Arc::new(proposal.clone()),
        epoch: electorate.epoch(),
        electorate: electorate.id(),
        votes,
    }
}

pub(crate) fn vote(
    electorate: &Electorate,
    proposal: &Proposal,
    voter: u64,
    choice: Choice,
) -> Vote {
    Vote::cast(&signer(voter), electorate, proposal.id(), choice, "")
}

/// The departure of an admitted node, signed by itself.
pub(crate) fn departure(admission: Certificate) -> Proof {
    let leaver = Unproven::signer(admission.proposal.subject());
    Proof::Departure(Departure::sign(&leaver, admission).unwrap())
}
