//! A member that gossips: it registers with the seeds, links to other peers by showing its certificate, passes messages
//! on, and helps to confirm deaths.

mod following;
mod gossiping;
mod life;
mod links;
mod messages;
mod standings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use quorate_consensus::{
    CREDENTIAL_LEN_MAX, Certificate, Electorate, NetworkId, NodeId, Now, Proof, Record, Roster,
    Scheme, Signer,
};
use quorate_gossip::{Gossip, Usage};
use quorate_overlay::Neighborhood;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::back_off::BackOff;
use super::comparisons::Comparisons;
use super::connections::{Conn, Connections, Ready, Realm};
use super::fetching::Fetching;
use super::probing::Probes;
use super::seats::Seats;
use super::speech::Strangers;
use super::suspicion::{Surroundings, Suspicions};
use super::testifying::Testifying;
use super::{
    ConnId, DialError, DialId, Frame, Outbox, Output, Reply, Request, RequestError, RequestId,
    Role, WriteId,
};
use crate::config::{Options, SeedList};
use crate::error::StartError;
use crate::event::{Event, MemberInfo, Party};
use crate::explanation::{Decided, Explanation};
use crate::protocol::{Goodbye, Purpose, RoleKind};
use life::Life;
use links::Link;

/// A member that gossips. See [`Role`] for how it is driven.
#[derive(Debug)]
pub struct Peer {
    me: NodeId,
    signer: Arc<dyn Signer>,
    scheme: Arc<dyn Scheme>,
    network: NetworkId,
    options: Options,
    electorate: Electorate,
    /// What the seeds have endorsed that is not this peer's roster (yet), and when to look again.
    endorsement: Option<(Instant, Arc<Certificate>)>,
    /// When it looks again for standings that it holds by the word of earlier seeds alone.
    renew_at: Instant,
    /// Which of them it has asked a seed for.
    renewing: BTreeSet<NodeId>,
    roster: Roster,
    connections: Connections,
    seats: Seats,
    probes: Probes,
    suspicions: Suspicions,
    testifying: Testifying,
    gossip: Gossip<NodeId>,
    overlay: Neighborhood<NodeId>,
    links: BTreeMap<NodeId, Link>,
    dialing: BTreeMap<DialId, NodeId>,
    back_offs: BTreeMap<NodeId, BackOff>,
    undecided: BTreeMap<NodeId, Arc<Proof>>,
    strangers: Strangers,
    life: Life,
    neighbors_changed: bool,
    /// When neighbours may be told of each other again.
    neighbors_at: Instant,
    /// Who brought news of members that the application was not told a list of yet.
    list_news: Option<NodeId>,
    list_told: Option<Instant>,
    comparisons: Comparisons,
    fetching: Fetching,
    /// Something changed that the overlay's wishes depend on.
    wishes_changed: bool,
    /// When the last input came: what waits is waiting from then on.
    now: Instant,
    /// What `poll_timeout` promises; settled once after each input.
    due: Option<Instant>,
    rng: ChaCha8Rng,
    out: Outbox,
}

impl Peer {
    /// A peer that will register as `signer`, reachable at `endpoints`. `seed` feeds every random choice.
    ///
    /// # Errors
    /// When an option or the seed list cannot be used.
    pub fn new(
        signer: Arc<dyn Signer>,
        scheme: Arc<dyn Scheme>,
        endpoints: Vec<String>,
        seeds: &SeedList,
        options: Options,
        seed: u64,
        now: Now,
    ) -> Result<Self, StartError> {
        let me = signer.id();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (max, got) = (options.payload_limit(), options.gossip.payload_max);
        if got > max {
            return Err(StartError::PayloadMax { max, got });
        }
        let electorate = seeds.electorate()?;
        let count = electorate.seats().len();
        // The endpoints' form is checked here, once, so that signing records cannot fail later.
        Record::sign(&*signer, seeds.network(), endpoints.clone(), 0, 0, 0)?;
        let mut this = Self {
            me,
            network: seeds.network(),
            roster: Roster::new(),
            connections: Connections::new(
                me,
                RoleKind::Peer,
                Realm::seeded(seeds),
                &options,
                rng.next_u64(),
                now,
            ),
            seats: Seats::new(
                Purpose::Register,
                count,
                None,
                options.redial,
                rng.next_u64(),
            ),
            probes: Probes::new(options.probe_timeout),
            suspicions: Suspicions::new(options.inquiry.clone()),
            testifying: Testifying::default(),
            gossip: Gossip::new(me, options.gossip.clone(), rng.next_u64(), now.instant)?,
            overlay: Neighborhood::new(me, options.overlay, rng.next_u64())?,
            electorate,
            endorsement: None,
            renew_at: now.instant,
            renewing: BTreeSet::new(),
            links: BTreeMap::new(),
            dialing: BTreeMap::new(),
            back_offs: BTreeMap::new(),
            undecided: BTreeMap::new(),
            strangers: Strangers::default(),
            life: Life::new(endpoints, &options),
            neighbors_changed: false,
            neighbors_at: now.instant,
            list_news: None,
            list_told: None,
            comparisons: Comparisons::new(&mut rng, now.instant),
            fetching: Fetching::default(),
            wishes_changed: true,
            now: now.instant,
            due: None,
            options,
            signer,
            scheme,
            rng,
            out: Outbox::default(),
        };
        this.gossip.set_incarnation(this.life.incarnation);
        this.settle(now);
        Ok(this)
    }

    /// Shows a credential in every record that it signs. To be told before the peer is driven.
    ///
    /// # Errors
    /// When it is longer than [`CREDENTIAL_LEN_MAX`].
    pub fn showing(mut self, credential: Vec<u8>) -> Result<Self, StartError> {
        if credential.len() > CREDENTIAL_LEN_MAX {
            return Err(StartError::Credential {
                max: CREDENTIAL_LEN_MAX,
                got: credential.len(),
            });
        }
        self.life.show(credential);
        Ok(self)
    }

    /// Every standing this peer knows, with its proof.
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Whose votes this peer believes, as far as it has followed.
    pub const fn electorate(&self) -> &Electorate {
        &self.electorate
    }

    /// How full the bounded memory of gossip is.
    pub fn gossip_usage(&self) -> Usage {
        self.gossip.usage()
    }

    /// What must follow every input: outputs of the engines turned into effects, until nothing is left to do.
    fn settle(&mut self, now: Now) {
        loop {
            if let Some(probed) = self.probes.poll_done() {
                self.with_surroundings(now, |suspicions, testifying, with| {
                    testifying.handle_probed(&probed, with);
                    suspicions.handle_probed(&probed, with);
                });
            } else if let Some(report) = self.suspicions.poll_report() {
                self.send_report(report);
            } else if let Some(output) = self.gossip.poll_output() {
                self.carry_out(output, now);
            } else {
                break;
            }
        }
        self.seats.dial_due(
            &self.electorate,
            &mut self.connections,
            now.instant,
            &mut self.out,
        );
        self.register_if_due(now);
        self.tell_if_alone(now);
        if std::mem::take(&mut self.wishes_changed) {
            self.open_links(now);
        }
        self.tell_neighbors(now);
        self.tell_list(now);
        self.connections.note_due();
        self.due = self.next_deadline(now.instant);
    }

    fn with_suspicions<T>(
        &mut self,
        now: Now,
        act: impl FnOnce(&mut Suspicions, &mut Surroundings<'_>) -> T,
    ) -> T {
        self.with_surroundings(now, |suspicions, _, with| act(suspicions, with))
    }

    fn with_surroundings<T>(
        &mut self,
        now: Now,
        act: impl FnOnce(&mut Suspicions, &mut Testifying, &mut Surroundings<'_>) -> T,
    ) -> T {
        act(
            &mut self.suspicions,
            &mut self.testifying,
            &mut Surroundings {
                signer: &*self.signer,
                scheme: &*self.scheme,
                roster: &self.roster,
                electorate: &self.electorate,
                connections: &mut self.connections,
                probes: &mut self.probes,
                out: &mut self.out,
                now,
            },
        )
    }

    fn party(&self, node: NodeId) -> Party {
        Party::of(node, &self.roster, &self.electorate)
    }

    /// Why a node is in, out or pending, from this peer's roster, connections and suspicions.
    fn explain(&self, node: &NodeId, now: Now) -> Explanation {
        let (roster, seeds) = (&self.roster, &self.electorate);
        let decided = quorate_consensus::Explanation::of(node, roster, seeds, now.unix_ms);
        let who = |node| self.party(node).into();
        Explanation {
            connections: self.connections.purposes(*node),
            suspicion: self.suspicions.explain(node, who, now.instant),
            ..Explanation::of(Decided::BySeeds(Box::new(decided)))
        }
    }

    fn seed_sessions(&self) -> Vec<ConnId> {
        self.connections
            .ready(Purpose::Register)
            .filter(|(_, seed)| self.electorate.contains(seed))
            .map(|(conn, _)| conn)
            .collect()
    }
}

impl Role for Peer {
    fn handle_connected(
        &mut self,
        conn: ConnId,
        dial: Option<DialId>,
        remote: NodeId,
        address: &str,
        now: Now,
    ) {
        self.now = now.instant;
        self.wishes_changed = true;
        let electorate = &mut self.electorate;
        let seat = dial.and_then(|dial| {
            let bind = |seat, voter| electorate.bind(seat, voter);
            self.seats.handle_connected(dial, remote, now.instant, bind)
        });
        if let Some(dial) = dial {
            self.suspicions.handle_connected(conn, dial);
            self.probes.handle_connected(conn, dial);
            if self.dialing.remove(&dial).is_some() {
                // Lifted when the link is up: one that never comes up is not dialled in a tight loop.
                self.back_off(remote, now);
            }
        }
        self.connections
            .handle_connected(conn, dial, remote, address, now, &mut self.out);
        match seat {
            Some((_, Ok(true))) => {
                self.out.event(Event::SeedIdentified {
                    address: address.to_owned(),
                    id: remote,
                });
                self.judge_undecided(now);
                self.seed_sessions()
                    .into_iter()
                    .for_each(|conn| self.tell_epoch(conn));
            }
            Some((seat, Err(error))) => {
                let expected = self.electorate.seats()[seat].voter.unwrap_or(remote);
                if self.seats.tells_mismatch(seat, remote) {
                    self.out.event(Event::SeedIdentityChanged {
                        address: address.to_owned(),
                        expected,
                        found: error.to_string(),
                    });
                }
                self.connections
                    .close(conn, Goodbye::Mismatch(error.to_string()), &mut self.out);
            }
            Some((_, Ok(false))) | None => {}
        }
        self.settle(now);
    }

    fn handle_dial_failed(&mut self, dial: DialId, error: DialError, now: Now) {
        self.now = now.instant;
        self.wishes_changed = true;
        self.connections.handle_dial_failed(dial);
        self.seats
            .handle_dial_failed(dial, &error, now.instant, &self.electorate, &mut self.out);
        self.probes.handle_dial_failed(dial, &error);
        self.with_suspicions(now, |suspicions, with| {
            suspicions.handle_dial_failed(dial, with)
        });
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
                let record = self.life.record();
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
        self.wishes_changed = true;
        if let Some(closed) = self.connections.handle_closed(conn) {
            self.connection_is_gone(conn, &closed, cause, now);
        }
        self.probes.handle_closed(conn, cause);
        self.testifying.handle_closed(conn);
        self.fetching.handle_closed(conn);
        self.with_suspicions(now, |suspicions, with| suspicions.handle_closed(conn, with));
        self.settle(now);
    }

    fn handle_written(&mut self, _write: WriteId, _result: Result<(), String>, _now: Now) {
        // A peer keeps nothing on disk but its key.
    }

    fn handle_request(&mut self, id: RequestId, request: Request, now: Now) {
        self.now = now.instant;
        match request {
            Request::Broadcast(payload) => {
                let reply = Reply::Broadcast(self.broadcast(payload, now));
                self.out.push(Output::Reply(id, reply));
            }
            Request::Members => {
                let members = self.roster.members().map(MemberInfo::of).collect();
                self.out.push(Output::Reply(id, Reply::Members(members)));
            }
            Request::RosterDigest => {
                let digest = Some(self.roster.digest());
                self.out
                    .push(Output::Reply(id, Reply::RosterDigest(digest)));
            }
            Request::Neighbors => {
                let neighbors = self.overlay.neighbors().collect();
                self.out
                    .push(Output::Reply(id, Reply::Neighbors(neighbors)));
            }
            Request::Pending => {
                self.out.push(Output::Reply(id, Reply::Pending(Vec::new())));
            }
            Request::Explain(node) => {
                let reply = Reply::Explained(Some(Box::new(self.explain(&node, now))));
                self.out.push(Output::Reply(id, reply));
            }
            Request::Leave => self.leave(now),
            Request::Electorate | Request::Seat(_) | Request::Unseat(_) | Request::Resign => {
                let reply = Reply::Done(Err(RequestError::NotASeed));
                self.out.push(Output::Reply(id, reply));
            }
            Request::Allow(_) | Request::Deny(..) | Request::JoinAgain | Request::Refound => {
                let reply = Reply::Done(Err(RequestError::NotInAssembly));
                self.out.push(Output::Reply(id, reply));
            }
        }
        self.settle(now);
    }

    fn handle_timeout(&mut self, now: Now) {
        self.now = now.instant;
        self.wishes_changed = true;
        for (conn, lost) in self.connections.handle_timeout(now, &mut self.out) {
            self.connection_is_gone(conn, &lost, "silent for too long", now);
        }
        self.probes
            .handle_timeout(&mut self.connections, now, &mut self.out);
        self.with_suspicions(now, Suspicions::handle_timeout);
        self.gossip.handle_timeout(now.instant);
        self.drop_undocumented(now);
        self.judge_strangers(now);
        self.compare_rosters(now);
        self.endorse_again(now);
        self.renew_if_due(now);
        self.life_timeout(now);
        self.settle(now);
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

impl Peer {
    fn handle_ready(&mut self, ready: &Ready, now: Now) {
        self.probes.handle_ready(ready.conn, &mut self.out);
        self.with_suspicions(now, |suspicions, with| {
            suspicions.handle_ready(ready.conn, with)
        });
        match ready.purpose {
            Purpose::Link => self.link_is_ready(ready, now),
            Purpose::Register => {
                if let Some(seat) = self.electorate.seat_of(&ready.remote) {
                    self.seats.handle_ready(seat);
                    let seed = self.party(ready.remote);
                    self.out.event(Event::SeedConnected(seed));
                    self.tell_epoch(ready.conn);
                    self.resume_session(ready.conn, now);
                }
            }
            Purpose::Probe | Purpose::Testify | Purpose::Join | Purpose::Discover => {}
        }
    }

    fn connection_is_gone(&mut self, conn: ConnId, closed: &Conn, cause: &str, now: Now) {
        let node = closed.remote;
        let cause = closed
            .goodbye
            .as_ref()
            .map_or_else(|| cause.to_owned(), ToString::to_string);
        match closed.purpose {
            Some(Purpose::Link) if self.links.get(&node).is_some_and(|link| link.conn == conn) => {
                let was_up = self.is_up(node, conn);
                self.link_is_down(node, cause.clone(), now);
                if closed.goodbye == Some(Goodbye::TooManyLinks) {
                    self.overlay.link_refused(node);
                }
                if was_up && closed.goodbye.is_none() && !self.is_ending() {
                    self.suspect(node, &cause, now);
                }
            }
            Some(Purpose::Register) => {
                if let Some(seat) = self
                    .electorate
                    .seat_of(&node)
                    .filter(|_| closed.role.is_some())
                {
                    self.seats.handle_lost(seat, now.instant);
                    let seed = self.party(node);
                    self.out.event(Event::SeedLost { seed, cause });
                    self.request_is_lost(conn, now);
                }
            }
            _ => {}
        }
    }
}
