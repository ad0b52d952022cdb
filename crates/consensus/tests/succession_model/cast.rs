//! Who plays: members A, B and C; candidates D and E; and C, whom the others do not reach.

use std::sync::Arc;

use quorate_consensus::succession::{
    Accepted, Ballot, Change, Founding, Keys, Link, Membership, Opinion,
};
use quorate_consensus::{Choice, NodeId, Record, Unproven};

pub(crate) const A: usize = 0;
pub(crate) const B: usize = 1;
pub(crate) const C: usize = 2;
pub(crate) const D: usize = 3;
pub(crate) const E: usize = 4;
pub(crate) const ALL: [usize; 5] = [A, B, C, D, E];

pub(crate) fn id(who: usize) -> NodeId {
    NodeId::from(who as u64 + 1)
}

pub(crate) fn who(node: &NodeId) -> usize {
    ALL.into_iter().find(|who| id(*who) == *node).unwrap()
}

pub(crate) const fn name(who: usize) -> &'static str {
    ["A", "B", "C", "D", "E"][who]
}

/// Lends a node's keys: signatures that prove nothing, and cost little.
pub(crate) fn with_keys<T>(who: usize, act: impl FnOnce(&Keys<'_>) -> T) -> T {
    let signer = Unproven::signer(id(who));
    act(&Keys {
        signer: &signer,
        scheme: &Unproven,
    })
}

/// What everybody knows when the exploration begins.
#[derive(Debug)]
pub(crate) struct Cast {
    /// A, B and C.
    pub(crate) start: Arc<Membership>,
    /// The records of D and E.
    pub(crate) candidates: [Arc<Record>; 2],
    /// Everybody's ALLOW of both candidates, save one's own of oneself.
    pub(crate) allows: Vec<Opinion>,
}

impl Cast {
    pub(crate) fn new() -> Self {
        let endpoints = |who| vec![format!("{}:1", name(who))];
        let founder = Unproven::signer(id(A));
        let founding = Founding::sign(&founder, endpoints(A), 1, 1, None).unwrap();
        let founded = Membership::found(&founding, &Unproven).unwrap();
        let network = founded.network();
        let record = |who| {
            let signer = Unproven::signer(id(who));
            Record::sign(&signer, network, endpoints(who), 1, 1, 1).unwrap()
        };
        let allow = |voter, record: &Record| {
            let signer = Unproven::signer(id(voter));
            Opinion::sign(&signer, network, record.hash(), 1, Choice::Yes, "")
        };
        let start = [B, C].into_iter().fold(founded, |membership, candidate| {
            let record = record(candidate);
            let members = || membership.members().map(|member| who(&member.node));
            let allows = members().map(|voter| (id(voter), allow(voter, &record).signature));
            let change = Change::Admit {
                allows: allows.collect(),
                record: record.clone(),
            };
            let ballot = Ballot {
                counter: 1,
                leader: id(A),
            };
            let accepted = members().map(|voter| {
                let signer = Unproven::signer(id(voter));
                let accepted = Accepted::sign(&signer, &membership.place(), ballot, change.hash());
                (accepted.voter, accepted.signature)
            });
            let link = Link {
                epoch: membership.epoch(),
                parent: membership.place().head,
                accepted: accepted.collect(),
                change,
                ballot,
            };
            link.verify(&membership, &Unproven).unwrap();
            membership.apply(&link)
        });
        let candidates = [D, E].map(|who| Arc::new(record(who)));
        let allows = candidates
            .iter()
            .flat_map(|record| {
                ALL.into_iter()
                    .filter(|voter| id(*voter) != record.node)
                    .map(|voter| allow(voter, record))
            })
            .collect();
        Self {
            start: Arc::new(start),
            candidates,
            allows,
        }
    }

    /// Those that are of any use yet.
    pub(crate) fn allows_in(&self, membership: &Membership) -> impl Iterator<Item = &Opinion> {
        let open = self.candidates.iter();
        let open = open.filter(|record| membership.check_candidate(record).is_ok());
        let open: Vec<_> = open.map(|record| record.hash()).collect();
        let allows = self.allows.iter();
        allows.filter(move |allow| open.contains(&allow.record))
    }
}
