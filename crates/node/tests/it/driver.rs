//! A role driven by hand: whatever may happen to it, and what must hold whatever does.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use quorate_node::admission::{
    All, AllowList, Any, AskOperator, Invited, PerAddress, Rate, Returning,
};
use quorate_node::consensus::succession::{
    Accepted, Accusation, Ballot, Chain, Grounds, Opinion, Place, Promise, Proposed, Statement,
};
use quorate_node::consensus::{
    Choice, DeadReport, Digest, Finding, Inquiry, NetworkId, NodeId, Now, Proof, Proposal, Record,
    Testimony, Unproven, assembly, succession,
};
use quorate_node::protocol::{
    DiscoveryMessage, FRAME_LEN_MAX, Goodbye, Hello, JoinMessage, KnownMember, Message,
    NeighborMessage, Purpose, RoleKind, RosterMessage,
};
use quorate_node::roles::{
    Bootstrap, ConnId, DialError, DialId, Frame, Member, Output, Peer, Reply, Request, RequestId,
    Role, Seed, WriteId,
};
use quorate_node::store::{Restored, RestoredMember};
use quorate_node::{Admission, Discovery, Event, Options};
use quorate_wire::Format;

use crate::fuzz::{
    START_MS, admit, certify, hello, message, node, open_chain, open_hello, open_message, purpose,
    role, seeds, signer_of,
};
/// More outputs than this after one input are no answer but a flood.
const OUTPUTS_MAX: usize = 5_000;

/// So often may a timeout be due at once and be due again.
const SPINS_MAX: usize = 50;

/// One thing that happens to a role.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// Somebody connects, and says a hello that fits.
    Arrive(NodeId, Purpose),
    /// Somebody connects, and says nothing yet.
    Accept(NodeId),
    /// A dial is answered by whom it was for, or by another, and hellos are exchanged or not.
    Answer(usize, Option<NodeId>, bool),
    Fail(usize, bool),
    Hello(usize, Purpose, RoleKind),
    Say(usize, Box<Message>),
    /// What only a node that listens could say: an echo of the last nonce, an answer to the last question, a
    /// certificate of the record that was last put forward.
    Echo(usize),
    Testify(usize, bool),
    Admit(usize),
    Evict(usize),
    Close(usize),
    Wait(u64),
    /// The process stood still.
    Pause(u64),
    Written(bool),
    Ask(Request),
    Open(usize, Open),
}

/// What happens in an open network only.
#[derive(Debug, Clone)]
pub(crate) enum Open {
    /// A candidate comes and asks to be let in.
    Apply(NodeId),
    /// A bootstrap names a member, and may let this node found a network.
    Name(bool),
    /// A member shows its chain, all or some of it, and that there is no more.
    Show(u64),
    /// A member says what it thinks of the last record put forward.
    Opine(Choice),
    /// All members have let the last record in.
    Admit,
    /// A member answers the last question of a leader.
    Promise,
    Accept,
    /// A member leads a ballot.
    Prepare(u64),
    Accuse(NodeId),
}

pub(crate) fn input() -> BoxedStrategy<Input> {
    let place = || any::<usize>();
    let request = prop_oneof![
        4 => vec(any::<u8>(), 0..40).prop_map(|payload| Request::Broadcast(payload.into())),
        2 => Just(Request::Members),
        2 => Just(Request::Neighbors),
        3 => node().prop_map(Request::Explain),
        1 => Just(Request::Leave),
    ];
    prop_oneof![
        10 => (node(), purpose()).prop_map(|(node, purpose)| Input::Arrive(node, purpose)),
        1 => node().prop_map(Input::Accept),
        10 => (place(), proptest::option::weighted(0.1, node()), prop::bool::weighted(0.9))
            .prop_map(|(dial, who, hello)| Input::Answer(dial, who, hello)),
        3 => (place(), any::<bool>()).prop_map(|(dial, wrong)| Input::Fail(dial, wrong)),
        1 => (place(), purpose(), role()).prop_map(|(conn, purpose, role)| Input::Hello(conn, purpose, role)),
        30 => (place(), message()).prop_map(|(conn, message)| Input::Say(conn, Box::new(message))),
        5 => place().prop_map(Input::Echo),
        3 => (place(), any::<bool>()).prop_map(|(conn, lives)| Input::Testify(conn, lives)),
        5 => place().prop_map(Input::Admit),
        1 => place().prop_map(Input::Evict),
        3 => place().prop_map(Input::Close),
        8 => prop_oneof![0..50_u64, 0..3000_u64, 0..70_000_u64].prop_map(Input::Wait),
        1 => (0..100_000_u64).prop_map(Input::Pause),
        6 => prop::bool::weighted(0.9).prop_map(Input::Written),
        2 => request.prop_map(Input::Ask),
    ]
    .boxed()
}

pub(crate) fn seed_input() -> BoxedStrategy<Input> {
    let request = prop_oneof![
        3 => node().prop_map(Request::Allow),
        2 => (node(), ".{0,300}").prop_map(|(node, why)| Request::Deny(node, why)),
        1 => Just(Request::Pending),
    ];
    prop_oneof![8 => input(), 1 => request.prop_map(Input::Ask)].boxed()
}

pub(crate) fn open_input() -> BoxedStrategy<Input> {
    let place = || any::<usize>();
    let counter = prop_oneof![6 => 0..5_u64, 1 => 65_000..200_000_u64, 1 => Just(u64::MAX)];
    let open = prop_oneof![
        4 => node().prop_map(Open::Apply),
        2 => any::<bool>().prop_map(Open::Name),
        4 => prop_oneof![3 => Just(u64::MAX), 1 => 0..3_u64].prop_map(Open::Show),
        3 => prop_oneof![4 => Just(Choice::Yes), 1 => Just(Choice::No)].prop_map(Open::Opine),
        2 => Just(Open::Admit),
        4 => Just(Open::Promise),
        4 => Just(Open::Accept),
        2 => counter.prop_map(Open::Prepare),
        2 => node().prop_map(Open::Accuse),
    ];
    let request = prop_oneof![
        4 => node().prop_map(Request::Allow),
        2 => (node(), ".{0,300}").prop_map(|(node, why)| Request::Deny(node, why)),
        1 => Just(Request::Pending),
        1 => Just(Request::JoinAgain),
        1 => Just(Request::Refound),
    ];
    prop_oneof![
        10 => input(),
        6 => (place(), open).prop_map(|(place, open)| Input::Open(place, open)),
        4 => (place(), open_message()).prop_map(|(conn, message)| Input::Say(conn, Box::new(message))),
        1 => request.prop_map(Input::Ask),
    ]
    .boxed()
}

/// Drives a role as the runtime does, in virtual time.
pub(crate) struct Driver<R> {
    pub(crate) role: R,
    pub(crate) kind: RoleKind,
    pub(crate) now: Now,
    pub(crate) conns: Vec<(ConnId, NodeId)>,
    pub(crate) dials: Vec<(DialId, Option<NodeId>, Purpose)>,
    pub(crate) writes: Vec<WriteId>,
    pub(crate) next: u64,
    pub(crate) has_ended: bool,
    pub(crate) nonce: u64,
    pub(crate) question: Option<Inquiry>,
    pub(crate) record: Option<Record>,
    pub(crate) admitted: Vec<NodeId>,
    /// Where a candidate was told to ask again.
    pub(crate) refused: Vec<ConnId>,
    /// What the application was told.
    pub(crate) events: Vec<Event>,
    /// What was said in leaving, or instead of listening.
    pub(crate) goodbyes: Vec<(ConnId, Goodbye)>,
    /// Where a question for a neighbour was answered.
    pub(crate) answered: Vec<ConnId>,
    pub(crate) replies: usize,
    pub(crate) asked: usize,
    /// The open network, as the role last named it, and what it last asked there.
    pub(crate) network: NetworkId,
    pub(crate) place: Option<(u64, Digest)>,
    pub(crate) ballot: Option<Ballot>,
    pub(crate) proposed: Option<Proposed>,
}

impl<R: Role> Driver<R> {
    fn new(role: R, kind: RoleKind, now: Now) -> Self {
        let mut this = Self {
            role,
            kind,
            now,
            conns: Vec::new(),
            dials: Vec::new(),
            writes: Vec::new(),
            next: 0,
            has_ended: false,
            nonce: 0,
            question: None,
            record: None,
            admitted: Vec::new(),
            refused: Vec::new(),
            events: Vec::new(),
            goodbyes: Vec::new(),
            answered: Vec::new(),
            replies: 0,
            asked: 0,
            network: NetworkId::NONE,
            place: None,
            ballot: None,
            proposed: None,
        };
        this.drain();
        this
    }

    /// Carries out what the role wants, until it wants no more.
    fn drain(&mut self) {
        for count in 0.. {
            assert!(count < OUTPUTS_MAX, "{OUTPUTS_MAX} outputs after one input");
            let Some(output) = self.role.poll_output() else {
                break;
            };
            match output {
                Output::Dial { dial, expect, .. } => {
                    self.dials.push((dial, expect, Purpose::Probe))
                }
                Output::CancelDial(dial) => self.dials.retain(|(other, ..)| *other != dial),
                Output::Accept(conn) => {
                    assert!(self.is_open(conn), "{conn} was accepted after its end")
                }
                Output::Send { to, frame } => {
                    assert!(!to.is_empty());
                    match &frame {
                        Frame::Message(Message::Join(JoinMessage::Refused(_))) => {
                            self.refused.extend(to.iter().copied());
                        }
                        Frame::Message(Message::Neighbor(
                            NeighborMessage::Accept | NeighborMessage::Refuse,
                        )) => self.answered.extend(to.iter().copied()),
                        Frame::Message(Message::Goodbye(goodbye)) => {
                            let said = to.iter().map(|conn| (*conn, goodbye.clone()));
                            self.goodbyes.extend(said);
                        }
                        _ => {}
                    }
                    self.note(&frame);
                }
                Output::Close(conn) => {
                    // A role may close what the other end has closed meanwhile.
                    if self.is_open(conn) {
                        self.conns.retain(|(other, _)| *other != conn);
                        self.role
                            .handle_closed(conn, "closed by this node", self.now);
                    }
                }
                Output::Write { write, .. } => self.writes.push(write),
                Output::Event(event) => {
                    // An event can be told to a person.
                    assert!(!event.to_string().is_empty());
                    self.events.push(event.clone());
                    match event {
                        Event::Admitted { member, .. } | Event::Entered { member, .. } => {
                            self.admitted.push(member.id);
                        }
                        Event::JoinRequest { record, .. } => self.record = Some(*record),
                        _ => {}
                    }
                }
                Output::Reply(_, reply) => {
                    self.replies += 1;
                    if let Reply::Explained(explanation) = reply {
                        // Whatever was said by whomever, each fact of it is a line.
                        let text = explanation.map(|explanation| explanation.to_string());
                        assert!(text.is_none_or(|text| !text.is_empty()
                            && text.chars().all(|c| c == '\n' || !c.is_control())));
                    }
                }
                Output::Exit => self.has_ended = true,
            }
        }
    }

    fn is_open(&self, conn: ConnId) -> bool {
        self.conns.iter().any(|(other, _)| *other == conn)
    }

    /// What a listener would remember of what the role says; and all of it fits into a frame.
    fn note(&mut self, frame: &Frame) {
        let len = match frame {
            Frame::Hello(hello) => Format::Json.encode(hello).unwrap().len(),
            Frame::Message(message) => Format::Bincode.encode(message).unwrap().len(),
        };
        assert!(len <= FRAME_LEN_MAX, "a frame of {len} bytes");
        match frame {
            Frame::Message(Message::Probe { nonce }) => self.nonce = *nonce,
            Frame::Message(Message::SuspectRequest { inquiry, .. }) => {
                self.question = Some(*inquiry)
            }
            Frame::Message(Message::RegisterRequest(record)) => self.record = Some(record.clone()),
            Frame::Message(Message::Join(JoinMessage::Request(record))) => {
                self.record = Some(record.clone());
            }
            Frame::Message(Message::Assembly(message)) => self.note_assembly(message),
            Frame::Hello(hello) => {
                self.network = hello.network;
                if let Some(dial) = self.dials.last_mut() {
                    dial.2 = hello.purpose;
                }
            }
            Frame::Message(_) => {}
        }
    }

    fn note_assembly(&mut self, message: &assembly::Message) {
        match message {
            assembly::Message::Status { epoch, head } => self.place = Some((*epoch, *head)),
            assembly::Message::Succession(message) => match &**message {
                succession::Message::At {
                    epoch,
                    head,
                    statement,
                } => {
                    self.place = Some((*epoch, *head));
                    match statement {
                        Statement::Prepare(ballot) => self.ballot = Some(*ballot),
                        Statement::Accept { proposed, .. } => self.proposed = Some(*proposed),
                        _ => {}
                    }
                }
                succession::Message::Opinion(_) => {}
            },
            _ => {}
        }
    }

    /// What happens in an open network only.
    fn open(&mut self, place: usize, open: Open) {
        let chain = open_chain(3);
        if let Open::Apply(who) = open {
            self.apply(who);
            return;
        }
        let network = self.open_network();
        let Some((_, who)) = pick(&self.conns, place) else {
            return;
        };
        let at = chain.membership().place();
        let (epoch, head) = self.place.unwrap_or((at.epoch, at.head));
        let at = Place {
            network,
            epoch,
            head,
        };
        let state = |statement| {
            let message = succession::Message::At {
                epoch,
                head,
                statement,
            };
            Message::Assembly(assembly::Message::Succession(Box::new(message)))
        };
        let message = match open {
            Open::Apply(_) => return,
            Open::Name(may_found) => {
                let known = |number| KnownMember {
                    id: NodeId::from(number),
                    endpoints: vec!["127.0.0.1:6000".to_owned()],
                    network: chain.membership().network(),
                };
                let members = if may_found {
                    Vec::new()
                } else {
                    (4..7).map(known).collect()
                };
                Message::Discovery(DiscoveryMessage::Known {
                    members,
                    may_found,
                    ask_again: false,
                })
            }
            Open::Show(links) => {
                let founded = JoinMessage::Founded(chain.founding().unwrap().clone());
                let links = usize::try_from(links).unwrap_or(usize::MAX);
                let links = chain.links_from(0).iter().take(links).cloned().collect();
                for message in [
                    Message::Join(founded),
                    Message::Assembly(assembly::Message::Links(links)),
                ] {
                    self.say(place, Frame::Message(message));
                    self.drain();
                }
                Message::Assembly(assembly::Message::Links(Vec::new()))
            }
            Open::Opine(choice) => {
                let Some(record) = &self.record else {
                    return;
                };
                let voter = signer_of(who);
                let opinion = Opinion::sign(&voter, network, record.hash(), 1, choice, "");
                if place.is_multiple_of(2) {
                    Message::Join(JoinMessage::Opinion(opinion))
                } else {
                    let message = succession::Message::Opinion(opinion);
                    Message::Assembly(assembly::Message::Succession(Box::new(message)))
                }
            }
            Open::Admit => {
                let Some(record) = self.record.clone() else {
                    return;
                };
                let link = Arc::new(admit(&chain, record));
                Message::Assembly(assembly::Message::Links(vec![link]))
            }
            Open::Promise => {
                let Some(ballot) = self.ballot else {
                    return;
                };
                let promise = Promise::sign(&signer_of(who), &at, ballot, None);
                state(Statement::Promise {
                    promise,
                    change: None,
                    grounds: Grounds::default(),
                })
            }
            Open::Accept => {
                let Some(Proposed { ballot, change, .. }) = self.proposed else {
                    return;
                };
                let accepted = Accepted::sign(&signer_of(who), &at, ballot, change);
                state(Statement::Accepted(accepted))
            }
            Open::Prepare(counter) => state(Statement::Prepare(Ballot {
                counter,
                leader: who,
            })),
            Open::Accuse(suspect) => {
                let accusation = Accusation::sign(&signer_of(who), &at, suspect, 1);
                state(Statement::Accuse(accusation))
            }
        };
        self.say(place, Frame::Message(message));
    }

    /// A candidate comes and asks.
    fn apply(&mut self, who: NodeId) {
        if let Some(conn) = self.knock(who) {
            self.request(conn, who, 1, self.now.unix_ms);
        }
    }

    /// A candidate connects.
    pub(crate) fn knock(&mut self, who: NodeId) -> Option<ConnId> {
        let conn = self.connect(None, who);
        self.drain();
        if !self.is_open(conn) {
            return None;
        }
        let greeting = open_hello(Purpose::Join, RoleKind::Member, NetworkId::NONE);
        self.role
            .handle_frame(conn, Frame::Hello(greeting), self.now);
        self.drain();
        Some(conn)
    }

    /// A candidate's request of this life and time is read.
    pub(crate) fn request(&mut self, conn: ConnId, who: NodeId, life: u64, at: u64) {
        let record = self.record_of(who, life, at);
        self.record = Some(record.clone());
        if self.is_open(conn) {
            let request = Message::Join(JoinMessage::Request(record));
            self.role
                .handle_frame(conn, Frame::Message(request), self.now);
            self.drain();
        }
    }

    /// A member of the same network links, and brings decisions.
    pub(crate) fn learn(&mut self, from: NodeId, links: Vec<Arc<succession::Link>>) {
        self.step(Input::Arrive(from, Purpose::Link));
        let message = Message::Assembly(assembly::Message::Links(links));
        self.say(self.conns.len() - 1, Frame::Message(message));
        self.drain();
        for _ in 0..8 {
            self.step(Input::Written(true));
        }
    }

    /// Somebody links as a member, and asks to be a neighbour.
    pub(crate) fn ask_to_be_neighbor(&mut self, from: NodeId) -> ConnId {
        self.step(Input::Arrive(from, Purpose::Link));
        let at = self.conns.len() - 1;
        self.say(at, Frame::Message(Message::Neighbor(NeighborMessage::Ask)));
        self.drain();
        self.conns[at].0
    }

    /// The candidate answers the last probe, and whatever follows takes its course.
    pub(crate) fn let_in(&mut self) {
        assert!(!self.dials.is_empty(), "no probe of the candidate");
        self.step(Input::Answer(self.dials.len() - 1, None, true));
        self.step(Input::Echo(self.conns.len() - 1));
        for _ in 0..8 {
            self.step(Input::Written(true));
            self.step(Input::Wait(1000));
        }
    }

    pub(crate) fn record_of(&self, who: NodeId, life: u64, at: u64) -> Record {
        let endpoints = vec!["127.0.0.1:6000".to_owned()];
        let network = self.open_network();
        Record::sign(&signer_of(who), network, endpoints, life, at, at).unwrap()
    }

    /// A connection ends.
    pub(crate) fn close(&mut self, conn: ConnId) {
        self.conns.retain(|(other, _)| *other != conn);
        self.role.handle_closed(conn, "it is gone", self.now);
        self.drain();
    }

    /// The network that the role has named, or the one it could find.
    fn open_network(&self) -> NetworkId {
        match self.network {
            NetworkId::NONE => open_chain(1).membership().network(),
            network => network,
        }
    }

    fn connect(&mut self, dial: Option<DialId>, who: NodeId) -> ConnId {
        let conn = ConnId(self.next);
        self.next += 1;
        self.conns.push((conn, who));
        self.role
            .handle_connected(conn, dial, who, "127.0.0.1:6000", self.now);
        conn
    }

    fn say(&mut self, place: usize, frame: Frame) {
        if let Some((conn, _)) = pick(&self.conns, place) {
            self.role.handle_frame(conn, frame, self.now);
        }
    }

    /// What a node of this key would say of itself for a purpose.
    fn greeting(&self, who: NodeId, purpose: Purpose) -> Hello {
        if matches!(self.kind, RoleKind::Member | RoleKind::Bootstrap) {
            let role = if purpose == Purpose::Discover && self.kind == RoleKind::Member {
                RoleKind::Bootstrap
            } else {
                RoleKind::Member
            };
            // Who is asked names its network, also when this node has none yet.
            let network = match self.network {
                NetworkId::NONE if purpose == Purpose::Join => open_chain(1).membership().network(),
                network => network,
            };
            return open_hello(purpose, role, network);
        }
        let is_seed = (1..=3).any(|number| who == NodeId::from(number));
        let role = match (purpose, self.kind) {
            (Purpose::Link, kind) => kind,
            (Purpose::Register, RoleKind::Seed) => RoleKind::Peer,
            (Purpose::Register, RoleKind::Peer) => RoleKind::Seed,
            _ if is_seed => RoleKind::Seed,
            _ => RoleKind::Peer,
        };
        hello(purpose, role)
    }

    pub(crate) fn step(&mut self, input: Input) {
        match input {
            Input::Arrive(who, purpose) => {
                let conn = self.connect(None, who);
                self.drain();
                if self.is_open(conn) {
                    let greeting = self.greeting(who, purpose);
                    self.role
                        .handle_frame(conn, Frame::Hello(greeting), self.now);
                    self.drain();
                }
                // A link begins with a passport, where there are seeds.
                let is_seeded = matches!(self.kind, RoleKind::Seed | RoleKind::Peer);
                if is_seeded && self.is_open(conn) && purpose == Purpose::Link {
                    let passport = Message::Passport(admission(who, 1, START_MS));
                    for message in [passport, Message::Welcome] {
                        self.role
                            .handle_frame(conn, Frame::Message(message), self.now);
                    }
                }
            }
            Input::Accept(who) => {
                self.connect(None, who);
            }
            Input::Answer(place, who, says_hello) => {
                let Some((dial, expect, _)) = pick(&self.dials, place) else {
                    return;
                };
                let who = expect.or(who).unwrap_or(NodeId::from(4));
                let index = self.dials.iter().position(|(other, ..)| *other == dial);
                // Kept last, so that the hello it sends tells what it was for.
                let entry = self.dials.remove(index.unwrap());
                self.dials.push(entry);
                let conn = self.connect(Some(dial), who);
                self.drain();
                let purpose = self
                    .dials
                    .iter()
                    .find(|(other, ..)| *other == dial)
                    .map(|(.., purpose)| *purpose);
                self.dials.retain(|(other, ..)| *other != dial);
                if let Some(purpose) = purpose.filter(|_| says_hello && self.is_open(conn)) {
                    let greeting = self.greeting(who, purpose);
                    self.role
                        .handle_frame(conn, Frame::Hello(greeting), self.now);
                }
            }
            Input::Fail(place, is_wrong) => {
                let Some((dial, expect, _)) = pick(&self.dials, place) else {
                    return;
                };
                self.dials.retain(|(other, ..)| *other != dial);
                let error = match expect {
                    Some(expected) if is_wrong => DialError::WrongIdentity {
                        address: "127.0.0.1:6000".to_owned(),
                        expected,
                        found: NodeId::from(9),
                    },
                    _ => DialError::Unreachable("refused".to_owned()),
                };
                self.role.handle_dial_failed(dial, error, self.now);
            }
            Input::Hello(place, purpose, role) => {
                self.say(place, Frame::Hello(hello(purpose, role)))
            }
            Input::Say(place, message) => self.say(place, Frame::Message(*message)),
            Input::Echo(place) => {
                let record = self.record.as_ref().map(Record::hash);
                let nonce = self.nonce;
                self.say(place, Frame::Message(Message::Echo { nonce, record }));
            }
            Input::Testify(place, lives) => {
                if let (Some(inquiry), Some((_, witness))) =
                    (self.question, pick(&self.conns, place))
                {
                    let finding = if lives {
                        Finding::Alive
                    } else {
                        Finding::Unreachable
                    };
                    let testimony = Testimony::sign(&signer_of(witness), inquiry, finding, "");
                    self.say(place, Frame::Message(Message::SuspectResponse(testimony)));
                }
            }
            Input::Admit(place) => {
                let proof = match self.record.clone() {
                    Some(record) => {
                        Arc::new(Proof::Admission(certify(Proposal::Admit(record), [1, 2])))
                    }
                    None => admission(NodeId::from(4 + (place % 6) as u64), 1, self.now.unix_ms),
                };
                self.say(
                    place,
                    Frame::Message(Message::Roster(RosterMessage::Proofs(vec![proof]))),
                );
            }
            Input::Evict(place) => {
                let suspect = pick(&self.admitted, place).unwrap_or(NodeId::from(5));
                let inquiry = Inquiry {
                    network: seeds().network(),
                    suspect,
                    incarnation: 1,
                    attempt: 1,
                };
                let report = DeadReport::sign(
                    &signer_of(NodeId::from(1)),
                    inquiry,
                    String::new(),
                    self.now.unix_ms,
                    Vec::new(),
                    Vec::new(),
                );
                let proof = Arc::new(Proof::Eviction(certify(Proposal::Evict(report), [1, 2])));
                self.say(
                    place,
                    Frame::Message(Message::Roster(RosterMessage::Proofs(vec![proof]))),
                );
            }
            Input::Close(place) => {
                if let Some((conn, _)) = pick(&self.conns, place) {
                    self.conns.retain(|(other, _)| *other != conn);
                    self.role
                        .handle_closed(conn, "the connection broke off", self.now);
                }
            }
            Input::Wait(ms) => self.wait(Duration::from_millis(ms)),
            Input::Pause(ms) => {
                self.now = self.now.after(Duration::from_millis(ms));
                self.role.handle_timeout(self.now);
            }
            Input::Written(ok) => {
                if !self.writes.is_empty() {
                    let write = self.writes.remove(0);
                    let result = if ok {
                        Ok(())
                    } else {
                        Err("the disk is full".to_owned())
                    };
                    self.role.handle_written(write, result, self.now);
                }
            }
            Input::Ask(request) => {
                let id = RequestId(self.next);
                self.next += 1;
                self.asked += usize::from(request != Request::Leave);
                self.role.handle_request(id, request, self.now);
            }
            Input::Open(place, open) => self.open(place, open),
        }
        self.drain();
    }

    /// Lets time pass, with every timeout when it is due. One that stays due for ever would keep a processor busy.
    pub(crate) fn wait(&mut self, span: Duration) {
        let end = self.now.after(span);
        let mut spins = 0;
        while let Some(due) = self.role.poll_timeout().filter(|due| *due <= end.instant) {
            let ahead = due.saturating_duration_since(self.now.instant);
            spins = if ahead.is_zero() { spins + 1 } else { 0 };
            assert!(
                spins < SPINS_MAX,
                "a timeout that is due again {spins} times at one moment"
            );
            self.now = self.now.after(ahead);
            // Both clocks in step: the wall clock in whole milliseconds.
            self.role.handle_timeout(self.now);
            self.drain();
            if self.has_ended {
                return;
            }
        }
        self.now = end;
    }

    pub(crate) fn run(&mut self, inputs: Vec<Input>) {
        for input in inputs {
            self.step(input);
            // The runtime drops a role that has ended.
            if self.has_ended {
                return;
            }
        }
        assert_eq!(self.replies, self.asked, "requests and replies");
        // Left alone, it comes to rest: timeouts are far between.
        self.wait(Duration::from_secs(60));
    }
}

fn pick<T: Copy>(items: &[T], place: usize) -> Option<T> {
    (!items.is_empty()).then(|| items[place % items.len()])
}

fn admission(who: NodeId, attempt: u64, opened_ms: u64) -> Arc<Proof> {
    let endpoints = vec!["127.0.0.1:6000".to_owned()];
    let record = Record::sign(
        &signer_of(who),
        seeds().network(),
        endpoints,
        1,
        attempt,
        opened_ms,
    )
    .unwrap();
    Arc::new(Proof::Admission(certify(Proposal::Admit(record), [1, 2])))
}

fn start() -> Now {
    Now {
        instant: Instant::now(),
        unix_ms: START_MS,
    }
}

pub(crate) fn peer(seed: u64) -> Driver<Peer> {
    let (me, now) = (NodeId::from(5), start());
    let endpoints = vec!["127.0.0.1:6000".to_owned()];
    let signer = Arc::new(Unproven::signer(me));
    let peer = Peer::new(
        signer,
        Arc::new(Unproven),
        endpoints,
        &seeds(),
        Options::default(),
        seed,
        now,
    )
    .unwrap();
    Driver::new(peer, RoleKind::Peer, now)
}

pub(crate) fn seed(number: u64) -> Driver<Seed> {
    let (me, now) = (NodeId::from(1), start());
    let list = seeds();
    let address = list.addresses()[0].clone();
    let signer = Arc::new(Unproven::signer(me));
    let options = Options::default();
    let seed = Seed::new(
        signer,
        Arc::new(Unproven),
        &address,
        &list,
        options,
        Restored::default(),
        number,
        now,
    );
    Driver::new(seed.unwrap(), RoleKind::Seed, now)
}

/// As [`seed`], with every policy there is.
pub(crate) fn strict_seed(number: u64) -> Driver<Seed> {
    let mut driver = seed(number);
    let rate = Rate::new(2, Duration::from_secs(10)).unwrap();
    let any = Any::default()
        .or(AllowList::of([NodeId::from(4)]))
        .or(Invited::by_seeds_and([NodeId::from(5)]))
        .or(Returning)
        .or(AskOperator);
    let all = All::default().and(any).and(PerAddress::new(3)).and(rate);
    driver.role = driver.role.admitting_by(Box::new(all));
    driver
}

fn member(discovery: Discovery, restored: RestoredMember, seed: u64) -> Driver<Member> {
    let (me, now) = (NodeId::from(5), start());
    // Of those who ask, some are let in at once, and about others the application is asked.
    let admission = Admission {
        allowed: [6, 7].map(NodeId::from).into(),
        ..Admission::ask()
    };
    let member = Member::new(
        Arc::new(Unproven::signer(me)),
        Arc::new(Unproven),
        vec!["127.0.0.1:6000".to_owned()],
        discovery,
        admission,
        Options::default(),
        restored,
        seed,
        now,
    );
    Driver::new(member.unwrap(), RoleKind::Member, now)
}

pub(crate) fn candidate(seed: u64) -> Driver<Member> {
    let discovery = Discovery {
        bootstraps: vec!["127.0.0.1:7000".to_owned(), "127.0.0.1:7001".to_owned()],
        join: Vec::new(),
        found: false,
    };
    member(discovery, RestoredMember::default(), seed)
}

pub(crate) fn founder(seed: u64) -> Driver<Member> {
    let mut driver = member(Discovery::by_founding(), RestoredMember::default(), seed);
    driver.step(Input::Written(true));
    driver.step(Input::Written(true));
    driver
}

/// Node 5 of 4, 5 and 6.
pub(crate) fn one_of_three(seed: u64) -> Driver<Member> {
    let chain: Chain = open_chain(3);
    let restored = RestoredMember {
        founding: Some((**chain.founding().unwrap()).clone()),
        links: chain.links_from(0).to_vec(),
        ..RestoredMember::default()
    };
    let discovery = Discovery::by_members(["127.0.0.1:6000"]);
    let mut driver = member(discovery, restored, seed);
    driver.step(Input::Written(true));
    driver
}

pub(crate) fn bootstrap(seed: u64) -> Driver<Bootstrap> {
    let now = start();
    let role = Bootstrap::new(NodeId::from(99), &Options::default(), seed, now);
    Driver::new(role, RoleKind::Bootstrap, now)
}
