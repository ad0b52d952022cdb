//! One member, all of whose surroundings are played by the test: every other node, the disk, the clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_node::consensus::succession::{self, Chain, Link, Opinion, Place, Statement};
use quorate_node::consensus::{NetworkId, NodeId, Now, Record, Unproven, assembly};
use quorate_node::protocol::{Goodbye, JoinMessage, Message, Purpose, RoleKind};
use quorate_node::roles::{
    ConnId, DialError, DialId, Frame, Member, Output, Request, RequestId, Role, WriteId,
};
use quorate_node::store::{MemberStored, RestoredMember, Stored};
use quorate_node::{Admission, Discovery, Event, Options};

use crate::fuzz::{START_MS, open_chain, open_hello, signer_of};

/// The member of the play.
pub(crate) const ME: u64 = 5;

pub(crate) struct Puppet {
    pub(crate) role: Member,
    pub(crate) now: Now,
    pub(crate) sent: Vec<(ConnId, Message)>,
    pub(crate) dials: Vec<(DialId, Vec<String>, Option<NodeId>)>,
    pub(crate) writes: Vec<(WriteId, MemberStored)>,
    pub(crate) events: Vec<Event>,
    pub(crate) conns: BTreeMap<ConnId, NodeId>,
    /// What each connection was dialled for, by the member's hello.
    pub(crate) purposes: BTreeMap<ConnId, Purpose>,
    /// The disk takes everything at once.
    pub(crate) disk_is_good: bool,
    next: u64,
}

impl Puppet {
    pub(crate) fn new(
        discovery: Discovery,
        admission: Admission,
        options: Options,
        restored: RestoredMember,
    ) -> Self {
        let mut this = Self::undrained(discovery, admission, options, restored);
        this.drain();
        this
    }

    /// A node that begins on a disk that does not answer.
    pub(crate) fn on_bad_disk(discovery: Discovery) -> Self {
        let (admission, options) = (Admission::ask(), Options::default());
        let mut this = Self::undrained(discovery, admission, options, RestoredMember::default());
        this.disk_is_good = false;
        this.drain();
        this
    }

    fn undrained(
        discovery: Discovery,
        admission: Admission,
        options: Options,
        restored: RestoredMember,
    ) -> Self {
        let now = Now {
            instant: Instant::now(),
            unix_ms: START_MS,
        };
        let role = Member::new(
            Arc::new(Unproven::signer(NodeId::from(ME))),
            Arc::new(Unproven),
            vec!["127.0.0.1:6000".to_owned()],
            discovery,
            admission,
            options,
            restored,
            1,
            now,
        );
        Self {
            role: role.unwrap(),
            now,
            sent: Vec::new(),
            dials: Vec::new(),
            writes: Vec::new(),
            events: Vec::new(),
            conns: BTreeMap::new(),
            purposes: BTreeMap::new(),
            disk_is_good: true,
            next: 0,
        }
    }

    /// Node 5 in the chain of nodes 4 to 3 + `members`.
    pub(crate) fn one_of(members: u64, admission: Admission, options: Options) -> Self {
        let chain = open_chain(members);
        let restored = RestoredMember {
            founding: Some((**chain.founding().unwrap()).clone()),
            links: chain.links_from(0).to_vec(),
            ..RestoredMember::default()
        };
        let discovery = Discovery::by_members(["127.0.0.1:6000"]);
        Self::new(discovery, admission, options, restored)
    }

    pub(crate) fn drain(&mut self) {
        let mut count = 0;
        while let Some(output) = self.role.poll_output() {
            count += 1;
            assert!(count < 10_000, "no end of outputs; events: {}", self.told());
            match output {
                Output::Dial {
                    dial,
                    endpoints,
                    expect,
                    ..
                } => self.dials.push((dial, endpoints, expect)),
                Output::CancelDial(dial) => self.dials.retain(|(other, ..)| *other != dial),
                Output::Send { to, frame } => {
                    for conn in to {
                        match &frame {
                            Frame::Hello(hello) => {
                                self.purposes.insert(conn, hello.purpose);
                            }
                            Frame::Message(message) => self.sent.push((conn, message.clone())),
                        }
                    }
                }
                Output::Close(conn) => {
                    if self.conns.remove(&conn).is_some() {
                        self.role
                            .handle_closed(conn, "closed by this node", self.now);
                    }
                }
                Output::Write { write, stored } => {
                    let Stored::Member(stored) = stored else {
                        panic!("a member writes what a seed keeps");
                    };
                    self.writes.push((write, stored));
                    if self.disk_is_good {
                        self.written(Ok(()));
                    }
                }
                Output::Event(event) => self.events.push(event),
                Output::Accept(_) | Output::Reply(..) | Output::Exit => {}
            }
        }
    }

    /// The disk answers the first write that waits.
    pub(crate) fn written(&mut self, result: Result<(), String>) {
        let (write, _) = self.writes.remove(0);
        self.role.handle_written(write, result, self.now);
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, span: Duration) {
        let end = self.now.instant + span;
        let mut spins = 0;
        self.keep_alive();
        while let Some(due) = self.role.poll_timeout().filter(|due| *due <= end) {
            let ahead = due.saturating_duration_since(self.now.instant);
            spins = if ahead.is_zero() { spins + 1 } else { 0 };
            assert!(spins < 50, "a timeout that is always due");
            self.now = self.now.after(ahead);
            self.role.handle_timeout(self.now);
            self.drain();
            if !ahead.is_zero() {
                self.keep_alive();
            }
        }
        self.now = self
            .now
            .after(end.saturating_duration_since(self.now.instant));
    }

    /// Everybody who is connected gives signs of life.
    fn keep_alive(&mut self) {
        let conns: Vec<ConnId> = self.conns.keys().copied().collect();
        for conn in conns {
            self.say(conn, Message::Probe { nonce: 1 });
        }
        self.sent
            .retain(|(_, message)| !matches!(message, Message::Echo { .. }));
    }

    /// A node connects and says a member's hello.
    pub(crate) fn arrive(&mut self, who: u64, purpose: Purpose, network: NetworkId) -> ConnId {
        let conn = ConnId(self.next);
        self.next += 1;
        self.conns.insert(conn, NodeId::from(who));
        self.role
            .handle_connected(conn, None, NodeId::from(who), "10.0.0.9:1", self.now);
        self.drain();
        let hello = open_hello(purpose, RoleKind::Member, network);
        self.role.handle_frame(conn, Frame::Hello(hello), self.now);
        self.drain();
        conn
    }

    /// A member of the chain that everybody here knows links.
    pub(crate) fn link(&mut self, who: u64) -> ConnId {
        self.arrive(who, Purpose::Link, network())
    }

    /// A dial is answered: by a node that names this network, with this role.
    pub(crate) fn answer(
        &mut self,
        dial: DialId,
        who: u64,
        role: RoleKind,
        network: NetworkId,
    ) -> ConnId {
        self.dials.retain(|(other, ..)| *other != dial);
        let conn = ConnId(self.next);
        self.next += 1;
        self.conns.insert(conn, NodeId::from(who));
        let id = NodeId::from(who);
        self.role
            .handle_connected(conn, Some(dial), id, "127.0.0.1:6000", self.now);
        self.drain();
        if let Some(purpose) = self.purposes.get(&conn).copied() {
            let hello = open_hello(purpose, role, network);
            self.role.handle_frame(conn, Frame::Hello(hello), self.now);
            self.drain();
        }
        conn
    }

    /// Nobody is there.
    pub(crate) fn refuse(&mut self, dial: DialId) {
        self.dials.retain(|(other, ..)| *other != dial);
        let error = DialError::Refused("connection refused".to_owned());
        self.role.handle_dial_failed(dial, error, self.now);
        self.drain();
    }

    pub(crate) fn say(&mut self, conn: ConnId, message: Message) {
        if self.conns.contains_key(&conn) {
            self.role
                .handle_frame(conn, Frame::Message(message), self.now);
            self.drain();
        }
    }

    /// Says something about the decision at hand, as the chain of so many members has it.
    pub(crate) fn state(&mut self, conn: ConnId, place: Place, statement: Statement) {
        let message = succession::Message::At {
            epoch: place.epoch,
            head: place.head,
            statement,
        };
        let message = assembly::Message::Succession(Box::new(message));
        self.say(conn, Message::Assembly(message));
    }

    pub(crate) fn close(&mut self, conn: ConnId) {
        if self.conns.remove(&conn).is_some() {
            self.role
                .handle_closed(conn, "the connection broke off", self.now);
            self.drain();
        }
    }

    pub(crate) fn ask(&mut self, request: Request) {
        self.role.handle_request(RequestId(0), request, self.now);
        self.drain();
    }

    /// A candidate comes, asks by this record, and answers the probe.
    pub(crate) fn apply(&mut self, record: &Record) -> ConnId {
        let who = (1..2000).find(|number| NodeId::from(*number) == record.node);
        let who = who.expect("a number");
        let conn = self.arrive(who, Purpose::Join, NetworkId::NONE);
        let dials: Vec<DialId> = self.dials.iter().map(|(dial, ..)| *dial).collect();
        self.say(conn, Message::Join(JoinMessage::Request(record.clone())));
        let probe = self
            .dials
            .iter()
            .find(|(dial, _, expect)| *expect == Some(record.node) && !dials.contains(dial))
            .map(|(dial, ..)| *dial);
        if let Some(probe) = probe {
            let probed = self.answer(probe, who, RoleKind::Member, network());
            let nonce = self
                .sent
                .iter()
                .rev()
                .find_map(|(to, message)| match message {
                    Message::Probe { nonce } if *to == probed => Some(*nonce),
                    _ => None,
                });
            if let Some(nonce) = nonce {
                let record = Some(record.hash());
                self.say(probed, Message::Echo { nonce, record });
            }
        }
        conn
    }

    /// What was sent on a connection.
    pub(crate) fn sent_to(&self, conn: ConnId) -> impl Iterator<Item = &Message> {
        self.sent
            .iter()
            .filter(move |(to, _)| *to == conn)
            .map(|(_, message)| message)
    }

    /// Why the member closed a connection.
    pub(crate) fn goodbye(&self, conn: ConnId) -> Option<&Goodbye> {
        self.sent_to(conn).find_map(|message| match message {
            Message::Goodbye(goodbye) => Some(goodbye),
            _ => None,
        })
    }

    /// The opinion that the member told a candidate on this connection.
    pub(crate) fn opinion(&self, conn: ConnId) -> Option<&Opinion> {
        self.sent_to(conn).find_map(|message| match message {
            Message::Join(JoinMessage::Opinion(opinion)) => Some(opinion),
            _ => None,
        })
    }

    /// Everything that the application was told.
    pub(crate) fn told(&self) -> String {
        let lines: Vec<String> = self.events.iter().map(ToString::to_string).collect();
        lines.join("\n")
    }
}

/// The network of the chain that everybody here knows.
pub(crate) fn network() -> NetworkId {
    open_chain(1).membership().network()
}

pub(crate) fn status(epoch: u64, head: quorate_node::consensus::Digest) -> Message {
    Message::Assembly(assembly::Message::Status { epoch, head })
}

pub(crate) fn links(links: Vec<Arc<Link>>) -> Message {
    Message::Assembly(assembly::Message::Links(links))
}

pub(crate) fn founded(chain: &Chain) -> Message {
    Message::Join(JoinMessage::Founded(chain.founding().unwrap().clone()))
}

/// A record for the known network, of a node's first life.
pub(crate) fn record(who: u64, attempt: u64, opened_ms: u64) -> Record {
    let endpoints = vec![format!("10.0.1.{}:6000", who % 250)];
    let signer = signer_of(NodeId::from(who));
    Record::sign(&signer, network(), endpoints, 1, attempt, opened_ms).unwrap()
}
