//! Members of an open network in one process and in virtual time: connections that delay, break and are cut off, disks that
//! keep what was written, processes that die and come back. Signatures are of the scheme that proves nothing.
//!
//! Frames of one connection keep their order, as on TCP; what is lost is lost with its connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_node::consensus::assembly::Config as AssemblyConfig;
use quorate_node::consensus::succession::{self, Acceptor, Chain, Durable, Statement};
use quorate_node::consensus::{Assembly, Digest, NodeId, Now, Unproven, assembly};
use quorate_node::protocol::Message;
use quorate_node::roles::member::Member;
use quorate_node::roles::{
    ConnId, DialError, DialId, Frame, Output, Request, RequestId, Role, WriteId,
};
use quorate_node::store::{MemberStored, RestoredMember, Stored};
use quorate_node::{Admission, Discovery, Event, Options};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::monitor::Monitor;
use crate::fuzz::START_MS;

/// The longest that one frame takes.
const DELAY_MAX_MS: u64 = 40;

/// How long a dial waits for one who does not answer.
const DIAL_MAX: Duration = Duration::from_secs(3);

/// More steps at one moment are no progress but a loop.
const STEPS_PER_MOMENT_MAX: usize = 20_000;

/// What is to happen.
#[derive(Debug)]
enum Due {
    /// A dial arrives, or fails.
    Dial {
        from: usize,
        life: u64,
        dial: DialId,
        to: Option<usize>,
        expect: Option<NodeId>,
    },
    Frame {
        to: usize,
        conn: ConnId,
        frame: Box<Frame>,
    },
    Closed {
        to: usize,
        conn: ConnId,
    },
    Written {
        at: usize,
        life: u64,
        write: WriteId,
        stored: Box<Stored>,
    },
}

/// One process's end of a connection.
#[derive(Debug, Clone, Copy)]
struct End {
    peer: usize,
    conn: ConnId,
    /// Nothing that is sent arrives before this.
    clear_at: Instant,
}

/// A computer that runs a member, or does not.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) id: NodeId,
    address: String,
    discovery: Discovery,
    pub(crate) admission: Admission,
    role: Option<Member>,
    /// Counts the processes, so that what one began does not end in the next.
    life: u64,
    disk: Disk,
    ends: BTreeMap<ConnId, End>,
    cancelled: BTreeSet<DialId>,
    /// It runs, but does nothing.
    pub(crate) is_paused: bool,
}

/// What a member's store does, without the store.
#[derive(Debug, Clone, Default)]
struct Disk {
    chain: Option<MemberStored>,
    opinions: BTreeMap<Digest, Durable>,
    said: Vec<Durable>,
    fork: Option<Durable>,
    runs: u64,
}

/// What a member told, when.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) at: Duration,
    pub(crate) who: usize,
    pub(crate) event: Event,
}

pub(crate) struct World {
    pub(crate) now: Now,
    start: Instant,
    pub(crate) hosts: Vec<Host>,
    due: BTreeMap<(Instant, u64), Due>,
    next: u64,
    /// Pairs that cannot reach each other.
    cut: BTreeSet<(usize, usize)>,
    pub(crate) told: Vec<Told>,
    /// Every head that anybody ever held, by network and epoch.
    heads: BTreeMap<(Digest, u64), Digest>,
    pub(crate) monitor: Monitor,
    /// Whether more than one head of an epoch is what a test is about.
    pub(crate) may_fork: bool,
    rng: ChaCha8Rng,
}

/// Spans short enough for virtual minutes to be few.
pub(crate) fn options() -> Options {
    Options {
        silent_after: Duration::from_secs(6),
        // Impatient, so that leaders get in each other's way.
        assembly: AssemblyConfig {
            rank_delay: Duration::from_millis(3),
            patience: Duration::from_millis(30),
            repeat: Duration::from_millis(100),
            back_off: (Duration::from_millis(5), Duration::from_millis(300)),
            ..AssemblyConfig::default()
        },
        ..Options::default()
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let start = Instant::now();
        Self {
            now: Now {
                instant: start,
                unix_ms: START_MS,
            },
            start,
            hosts: Vec::new(),
            due: BTreeMap::new(),
            next: 0,
            cut: BTreeSet::new(),
            told: Vec::new(),
            heads: BTreeMap::new(),
            monitor: Monitor::default(),
            may_fork: false,
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// A founder, and others who know its address and those of all before them.
    pub(crate) fn add(&mut self, admission: Admission) -> usize {
        let index = self.hosts.len();
        let address = format!("10.0.0.{}:5000", index + 1);
        let discovery = if index == 0 {
            Discovery::by_founding()
        } else {
            Discovery::by_members(self.hosts.iter().map(|host| host.address.clone()))
        };
        self.hosts.push(Host {
            id: NodeId::from(index as u64 + 1),
            address,
            discovery,
            admission,
            role: None,
            life: 0,
            disk: Disk::default(),
            ends: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            is_paused: false,
        });
        index
    }

    /// A process starts, with what its disk holds.
    pub(crate) fn start(&mut self, at: usize) {
        let seed = self.rng.random();
        let host = &mut self.hosts[at];
        if host.role.is_some() {
            return;
        }
        host.life += 1;
        host.is_paused = false;
        let role = Member::new(
            Arc::new(Unproven::signer(host.id)),
            Arc::new(Unproven),
            vec![host.address.clone()],
            host.discovery.clone(),
            host.admission.clone(),
            options(),
            host.disk.restored(),
            seed,
            self.now,
        );
        host.role = Some(role.expect("what a member stored can be restored"));
        self.drain(at);
    }

    /// A process dies: what it had not written may be on its disk, or not.
    pub(crate) fn kill(&mut self, at: usize) {
        let life = self.hosts[at].life;
        self.hosts[at].role = None;
        let is_own = |due: &Due| matches!(due, Due::Written { at: other, life: of, .. } if *other == at && *of == life);
        let pending: Vec<_> = self
            .due
            .iter()
            .filter(|(_, due)| is_own(due))
            .map(|(key, _)| *key)
            .collect();
        // Writes keep their order, so a crash keeps some of the first ones.
        let kept = if pending.is_empty() {
            0
        } else {
            self.rng.random_range(0..=pending.len())
        };
        for (index, key) in pending.into_iter().enumerate() {
            if let Some(Due::Written { stored, .. }) = self.due.remove(&key)
                && index < kept
            {
                self.hosts[at].disk.write(*stored);
            }
        }
        for (_, end) in std::mem::take(&mut self.hosts[at].ends) {
            self.close_other_end(end);
        }
        self.hosts[at].cancelled.clear();
    }

    /// A second process with a member's key and a copy of its disk: each is honest, and together they contradict
    /// themselves.
    pub(crate) fn add_twin(&mut self, of: usize) -> usize {
        let host = &self.hosts[of];
        let twin = Host {
            id: host.id,
            address: host.address.clone(),
            discovery: host.discovery.clone(),
            admission: host.admission.clone(),
            role: None,
            life: 0,
            disk: host.disk.clone(),
            ends: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            is_paused: false,
        };
        self.hosts.push(twin);
        self.hosts.len() - 1
    }

    /// Two members lose their connections.
    pub(crate) fn reset(&mut self, a: usize, b: usize) {
        let ends: Vec<(ConnId, End)> = self.hosts[a]
            .ends
            .iter()
            .filter(|(_, end)| end.peer == b)
            .map(|(conn, end)| (*conn, *end))
            .collect();
        for (conn, end) in ends {
            self.hosts[a].ends.remove(&conn);
            self.close_other_end(end);
            self.closed(a, conn, "connection reset");
        }
    }

    /// Nobody of one group reaches anybody of another, from now on.
    pub(crate) fn split(&mut self, groups: &[&[usize]]) {
        self.cut.clear();
        for (index, group) in groups.iter().enumerate() {
            for other in groups.iter().skip(index + 1) {
                for (a, b) in group
                    .iter()
                    .flat_map(|a| other.iter().map(move |b| (*a, *b)))
                {
                    self.cut.insert((a.min(b), a.max(b)));
                }
            }
        }
        for (a, b) in self.cut.clone() {
            // A network that is cut says nothing; that nothing is heard shows in time. Here it shows at once.
            self.reset(a, b);
        }
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
    }

    /// The application answers.
    pub(crate) fn answer(&mut self, at: usize, candidate: NodeId, is_allowed: bool) {
        let request = if is_allowed {
            Request::Allow(candidate)
        } else {
            Request::Deny(candidate, "no".to_owned())
        };
        self.ask(at, request);
    }

    pub(crate) fn ask(&mut self, at: usize, request: Request) {
        if let Some(role) = &mut self.hosts[at].role {
            role.handle_request(RequestId(0), request, self.now);
            self.drain(at);
        }
    }

    pub(crate) fn assembly(&self, at: usize) -> Option<&Assembly> {
        self.hosts[at].role.as_ref()?.assembly()
    }

    pub(crate) fn is_up(&self, at: usize) -> bool {
        self.hosts[at].role.is_some()
    }

    /// The chain that a node holds as a member.
    pub(crate) fn chain(&self, at: usize) -> Option<&Chain> {
        Some(self.assembly(at)?.chain())
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now.instant + span;
        self.run_until(span, |world| world.now.instant >= end);
        if self.now.instant < end {
            self.now = self.now.after(end - self.now.instant);
        }
    }

    /// Lets time pass until something is so; whether it came to be.
    pub(crate) fn run_until(
        &mut self,
        limit: Duration,
        mut is_so: impl FnMut(&Self) -> bool,
    ) -> bool {
        let end = self.now.instant + limit;
        let (mut moment, mut steps) = (self.now.instant, 0);
        while !is_so(self) {
            let Some(next) = self.next_moment().filter(|next| *next <= end) else {
                self.now = self
                    .now
                    .after(end.saturating_duration_since(self.now.instant));
                return is_so(self);
            };
            if next > moment {
                (moment, steps) = (next, 0);
            }
            steps += 1;
            assert!(
                steps < STEPS_PER_MOMENT_MAX,
                "no progress at {:?}",
                moment - self.start
            );
            self.now = self
                .now
                .after(next.saturating_duration_since(self.now.instant));
            self.step();
        }
        true
    }

    fn next_moment(&self) -> Option<Instant> {
        let due = self.due.keys().next().map(|(at, _)| *at);
        let timeouts = self
            .hosts
            .iter()
            .filter(|host| !host.is_paused)
            .filter_map(|host| host.role.as_ref()?.poll_timeout());
        timeouts.chain(due).min()
    }

    fn step(&mut self) {
        let now = self.now;
        for at in 0..self.hosts.len() {
            let host = &mut self.hosts[at];
            if let Some(role) = host.role.as_mut().filter(|_| !host.is_paused)
                && role.poll_timeout().is_some_and(|due| due <= now.instant)
            {
                role.handle_timeout(now);
                self.drain(at);
            }
        }
        while let Some(entry) = self.due.first_entry() {
            if entry.key().0 > now.instant {
                break;
            }
            let due = entry.remove();
            self.happen(due);
        }
    }

    fn happen(&mut self, due: Due) {
        let now = self.now;
        let is_paused = |host: &Host| host.is_paused;
        match due {
            Due::Frame { to, .. } | Due::Closed { to, .. } if is_paused(&self.hosts[to]) => {
                // The kernel keeps it.
                self.after(Duration::from_millis(50), due);
            }
            Due::Written { at, .. } if is_paused(&self.hosts[at]) => {
                self.after(Duration::from_millis(50), due)
            }
            Due::Frame { to, conn, frame } => {
                let host = &mut self.hosts[to];
                if let Some(role) = host.role.as_mut().filter(|_| host.ends.contains_key(&conn)) {
                    role.handle_frame(conn, *frame, now);
                    self.drain(to);
                }
            }
            Due::Closed { to, conn } => {
                if self.hosts[to].ends.remove(&conn).is_some() {
                    self.closed(to, conn, "connection closed");
                }
            }
            Due::Written {
                at,
                life,
                write,
                stored,
            } => {
                let host = &mut self.hosts[at];
                if host.life == life
                    && let Some(role) = &mut host.role
                {
                    host.disk.write(*stored);
                    role.handle_written(write, Ok(()), now);
                    self.drain(at);
                }
            }
            Due::Dial {
                from,
                life,
                dial,
                to,
                expect,
            } => self.dialed(from, life, dial, to, expect),
        }
    }

    fn dialed(
        &mut self,
        from: usize,
        life: u64,
        dial: DialId,
        to: Option<usize>,
        expect: Option<NodeId>,
    ) {
        let now = self.now;
        if self.hosts[from].life != life
            || self.hosts[from].role.is_none()
            || self.hosts[from].cancelled.remove(&dial)
        {
            return;
        }
        let is_cut = |to: usize| self.cut.contains(&(from.min(to), from.max(to)));
        let outcome = match to {
            Some(to) if is_cut(to) || self.hosts[to].is_paused => {
                Err(DialError::Unreachable("no answer in time".to_owned()))
            }
            Some(to) if self.hosts[to].role.is_none() => {
                Err(DialError::Refused("connection refused".to_owned()))
            }
            None => Err(DialError::Refused("connection refused".to_owned())),
            Some(to) => match expect.filter(|expected| *expected != self.hosts[to].id) {
                Some(expected) => Err(DialError::WrongIdentity {
                    address: self.hosts[to].address.clone(),
                    expected,
                    found: self.hosts[to].id,
                }),
                None => Ok(to),
            },
        };
        match outcome {
            Ok(to) => {
                let [near, far] = [0, 1].map(|more| ConnId(self.next + more));
                self.next += 2;
                let clear_at = now.instant;
                self.hosts[from].ends.insert(
                    near,
                    End {
                        peer: to,
                        conn: far,
                        clear_at,
                    },
                );
                self.hosts[to].ends.insert(
                    far,
                    End {
                        peer: from,
                        conn: near,
                        clear_at,
                    },
                );
                let (near_id, far_id) = (self.hosts[from].id, self.hosts[to].id);
                let address = self.hosts[to].address.clone();
                if let Some(role) = &mut self.hosts[to].role {
                    role.handle_connected(far, None, near_id, "10.0.0.0:1", now);
                    self.drain(to);
                }
                if let Some(role) = &mut self.hosts[from].role {
                    role.handle_connected(near, Some(dial), far_id, &address, now);
                    self.drain(from);
                }
            }
            Err(error) => {
                if let Some(role) = &mut self.hosts[from].role {
                    role.handle_dial_failed(dial, error, now);
                    self.drain(from);
                }
            }
        }
    }

    fn closed(&mut self, at: usize, conn: ConnId, cause: &str) {
        if let Some(role) = &mut self.hosts[at].role {
            role.handle_closed(conn, cause, self.now);
            self.drain(at);
        }
    }

    fn close_other_end(&mut self, end: End) {
        let at = end.clear_at.max(self.now.instant) - self.now.instant;
        self.after(
            at,
            Due::Closed {
                to: end.peer,
                conn: end.conn,
            },
        );
    }

    fn after(&mut self, span: Duration, due: Due) {
        self.next += 1;
        self.due.insert((self.now.instant + span, self.next), due);
    }

    /// Carries out what a member wants.
    fn drain(&mut self, at: usize) {
        let mut outputs = VecDeque::new();
        loop {
            let Some(role) = &mut self.hosts[at].role else {
                return;
            };
            outputs.extend(std::iter::from_fn(|| role.poll_output()));
            let Some(output) = outputs.pop_front() else {
                break;
            };
            self.carry_out(at, output);
        }
        self.check_heads(at);
    }

    fn carry_out(&mut self, at: usize, output: Output) {
        let delay = Duration::from_millis(self.rng.random_range(1..=DELAY_MAX_MS));
        let life = self.hosts[at].life;
        match output {
            Output::Dial {
                dial,
                endpoints,
                expect,
                ..
            } => {
                let to = self.at_address(at, &endpoints);
                let is_deaf = to.is_some_and(|to| {
                    self.hosts[to].is_paused || self.cut.contains(&(at.min(to), at.max(to)))
                });
                let span = if is_deaf { DIAL_MAX } else { delay };
                self.after(
                    span,
                    Due::Dial {
                        from: at,
                        life,
                        dial,
                        to,
                        expect,
                    },
                );
            }
            Output::CancelDial(dial) => {
                self.hosts[at].cancelled.insert(dial);
            }
            Output::Accept(_) | Output::Reply(..) => {}
            Output::Send { to, frame } => {
                self.listen(at, &frame);
                for conn in to {
                    let now = self.now.instant;
                    if let Some(end) = self.hosts[at].ends.get_mut(&conn) {
                        end.clear_at = end.clear_at.max(now + delay);
                        let (span, to, conn) = (end.clear_at - now, end.peer, end.conn);
                        self.after(
                            span,
                            Due::Frame {
                                to,
                                conn,
                                frame: Box::new(frame.clone()),
                            },
                        );
                    }
                }
            }
            Output::Close(conn) => {
                if let Some(end) = self.hosts[at].ends.remove(&conn) {
                    self.close_other_end(end);
                }
                if let Some(role) = &mut self.hosts[at].role {
                    role.handle_closed(conn, "closed by this node", self.now);
                }
            }
            Output::Write { write, stored } => {
                // One disk: writes end in the order in which they began.
                let last = self.due.iter().filter_map(|((when, _), due)| match due {
                    Due::Written { at: other, .. } if *other == at => Some(*when),
                    _ => None,
                });
                let when = last
                    .max()
                    .unwrap_or(self.now.instant)
                    .max(self.now.instant + delay);
                self.after(
                    when - self.now.instant,
                    Due::Written {
                        at,
                        life,
                        write,
                        stored: Box::new(stored),
                    },
                );
            }
            Output::Event(event) => {
                let at_time = self.now.instant - self.start;
                self.told.push(Told {
                    at: at_time,
                    who: at,
                    event,
                });
            }
            Output::Exit => {
                self.hosts[at].role = None;
                for (_, end) in std::mem::take(&mut self.hosts[at].ends) {
                    self.close_other_end(end);
                }
            }
        }
    }

    /// Nobody says what would be forgotten, nor contradicts what it said before.
    fn listen(&mut self, at: usize, frame: &Frame) {
        if self.may_fork {
            return;
        }
        let is_durable = self.hosts[at].disk.has_said(frame);
        assert!(
            is_durable,
            "{at} says what is not durable: {frame:?}\n{}",
            self.story()
        );
        if let Some(chain) = self.chain(at) {
            let network = chain.membership().network();
            if let Some(evidence) = self.monitor.hear(network, frame) {
                panic!("{evidence}\n{}", self.story());
            }
        }
    }

    /// Who listens there, as seen from a host: of two with one address, the one that it reaches.
    fn at_address(&self, from: usize, endpoints: &[String]) -> Option<usize> {
        let there = |to: &usize| endpoints.contains(&self.hosts[*to].address);
        let is_reached =
            |to: &usize| self.is_up(*to) && !self.cut.contains(&(from.min(*to), from.max(*to)));
        let mut all = (0..self.hosts.len()).filter(there);
        all.clone().find(is_reached).or_else(|| all.next())
    }

    /// No two memberships for one epoch, ever, at anybody.
    fn check_heads(&mut self, at: usize) {
        let Some(chain) = self.hosts[at]
            .role
            .as_ref()
            .and_then(Member::assembly)
            .map(Assembly::chain)
        else {
            return;
        };
        let place = chain.membership().place();
        let network = Digest::new(*place.network.as_bytes());
        let head = *self
            .heads
            .entry((network, place.epoch))
            .or_insert(place.head);
        assert!(
            head == place.head || self.may_fork,
            "two memberships for epoch {}\n{}",
            place.epoch,
            self.story()
        );
    }

    /// Everything that was told, for a person.
    pub(crate) fn story(&self) -> String {
        let lines = self.told.iter().map(|told| {
            format!(
                "{:>8.3} {}: {}",
                told.at.as_secs_f64(),
                told.who + 1,
                told.event
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Disk {
    fn write(&mut self, stored: Stored) {
        let Stored::Member(stored) = stored else {
            return;
        };
        match stored {
            MemberStored::Chain { .. } => {
                self.chain = Some(stored);
                self.said.clear();
                self.fork = None;
            }
            MemberStored::Run(run) => self.runs = run,
            MemberStored::Said(Durable::Link(link)) => {
                if let Some(MemberStored::Chain { links, .. }) = &mut self.chain {
                    links.truncate(usize::try_from(link.epoch).unwrap());
                    links.push(link);
                }
                self.said.clear();
            }
            MemberStored::Said(said) => match &said {
                Durable::Opinion { opinion, .. } => {
                    self.opinions.insert(opinion.record, said);
                }
                Durable::Fork(_) => self.fork = Some(said),
                Durable::Acceptor(_) => {
                    self.said
                        .retain(|other| !matches!(other, Durable::Acceptor(_)));
                    self.said.push(said);
                }
                _ => self.said.push(said),
            },
        }
    }

    fn restored(&self) -> RestoredMember {
        let (founding, links) = match &self.chain {
            Some(MemberStored::Chain { founding, links }) => {
                (Some((**founding).clone()), links.clone())
            }
            _ => (None, Vec::new()),
        };
        let said = self.opinions.values().chain(&self.said).chain(&self.fork);
        RestoredMember {
            founding,
            links,
            said: said.cloned().collect(),
            runs: self.runs,
            lost: None,
        }
    }

    /// Whether an opinion on a record is on the disk.
    fn has_opinion(&self, record: &Digest) -> bool {
        self.opinions.contains_key(record)
    }

    /// Whether what a member says for itself is on its disk, if it has to be.
    fn has_said(&self, frame: &Frame) -> bool {
        let Frame::Message(Message::Assembly(assembly::Message::Succession(message))) = frame
        else {
            return true;
        };
        let succession::Message::At {
            epoch, statement, ..
        } = &**message
        else {
            return true;
        };
        let written = match &self.chain {
            Some(MemberStored::Chain { links, .. }) => links.len() as u64,
            _ => 0,
        };
        // After the decision nothing that was said about it matters.
        let is_past = *epoch < written;
        let is_kept = |kept: &dyn Fn(&Acceptor) -> bool| {
            self.said
                .iter()
                .any(|said| matches!(said, Durable::Acceptor(acceptor) if kept(acceptor)))
        };
        match statement {
            Statement::Promise { promise, .. } => {
                is_past || is_kept(&|acceptor| acceptor.promised >= promise.ballot)
            }
            Statement::Accepted(accepted) => {
                is_past
                    || is_kept(&|acceptor| {
                        let kept = acceptor.accepted.as_ref();
                        kept.is_some_and(|(proposed, _)| proposed.ballot >= accepted.ballot)
                    })
            }
            _ => true,
        }
    }
}

impl Host {
    pub(crate) fn has_stored_opinion(&self, record: &Digest) -> bool {
        self.disk.has_opinion(record)
    }
}
