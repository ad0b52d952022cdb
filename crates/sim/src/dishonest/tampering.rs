//! What every liar is made of: an honest role, and something that tampers with what goes in and out of it.
//!
//! ```text
//!  the world ──(connections, frames, timeouts)──> Tampered ──(what the deviation lets through)──> honest role
//!      ^                                             │                                                │
//!      └──(what the deviation makes of it)───────────┴───────────(outputs)────────────────────────────┘
//! ```
//!
//! A deviation may also dial. Its dials have numbers that no honest role reaches, and what becomes of them, connections
//! and frames included, is hidden from the honest role.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use quorate_consensus::{Electorate, NetworkId, NodeId, Now, Signature};
use quorate_gossip::Message as Gossip;
use quorate_node::protocol::{Hello, Message, Purpose, RoleKind, VERSIONS};
use quorate_node::roles::{
    ConnId, DialError, DialId, Frame, Output, Request, RequestId, Role, WriteId,
};
use quorate_node::{SeedLine, SeedList};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::Means;
use super::notes::Notes;

/// The first number of a deviation's own dials. A role counts its own up from 0.
const OWN_DIALS: u64 = 1 << 48;

/// What one kind of liar does. The defaults are honest.
pub(super) trait Deviation: fmt::Debug + Send + 'static {
    /// The honest role wants this done.
    fn handle_output(&mut self, output: Output, hands: &mut Hands) {
        hands.pass(output);
    }

    /// A frame arrived on one of the honest role's connections. Returns what the honest role is to see of it.
    fn handle_frame(&mut self, conn: ConnId, frame: Frame, hands: &mut Hands) -> Option<Frame> {
        let _ = (conn, hands);
        Some(frame)
    }

    /// An own connection is ready.
    fn handle_opened(&mut self, conn: ConnId, purpose: Purpose, hands: &mut Hands) {
        let _ = (conn, purpose, hands);
    }

    /// The time that [`poll_timeout`](Self::poll_timeout) named has come.
    fn handle_timeout(&mut self, hands: &mut Hands) {
        let _ = hands;
    }

    /// When the deviation wants to act by itself.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }
}

/// A connection of the deviation's own.
#[derive(Debug)]
struct Own {
    purpose: Purpose,
    is_ready: bool,
}

/// What a deviation knows and can do.
#[derive(Debug)]
pub(super) struct Hands {
    pub(super) means: Means,
    pub(super) me: NodeId,
    pub(super) notes: Notes,
    pub(super) rng: ChaCha8Rng,
    pub(super) now: Now,
    role: RoleKind,
    next_dial: u64,
    dials: BTreeMap<DialId, Purpose>,
    own: BTreeMap<ConnId, Own>,
    out: VecDeque<Output>,
}

impl Hands {
    pub(super) fn new(means: Means, role: RoleKind, now: Now) -> Self {
        let me = means.signer.id();
        Self {
            rng: ChaCha8Rng::seed_from_u64(means.seed),
            notes: Notes::new(me, means.format),
            me,
            now,
            role,
            next_dial: OWN_DIALS,
            dials: BTreeMap::new(),
            own: BTreeMap::new(),
            out: VecDeque::new(),
            means,
        }
    }

    /// Has something done.
    pub(super) fn pass(&mut self, output: Output) {
        self.out.push_back(output);
    }

    /// Sends one message.
    pub(super) fn send(&mut self, conn: ConnId, message: Message) {
        self.send_all(vec![conn], message);
    }

    /// Sends one message to several.
    pub(super) fn send_all(&mut self, to: Vec<ConnId>, message: Message) {
        if !to.is_empty() {
            let frame = Frame::Message(message);
            self.pass(Output::Send { to, frame });
        }
    }

    /// Dials somebody; [`Deviation::handle_opened`] follows, or nothing.
    pub(super) fn dial(&mut self, purpose: Purpose, endpoint: String) {
        let dial = DialId(self.next_dial);
        self.next_dial += 1;
        self.dials.insert(dial, purpose);
        self.pass(Output::Dial {
            dial,
            endpoints: vec![endpoint],
            expect: None,
            ping: false,
        });
    }

    /// Dials a seed as a candidate does, or a member as a neighbour does.
    pub(super) fn visit(&mut self) {
        let seeds = self.means.seeds.clone();
        let members = self.notes.members();
        let endpoints = members
            .iter()
            .filter_map(|(record, _)| record.endpoints.first().cloned());
        let endpoints: Vec<String> = endpoints.collect();
        if self.once_in(2) {
            if let Some(seed) = self.pick(&seeds) {
                self.dial(Purpose::Register, seed);
            }
        } else if let Some(member) = self.pick(&endpoints) {
            self.dial(Purpose::Link, member);
        }
    }

    /// Ends an own connection.
    pub(super) fn close(&mut self, conn: ConnId) {
        if self.own.contains_key(&conn) {
            self.pass(Output::Close(conn));
        }
    }

    /// How many own connections there are, and dials for more.
    pub(super) fn own_count(&self) -> usize {
        self.own.len() + self.dials.len()
    }

    /// The own connections that are ready.
    pub(super) fn own_conns(&self) -> Vec<(ConnId, Purpose)> {
        let ready = self.own.iter().filter(|(_, own)| own.is_ready);
        ready.map(|(conn, own)| (*conn, own.purpose)).collect()
    }

    /// The network, as far as it is known.
    pub(super) fn network(&self) -> NetworkId {
        if self.means.network == NetworkId::NONE {
            self.notes.network
        } else {
            self.means.network
        }
    }

    /// The seeds as an electorate, for votes and certificates; none in an open network.
    pub(super) fn electorate(&self) -> Option<Electorate> {
        let lines = self.means.seeds.iter().map(|address| SeedLine {
            address: address.clone(),
            pin: None,
        });
        SeedList::new(lines).ok()?.electorate().ok()
    }

    /// A signature that nobody made.
    pub(super) fn garbage(&mut self) -> Signature {
        let mut bytes = [0; 64];
        self.rng.fill_bytes(&mut bytes);
        Signature::new(bytes)
    }

    /// One of these.
    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        if from.is_empty() {
            return None;
        }
        from.get(self.rng.random_range(0..from.len())).cloned()
    }

    /// Whether it comes to pass, once in so many times.
    pub(super) fn once_in(&mut self, times: u32) -> bool {
        self.rng.random_ratio(1, times.max(1))
    }

    fn hello(&self, purpose: Purpose) -> Hello {
        Hello {
            versions: VERSIONS,
            network: self.network(),
            seeds: self.means.seeds.clone(),
            format: self.means.format,
            purpose,
            role: self.role,
        }
    }

    /// Something arrived on an own connection: does what every node does, so that the connection stays.
    fn handle_own(&mut self, conn: ConnId, frame: Frame) -> Option<Purpose> {
        let own = self.own.get_mut(&conn)?;
        match frame {
            Frame::Hello(_) if !own.is_ready => {
                own.is_ready = true;
                let purpose = own.purpose;
                self.pass(Output::Accept(conn));
                return Some(purpose);
            }
            Frame::Message(Message::Probe { nonce }) => {
                let record = self.notes.record().map(|record| record.hash());
                self.send(conn, Message::Echo { nonce, record });
            }
            Frame::Message(Message::Gossip(Gossip::Ping { nonce })) => {
                self.send(conn, Message::Gossip(Gossip::Pong { nonce }));
            }
            frame => self.notes.note_frame(None, &frame),
        }
        None
    }
}

/// A beat by which a deviation acts.
#[derive(Debug)]
pub(super) struct Beat {
    due: Option<Instant>,
    every: Duration,
    /// How fast it beats after the hands' `until`; not at all if none.
    afterwards: Option<Duration>,
}

impl Beat {
    /// Every so often, and from the hands' `until` on as often as `afterwards` says.
    pub(super) fn new(every: Duration, afterwards: Option<Duration>, hands: &Hands) -> Self {
        Self {
            due: Some(hands.now.instant + every),
            every,
            afterwards,
        }
    }

    /// Whether it strikes now.
    pub(super) fn strikes(&mut self, hands: &Hands) -> bool {
        let now = hands.now.instant;
        let strikes = self.due.is_some_and(|due| due <= now);
        if strikes {
            let every = if now < hands.means.until {
                Some(self.every)
            } else {
                self.afterwards
            };
            self.due = every.map(|every| now + every);
        }
        strikes
    }

    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }
}

/// An honest role under somebody's hands.
pub(super) struct Tampered<D> {
    honest: Box<dyn Role>,
    deviation: D,
    hands: Hands,
    has_ended: bool,
}

impl<D: Deviation> Tampered<D> {
    pub(super) fn boxed(honest: Box<dyn Role>, deviation: D, hands: Hands) -> Box<dyn Role> {
        let mut this = Self {
            honest,
            deviation,
            hands,
            has_ended: false,
        };
        // What the role wanted when it was made.
        this.drain();
        Box::new(this)
    }

    fn at(&mut self, now: Now) {
        self.hands.now = now;
    }

    /// Takes the honest role's outputs, as must follow every input of it.
    fn drain(&mut self) {
        while let Some(output) = self.honest.poll_output() {
            self.hands.notes.note_output(&output);
            self.has_ended |= matches!(output, Output::Exit);
            self.deviation.handle_output(output, &mut self.hands);
        }
    }
}

impl<D: Deviation> Role for Tampered<D> {
    fn handle_connected(
        &mut self,
        conn: ConnId,
        dial: Option<DialId>,
        remote: NodeId,
        address: &str,
        now: Now,
    ) {
        self.at(now);
        match dial.filter(|dial| dial.0 >= OWN_DIALS) {
            Some(dial) => {
                let Some(purpose) = self.hands.dials.remove(&dial) else {
                    self.hands.pass(Output::Close(conn));
                    return;
                };
                let is_ready = false;
                self.hands.own.insert(conn, Own { purpose, is_ready });
                let frame = Frame::Hello(self.hands.hello(purpose));
                self.hands.pass(Output::Send {
                    to: vec![conn],
                    frame,
                });
            }
            None => {
                self.hands.notes.note_connected(conn, remote);
                self.honest
                    .handle_connected(conn, dial, remote, address, now);
                self.drain();
            }
        }
    }

    fn handle_dial_failed(&mut self, dial: DialId, error: DialError, now: Now) {
        self.at(now);
        if dial.0 >= OWN_DIALS {
            self.hands.dials.remove(&dial);
        } else {
            self.honest.handle_dial_failed(dial, error, now);
            self.drain();
        }
    }

    fn handle_pinged(&mut self, dial: DialId, answers: bool, now: Now) {
        self.at(now);
        if dial.0 < OWN_DIALS {
            self.honest.handle_pinged(dial, answers, now);
            self.drain();
        }
    }

    fn handle_frame(&mut self, conn: ConnId, frame: Frame, now: Now) {
        self.at(now);
        if self.hands.own.contains_key(&conn) {
            if let Some(purpose) = self.hands.handle_own(conn, frame) {
                self.deviation.handle_opened(conn, purpose, &mut self.hands);
            }
            return;
        }
        self.hands.notes.note_frame(Some(conn), &frame);
        if let Some(frame) = self.deviation.handle_frame(conn, frame, &mut self.hands) {
            self.honest.handle_frame(conn, frame, now);
            self.drain();
        }
    }

    fn handle_closed(&mut self, conn: ConnId, cause: &str, now: Now) {
        self.at(now);
        if self.hands.own.remove(&conn).is_none() {
            self.hands.notes.note_closed(conn);
            self.honest.handle_closed(conn, cause, now);
            self.drain();
        }
    }

    fn handle_written(&mut self, write: WriteId, result: Result<(), String>, now: Now) {
        self.at(now);
        self.honest.handle_written(write, result, now);
        self.drain();
    }

    fn handle_request(&mut self, id: RequestId, request: Request, now: Now) {
        self.at(now);
        self.honest.handle_request(id, request, now);
        self.drain();
    }

    fn handle_timeout(&mut self, now: Now) {
        self.at(now);
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now.instant);
        if is_due(self.honest.poll_timeout()) {
            self.honest.handle_timeout(now);
            self.drain();
        }
        if is_due(self.deviation.poll_timeout()) && !self.has_ended {
            self.deviation.handle_timeout(&mut self.hands);
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.hands.out.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let own = self.deviation.poll_timeout().filter(|_| !self.has_ended);
        match (self.honest.poll_timeout(), own) {
            (Some(honest), Some(own)) => Some(honest.min(own)),
            (honest, own) => honest.or(own),
        }
    }
}
