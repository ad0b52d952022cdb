//! What acceptors say about one decision (Lamport, "Paxos Made Simple", 2001): PROMISE and ACCEPTED, and the leader's ACCEPT.

use std::collections::BTreeMap;

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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Promise {
    /// Who promises, and signs.
    pub voter: NodeId,
    /// For which ballot.
    pub ballot: Ballot,
    /// The highest ballot in which the voter accepted a change, and that change's hash.
    pub accepted: Option<(Ballot, Digest)>,
    /// Who has lost what it said, as far as the voter knows, and up to which ballot; perhaps itself. What those promised before is
    /// void.
    pub lost: Lost,
    /// The signature over all of the above and the head.
    pub signature: Signature,
}

/// Which members have lost what they said about one decision, and the latest [`Loss`] of each: a crash vector (Michael, Ports,
/// Sharma, Szekeres, "Recovering Shared Objects Without Stable Storage", DISC 2017).
pub type Lost = BTreeMap<NodeId, Ballot>;

/// LOST: the leader of this ballot does not know what it said about the present decision before it led this. It is a question as
/// well: PREPARE, for one who promises nothing itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Loss {
    /// The ballot, whose leader signs.
    pub ballot: Ballot,
    /// The signature over the ballot and the head.
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
    /// Signs a promise of one who knows of nobody that lost anything.
    pub fn sign(
        signer: &dyn Signer,
        place: &Place,
        ballot: Ballot,
        accepted: Option<(Ballot, Digest)>,
    ) -> Self {
        Self::sign_knowing(Lost::new(), signer, place, ballot, accepted)
    }

    /// Signs a promise.
    pub fn sign_knowing(
        lost: Lost,
        signer: &dyn Signer,
        place: &Place,
        ballot: Ballot,
        accepted: Option<(Ballot, Digest)>,
    ) -> Self {
        let signature = signer.sign(&promise_statement(place, ballot, accepted, &lost));
        Self {
            voter: signer.id(),
            ballot,
            accepted,
            lost,
            signature,
        }
    }

    /// Whether the voter signed it.
    pub fn is_valid(&self, place: &Place, scheme: &dyn Scheme) -> bool {
        let statement = promise_statement(place, self.ballot, self.accepted, &self.lost);
        scheme.verify(&self.voter, &statement, &self.signature)
    }

    /// The ballot since which the voter remembers what it said, if it has lost something.
    pub fn since(&self) -> Option<Ballot> {
        self.lost.get(&self.voter).copied()
    }
}

impl Loss {
    /// Signs that the signer, as the leader of the ballot with this counter, knows of nothing that it said before.
    pub fn sign(signer: &dyn Signer, place: &Place, counter: u64) -> Self {
        let ballot = Ballot {
            counter,
            leader: signer.id(),
        };
        Self {
            ballot,
            signature: signer.sign(&loss_statement(place, ballot)),
        }
    }

    /// Whether the leader signed it.
    pub fn is_valid(&self, place: &Place, scheme: &dyn Scheme) -> bool {
        let statement = loss_statement(place, self.ballot);
        scheme.verify(&self.ballot.leader, &statement, &self.signature)
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

fn promise_statement(
    place: &Place,
    ballot: Ballot,
    accepted: Option<(Ballot, Digest)>,
    lost: &Lost,
) -> Digest {
    let mut transcript = place.transcript("quorate/promise/2");
    let transcript = on_ballot(&mut transcript, ballot);
    let transcript = match accepted {
        None => transcript.u64(0),
        Some((ballot, change)) => on_ballot(transcript.u64(1), ballot).bytes(change.as_ref()),
    };
    let mut transcript = transcript.u64(lost.len() as u64);
    for (node, ballot) in lost {
        transcript = on_ballot(transcript.bytes(node.as_ref()), *ballot);
    }
    transcript.finish()
}

fn loss_statement(place: &Place, ballot: Ballot) -> Digest {
    on_ballot(&mut place.transcript("quorate/lost/1"), ballot).finish()
}

fn statement(domain: &str, place: &Place, ballot: Ballot, change: &Digest) -> Digest {
    on_ballot(&mut place.transcript(domain), ballot)
        .bytes(change.as_ref())
        .finish()
}

fn on_ballot(transcript: &mut Transcript, ballot: Ballot) -> &mut Transcript {
    transcript.u64(ballot.counter).bytes(ballot.leader.as_ref())
}
