//! What acceptors say about one decision (Lamport, "Paxos Made Simple", 2001): PROMISE and ACCEPTED, and the leader's ACCEPT.

use serde::{Deserialize, Serialize};

use super::chain::Place;
use crate::id::{Digest, NodeId, Signature};
use crate::scheme::{Scheme, Signer};
use crate::transcript::Transcript;

/// One try of one leader to have an epoch decided. Later ballots are larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ballot {
    /// From 1.
    pub counter: u64,
    /// Who leads it.
    pub leader: NodeId,
}

/// PROMISE: the voter takes part in no smaller ballot any more, and this is what it has accepted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Promise {
    /// Who promises, and signs.
    pub voter: NodeId,
    /// For which ballot.
    pub ballot: Ballot,
    /// The highest ballot in which the voter accepted a change, and that change's hash.
    pub accepted: Option<(Ballot, Digest)>,
    /// The signature over all of the above and the head.
    pub signature: Signature,
}

/// ACCEPTED: the voter accepted this change in this ballot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Accepted {
    /// Who accepted, and signs.
    pub voter: NodeId,
    /// In which ballot.
    pub ballot: Ballot,
    /// The change's hash.
    pub change: Digest,
    /// The signature over all of the above and the head.
    pub signature: Signature,
}

/// What a leader signs when it asks to accept: one change per ballot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proposed {
    /// The ballot, which names the leader.
    pub ballot: Ballot,
    /// The change's hash.
    pub change: Digest,
    /// The leader's signature over all of the above and the head.
    pub signature: Signature,
}

impl Promise {
    /// Signs a promise.
    pub fn sign(
        signer: &dyn Signer,
        place: &Place,
        ballot: Ballot,
        accepted: Option<(Ballot, Digest)>,
    ) -> Self {
        Self {
            voter: signer.id(),
            ballot,
            accepted,
            signature: signer.sign(&promise_statement(place, ballot, accepted)),
        }
    }

    /// Whether the voter signed it.
    pub fn is_valid(&self, place: &Place, scheme: &dyn Scheme) -> bool {
        let statement = promise_statement(place, self.ballot, self.accepted);
        scheme.verify(&self.voter, &statement, &self.signature)
    }
}

impl Accepted {
    /// Signs an acceptance.
    pub fn sign(signer: &dyn Signer, place: &Place, ballot: Ballot, change: Digest) -> Self {
        Self {
            voter: signer.id(),
            ballot,
            change,
            signature: signer.sign(&statement("quorate/accepted/1", place, ballot, &change)),
        }
    }

    /// Whether the voter signed it.
    pub fn is_valid(&self, place: &Place, scheme: &dyn Scheme) -> bool {
        let statement = statement("quorate/accepted/1", place, self.ballot, &self.change);
        scheme.verify(&self.voter, &statement, &self.signature)
    }
}

impl Proposed {
    /// Signs what the signer, as leader, asks to accept.
    pub fn sign(signer: &dyn Signer, place: &Place, counter: u64, change: Digest) -> Self {
        let ballot = Ballot {
            counter,
            leader: signer.id(),
        };
        Self {
            ballot,
            change,
            signature: signer.sign(&statement("quorate/accept/1", place, ballot, &change)),
        }
    }

    /// Whether the leader signed it.
    pub fn is_valid(&self, place: &Place, scheme: &dyn Scheme) -> bool {
        let statement = statement("quorate/accept/1", place, self.ballot, &self.change);
        scheme.verify(&self.ballot.leader, &statement, &self.signature)
    }
}

fn promise_statement(place: &Place, ballot: Ballot, accepted: Option<(Ballot, Digest)>) -> Digest {
    let mut transcript = place.transcript("quorate/promise/1");
    let transcript = on_ballot(&mut transcript, ballot);
    match accepted {
        None => transcript.u64(0),
        Some((ballot, change)) => on_ballot(transcript.u64(1), ballot).bytes(change.as_ref()),
    }
    .finish()
}

fn statement(domain: &str, place: &Place, ballot: Ballot, change: &Digest) -> Digest {
    on_ballot(&mut place.transcript(domain), ballot)
        .bytes(change.as_ref())
        .finish()
}

fn on_ballot(transcript: &mut Transcript, ballot: Ballot) -> &mut Transcript {
    transcript.u64(ballot.counter).bytes(ballot.leader.as_ref())
}
