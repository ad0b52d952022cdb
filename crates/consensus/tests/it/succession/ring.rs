//! A network's history as the tests write it: every signer at hand, so that every statement can be made, and every forgery.

use std::collections::BTreeMap;
use std::sync::Arc;

use quorate_consensus::succession::{
    Accepted, Accusation, Ballot, Change, Founding, Keys, Leave, Link, Membership, Message,
    Opinion, Output, Place, Promise, Proposed, Statement,
};
use quorate_consensus::{
    Choice, Ed25519, Ed25519Key, NodeId, Record, Scheme, Signature, Signer, Succession, Unproven,
};

use crate::sample::{START_MS, signer};

/// Nodes 1 to 90 can sign; the first few are members.
pub(crate) struct Ring {
    signers: BTreeMap<u64, Arc<dyn Signer>>,
    pub(crate) scheme: &'static dyn Scheme,
    pub(crate) founding: Founding,
    pub(crate) membership: Arc<Membership>,
    pub(crate) links: Vec<Arc<Link>>,
}

impl Ring {
    /// Members 1 to `members`, with signatures that prove nothing; ids are in the order of the numbers.
    pub(crate) fn new(members: u64) -> Self {
        let signers = (1..=90).map(|number| (number, Arc::new(signer(number)) as Arc<dyn Signer>));
        Self::of(members, signers.collect(), &Unproven)
    }

    /// The same with real signatures; ids are in no order.
    pub(crate) fn real(members: u64) -> Self {
        let key = |number: u64| Arc::new(Ed25519Key::from_secret(&[number as u8; 32]));
        let signers = (1..=90).map(|number| (number, key(number) as Arc<dyn Signer>));
        Self::of(members, signers.collect(), &Ed25519)
    }

    fn of(
        members: u64,
        signers: BTreeMap<u64, Arc<dyn Signer>>,
        scheme: &'static dyn Scheme,
    ) -> Self {
        let founding =
            Founding::sign(&*signers[&1], vec!["founder:1".into()], 1, START_MS, None).unwrap();
        let membership = Arc::new(Membership::found(&founding, scheme).unwrap());
        let mut ring = Self {
            signers,
            scheme,
            founding,
            membership,
            links: Vec::new(),
        };
        for candidate in 2..=members {
            let change = ring.admission(&ring.record(candidate, 1));
            ring.decide(change);
        }
        ring
    }

    pub(crate) fn signer(&self, number: u64) -> &dyn Signer {
        &*self.signers[&number]
    }

    pub(crate) fn id(&self, number: u64) -> NodeId {
        self.signer(number).id()
    }

    pub(crate) fn keys(&self, number: u64) -> Keys<'_> {
        Keys {
            signer: self.signer(number),
            scheme: self.scheme,
        }
    }

    pub(crate) fn place(&self) -> Place {
        self.membership.place()
    }

    /// The members' numbers, in the order of their ids.
    pub(crate) fn members(&self) -> Vec<u64> {
        let number = |node: &NodeId| {
            *self
                .numbers()
                .find(|number| self.id(*number) == *node)
                .as_ref()
                .unwrap()
        };
        let members = self.membership.members();
        members.map(|record| number(&record.node)).collect()
    }

    fn numbers(&self) -> impl Iterator<Item = u64> {
        self.signers.keys().copied()
    }

    pub(crate) fn record(&self, number: u64, incarnation: u64) -> Record {
        let endpoints = vec![format!("node-{number}:1")];
        let network = self.membership.network();
        let signer = self.signer(number);
        Record::sign(signer, network, endpoints, incarnation, 1, START_MS).unwrap()
    }

    pub(crate) fn opinion(&self, voter: u64, record: &Record, choice: Choice) -> Opinion {
        let node = self.id(voter);
        let life = self.membership.last_life(&node).unwrap_or(1);
        let network = self.membership.network();
        Opinion::sign(self.signer(voter), network, record.hash(), life, choice, "")
    }

    pub(crate) fn allow(&self, voter: u64, record: &Record) -> Opinion {
        self.opinion(voter, record, Choice::Yes)
    }

    pub(crate) fn accusation(&self, accuser: u64, suspect: u64) -> Accusation {
        let suspect = self.id(suspect);
        let life = self.membership.last_life(&suspect).unwrap_or(1);
        Accusation::sign(self.signer(accuser), &self.place(), suspect, life)
    }

    /// The admission of a record, with the ALLOW of every member.
    pub(crate) fn admission(&self, record: &Record) -> Change {
        let allows = self.members().into_iter().map(|voter| {
            let allow = self.allow(voter, record);
            (allow.voter, allow.signature)
        });
        Change::Admit {
            record: record.clone(),
            allows: allows.collect(),
        }
    }

    /// The eviction of these, accused by all others.
    pub(crate) fn eviction(&self, suspects: &[u64]) -> Change {
        let accusers = || {
            let members = self.members().into_iter();
            members.filter(|member| !suspects.contains(member))
        };
        let by = |suspect: u64| -> BTreeMap<NodeId, Signature> {
            accusers()
                .map(|accuser| {
                    (
                        self.id(accuser),
                        self.accusation(accuser, suspect).signature,
                    )
                })
                .collect()
        };
        Change::Evict {
            suspects: suspects
                .iter()
                .map(|one| (self.id(*one), by(*one)))
                .collect(),
        }
    }

    pub(crate) fn leave(&self, number: u64) -> Leave {
        Leave::sign(self.signer(number), &self.place())
    }

    pub(crate) fn ballot(&self, counter: u64, leader: u64) -> Ballot {
        Ballot {
            counter,
            leader: self.id(leader),
        }
    }

    pub(crate) fn accepted(&self, voter: u64, ballot: Ballot, change: &Change) -> Accepted {
        Accepted::sign(self.signer(voter), &self.place(), ballot, change.hash())
    }

    pub(crate) fn promise(
        &self,
        voter: u64,
        ballot: Ballot,
        accepted: Option<(Ballot, &Change)>,
    ) -> Promise {
        let accepted = accepted.map(|(ballot, change)| (ballot, change.hash()));
        Promise::sign(self.signer(voter), &self.place(), ballot, accepted)
    }

    /// The leader's ACCEPT on the strength of these promises.
    pub(crate) fn accept(
        &self,
        leader: u64,
        counter: u64,
        change: &Change,
        promises: Vec<Promise>,
    ) -> Statement {
        let signer = self.signer(leader);
        Statement::Accept {
            proposed: Proposed::sign(signer, &self.place(), counter, change.hash()),
            change: Arc::new(change.clone()),
            promises,
            return_promises: BTreeMap::new(),
        }
    }

    /// The link that these voters' acceptances make, a quorum or not.
    pub(crate) fn link(&self, change: Change, voters: &[u64]) -> Link {
        let ballot = self.ballot(1, 1);
        let accepted = voters.iter().map(|voter| {
            let accepted = self.accepted(*voter, ballot, &change);
            (accepted.voter, accepted.signature)
        });
        Link {
            epoch: self.place().epoch,
            parent: self.place().head,
            accepted: accepted.collect(),
            change,
            ballot,
        }
    }

    /// All members accept a valid change.
    pub(crate) fn decide(&mut self, change: Change) -> Arc<Link> {
        let link = Arc::new(self.link(change, &self.members()));
        link.verify(&self.membership, self.scheme).unwrap();
        self.membership = Arc::new(self.membership.apply(&link));
        self.links.push(link.clone());
        link
    }

    /// A node's part in the next decision.
    pub(crate) fn part(&self, number: u64) -> Succession {
        Succession::new(self.id(number), self.membership.clone())
    }

    pub(crate) fn at(&self, statement: Statement) -> Message {
        let place = self.place();
        Message::At {
            epoch: place.epoch,
            head: place.head,
            statement,
        }
    }

    /// Brings a candidate to a member, with the ALLOWs of these.
    pub(crate) fn bring(&self, to: u64, part: &mut Succession, record: &Record, allows: &[u64]) {
        let keys = self.keys(to);
        part.handle_candidate(Arc::new(record.clone()), &keys)
            .unwrap();
        for voter in allows {
            let allow = Message::Opinion(self.allow(*voter, record));
            part.handle_message(self.id(*voter), allow, &keys).unwrap();
        }
        drain(part);
    }

    /// Tells a member that `accuser` accuses `suspect`.
    pub(crate) fn accuse(&self, to: u64, part: &mut Succession, accuser: u64, suspect: u64) {
        if accuser == to {
            part.say_accuse(self.id(suspect), &self.keys(to)).unwrap();
        } else {
            let accusation = self.at(Statement::Accuse(self.accusation(accuser, suspect)));
            part.handle_message(self.id(accuser), accusation, &self.keys(to))
                .unwrap();
        }
        drain(part);
    }
}

pub(crate) fn drain(part: &mut Succession) -> Vec<Output> {
    std::iter::from_fn(|| part.poll_output()).collect()
}

/// The statements among outputs, in order.
pub(crate) fn statements(outputs: &[Output]) -> Vec<&Statement> {
    let statement = |output| match output {
        &Output::Send {
            message: Message::At { ref statement, .. },
            ..
        } => Some(statement),
        _ => None,
    };
    outputs.iter().filter_map(statement).collect()
}

pub(crate) fn decided(outputs: &[Output]) -> Option<&Arc<Link>> {
    outputs.iter().find_map(|output| match output {
        Output::Decided(link) => Some(link),
        _ => None,
    })
}
