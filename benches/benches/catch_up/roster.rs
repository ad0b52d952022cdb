//! Members, each with a certificate of its admission.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use quorate_consensus::{
    Certificate, Choice, Ed25519Key, Proof, Proposal, Record, Signer as _, Transcript, Vote,
};

use crate::seeds::Seeds;

/// Proofs of admissions, in no order of keys.
pub(crate) struct Population {
    pub(crate) proofs: Vec<Arc<Proof>>,
}

impl Population {
    /// So many members, each signed by so many of the seeds.
    pub(crate) fn new(seeds: &Seeds, members: usize, signatures: usize) -> Self {
        let electorate = seeds.list.electorate().expect("seeds differ");
        let opened = SystemTime::now().duration_since(UNIX_EPOCH);
        let opened_ms = opened.map_or(0, |opened| opened.as_millis() as u64);
        let member = |number: usize| {
            let secret = Transcript::new("member").u64(number as u64).finish();
            let key = Ed25519Key::from_secret(secret.as_bytes());
            let endpoints = vec![format!("192.0.2.{}:{}", number % 250, 1024 + number)];
            let record = Record::sign(&key, electorate.network(), endpoints, 1, 1, opened_ms);
            let proposal = Proposal::Admit(record.expect("the endpoint is one"));
            let id = proposal.id();
            let voters = seeds.keys.iter().cycle().skip(number % seeds.keys.len());
            let votes = voters.take(signatures).map(|voter| {
                let vote = Vote::cast(voter.key(), &electorate, id, Choice::Yes, "");
                (voter.key().id(), vote.signature)
            });
            let certificate = Certificate {
                votes: votes.collect(),
                proposal: proposal.into(),
                epoch: electorate.epoch(),
                electorate: electorate.id(),
            };
            Arc::new(Proof::Admission(certificate))
        };
        Self {
            proofs: (0..members).map(member).collect(),
        }
    }
}
