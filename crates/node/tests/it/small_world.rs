//! Seeds and peers that talk to one another without sockets, disks or delays, in virtual time: what each does is the role's
//! own, and what it wants is carried out at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_node::admission::{AdmissionPolicy, PendingCandidate};
use quorate_node::consensus::{NodeId, Now, Unproven, council};
use quorate_node::protocol::{Message, Purpose, RoleKind};
use quorate_node::roles::{
    ConnId, DialError, DialId, Frame, Output, Peer, Reply, Request, RequestError, RequestId, Role,
    Seed, WriteId,
};
use quorate_node::store::{Restored, SeedStored, Stored};
use quorate_node::{Event, Options};

use crate::fuzz::{START_MS, hello, seeds, signer_of};

/// More than this at one moment is no answer but a flood.
const WORK_MAX: usize = 100_000;

enum Work {
    Connected(ConnId, Option<DialId>, NodeId, String),
    Failed(DialId, DialError),
    Frame(ConnId, Box<Frame>),
    Closed(ConnId, &'static str),
    Written(WriteId),
}

#[derive(Default)]
pub(crate) struct World {
    now: Option<Now>,
    options: Options,
    roles: BTreeMap<NodeId, Box<dyn Role>>,
    addresses: BTreeMap<String, NodeId>,
    work: VecDeque<(NodeId, Work)>,
    /// The other end of each connection. What is said on one without is lost.
    ends: BTreeMap<(NodeId, ConnId), (NodeId, ConnId)>,
    next: u64,
    pub(crate) unreachable: BTreeSet<NodeId>,
    /// Whose address takes a dial and never answers it.
    pub(crate) silent: BTreeSet<NodeId>,
    /// Who dialled which address.
    pub(crate) dials: Vec<(NodeId, String)>,
    pub(crate) events: Vec<(NodeId, Event)>,
    pub(crate) stored: Vec<(NodeId, SeedStored)>,
    replies: Vec<Reply>,
}

pub(crate) fn id(number: u64) -> NodeId {
    NodeId::from(number)
}

/// Where a peer listens.
pub(crate) fn address(number: u64) -> String {
    format!("10.0.{}.{}:6000", number / 256, number % 256)
}

impl World {
    /// A world with three seeds, each with its policy.
    pub(crate) fn new<P: AdmissionPolicy + 'static>(policies: [P; 3]) -> Self {
        Self::with(Options::default(), policies)
    }

    /// As [`new`](Self::new), with these options for all seeds.
    pub(crate) fn with<P: AdmissionPolicy + 'static>(options: Options, policies: [P; 3]) -> Self {
        let mut this = Self {
            options,
            ..Self::default()
        };
        for (number, policy) in (1..).zip(policies) {
            this.add_seed(number, policy, Restored::default());
        }
        this.run(Duration::from_secs(1));
        this
    }

    pub(crate) fn now(&mut self) -> Now {
        *self.now.get_or_insert_with(|| Now {
            instant: Instant::now(),
            unix_ms: START_MS,
        })
    }

    pub(crate) fn add_seed(
        &mut self,
        number: u64,
        policy: impl AdmissionPolicy + 'static,
        restored: Restored,
    ) {
        let (now, list) = (self.now(), seeds());
        let address = list.lines()[usize::try_from(number).unwrap() - 1]
            .address
            .clone();
        let (signer, options) = (Arc::new(signer_of(id(number))), self.options.clone());
        let scheme = Arc::new(Unproven);
        let seed = Seed::new(
            signer, scheme, &address, &list, options, restored, number, now,
        );
        let seed = seed.unwrap().admitting_by(Box::new(policy));
        self.addresses.insert(address, id(number));
        self.roles.insert(id(number), Box::new(seed));
    }

    pub(crate) fn add_peer(&mut self, number: u64, credential: Vec<u8>) {
        let (now, list) = (self.now(), seeds());
        let signer = Arc::new(signer_of(id(number)));
        let (endpoints, options) = (vec![address(number)], Options::default());
        let scheme = Arc::new(Unproven);
        let peer = Peer::new(signer, scheme, endpoints, &list, options, number, now).unwrap();
        let peer = peer.showing(credential).unwrap();
        self.addresses.insert(address(number), id(number));
        self.roles.insert(id(number), Box::new(peer));
    }

    /// A node stops without a word.
    pub(crate) fn kill(&mut self, number: u64) {
        let who = id(number);
        self.roles.remove(&who);
        self.unreachable.insert(who);
        let ends = self.ends.iter().filter(|((a, _), _)| *a == who);
        let ends: Vec<_> = ends.map(|(own, other)| (*own, *other)).collect();
        for (own, (other, conn)) in ends {
            self.ends.remove(&own);
            self.ends.remove(&(other, conn));
            self.work.push_back((other, Work::Closed(conn, "reset")));
        }
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let start = self.now();
        let end = start.instant + span;
        self.settle();
        let mut spins = 0;
        loop {
            let due = self.roles.values().filter_map(|role| role.poll_timeout());
            let Some(due) = due.min().filter(|due| *due <= end) else {
                break;
            };
            let ahead = due.saturating_duration_since(self.now().instant);
            spins = if ahead.is_zero() { spins + 1 } else { 0 };
            assert!(spins < 1000, "a timeout that is always due");
            let now = self.now().after(ahead);
            self.now = Some(now);
            for role in self.roles.values_mut() {
                if role.poll_timeout().is_some_and(|due| due <= now.instant) {
                    role.handle_timeout(now);
                }
            }
            self.settle();
        }
        let rest = end.saturating_duration_since(self.now().instant);
        self.now = Some(self.now().after(rest));
    }

    /// Carries out what everybody wants, until nobody wants anything.
    fn settle(&mut self) {
        let mut count = 0;
        loop {
            let nodes: Vec<NodeId> = self.roles.keys().copied().collect();
            for who in nodes {
                while let Some(output) = self.roles.get_mut(&who).and_then(|r| r.poll_output()) {
                    self.carry_out(who, output);
                }
            }
            let Some((who, work)) = self.work.pop_front() else {
                return;
            };
            count += 1;
            assert!(count < WORK_MAX, "no end of work at one moment");
            let now = self.now();
            let Some(role) = self.roles.get_mut(&who) else {
                continue;
            };
            match work {
                Work::Connected(conn, dial, remote, address) => {
                    role.handle_connected(conn, dial, remote, &address, now);
                }
                Work::Failed(dial, error) => role.handle_dial_failed(dial, error, now),
                Work::Frame(conn, frame) if self.ends.contains_key(&(who, conn)) => {
                    role.handle_frame(conn, *frame, now);
                }
                Work::Frame(..) => {}
                Work::Closed(conn, cause) => role.handle_closed(conn, cause, now),
                Work::Written(write) => role.handle_written(write, Ok(()), now),
            }
        }
    }

    fn carry_out(&mut self, who: NodeId, output: Output) {
        match output {
            Output::Dial {
                dial,
                endpoints,
                expect,
                ..
            } => {
                let at = endpoints[0].clone();
                self.dials.push((who, at.clone()));
                let there = self.addresses.get(&at).copied();
                let there = there.filter(|there| !self.unreachable.contains(there));
                if there.is_some_and(|there| self.silent.contains(&there)) {
                    return;
                }
                match there.filter(|there| expect.is_none_or(|expect| expect == *there)) {
                    Some(there) => self.connect((who, Some(dial)), there, at),
                    None => {
                        let error = DialError::Refused("connection refused".to_owned());
                        self.work.push_back((who, Work::Failed(dial, error)));
                    }
                }
            }
            Output::Send { to, frame } => {
                for conn in to {
                    if let Some((other, conn)) = self.ends.get(&(who, conn)).copied() {
                        self.work
                            .push_back((other, Work::Frame(conn, Box::new(frame.clone()))));
                    }
                }
            }
            Output::Close(conn) => {
                if let Some((other, end)) = self.ends.get(&(who, conn)).copied() {
                    // What was said before is heard before.
                    self.work.push_back((other, Work::Closed(end, "closed")));
                }
                self.work
                    .push_back((who, Work::Closed(conn, "closed by this node")));
            }
            Output::Write { write, stored } => {
                if let Stored::Seed(stored) = stored {
                    self.stored.push((who, stored));
                }
                self.work.push_back((who, Work::Written(write)));
            }
            Output::Event(event) => self.events.push((who, event)),
            Output::Reply(_, reply) => self.replies.push(reply),
            Output::Accept(_) | Output::CancelDial(_) | Output::Exit => {}
        }
    }

    fn connect(&mut self, (from, dial): (NodeId, Option<DialId>), to: NodeId, at: String) {
        let [a, b] = [self.next, self.next + 1].map(ConnId);
        self.next += 2;
        self.ends.insert((from, a), (to, b));
        self.ends.insert((to, b), (from, a));
        let accepted = Work::Connected(b, None, from, "10.9.9.9:9".to_owned());
        self.work
            .push_back((from, Work::Connected(a, dial, to, at)));
        self.work.push_back((to, accepted));
    }

    /// The other seeds are played by the test: it brings these proposals in the name of one.
    pub(crate) fn propose(&mut self, to: u64, from: u64, messages: Vec<council::Message>) {
        let (conn, to, from) = (ConnId(self.next), id(to), id(from));
        self.next += 2;
        // Both ends are the same: what is answered is lost.
        self.ends.insert((to, conn), (from, conn));
        let here = "10.9.9.9:9".to_owned();
        self.work
            .push_back((to, Work::Connected(conn, None, from, here)));
        let hello = Frame::Hello(hello(Purpose::Link, RoleKind::Seed));
        self.work
            .push_back((to, Work::Frame(conn, Box::new(hello))));
        for message in messages {
            let frame = Frame::Message(Message::Council(message));
            self.work
                .push_back((to, Work::Frame(conn, Box::new(frame))));
        }
        self.settle();
    }

    pub(crate) fn ask(&mut self, number: u64, request: Request) -> Reply {
        let now = self.now();
        let role = self.roles.get_mut(&id(number)).unwrap();
        role.handle_request(RequestId(0), request, now);
        self.settle();
        self.replies.pop().expect("a reply")
    }

    pub(crate) fn allow(&mut self, seed: u64, who: u64) -> Result<(), RequestError> {
        match self.ask(seed, Request::Allow(id(who))) {
            Reply::Done(done) => done,
            other => panic!("expected Done, got {other:?}"),
        }
    }

    pub(crate) fn deny(&mut self, seed: u64, who: u64, why: &str) -> Result<(), RequestError> {
        match self.ask(seed, Request::Deny(id(who), why.to_owned())) {
            Reply::Done(done) => done,
            other => panic!("expected Done, got {other:?}"),
        }
    }

    pub(crate) fn pending(&mut self, seed: u64) -> Vec<PendingCandidate> {
        match self.ask(seed, Request::Pending) {
            Reply::Pending(pending) => pending,
            other => panic!("expected Pending, got {other:?}"),
        }
    }

    /// Who is in, by a seed's roster.
    pub(crate) fn members(&mut self, seed: u64) -> Vec<NodeId> {
        match self.ask(seed, Request::Members) {
            Reply::Members(members) => members.iter().map(|member| member.id).collect(),
            other => panic!("expected Members, got {other:?}"),
        }
    }

    /// What a peer was told when it was refused, oldest first.
    pub(crate) fn refusals(&self, number: u64) -> Vec<String> {
        let refused = |(who, event): &(NodeId, Event)| match event {
            Event::RegisterRefused { reason, .. } if *who == id(number) => Some(reason.clone()),
            _ => None,
        };
        self.events.iter().filter_map(refused).collect()
    }

    /// How often a seed dialled a peer.
    pub(crate) fn dialled(&self, seed: u64, number: u64) -> usize {
        let it = (id(seed), address(number));
        self.dials.iter().filter(|dial| **dial == it).count()
    }

    /// How often a node was told of something.
    pub(crate) fn told(&self, number: u64, pick: impl Fn(&Event) -> bool) -> usize {
        let told = |(who, event): &&(NodeId, Event)| *who == id(number) && pick(event);
        self.events.iter().filter(told).count()
    }
}
