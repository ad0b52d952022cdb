//! Who plays: seeds A, B and C; candidates X and Y; and what may be put to the vote about them.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_consensus::{
    Certificate, Choice, DeadReport, Electorate, Finding, Inquiry, NetworkId, NodeId, Proof,
    Proposal, ProposalId, QuorumRule, Record, Signature, StandingKey, Testimony, Unproven, Vote,
};

use crate::bounds::{Bounds, Question};

pub(crate) const A: usize = 0;
pub(crate) const B: usize = 1;
pub(crate) const C: usize = 2;
pub(crate) const ALL: [usize; 3] = [A, B, C];
const X: usize = 3;
const Y: usize = 4;

const NETWORK: NetworkId = NetworkId::new([7; 32]);

/// What all wall clocks show, always: the window in which voters take part is tested elsewhere.
pub(crate) const WALL_MS: u64 = 1_700_000_000_000;

/// Unlike those made of numbers, these differ in what their `Debug` shows.
pub(crate) const fn id(who: usize) -> NodeId {
    NodeId::new([who as u8 + 1; 32])
}

pub(crate) fn who(node: &NodeId) -> usize {
    usize::from(node.as_bytes()[0]) - 1
}

pub(crate) const fn name(who: usize) -> &'static str {
    ["A", "B", "C", "X", "Y"][who]
}

/// What a certificate amounts to: a question, and whose signatures it has, a bit for each seed. `None` stands for what was
/// decided before the exploration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Sealed {
    pub(crate) which: Option<usize>,
    pub(crate) signers: u8,
}

/// What everybody knows when the exploration begins.
#[derive(Debug)]
pub(crate) struct Cast {
    pub(crate) electorate: Electorate,
    pub(crate) questions: Vec<Question>,
    pub(crate) proposals: Vec<Arc<Proposal>>,
    by_id: BTreeMap<ProposalId, usize>,
    /// What proves that X is a member from the beginning, if it is.
    pub(crate) before: Option<Arc<Proof>>,
}

impl Cast {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        let electorate = Electorate::of(NETWORK, QuorumRule::Majority, ALL.map(id)).unwrap();
        let questions: Vec<_> = bounds.questions.iter().map(|(what, _)| *what).collect();
        let proposals: Vec<_> = questions.iter().map(|what| proposal(*what)).collect();
        let numbered = proposals.iter().enumerate();
        let by_id = numbered.map(|(which, proposal)| (proposal.id(), which));
        let before = bounds.begins_with_x().then(|| {
            let admission = proposal(Question::AdmitX);
            let votes = ALL.map(|voter| signed(&electorate, &admission, voter, Choice::Yes));
            let votes = votes.map(|vote| (vote.voter, vote.signature));
            Arc::new(certified(&electorate, admission, votes))
        });
        Self {
            by_id: by_id.collect(),
            proposals: proposals.into_iter().map(Arc::new).collect(),
            electorate,
            questions,
            before,
        }
    }

    pub(crate) fn which(&self, id: &ProposalId) -> usize {
        self.by_id[id]
    }

    pub(crate) fn sealed(&self, proof: &Proof) -> Sealed {
        let certificate = proof.certificate();
        let signers = certificate.votes.keys().map(who);
        Sealed {
            which: self.by_id.get(&certificate.id()).copied(),
            signers: signers.fold(0, |signers, who| signers | (1 << who)),
        }
    }

    pub(crate) fn vote(&self, which: usize, voter: usize, choice: Choice) -> Vote {
        signed(&self.electorate, &self.proposals[which], voter, choice)
    }

    /// A certificate with these signatures, whether they hold or not.
    pub(crate) fn certificate(
        &self,
        which: usize,
        votes: impl IntoIterator<Item = (NodeId, Signature)>,
    ) -> Arc<Proof> {
        let proposal = Proposal::clone(&self.proposals[which]);
        Arc::new(certified(&self.electorate, proposal, votes))
    }

    /// The standing that a question asks for.
    pub(crate) fn asked(&self, which: usize) -> (NodeId, StandingKey) {
        self.certificate(which, []).claims().unwrap()
    }
}

fn certified(
    electorate: &Electorate,
    proposal: Proposal,
    votes: impl IntoIterator<Item = (NodeId, Signature)>,
) -> Proof {
    Proof::of(Certificate {
        proposal: Arc::new(proposal),
        epoch: electorate.epoch(),
        electorate: electorate.id(),
        votes: votes.into_iter().collect(),
    })
    .unwrap()
}

fn signed(electorate: &Electorate, proposal: &Proposal, voter: usize, choice: Choice) -> Vote {
    let signer = Unproven::signer(id(voter));
    Vote::cast(&signer, electorate, proposal.id(), choice, "")
}

fn proposal(question: Question) -> Proposal {
    match question {
        Question::AdmitX => Proposal::Admit(record(X, 1, 1)),
        Question::AdmitXAgain => Proposal::Admit(record(X, 1, 2)),
        Question::AdmitXReborn => Proposal::Admit(record(X, 2, 1)),
        Question::AdmitY => Proposal::Admit(record(Y, 1, 1)),
        Question::EvictX => Proposal::Evict(report()),
    }
}

fn record(candidate: usize, incarnation: u64, attempt: u64) -> Record {
    let signer = Unproven::signer(id(candidate));
    let endpoints = vec![format!("{}:1", name(candidate))];
    Record::sign(&signer, NETWORK, endpoints, incarnation, attempt, WALL_MS).unwrap()
}

/// A's report of the death of X in its first life.
fn report() -> DeadReport {
    let reporter = Unproven::signer(id(A));
    let inquiry = Inquiry {
        network: NETWORK,
        suspect: id(X),
        incarnation: 1,
        attempt: 1,
    };
    let testimony = Testimony::sign(&reporter, inquiry, Finding::Unreachable, "");
    let endpoint = format!("{}:1", name(X));
    DeadReport::sign(
        &reporter,
        inquiry,
        endpoint,
        WALL_MS,
        vec![testimony],
        vec![],
    )
}
