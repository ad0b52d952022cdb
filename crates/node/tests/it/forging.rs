//! Makers of records, reports and certificates, genuine and not: the tests hold all keys.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use quorate_node::consensus::{
    Certificate, Choice, DeadReport, Departure, Finding, Inquiry, Proof, Proposal, Record,
    Signature, Signer as _, Testimony, Transcript, Vote,
};
use quorate_node::gossip::{Content, Panel};
use quorate_node::{Identity, NodeId};

use crate::net::Net;

/// The wall clock.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A report as it will be signed.
#[derive(Debug, Clone)]
pub(crate) struct Accusation {
    pub(crate) inquiry: Inquiry,
    pub(crate) opened_ms: u64,
    pub(crate) testimonies: Vec<Testimony>,
}

impl Accusation {
    /// Of a suspect in its first life, with these witnesses' lies.
    pub(crate) fn new(net: &Net, suspect: NodeId, attempt: u64, witnesses: &[&Identity]) -> Self {
        let inquiry = Inquiry {
            network: net.list.network(),
            suspect,
            incarnation: 1,
            attempt,
        };
        Self::of(inquiry, witnesses)
    }

    pub(crate) fn of(inquiry: Inquiry, witnesses: &[&Identity]) -> Self {
        let lie = |witness: &&Identity| {
            Testimony::sign(witness.key(), inquiry, Finding::Unreachable, "a lie")
        };
        Self {
            inquiry,
            opened_ms: unix_ms(),
            testimonies: witnesses.iter().map(lie).collect(),
        }
    }

    pub(crate) fn sign(self, reporter: &Identity) -> DeadReport {
        let endpoint = "127.0.0.1:1".to_owned();
        DeadReport::sign(
            reporter.key(),
            self.inquiry,
            endpoint,
            self.opened_ms,
            self.testimonies,
            Vec::new(),
        )
    }
}

impl Net {
    /// The panel of a suspect in its first life: those who sit on it, and the peers who do not.
    pub(crate) fn panel(&self, suspect: NodeId) -> (Vec<&Identity>, Vec<&Identity>) {
        let seeds = self.seeds.iter().map(|seed| seed.id());
        let panel = Panel::new(&suspect, 1, self.peer_ids(), seeds, &Default::default());
        let others = self.actors().filter(|actor| actor.id() != suspect);
        others
            .map(|actor| &actor.identity)
            .partition(|identity| panel.contains(&identity.id()))
    }

    /// A certificate with the signatures of these keys, whoever they are.
    pub(crate) fn certificate(&self, proposal: Proposal, signers: &[&Identity]) -> Certificate {
        let (electorate, id) = (self.electorate(), proposal.id());
        let sign = |signer: &&Identity| {
            Vote::cast(signer.key(), &electorate, id, Choice::Yes, "").signature
        };
        Certificate {
            proposal: proposal.into(),
            epoch: electorate.epoch(),
            electorate: electorate.id(),
            votes: signers
                .iter()
                .map(|signer| (signer.id(), sign(signer)))
                .collect(),
        }
    }

    /// The keys of a quorum of seeds.
    pub(crate) fn quorum(&self) -> Vec<&Identity> {
        let quorum = self.electorate().quorum();
        self.seeds[..quorum]
            .iter()
            .map(|seed| &seed.identity)
            .collect()
    }

    /// A first-life record of a key for this network.
    pub(crate) fn record(&self, identity: &Identity, endpoint: &str, attempt: u64) -> Record {
        let endpoints = vec![endpoint.to_owned()];
        Record::sign(
            identity.key(),
            self.list.network(),
            endpoints,
            1,
            attempt,
            unix_ms(),
        )
        .unwrap()
    }

    /// An admission of a key by these signers; nobody listens at its endpoint.
    pub(crate) fn admission(&self, identity: &Identity, signers: &[&Identity]) -> Arc<Proof> {
        let record = self.record(identity, "127.0.0.1:1", 1);
        Arc::new(Proof::Admission(
            self.certificate(Proposal::Admit(record), signers),
        ))
    }

    /// An eviction of a member in its first life, reported by the first peer and signed by these.
    pub(crate) fn eviction(
        &self,
        suspect: NodeId,
        attempt: u64,
        signers: &[&Identity],
    ) -> Arc<Proof> {
        let accusation = Accusation::new(self, suspect, attempt, &self.panel(suspect).0);
        let report = accusation.sign(&self.peers[0].identity);
        Arc::new(Proof::Eviction(
            self.certificate(Proposal::Evict(report), signers),
        ))
    }

    /// A message as an origin signs it.
    pub(crate) fn message(
        &self,
        origin: NodeId,
        sequence: u64,
        payload: &str,
        signer: &Identity,
    ) -> Content<NodeId> {
        let payload = Bytes::copy_from_slice(payload.as_bytes());
        let unsigned = |signature| Content::Application {
            origin,
            incarnation: 1,
            sequence,
            payload: payload.clone(),
            signature,
        };
        let statement = Transcript::new("quorate/message/1")
            .bytes(self.list.network().as_ref())
            .bytes(unsigned(Bytes::new()).id().as_bytes())
            .finish();
        unsigned(Bytes::copy_from_slice(
            signer.key().sign(&statement).as_bytes(),
        ))
    }
}

/// The departure of the member that `admission` admits, signed by another member.
pub(crate) fn departure_by_another(admission: &Proof, own: &Proof, liar: &Identity) -> Departure {
    let signed = Departure::sign(liar.key(), own.certificate().clone()).unwrap();
    Departure {
        admission: admission.certificate().clone().into(),
        signature: signed.signature,
    }
}

/// The same certificate with signatures that nobody made.
pub(crate) fn unsigned(certificate: &Certificate) -> Certificate {
    let mut forged = certificate.clone();
    forged
        .votes
        .values_mut()
        .for_each(|signature| *signature = Signature::new([7; 64]));
    forged
}
