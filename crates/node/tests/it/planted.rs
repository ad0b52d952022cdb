//! Planted faults: what each breaks holds without it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use quorate_node::consensus::succession::{Accusation, Change};
use quorate_node::consensus::{
    Choice, DeadReport, Finding, Inquiry, NodeId, Now, Proof, Proposal, Record, Testimony,
    Unproven, council,
};
use quorate_node::gossip::{Content, Message as Gossip};
use quorate_node::protocol::{Goodbye, Message, NeighborMessage, Purpose, RoleKind, RosterMessage};
use quorate_node::roles::{ConnId, Frame, Output, Peer, Role, Seed};
use quorate_node::store::{Restored, SeedStored, Stored};
use quorate_node::{Admission, Event, Options};
use quorate_planted::{Fault, with};

use crate::fuzz::{START_MS, certify, decide, hello, open_chain, seeds, signer_of};
use crate::hostile::puppet::{Puppet, links};

/// Whether something goes wrong with the fault, and only then.
fn assert_breaks(fault: Fault, goes_wrong: impl Fn() -> bool) {
    assert!(!with(None, &goes_wrong), "without {fault}");
    assert!(with(Some(fault), &goes_wrong), "with {fault}");
}

/// A role with a good disk, whose surroundings the test plays.
struct Stage<R> {
    role: R,
    now: Now,
    conns: BTreeSet<ConnId>,
    votes: Vec<Choice>,
    goodbyes: Vec<(ConnId, Goodbye)>,
    next: u64,
}

impl<R: Role> Stage<R> {
    fn new(role: R, now: Now) -> Self {
        let mut this = Self {
            role,
            now,
            conns: BTreeSet::new(),
            votes: Vec::new(),
            goodbyes: Vec::new(),
            next: 0,
        };
        this.drain();
        this
    }

    fn drain(&mut self) {
        while let Some(output) = self.role.poll_output() {
            match output {
                Output::Write { write, stored } => {
                    if let Stored::Seed(SeedStored::Council(council::Durable::Vote {
                        vote, ..
                    })) = stored
                    {
                        self.votes.push(vote.choice);
                    }
                    self.role.handle_written(write, Ok(()), self.now);
                }
                Output::Send {
                    to,
                    frame: Frame::Message(Message::Goodbye(goodbye)),
                } => {
                    let goodbyes = to.iter().map(|conn| (*conn, goodbye.clone()));
                    self.goodbyes.extend(goodbyes);
                }
                Output::Close(conn) => {
                    self.conns.remove(&conn);
                    self.role
                        .handle_closed(conn, "closed by this node", self.now);
                }
                _ => {}
            }
        }
    }

    fn arrive(&mut self, who: u64, purpose: Purpose, role: RoleKind) -> ConnId {
        let conn = ConnId(self.next);
        self.next += 1;
        self.conns.insert(conn);
        self.role
            .handle_connected(conn, None, NodeId::from(who), "10.0.0.9:1", self.now);
        self.hear(conn, Frame::Hello(hello(purpose, role)));
        conn
    }

    fn say(&mut self, conn: ConnId, message: Message) {
        self.hear(conn, Frame::Message(message));
    }

    fn hear(&mut self, conn: ConnId, frame: Frame) {
        self.drain();
        if self.conns.contains(&conn) {
            self.role.handle_frame(conn, frame, self.now);
        }
        self.drain();
    }
}

fn start() -> Now {
    Now {
        instant: Instant::now(),
        unix_ms: START_MS,
    }
}

/// The first of three seeds, and what it knows.
fn seed(proofs: Vec<Arc<Proof>>, options: Options) -> Stage<Seed> {
    let (now, list) = (start(), seeds());
    let address = list.addresses()[0].clone();
    let signer = Arc::new(signer_of(NodeId::from(1)));
    let restored = Restored {
        proofs,
        ..Restored::default()
    };
    let scheme = Arc::new(Unproven);
    let seed = Seed::new(signer, scheme, &address, &list, options, restored, 1, now);
    Stage::new(seed.unwrap(), now)
}

fn record(who: u64, attempt: u64) -> Record {
    let endpoints = vec!["127.0.0.1:6000".to_owned()];
    let signer = signer_of(NodeId::from(who));
    Record::sign(&signer, seeds().network(), endpoints, 1, attempt, START_MS).unwrap()
}

fn admission(who: u64) -> Arc<Proof> {
    let proposal = Proposal::Admit(record(who, 1));
    Arc::new(Proof::Admission(certify(proposal, [1, 2])))
}

/// A report of node 50's death, by node 51, with the testimony of everybody else.
fn report() -> DeadReport {
    let inquiry = Inquiry {
        network: seeds().network(),
        suspect: NodeId::from(50),
        incarnation: 1,
        attempt: 1,
    };
    let testify = |number| {
        let witness = signer_of(NodeId::from(number));
        Testimony::sign(&witness, inquiry, Finding::Unreachable, "")
    };
    DeadReport::sign(
        &signer_of(NodeId::from(51)),
        inquiry,
        "127.0.0.1:6000".to_owned(),
        START_MS,
        [1, 2, 3, 51, 52].map(testify).to_vec(),
        vec![],
    )
}

#[test]
fn eviction_without_probe() {
    assert_breaks(Fault::EvictionWithoutProbe, || {
        let mut seed = seed([50, 51, 52].map(admission).to_vec(), Options::default());
        let link = seed.arrive(2, Purpose::Link, RoleKind::Seed);
        let proposal = Arc::new(Proposal::Evict(report()));
        seed.say(
            link,
            Message::Council(council::Message::Proposal(proposal.into())),
        );
        // No probe was answered, nor has failed.
        seed.votes == [Choice::Yes]
    });
}

#[test]
fn evicted_not_cut_by_a_seed() {
    assert_breaks(Fault::EvictedNotCut, || {
        let mut seed = seed(vec![admission(50)], Options::default());
        let link = seed.arrive(2, Purpose::Link, RoleKind::Seed);
        let evicted = seed.arrive(50, Purpose::Testify, RoleKind::Peer);
        let eviction = Proof::Eviction(certify(Proposal::Evict(report()), [1, 2]));
        let proofs = RosterMessage::Proofs(vec![Arc::new(eviction)]);
        seed.say(link, Message::Roster(proofs));
        seed.conns.contains(&evicted)
    });
}

#[test]
fn evicted_not_cut_by_a_peer() {
    assert_breaks(Fault::EvictedNotCut, || {
        let now = start();
        let signer = Arc::new(signer_of(NodeId::from(5)));
        let endpoints = vec!["127.0.0.1:6000".to_owned()];
        let (scheme, options) = (Arc::new(Unproven), Options::default());
        let peer = Peer::new(signer, scheme, endpoints, &seeds(), options, 1, now);
        let mut peer = Stage::new(peer.unwrap(), now);
        let witness = peer.arrive(51, Purpose::Testify, RoleKind::Peer);
        let evicted = peer.arrive(50, Purpose::Testify, RoleKind::Peer);
        let inquiry = Inquiry {
            attempt: 2,
            ..report().inquiry()
        };
        // Somebody who asks about a suspect shows that it is, or was, a member.
        for suspect in [
            admission(50),
            Arc::new(Proof::Eviction(certify(Proposal::Evict(report()), [1, 2]))),
        ] {
            let question = Message::SuspectRequest {
                inquiry,
                suspect,
                asker: Some(admission(51)),
            };
            peer.say(witness, question);
        }
        peer.conns.contains(&evicted)
    });
}

#[test]
fn evicted_not_cut_by_a_member() {
    assert_breaks(Fault::EvictedNotCut, || {
        // Nodes 4 to 7, this one 5.
        let mut member = Puppet::one_of(4, Admission::ask(), Options::default());
        let (friend, evicted) = (member.link(6), member.link(7));
        member.say(evicted, Message::Neighbor(NeighborMessage::Ask));
        let chain = open_chain(4);
        let suspect = NodeId::from(7);
        let accuse = |accuser: u64| {
            let signer = signer_of(NodeId::from(accuser));
            let accusation = Accusation::sign(&signer, &chain.membership().place(), suspect, 1);
            (accusation.accuser, accusation.signature)
        };
        let suspects = [(suspect, [4, 5, 6].map(accuse).into())].into();
        let link = decide(&chain, Change::Evict { suspects });
        member.say(friend, links(vec![Arc::new(link)]));
        let is_evicted = |event: &Event| matches!(event, Event::DeadConfirmed { .. });
        assert!(member.events.iter().any(is_evicted), "{}", member.told());
        member.conns.contains_key(&evicted)
    });
}

#[test]
fn message_unchecked() {
    assert_breaks(Fault::MessageUnchecked, || {
        let mut member = Puppet::one_of(3, Admission::ask(), Options::default());
        let neighbor = member.link(6);
        member.say(neighbor, Message::Neighbor(NeighborMessage::Ask));
        let forged = Content::Application {
            origin: NodeId::from(4),
            incarnation: 1 << 32,
            sequence: 0,
            payload: Bytes::from("hello"),
            signature: Bytes::from(vec![1; 64]),
        };
        let gossip = Gossip::Gossip {
            hop_count: 1,
            content: forged.encode(),
        };
        member.say(neighbor, Message::Gossip(gossip));
        let is_delivery = |event: &Event| matches!(event, Event::Message(_));
        member.events.iter().any(is_delivery)
    });
}

#[test]
fn connections_unlimited() {
    for connections_max in [(2, 16), (900, 2)] {
        assert_breaks(Fault::ConnectionsUnlimited, || {
            let options = Options {
                connections_max,
                ..Options::default()
            };
            let mut seed = seed(vec![], options);
            for _ in 0..5 {
                seed.arrive(50, Purpose::Register, RoleKind::Peer);
            }
            seed.conns.len() == 5
        });
    }
}

#[test]
fn questions_unlimited() {
    assert_breaks(Fault::QuestionsUnlimited, || {
        let mut seed = seed(vec![], Options::default());
        let conn = seed.arrive(50, Purpose::Register, RoleKind::Peer);
        for attempt in 0..300 {
            seed.say(conn, Message::RegisterRequest(record(50, attempt)));
        }
        let is_cut = |(at, goodbye): &(ConnId, Goodbye)| {
            *at == conn && matches!(goodbye, Goodbye::Misbehaved(_))
        };
        !seed.goodbyes.iter().any(is_cut)
    });
}
