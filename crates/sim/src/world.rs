//! The world: hosts, wires and disks in virtual time, driven one event after another.
//!
//! It drives roles as the runtime does: it tells a role what happened, carries out what it wants in order, and wakes it when
//! it asked to be. A role's own work takes no time; everything around it does.

mod dialing;
mod dying;
mod starting;
mod wires;
mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use quorate_consensus::succession::Evidence;
use quorate_consensus::{Electorate, Now, Proof, Scheme, Signer, conclave};
use quorate_node::protocol::{FRAME_LEN_MAX, Message};
use quorate_node::roles::{ConnId, Frame, Output, Reply, Request, RequestId, Role};
use quorate_node::{Event, SeedList};
use quorate_wire::Format;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::checkers::Checker;
use crate::clock::Clock;
use crate::dice::mix;
use crate::fact::{Fact, Truth, View, Violation};
use crate::host::{Host, HostId, Kind, Setup};
use crate::meter::{Meter, Metrics};
use crate::network::{Network, Weather};
use crate::planting;
use crate::process::Process;
use crate::queue::Queue;
use crate::trace::{Entry, Trace};

pub use dying::Death;

/// A role that wants to be woken so often within a moment makes no progress: it is busy with nothing.
const WAKES_MAX: u32 = 200_000;
const WAKES_SPAN: Duration = Duration::from_secs(1);

/// How often checkers look at everything.
const TICK: Duration = Duration::from_secs(1);

/// What is to happen.
#[derive(Debug)]
enum Due {
    Wake(HostId, u64),
    Arrive(u64, usize),
    Dial(u64, dialing::Step),
    Written(HostId, u64),
    Reset(u64),
    Abort(u64, usize, String),
    /// A node that has got a seat goes on as a seed.
    Seated(HostId),
    Tick,
}

/// A network of hosts in virtual time.
pub struct World {
    now: Duration,
    base: Instant,
    hosts: Vec<Host>,
    network: Network,
    queue: Queue<Due>,
    truth: Truth,
    /// What happened.
    pub trace: Trace,
    checkers: Vec<Box<dyn Checker>>,
    meter: Meter,
    /// What applications were told and may want to react to.
    news: Vec<(HostId, Event)>,
    broken: Option<Violation>,
    rng: ChaCha8Rng,
    dials: BTreeMap<u64, dialing::Dialing>,
    next_dial: u64,
    asked: BTreeMap<(HostId, RequestId), Request>,
    next_request: u64,
    /// What happens to a paused host waits here until it goes on.
    deferred: BTreeMap<HostId, Vec<Due>>,
    by_address: BTreeMap<String, HostId>,
    /// The seed lists of those who were given one of a later epoch.
    lists: BTreeMap<HostId, SeedList>,
    format: Format,
    /// Admissions of liars to another network that the same seeds have signed.
    pub foreign: BTreeMap<HostId, Arc<Proof>>,
    /// When attacks end that only cost effort.
    pub attacks_until: Duration,
    /// Whether every frame is decoded again from its bytes.
    pub recodes: bool,
    /// How many inputs roles were given.
    pub steps: u64,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a world of {} hosts at {:?}", self.hosts.len(), self.now)
    }
}

impl World {
    /// An empty world, in which everything random follows from `seed`.
    pub fn new(seed: u64, weather: Weather, scheme: Arc<dyn Scheme>) -> Self {
        let mut queue = Queue::default();
        queue.push(TICK, Due::Tick);
        Self {
            now: Duration::ZERO,
            base: Instant::now(),
            hosts: Vec::new(),
            network: Network::new(weather, seed, ChaCha8Rng::seed_from_u64(mix(seed, 1))),
            queue,
            truth: Truth {
                seeds: None,
                electorate: None,
                later: Vec::new(),
                wishes: Vec::new(),
                scheme,
                by_id: BTreeMap::new(),
                equivocators: 0,
                fork_told: false,
                gone: BTreeSet::new(),
                unwanted: BTreeSet::new(),
            },
            trace: Trace::default(),
            checkers: Vec::new(),
            meter: Meter::default(),
            news: Vec::new(),
            broken: None,
            rng: ChaCha8Rng::seed_from_u64(mix(seed, 2)),
            dials: BTreeMap::new(),
            next_dial: 0,
            asked: BTreeMap::new(),
            next_request: 0,
            deferred: BTreeMap::new(),
            by_address: BTreeMap::new(),
            lists: BTreeMap::new(),
            format: Format::default(),
            foreign: BTreeMap::new(),
            attacks_until: Duration::MAX,
            recodes: true,
            steps: 0,
        }
    }

    /// Adds a host that is not running yet.
    pub fn add(&mut self, address: String, signer: Arc<dyn Signer>, setup: Setup) -> HostId {
        let id = HostId(self.hosts.len());
        self.truth.by_id.insert(signer.id(), id);
        self.by_address.insert(address.clone(), id);
        self.hosts
            .push(Host::new(address, signer, setup, Clock::new(self.base)));
        id
    }

    /// Watches a promise from now on.
    pub fn watch(&mut self, checker: Box<dyn Checker>) {
        self.checkers.push(checker);
    }

    /// The time since the start.
    pub const fn now(&self) -> Duration {
        self.now
    }

    /// A host.
    pub fn host(&self, id: HostId) -> &Host {
        &self.hosts[id.0]
    }

    /// A host, to set what may be set of it.
    pub fn host_mut(&mut self, id: HostId) -> &mut Host {
        &mut self.hosts[id.0]
    }

    /// How many hosts there are.
    pub fn host_count(&self) -> usize {
        self.hosts.len()
    }

    /// What is true, to be set up.
    pub const fn truth_mut(&mut self) -> &mut Truth {
        &mut self.truth
    }

    /// How the wires behave.
    pub const fn weather_mut(&mut self) -> &mut Weather {
        &mut self.network.weather
    }

    /// Everything, to be looked at.
    pub fn view(&self) -> View<'_> {
        View {
            now: self.now,
            hosts: &self.hosts,
            network: &self.network,
            truth: &self.truth,
        }
    }

    /// What applications were told since this was last asked.
    pub fn take_news(&mut self) -> Vec<(HostId, Event)> {
        std::mem::take(&mut self.news)
    }

    /// Lets time pass, until `end` or until an application was told something.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub fn run_until(&mut self, end: Duration) -> Result<(), Violation> {
        while self.broken.is_none() && self.news.is_empty() {
            let Some((at, due)) = self.queue.pop_by(end) else {
                self.now = self.now.max(end);
                break;
            };
            self.now = self.now.max(at);
            self.happen(due);
        }
        self.broken.clone().map_or(Ok(()), Err)
    }

    /// Asks a node something, as its application does.
    pub fn ask(&mut self, host: HostId, request: Request) {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.observe(&Fact::Asked {
            host,
            request: &request,
        });
        self.asked.insert((host, id), request.clone());
        self.drive(host, |role, now| role.handle_request(id, request, now));
    }

    /// Asks every checker whether all is well now.
    ///
    /// # Errors
    /// The first that says no, and why.
    pub fn settled(&mut self) -> Result<(), Violation> {
        let mut checkers = std::mem::take(&mut self.checkers);
        let view = self.view();
        let outcome = checkers.iter_mut().try_for_each(|checker| {
            planting::unplanted(|| checker.settled(view)).map_err(|what| Violation {
                checker: checker.name(),
                at: view.now,
                what,
            })
        });
        self.checkers = checkers;
        outcome
    }

    /// What the run has cost so far, and how fast it was.
    pub fn metrics(&self) -> Metrics {
        self.meter.metrics(self.steps)
    }

    /// Notes something that the world did.
    pub fn tell(&mut self, what: String) {
        self.trace.note(self.now, Entry::World(what), &[]);
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Wake(host, life) => self.wake(host, life),
            Due::Arrive(link, end) => self.arrive(link, end),
            Due::Dial(dial, step) => self.dial_step(dial, step),
            Due::Written(host, life) => self.written(host, life),
            Due::Reset(link) => self.reset(link),
            Due::Abort(link, end, cause) => self.abort(link, end, &cause),
            Due::Seated(host) => self.start(host),
            Due::Tick => {
                self.queue.push(self.now + TICK, Due::Tick);
                self.observe(&Fact::Tick);
            }
        }
    }

    fn wake(&mut self, id: HostId, life: u64) {
        let now = self.now;
        let host = &mut self.hosts[id.0];
        // An earlier wish, or one of a process that is dead.
        if host.life != life || host.wake_at != Some(now) {
            return;
        }
        if host.is_paused {
            self.deferred
                .entry(id)
                .or_default()
                .push(Due::Wake(id, life));
            return;
        }
        host.wake_at = None;
        let local = host.clock.now(now);
        let is_due = host
            .process
            .as_ref()
            .and_then(|process| process.role().poll_timeout())
            .is_some_and(|due| due <= local.instant);
        if is_due {
            let (at, count) = host.wakes;
            // Members of open networks may be, for less than a second: that is not asked of them yet.
            let span = match host.setup.kind {
                Kind::Seed | Kind::Peer => WAKES_SPAN,
                Kind::Member | Kind::Bootstrap => Duration::from_nanos(1),
            };
            host.wakes = if now < at + span {
                (at, count + 1)
            } else {
                (now, 1)
            };
            if host.wakes.1 > WAKES_MAX {
                let what = format!(
                    "{} wants to be woken again and again within a moment",
                    self.view().name(id)
                );
                self.fail("bounds", what);
                return;
            }
            self.drive(id, |role, now| role.handle_timeout(now));
        } else {
            self.arm(id);
        }
    }

    /// Gives a role an input, and carries out what it wants then.
    fn drive(&mut self, id: HostId, input: impl FnOnce(&mut dyn Role, Now)) {
        let host = &mut self.hosts[id.0];
        let now = host.clock.now(self.now);
        let Some(process) = &mut host.process else {
            return;
        };
        self.steps += 1;
        input(process.role_mut(), now);
        self.drain(id);
    }

    fn drain(&mut self, id: HostId) {
        while let Some(output) = self.hosts[id.0]
            .process
            .as_mut()
            .and_then(|process| process.role_mut().poll_output())
        {
            self.carry_out(id, output);
        }
        self.arm(id);
    }

    /// Sees to it that the role is woken when it wants to be.
    fn arm(&mut self, id: HostId) {
        let host = &mut self.hosts[id.0];
        let Some(wanted) = host
            .process
            .as_ref()
            .and_then(|process| process.role().poll_timeout())
        else {
            return;
        };
        // The runtime's loop takes a moment for each turn too.
        let at = host
            .clock
            .when(wanted)
            .max(self.now + Duration::from_nanos(1_000));
        if host.wake_at.is_none_or(|armed| at < armed) {
            host.wake_at = Some(at);
            let life = host.life;
            self.queue.push(at, Due::Wake(id, life));
        }
    }

    fn carry_out(&mut self, id: HostId, output: Output) {
        match output {
            Output::Dial {
                dial,
                endpoints,
                expect,
                ping,
            } => self.dial(id, dial, endpoints, expect, ping),
            Output::CancelDial(dial) => self.cancel_dial(id, dial),
            Output::Accept(conn) => self.accept(id, conn),
            Output::Send { to, frame } => self.send(id, &to, frame),
            Output::Close(conn) => self.close(id, conn),
            Output::Write { write, stored } => self.write(id, write, stored),
            Output::Event(event) => self.told(id, event),
            Output::Reply(request, reply) => self.replied(id, request, &reply),
            Output::Exit => self.exit(id),
        }
    }

    fn told(&mut self, host: HostId, event: Event) {
        if let Event::Contradiction(evidence) = &event
            && matches!(**evidence, Evidence::Fork { .. })
            && self.host(host).is_honest()
        {
            self.truth.fork_told = true;
        }
        self.observe(&Fact::Told {
            host,
            event: &event,
        });
        let is_news = matches!(
            event,
            Event::JoinRequest { .. }
                | Event::JoinRefused { .. }
                | Event::Joined { .. }
                | Event::NewIdentity { .. }
                | Event::Evicted { .. }
        );
        if is_news {
            self.news.push((host, event.clone()));
        }
        let event = Box::new(event);
        self.trace.note(self.now, Entry::Told { host, event }, &[]);
    }

    fn replied(&mut self, host: HostId, id: RequestId, reply: &Reply) {
        if let Some(request) = self.asked.remove(&(host, id)) {
            self.observe(&Fact::Replied {
                host,
                request: &request,
                reply,
            });
        }
    }

    /// A frame as bytes; also as what those bytes mean to who gets them.
    fn encode(&mut self, id: HostId, frame: Frame) -> Option<(Frame, Bytes)> {
        let encoded = match &frame {
            Frame::Hello(hello) => Format::Json.encode(hello),
            Frame::Message(message) => self.format.encode(message),
        };
        let bytes = match encoded {
            Ok(bytes) => bytes,
            Err(error) => {
                let what = format!(
                    "{} makes a frame that cannot be encoded: {error}",
                    self.view().name(id)
                );
                self.fail("bounds", what);
                return None;
            }
        };
        if !self.recodes {
            return Some((frame, bytes));
        }
        let decoded = match &frame {
            Frame::Hello(_) => Format::Json.decode(&bytes).map(Frame::Hello),
            Frame::Message(_) => self.format.decode(&bytes).map(Frame::Message),
        };
        match decoded {
            Ok(decoded) if decoded == frame => Some((decoded, bytes)),
            Ok(_) => {
                self.fail(
                    "codec",
                    format!("a frame does not read back as it was written: {frame:?}"),
                );
                None
            }
            Err(error) => {
                self.fail(
                    "codec",
                    format!("a frame cannot be read back: {error}: {frame:?}"),
                );
                None
            }
        }
    }

    /// Tells the checkers what happened.
    fn observe(&mut self, fact: &Fact<'_>) {
        if self.broken.is_some() {
            return;
        }
        self.learn(fact);
        let mut checkers = std::mem::take(&mut self.checkers);
        let mut meter = std::mem::take(&mut self.meter);
        let view = self.view();
        meter.see(fact, view);
        let broken = checkers.iter_mut().find_map(|checker| {
            let seen = planting::unplanted(|| checker.see(fact, view));
            seen.err().map(|what| Violation {
                checker: checker.name(),
                at: view.now,
                what,
            })
        });
        self.checkers = checkers;
        self.meter = meter;
        self.broken = broken;
    }

    /// Learns who votes next, from whoever shows it.
    fn learn(&mut self, fact: &Fact<'_>) {
        let shown = match fact {
            Fact::Sent {
                frame: Frame::Message(Message::Electorate(conclave::Message::Handovers(handovers))),
                ..
            } => handovers.clone(),
            Fact::Told {
                host,
                event: Event::ElectorateChanged { .. },
            } => {
                let known = self.truth.last_electorate().map_or(0, Electorate::epoch);
                match &self.hosts[host.0].process {
                    Some(Process::Seed(seed)) => seed.conclave().handovers_from(known),
                    _ => return,
                }
            }
            _ => return,
        };
        for handover in shown {
            self.truth.follow(&handover);
        }
    }

    fn fail(&mut self, checker: &'static str, what: String) {
        self.broken.get_or_insert(Violation {
            checker,
            at: self.now,
            what,
        });
    }
}

/// A connection's end by the name that its process has for it.
const fn end_of(conn: ConnId) -> (u64, usize) {
    (conn.0 / 2, (conn.0 % 2) as usize)
}

const fn conn_of(link: u64, end: usize) -> ConnId {
    ConnId(link * 2 + end as u64)
}

/// The longest frame that can be sent.
const FRAME_MAX: usize = FRAME_LEN_MAX;
