//! A member of an open network, or who wants to become one: it finds the network, asks every member to be let in, and as a
//! member is asked, decides with the others who is in, and gossips.
//!
//! ```text
//!  looking ──> asking ──(everybody allows it)──> member ──(left)──> end
//!     │          ^ │                                │
//!     │          │ └──(somebody denies it)──> idle  │
//!     └─(nobody  └──────────(thrown out)────────────┘
//!        there)──> founds a network ──> member
//! ```

mod asking;
mod explaining;
mod gossiping;
mod hosting;
mod life;
mod links;
mod looking;
mod watching;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use quorate_consensus::succession::Durable;
use quorate_consensus::{Assembly, NetworkId, NodeId, Now, Record, Scheme, Signer, assembly};
use quorate_gossip::{Gossip, Usage};
use quorate_overlay::Neighborhood;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::back_off::BackOff;
use super::connections::{Conn, Connections, Ready, Realm};
use super::probing::Probes;
use super::speech::Strangers;
use super::{
    ConnId, DialError, DialId, Frame, Outbox, Output, Reply, Request, RequestError, RequestId,
    Role, WriteId, earlier,
};
use crate::config::{Admission, Discovery, Options};
use crate::error::StartError;
use crate::event::{Event, MemberInfo, Party};
use crate::protocol::{LIST_MAX, Message, NeighborMessage, Purpose, RoleKind};
use crate::store::{MemberStored, RestoredMember};
use asking::Asking;
use hosting::Candidate;
use life::{Ending, Entering, Wrote};
use links::{Links, Unmet};
use looking::Looking;
use watching::Watch;

/// A member of an open network, or who wants to become one. See [`Role`] for how it is driven.
#[derive(Debug)]
pub struct Member {
    me: NodeId,
    signer: Arc<dyn Signer>,
    scheme: Arc<dyn Scheme>,
    endpoints: Vec<String>,
    options: Options,
    admission: Admission,
    connections: Connections,
    probes: Probes,
    looking: Looking,
    asking: Asking,
    entering: Option<Entering>,
    assembly: Option<Assembly>,
    /// Own opinions, while there is no assembly to hold them.
    said: Vec<Durable>,
    candidates: BTreeMap<NodeId, Candidate>,
    links: Links,
    unmet: Unmet,
    dialing: BTreeMap<DialId, NodeId>,
    back_offs: BTreeMap<NodeId, BackOff>,
    watches: BTreeMap<NodeId, Watch>,
    told_stuck: Vec<NodeId>,
    gossip: Gossip<NodeId>,
    overlay: Neighborhood<NodeId>,
    asked_neighbors: BTreeSet<NodeId>,
    neighbors_changed: bool,
    /// Something changed that the overlay's wishes depend on.
    wishes_changed: bool,
    strangers: Strangers,
    leavers: VecDeque<(NodeId, u64)>,
    /// How often this node was started, this time included.
    run: u64,
    run_is_durable: bool,
    /// When to write the run again, after it failed.
    run_again_at: Option<Instant>,
    /// The application was told that this node is in.
    is_welcome: bool,
    /// Thrown out, and told not to come back.
    is_shut_out: bool,
    ending: Option<Ending>,
    writes: BTreeMap<WriteId, Wrote>,
    next_write: u64,
    started: Instant,
    /// It was a member when it was started.
    was_restored: bool,
    /// When the last input came.
    now: Instant,
    /// What `poll_timeout` promises; also to notice that this node itself ran late.
    due: Option<Instant>,
    rng: ChaCha8Rng,
    out: Outbox,
}

impl Member {
    /// A node that is reachable at `endpoints`, goes on with what its store held, and otherwise looks for a network as
    /// `discovery` says. `seed` feeds every random choice.
    ///
    /// # Errors
    /// When an option cannot be used, the stored chain does not hold, or the other members know this one elsewhere.
    #[expect(
        clippy::too_many_arguments,
        reason = "a node is made of these; the builder names them"
    )]
    pub fn new(
        signer: Arc<dyn Signer>,
        scheme: Arc<dyn Scheme>,
        endpoints: Vec<String>,
        discovery: Discovery,
        admission: Admission,
        options: Options,
        restored: RestoredMember,
        seed: u64,
        now: Now,
    ) -> Result<Self, StartError> {
        let me = signer.id();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (max, got) = (options.payload_limit(), options.gossip.payload_max);
        if got > max {
            return Err(StartError::PayloadMax { max, got });
        }
        // The endpoints' form is checked here, once, so that signing records cannot fail later.
        Record::sign(&*signer, NetworkId::NONE, endpoints.clone(), 0, 0, 0)?;
        let chain = restored
            .founding
            .map(|founding| Self::restore_chain(founding, restored.links, &*scheme))
            .transpose()?
            // Everybody has left it: there is nobody to come back to.
            .filter(|chain| !chain.membership().is_empty());
        let own = chain
            .as_ref()
            .and_then(|chain| chain.membership().member(&me));
        if let Some(record) = own
            && record.endpoints != endpoints
        {
            return Err(StartError::Moved {
                expected: record.endpoints.clone(),
                got: endpoints,
            });
        }
        let was_in = own.is_some();
        let network = chain
            .as_ref()
            .map_or(NetworkId::NONE, |chain| chain.membership().network());
        let realm = Realm::open(network);
        let mut this = Self {
            me,
            connections: Connections::new(
                me,
                RoleKind::Member,
                realm,
                &options,
                rng.next_u64(),
                now,
            ),
            probes: Probes::new(options.probe_timeout),
            looking: Looking::new(discovery, endpoints.clone(), &options),
            asking: Asking::default(),
            entering: None,
            assembly: None,
            said: Vec::new(),
            candidates: BTreeMap::new(),
            links: Links::default(),
            unmet: Unmet::default(),
            dialing: BTreeMap::new(),
            back_offs: BTreeMap::new(),
            watches: BTreeMap::new(),
            told_stuck: Vec::new(),
            gossip: Gossip::new(me, options.gossip.clone(), rng.next_u64(), now.instant)?,
            overlay: Neighborhood::new(me, options.overlay, rng.next_u64())?,
            asked_neighbors: BTreeSet::new(),
            neighbors_changed: false,
            wishes_changed: true,
            strangers: Strangers::default(),
            leavers: VecDeque::new(),
            run: restored.runs.saturating_add(1),
            run_is_durable: false,
            run_again_at: None,
            is_welcome: false,
            is_shut_out: false,
            ending: None,
            writes: BTreeMap::new(),
            next_write: 0,
            started: now.instant,
            was_restored: was_in,
            now: now.instant,
            due: None,
            signer,
            scheme,
            endpoints,
            options,
            admission,
            rng,
            out: Outbox::default(),
        };
        if let Some(lost) = restored.lost {
            this.out.event(Event::NewIdentity { lost });
        }
        this.write(MemberStored::Run(this.run), Wrote::Run);
        match chain {
            Some(chain) if was_in => {
                this.said = restored.said;
                this.become_member(chain, now);
            }
            chain => {
                this.keep_opinions(restored.said);
                this.asking = Asking::new(chain);
            }
        }
        this.settle(now);
        Ok(this)
    }

    /// The assembly, while this node is a member.
    pub const fn assembly(&self) -> Option<&Assembly> {
        self.assembly.as_ref()
    }

    /// How full the bounded memory of gossip is.
    pub fn gossip_usage(&self) -> Usage {
        self.gossip.usage()
    }

    /// What must follow every input: outputs of the engines turned into effects, until nothing is left to do.
    fn settle(&mut self, now: Now) {
        loop {
            if let Some(probed) = self.probes.poll_done() {
                self.guest_was_probed(&probed, now);
                self.watched_was_probed(&probed, now);
            } else if let Some(output) = self.poll_assembly() {
                self.carry_out_assembly(output, now);
            } else if let Some(output) = self.gossip.poll_output() {
                self.carry_out_gossip(output, now);
            } else if self.probe_candidates(now) {
                // What was given up at once is told next.
            } else if !self.watch_members(now) {
                break;
            }
        }
        if self.ending != Some(Ending::Ended) {
            let network = self.network();
            self.looking
                .act(network, &mut self.connections, now, &mut self.out);
            self.ask_members(now);
            self.dial_links(now);
            self.tell_stuck();
            if std::mem::take(&mut self.wishes_changed) {
                self.ask_neighbors();
            }
            self.tell_neighbors();
            self.tell_if_lost(now);
        }
        self.connections.note_due();
        self.due = self.next_deadline();
    }

    fn party(&self, node: NodeId) -> Party {
        if node == self.me {
            return Party {
                id: node,
                address: self.endpoints.first().cloned(),
            };
        }
        let assembly = self.assembly.as_ref().map(Assembly::chain);
        let chain = assembly.or(self.asking.chain.as_ref());
        let member = chain.and_then(|chain| chain.last_record(&node));
        let asked = || self.candidates.get(&node).map(Candidate::party);
        member.map(Party::from).or_else(asked).unwrap_or(Party {
            id: node,
            address: None,
        })
    }

    fn handle_ready(&mut self, ready: &Ready, now: Now) {
        self.probes.handle_ready(ready.conn, &mut self.out);
        match ready.purpose {
            Purpose::Link => self.link_is_ready(ready, now),
            Purpose::Join if ready.dialed => self.host_is_ready(ready),
            Purpose::Join => self.guest_is_ready(ready),
            Purpose::Discover => self.looking.handle_ready(ready.conn, now.instant),
            Purpose::Probe | Purpose::Register | Purpose::Testify => {}
        }
    }

    fn handle_message(
        &mut self,
        conn: ConnId,
        from: NodeId,
        purpose: Purpose,
        message: Message,
        now: Now,
    ) {
        let dialed = self.connections.get(conn).is_some_and(|conn| conn.dialed);
        match (purpose, message) {
            (_, Message::Goodbye(_)) => {}
            (_, Message::Echo { nonce, record }) => {
                self.probes
                    .handle_echo(conn, nonce, record, &mut self.connections, &mut self.out);
            }
            (Purpose::Link, Message::Assembly(message)) => {
                self.handle_assembly(conn, from, message, now);
            }
            (Purpose::Link, Message::Neighbor(message)) if self.has_met(&from) => {
                self.handle_neighbor(conn, from, message, now);
            }
            (Purpose::Link, Message::Gossip(message)) => {
                self.handle_gossip(conn, from, message, now);
            }
            (Purpose::Link, Message::LinkCount(count)) => {
                let degree = usize::try_from(count).unwrap_or(usize::MAX);
                self.overlay.set_degree(from, degree);
                self.wishes_changed = true;
            }
            (Purpose::Link, Message::Neighbors(neighbors)) if neighbors.len() <= LIST_MAX => {
                self.overlay.set_neighbors_of(from, neighbors);
                self.wishes_changed = true;
            }
            (Purpose::Link, Message::Neighbor(NeighborMessage::Ask)) => {
                // It knows more of the chain than this node: answered when this one has caught up.
                if let Some(link) = self.links.get_mut(&from) {
                    link.asks = true;
                }
            }
            (Purpose::Link, Message::Neighbor(_)) => {}
            (Purpose::Join, Message::Join(message)) if dialed => {
                self.handle_answer(conn, from, message, now);
            }
            (Purpose::Join, Message::Assembly(assembly::Message::Links(links))) if dialed => {
                self.handle_links(conn, from, links, now);
            }
            (Purpose::Join, message) if !dialed => self.handle_guest(conn, from, message, now),
            (Purpose::Discover, Message::Discovery(message)) if dialed => {
                let is_member = self.assembly.is_some();
                self.looking
                    .handle_known(conn, message, is_member, now.instant, &mut self.out);
            }
            (_, message) => {
                let what = format!(
                    "a member does not take {} on a connection for {purpose:?}",
                    message.name()
                );
                self.connections.misbehaved(conn, what, &mut self.out);
            }
        }
    }

    fn connection_is_gone(&mut self, conn: ConnId, closed: &Conn, cause: &str, now: Now) {
        let node = closed.remote;
        let is_link = closed.purpose == Some(Purpose::Link);
        if is_link && self.links.get(&node).is_some_and(|link| link.conn == conn) {
            let said = closed.goodbye.as_ref().map(ToString::to_string);
            self.link_is_down(node, said.as_deref().unwrap_or(cause), now);
        }
    }

    /// What every part that holds connections must hear, also of those that this node closed itself.
    fn forget_connection(&mut self, conn: ConnId, said_goodbye: bool, cause: &str, now: Now) {
        self.probes.handle_closed(conn, cause);
        let chance = (&mut self.rng, now.instant);
        self.looking
            .handle_closed(conn, cause, chance, &mut self.out);
        self.host_is_lost(conn);
        self.guest_is_lost(conn, said_goodbye, now);
    }
}

impl Role for Member {
    fn handle_connected(
        &mut self,
        conn: ConnId,
        dial: Option<DialId>,
        remote: NodeId,
        address: &str,
        now: Now,
    ) {
        self.now = now.instant;
        if let Some(dial) = dial {
            self.probes.handle_connected(conn, dial);
            self.looking.handle_connected(conn, dial);
            self.asking_dial_ended(dial);
            if self.dialing.remove(&dial).is_some() {
                // Lifted when the link is up: one that never comes up is not dialled in a tight loop.
                self.back_off(remote, now);
            }
        }
        self.connections
            .handle_connected(conn, dial, remote, address, now, &mut self.out);
        self.settle(now);
    }

    fn handle_dial_failed(&mut self, dial: DialId, error: DialError, now: Now) {
        self.now = now.instant;
        self.connections.handle_dial_failed(dial);
        self.probes.handle_dial_failed(dial, &error);
        let chance = (&mut self.rng, now.instant);
        self.looking
            .handle_dial_failed(dial, &error, chance, &mut self.out);
        self.asking_dial_ended(dial);
        if let Some(node) = self.dialing.remove(&dial) {
            self.back_off(node, now);
        }
        self.settle(now);
    }

    fn handle_pinged(&mut self, dial: DialId, answers: bool, now: Now) {
        self.now = now.instant;
        self.probes.handle_pinged(dial, answers);
    }

    fn handle_frame(&mut self, conn: ConnId, frame: Frame, now: Now) {
        self.now = now.instant;
        match frame {
            Frame::Hello(hello) => {
                if let Some(ready) = self
                    .connections
                    .handle_hello(conn, hello, now, &mut self.out)
                {
                    self.handle_ready(&ready, now);
                }
            }
            Frame::Message(message) => {
                let is_probe = matches!(message, Message::Probe { .. });
                let record = is_probe.then(|| self.asking.record_hash()).flatten();
                let message =
                    self.connections
                        .handle_message(conn, message, record, now, &mut self.out);
                if let Some((purpose, from, message)) = message {
                    self.handle_message(conn, from, purpose, message, now);
                }
            }
        }
        self.settle(now);
    }

    fn handle_closed(&mut self, conn: ConnId, cause: &str, now: Now) {
        self.now = now.instant;
        let closed = self.connections.handle_closed(conn);
        if let Some(closed) = &closed {
            self.connection_is_gone(conn, closed, cause, now);
        }
        // Whom this node closed itself, and who said goodbye, is not waited for.
        let said_goodbye = closed.is_none_or(|closed| closed.goodbye.is_some());
        self.forget_connection(conn, said_goodbye, cause, now);
        self.settle(now);
    }

    fn handle_written(&mut self, write: WriteId, result: Result<(), String>, now: Now) {
        self.now = now.instant;
        self.was_written(write, result, now);
        self.settle(now);
    }

    fn handle_request(&mut self, id: RequestId, request: Request, now: Now) {
        self.now = now.instant;
        let reply = match request {
            Request::Broadcast(payload) => Some(Reply::Broadcast(self.broadcast(payload, now))),
            Request::Members => {
                let assembly = self.assembly.iter();
                let records = assembly.flat_map(|assembly| assembly.membership().members());
                Some(Reply::Members(records.map(MemberInfo::of).collect()))
            }
            Request::RosterDigest => {
                let assembly = self.assembly.as_ref();
                let head = assembly.map(|assembly| assembly.membership().place().head);
                Some(Reply::RosterDigest(head))
            }
            Request::Neighbors => Some(Reply::Neighbors(self.overlay.neighbors().collect())),
            Request::Pending => Some(Reply::Pending(self.pending())),
            Request::Explain(node) => {
                Some(Reply::Explained(Some(Box::new(self.explain(&node, now)))))
            }
            Request::Allow(node) => Some(Reply::Done(self.answer(node, true, "", now))),
            Request::Deny(node, reason) => {
                Some(Reply::Done(self.answer(node, false, &reason, now)))
            }
            Request::JoinAgain => Some(Reply::Done(self.join_again(now))),
            Request::Electorate | Request::Seat(_) | Request::Unseat(_) | Request::Resign => {
                Some(Reply::Done(Err(RequestError::NotASeed)))
            }
            Request::Refound => Some(Reply::Done(self.refound(now))),
            Request::Leave => {
                self.leave(now);
                None
            }
        };
        if let Some(reply) = reply {
            self.out.push(Output::Reply(id, reply));
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Now) {
        self.now = now.instant;
        self.forgive_own_lateness(now);
        for (conn, lost) in self.connections.handle_timeout(now, &mut self.out) {
            self.connection_is_gone(conn, &lost, "silent for too long", now);
            self.forget_connection(conn, false, "silent for too long", now);
        }
        self.probes
            .handle_timeout(&mut self.connections, now, &mut self.out);
        if let Some(assembly) = &mut self.assembly {
            assembly.handle_timeout(now);
        }
        self.gossip.handle_timeout(now.instant);
        self.drop_strange_links(now);
        self.judge_strangers(now);
        self.withdraw_questions(now);
        self.life_timeout(now);
        self.wishes_changed = true;
        self.settle(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

impl Member {
    /// When the next of all deadlines is; settled once after each input.
    fn next_deadline(&self) -> Option<Instant> {
        let now = self.now;
        [
            self.connections.poll_timeout(),
            self.probes.poll_timeout(),
            self.looking.poll_timeout(now),
            self.asking.poll_timeout(now),
            BackOff::earliest(self.back_offs.values(), now),
            self.watches_timeout(),
            self.links_timeout(),
            self.guests_timeout(),
            self.assembly.as_ref().and_then(Assembly::poll_timeout),
            self.gossip.poll_timeout(),
            self.strangers.poll_timeout(),
            self.life_deadline(),
        ]
        .into_iter()
        .fold(None, earlier)
    }
}
