//! Connections as a role sees them: hellos, one link per pair, life signs, limits.
//!
//! A connection is *open* when TLS is up, and *ready* when both hellos fit. The dialler speaks first. Between two nodes
//! there is one link: when both dial at once, the one dialled by the smaller id stays, and both ends know that without
//! talking; a link that comes later than that replaces the old one, whose node must have lost it.

mod fitting;
mod life_signs;
mod table;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use quorate_consensus::{NetworkId, NodeId, Now, Standing};
use quorate_wire::Format;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{ConnId, DialId, Frame, Outbox, Output};
use crate::config::{Options, SeedList};
use crate::event::{Event, Party};
use crate::protocol::{Goodbye, Hello, Message, Purpose, RoleKind, VERSIONS};
use table::Table;

/// Two links of one pair that become ready within this span were dialled at the same moment.
const SIMULTANEOUS: Duration = Duration::from_secs(2);

/// How long a connection for one question may stay.
const ERRAND_MAX: Duration = Duration::from_secs(15);

/// How many costly questions a connection may bring within how long. A member asks once per death it notices.
const ASKED_MAX: u32 = 256;
const ASKED_SPAN: Duration = Duration::from_secs(10);

/// Of how many nodes the last refusal is remembered.
const TOLD_MAX: usize = 1024;

/// How long the same refusal of the same node is not told again.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// Silent for so many pings, a session is dead.
const PINGS_MISSED_MAX: u32 = 5;

/// What hellos name as the sender's network.
#[derive(Debug, Clone)]
pub struct Realm {
    network: NetworkId,
    seeds: Vec<String>,
}

impl Realm {
    /// A network with seeds.
    pub fn seeded(seeds: &SeedList) -> Self {
        Self {
            network: seeds.network(),
            seeds: seeds.addresses(),
        }
    }

    /// An open network, or [`NetworkId::NONE`] as long as none is found.
    pub const fn open(network: NetworkId) -> Self {
        Self {
            network,
            seeds: Vec::new(),
        }
    }
}

/// One connection.
#[derive(Debug)]
pub struct Conn {
    /// The other end's proven key.
    pub remote: NodeId,
    /// Where it came from, or was dialled.
    pub address: String,
    /// What it is for; an accepted connection has none before its hello.
    pub purpose: Option<Purpose>,
    /// What the other end is, once ready.
    pub role: Option<RoleKind>,
    /// The network the other end named, once ready.
    pub network: NetworkId,
    /// Whether this node dialled it.
    pub dialed: bool,
    /// Why the other end said it would close.
    pub goodbye: Option<Goodbye>,
    since: Instant,
    heard: Instant,
    ping_at: Instant,
    /// When the present span of questions began, and how many came in it.
    asked: (Instant, u32),
}

/// A connection that became ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Which.
    pub conn: ConnId,
    /// The other end.
    pub remote: NodeId,
    /// What for.
    pub purpose: Purpose,
    /// What the other end is.
    pub role: RoleKind,
    /// Whether this node dialled it.
    pub dialed: bool,
    /// The link of the same pair that it replaces.
    pub replaces: Option<ConnId>,
    /// Dials to the same node that were given up for it; nothing more is heard of them.
    pub cancelled: Vec<DialId>,
}

#[derive(Debug)]
struct Dial {
    purpose: Purpose,
    expect: Option<NodeId>,
}

/// All connections of a node.
#[derive(Debug)]
pub struct Connections {
    me: NodeId,
    role: RoleKind,
    network: NetworkId,
    seeds: Vec<String>,
    format: Format,
    session_ping: Duration,
    max: (usize, usize),
    conns: Table,
    dials: BTreeMap<DialId, Dial>,
    next_dial: u64,
    rng: ChaCha8Rng,
    /// The last refusal told of each node, and when.
    told: BTreeMap<Party, (bool, String, Instant)>,
    now: Instant,
    /// What `poll_timeout` last promised, to notice that this node itself ran late.
    due: Option<Instant>,
}

impl Connections {
    /// None yet. `seed` feeds the nonces.
    pub fn new(
        me: NodeId,
        role: RoleKind,
        realm: Realm,
        options: &Options,
        seed: u64,
        now: Now,
    ) -> Self {
        Self {
            me,
            role,
            network: realm.network,
            seeds: realm.seeds,
            format: options.format,
            session_ping: options.session_ping,
            max: options.connections_max,
            conns: Table::new(role, options.hello_timeout),
            dials: BTreeMap::new(),
            next_dial: 0,
            rng: ChaCha8Rng::seed_from_u64(seed),
            told: BTreeMap::new(),
            now: now.instant,
            due: None,
        }
    }

    /// The network that this node is in, from now on; connections that are up keep what they said.
    pub fn set_network(&mut self, network: NetworkId) {
        self.network = network;
    }

    /// Who the seeds are now, for hellos to name.
    pub fn set_seeds(&mut self, seeds: Vec<String>) {
        self.seeds = seeds;
    }

    /// A connection by its name.
    pub fn get(&self, conn: ConnId) -> Option<&Conn> {
        self.conns.get(conn)
    }

    /// The ready connections of a node for a purpose.
    pub fn ready(&self, purpose: Purpose) -> impl Iterator<Item = (ConnId, NodeId)> {
        self.conns.ready(purpose)
    }

    /// The ready connections to a node, for any purpose.
    pub fn to(&self, node: NodeId) -> impl Iterator<Item = ConnId> {
        self.conns
            .with_node(node)
            .filter(|(_, conn)| conn.role.is_some())
            .map(|(id, _)| id)
    }

    /// What the connections with a node are for that are past their hellos, each purpose once.
    pub fn purposes(&self, node: NodeId) -> Vec<Purpose> {
        let conns = self.conns.with_node(node);
        let ready = conns.filter(|(_, conn)| conn.role.is_some());
        let mut purposes: Vec<Purpose> = ready.filter_map(|(_, conn)| conn.purpose).collect();
        purposes.sort_unstable();
        purposes.dedup();
        purposes
    }

    /// A ready connection to a node for a purpose.
    pub fn find(&self, node: NodeId, purpose: Purpose) -> Option<ConnId> {
        self.conns
            .with_node(node)
            .find(|(_, conn)| conn.role.is_some() && conn.purpose == Some(purpose))
            .map(|(id, _)| id)
    }

    /// How often the answers of [`find`](Self::find) and [`ready`](Self::ready) may have changed: who keeps what follows
    /// from them knows by this when to ask again.
    pub const fn changes(&self) -> u64 {
        self.conns.changes()
    }

    /// All connections, ready or not.
    pub fn all(&self) -> impl Iterator<Item = ConnId> {
        self.conns.ids()
    }

    /// Whether a node may ask for something costly (a vote, a probe) on this connection again; if not, it is cut off.
    pub fn may_ask(&mut self, id: ConnId, now: Now, out: &mut Outbox) -> bool {
        let asked = self.conns.change(id, |conn| {
            if now.instant.saturating_duration_since(conn.asked.0) >= ASKED_SPAN {
                conn.asked = (now.instant, 0);
            }
            conn.asked.1 = conn.asked.1.saturating_add(1);
            conn.asked.1
        });
        let Some(asked) = asked else {
            return false;
        };
        let may_ask = asked <= ASKED_MAX || planted!(QuestionsUnlimited);
        if !may_ask {
            let what = format!("more than {ASKED_MAX} questions within {ASKED_SPAN:?}");
            self.misbehaved(id, what, out);
        }
        may_ask
    }

    /// A fresh nonce.
    pub fn nonce(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// Dials a node.
    pub fn dial(
        &mut self,
        purpose: Purpose,
        endpoints: Vec<String>,
        expect: Option<NodeId>,
        out: &mut Outbox,
    ) -> DialId {
        let dial = DialId(self.next_dial);
        self.next_dial += 1;
        self.dials.insert(dial, Dial { purpose, expect });
        let ping = purpose == Purpose::Probe;
        out.push(Output::Dial {
            dial,
            endpoints,
            expect,
            ping,
        });
        dial
    }

    /// Gives a dial up.
    pub fn cancel(&mut self, dial: DialId, out: &mut Outbox) {
        if self.dials.remove(&dial).is_some() {
            out.push(Output::CancelDial(dial));
        }
    }

    /// TLS is up. Returns the dial's purpose when it was ours and is still wanted.
    pub fn handle_connected(
        &mut self,
        conn: ConnId,
        dial: Option<DialId>,
        remote: NodeId,
        address: &str,
        now: Now,
        out: &mut Outbox,
    ) -> Option<Purpose> {
        self.now = now.instant;
        let purpose = match dial.map(|dial| self.dials.remove(&dial)) {
            None => None,
            Some(Some(dial)) => Some(dial.purpose),
            Some(None) => {
                out.push(Output::Close(conn));
                return None;
            }
        };
        let with_remote = self.conns.with_node(remote).count();
        let busy = self.conns.len() >= self.max.0 || with_remote >= self.max.1;
        self.conns.insert(
            conn,
            Conn {
                remote,
                address: address.to_owned(),
                purpose,
                role: None,
                network: NetworkId::NONE,
                dialed: dial.is_some(),
                goodbye: None,
                since: now.instant,
                heard: now.instant,
                ping_at: now.instant + self.session_ping,
                asked: (now.instant, 0),
            },
        );
        if purpose.is_none() && busy && !planted!(ConnectionsUnlimited) {
            self.close(conn, Goodbye::Busy, out);
            return None;
        }
        if remote == self.me {
            self.close(
                conn,
                Goodbye::Mismatch("this is the node itself".to_owned()),
                out,
            );
            return None;
        }
        let purpose = purpose?;
        self.send_hello(conn, purpose, out);
        Some(purpose)
    }

    /// A dial failed. Returns its purpose if it is still wanted.
    pub fn handle_dial_failed(&mut self, dial: DialId) -> Option<Purpose> {
        self.dials.remove(&dial).map(|dial| dial.purpose)
    }

    /// The other end's hello. Returns the connection when it is ready; otherwise it is refused and closed.
    pub fn handle_hello(
        &mut self,
        id: ConnId,
        hello: Hello,
        now: Now,
        out: &mut Outbox,
    ) -> Option<Ready> {
        self.now = now.instant;
        self.conns.change(id, |conn| conn.heard = now.instant);
        let conn = self.conns.get(id)?;
        let (remote, dialed, purpose) = (
            conn.remote,
            conn.dialed,
            conn.purpose.unwrap_or(hello.purpose),
        );
        if conn.role.is_some() {
            self.misbehaved(id, "a second hello".to_owned(), out);
            return None;
        }
        if let Err(mismatch) = self.check(&hello, purpose) {
            // An accepted connection still gets the hello, so that its dialler can see the difference too.
            if !dialed {
                self.send_hello(id, purpose, out);
            }
            self.refuse(id, Goodbye::Mismatch(mismatch), out);
            return None;
        }
        let replaces = if purpose == Purpose::Link {
            match self.tie_break(id, remote, dialed, now) {
                Ok(replaces) => replaces,
                Err(()) => {
                    self.close(id, Goodbye::Duplicate, out);
                    return None;
                }
            }
        } else {
            None
        };
        let ping_at = now.instant + self.session_ping;
        self.conns.change(id, |conn| {
            conn.purpose = Some(purpose);
            conn.role = Some(hello.role);
            conn.network = hello.network;
            conn.since = now.instant;
            conn.ping_at = ping_at;
        });
        out.push(Output::Accept(id));
        if !dialed {
            self.send_hello(id, purpose, out);
        }
        if let Some(old) = replaces {
            self.close(old, Goodbye::Duplicate, out);
        }
        let mut cancelled = Vec::new();
        if purpose == Purpose::Link {
            // Our own dial to the same node, still under way, would only make a second link.
            cancelled = self
                .dials
                .iter()
                .filter(|(_, dial)| dial.purpose == Purpose::Link && dial.expect == Some(remote))
                .map(|(dial, _)| *dial)
                .collect();
            cancelled.iter().for_each(|dial| self.cancel(*dial, out));
        }
        Some(Ready {
            conn: id,
            remote,
            purpose,
            role: hello.role,
            dialed,
            replaces,
            cancelled,
        })
    }

    /// A message came on a ready connection: answers probes and notes goodbyes by itself. Returns the message when it is
    /// for the role. `record` is what to echo.
    pub fn handle_message(
        &mut self,
        id: ConnId,
        message: Message,
        record: Option<quorate_consensus::Digest>,
        now: Now,
        out: &mut Outbox,
    ) -> Option<(Purpose, NodeId, Message)> {
        self.now = now.instant;
        let (is_ready, purpose, from) = self.conns.change(id, |conn| {
            conn.heard = now.instant;
            if let Message::Goodbye(goodbye) = &message
                && !matches!(goodbye, Goodbye::NotTrusted(_))
            {
                conn.goodbye = Some(goodbye.clone());
            }
            (conn.role.is_some(), conn.purpose, conn.remote)
        })?;
        match message {
            Message::Goodbye(goodbye) => {
                // Unlike the ends that every connection comes to, these are worth telling.
                let is_refusal = match &goodbye {
                    Goodbye::Leaving | Goodbye::Done | Goodbye::Duplicate => false,
                    Goodbye::NotAMember(proof) => {
                        let standing = proof.claims().map(|(_, key)| key.standing);
                        standing != Some(Standing::Left)
                    }
                    _ => true,
                };
                if is_refusal && let Some(conn) = self.conns.get(id) {
                    let party = (conn.party(), conn.dialed);
                    self.tell_refusal(party, false, &goodbye, out);
                }
                Some((purpose?, from, Message::Goodbye(goodbye)))
            }
            Message::Probe { nonce } if is_ready => {
                out.send(id, Message::Echo { nonce, record });
                None
            }
            message if is_ready => Some((purpose?, from, message)),
            // Before its hello a node has nothing to say but goodbye.
            _ => {
                self.misbehaved(id, "a message before the hello".to_owned(), out);
                None
            }
        }
    }

    /// Says why, closes, and forgets the connection.
    pub fn close(&mut self, id: ConnId, goodbye: Goodbye, out: &mut Outbox) {
        if self.conns.remove(id).is_some() {
            out.send(id, Message::Goodbye(goodbye));
            out.push(Output::Close(id));
        }
    }

    /// As [`close`](Self::close), and tells the application whom it refused and why.
    pub fn refuse(&mut self, id: ConnId, goodbye: Goodbye, out: &mut Outbox) {
        if let Some(conn) = self.conns.get(id) {
            let party = (conn.party(), conn.dialed);
            self.tell_refusal(party, true, &goodbye, out);
            self.close(id, goodbye, out);
        }
    }

    /// Tells of a refusal. One that only says how the two are set up is not told again and again while the other end keeps
    /// trying.
    fn tell_refusal(
        &mut self,
        (remote, dialed): (Party, bool),
        by_us: bool,
        goodbye: &Goodbye,
        out: &mut Outbox,
    ) {
        // One that dials from a passing port is known by its key, one that was dialled by its address too.
        let of = Party {
            address: remote.address.clone().filter(|_| dialed),
            ..remote
        };
        let reason = goodbye.to_string();
        let is_lasting = matches!(
            goodbye,
            Goodbye::Mismatch(_) | Goodbye::Undecided(_) | Goodbye::Busy | Goodbye::NotTrusted(_)
        );
        let is_told = |(by, why, at): &(bool, String, Instant)| {
            *by == by_us && *why == reason && self.now.saturating_duration_since(*at) < TOLD_AGAIN
        };
        if is_lasting && self.told.get(&of).is_some_and(is_told) {
            return;
        }
        if self.told.len() >= TOLD_MAX {
            self.told.clear();
        }
        self.told.insert(of, (by_us, reason.clone(), self.now));
        out.event(Event::Refused {
            remote,
            by_us,
            reason,
        });
    }

    /// The other end broke the protocol.
    pub fn misbehaved(&mut self, id: ConnId, what: String, out: &mut Outbox) {
        self.refuse(id, Goodbye::Misbehaved(what), out);
    }

    /// A connection is gone; what it was, unless it was closed by this end.
    pub fn handle_closed(&mut self, id: ConnId) -> Option<Conn> {
        self.conns.remove(id)
    }

    fn send_hello(&self, conn: ConnId, purpose: Purpose, out: &mut Outbox) {
        let hello = Hello {
            versions: VERSIONS,
            network: self.network,
            seeds: self.seeds.clone(),
            format: self.format,
            purpose,
            role: self.role,
        };
        out.push(Output::Send {
            to: vec![conn],
            frame: Frame::Hello(hello),
        });
    }
}

impl Conn {
    /// The other end, by the address of the connection. That of an accepted one is a passing port, so the key is named
    /// with it.
    pub fn party(&self) -> Party {
        let address = if self.dialed {
            self.address.clone()
        } else {
            format!("{} ({})", self.address, self.remote.short())
        };
        Party {
            id: self.remote,
            address: Some(address),
        }
    }

    /// When the other end was last heard.
    pub const fn heard(&self) -> Instant {
        self.heard
    }
}
