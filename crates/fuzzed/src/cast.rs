//! Who takes part: three voters, and nodes they vote about.

use std::sync::Arc;

use quorate_consensus::{
    Certificate, Choice, DeadReport, Departure, Electorate, ElectorateError, Finding, Inquiry,
    NetworkId, NodeId, Passport, Proof, Proposal, QuorumRule, Record, Signer as _, Testimony,
    Unproven, Vote,
};
use quorate_wire::Format;

/// The network all samples are of.
pub(crate) const NETWORK: NetworkId = NetworkId::new([7; 32]);

/// When all of them were opened.
const OPENED_MS: u64 = 1_700_000_000_000;

/// Nodes 1, 2 and 3; two of them decide.
pub(crate) fn electorate() -> Result<Electorate, ElectorateError> {
    Electorate::of(NETWORK, QuorumRule::Majority, (1..=3).map(NodeId::from))
}

/// The format that the first byte chooses, and the rest.
pub(crate) fn formatted(data: &[u8]) -> Option<(Format, &[u8])> {
    let (first, rest) = data.split_first()?;
    let format = if first % 2 == 0 {
        Format::Bincode
    } else {
        Format::Json
    };
    Some((format, rest))
}

/// The bytes that [`formatted`] reads as this body.
pub(crate) fn sample(format: Format, body: &[u8]) -> Vec<u8> {
    let first = u8::from(format == Format::Json);
    std::iter::once(first).chain(body.iter().copied()).collect()
}

/// A node's record, as it signs it.
pub(crate) fn record(node: u64, incarnation: u64, attempt: u64) -> Option<Record> {
    let endpoints = vec!["127.0.0.1:6000".to_owned()];
    let signer = Unproven::signer(NodeId::from(node));
    Record::sign(&signer, NETWORK, endpoints, incarnation, attempt, OPENED_MS).ok()
}

/// What the first voters decide.
pub(crate) fn certify(proposal: Proposal, voters: u64) -> Option<Certificate> {
    let electorate = electorate().ok()?;
    let certificate = Certificate {
        proposal: proposal.into(),
        epoch: electorate.epoch(),
        electorate: electorate.id(),
        votes: (1..=voters)
            .map(NodeId::from)
            .map(|voter| (voter, quorate_consensus::Signature::new([0; 64])))
            .collect(),
    };
    sign_anew(certificate)
}

/// A node's admission.
pub(crate) fn admission(node: u64, incarnation: u64) -> Option<Certificate> {
    certify(Proposal::Admit(record(node, incarnation, 1)?), 2)
}

/// A node's eviction, on the word of one witness.
pub(crate) fn eviction(node: u64, incarnation: u64) -> Option<Certificate> {
    let inquiry = Inquiry {
        network: NETWORK,
        suspect: NodeId::from(node),
        incarnation,
        attempt: 1,
    };
    let witness = Unproven::signer(NodeId::from(8));
    let testimony = Testimony::sign(&witness, inquiry, Finding::Unreachable, "no answer");
    let endpoint = "127.0.0.1:6000".to_owned();
    let report = DeadReport::sign(
        &witness,
        inquiry,
        endpoint,
        OPENED_MS,
        vec![testimony],
        Vec::new(),
    );
    certify(Proposal::Evict(report), 3)
}

/// A node's departure.
pub(crate) fn departure(node: u64, incarnation: u64) -> Option<Departure> {
    let signer = Unproven::signer(NodeId::from(node));
    Departure::sign(&signer, admission(node, incarnation)?)
}

/// A certificate of this network and electorate, whose signatures are those of whoever is said to have signed.
pub(crate) fn sign_anew(mut certificate: Certificate) -> Option<Certificate> {
    let electorate = electorate().ok()?;
    match Arc::make_mut(&mut certificate.proposal) {
        Proposal::Admit(record) => {
            record.network = NETWORK;
            record.signature = Unproven::signer(record.node).sign(&record.hash());
        }
        Proposal::Evict(report) => {
            let inquiry = Inquiry {
                network: NETWORK,
                suspect: report.suspect,
                incarnation: report.incarnation,
                attempt: report.attempt,
            };
            let again = |testimony: &Testimony| {
                let witness = Unproven::signer(testimony.witness);
                Testimony::sign(&witness, inquiry, testimony.finding, &testimony.cause)
            };
            *report = DeadReport::sign(
                &Unproven::signer(report.reporter),
                inquiry,
                report.endpoint.clone(),
                report.opened_ms,
                report.testimonies.iter().map(again).collect(),
                report.silent.clone(),
            );
        }
        Proposal::Motion(motion) => {
            motion.network = NETWORK;
            motion.signature = Unproven::signer(motion.proposer).sign(&motion.hash());
        }
    }
    certificate.epoch = electorate.epoch();
    certificate.electorate = electorate.id();
    let id = certificate.proposal.id();
    let sign = |voter: &NodeId| {
        let signer = Unproven::signer(*voter);
        let vote = Vote::cast(&signer, &electorate, id, Choice::Yes, "");
        (*voter, vote.signature)
    };
    certificate.votes = certificate.votes.keys().map(sign).collect();
    Some(certificate)
}

/// As [`sign_anew`], of any proof.
pub(crate) fn prove_anew(proof: Proof) -> Option<Proof> {
    Some(match proof {
        Proof::Admission(certificate) => Proof::Admission(sign_anew(certificate)?),
        Proof::Eviction(certificate) => Proof::Eviction(sign_anew(certificate)?),
        Proof::Departure(departure) => {
            let Passport::Admission(admission) = departure.admission else {
                return None;
            };
            let admission = sign_anew(admission)?;
            let Proposal::Admit(record) = &*admission.proposal else {
                return None;
            };
            let node = Unproven::signer(record.node);
            Proof::Departure(Departure::sign(&node, admission)?)
        }
        Proof::Endorsed(mut endorsed) => {
            let certificate = Certificate::clone(&endorsed.endorsement);
            endorsed.endorsement = Arc::new(sign_anew(certificate)?);
            Proof::Endorsed(endorsed)
        }
    })
}
