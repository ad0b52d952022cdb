//! A service that tells who is there, and nothing else: it has no vote, keeps nothing on disk, and may die without harm.
//!
//! Nodes register for a lease and renew it. Registration is atomic: of several nodes that find no network, one at a time may
//! found it, until it says that it has, gives up, or its lease runs out. A bootstrap that has just been started does not
//! let anybody found a network before the members of one that exists have had time to come back to it; nor does one that
//! stood still.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use quorate_consensus::{ENDPOINT_LEN_MAX, ENDPOINTS_MAX, NetworkId, NodeId, Now};

use super::connections::{Connections, Realm};
use super::{
    ConnId, DialError, DialId, Frame, Outbox, Output, Reply, Request, RequestError, RequestId,
    Role, WriteId, earlier,
};
use crate::config::Options;
use crate::event::{Event, Party};
use crate::protocol::{
    DiscoveryMessage, Goodbye, KNOWN_MAX, KnownMember, Message, Purpose, RoleKind,
};

/// How many nodes are kept; more are told who is there, and not kept.
const LEASES_MAX: usize = 4096;

/// How long after its start, after it stood still, or after somebody came while nobody was here, a bootstrap lets nobody found a
/// network. Members dial a lost bootstrap
/// about every second.
const SETTLING: Duration = Duration::from_millis(1500);

/// So much later than it asked for, a bootstrap itself stood still: leases ran out that nobody could renew.
const LATE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Lease {
    endpoints: Vec<String>,
    network: Option<NetworkId>,
    until: Instant,
}

/// A service that tells who is there. See [`Role`] for how it is driven.
#[derive(Debug)]
pub struct Bootstrap {
    connections: Connections,
    lease: Duration,
    leases: BTreeMap<NodeId, Lease>,
    /// Who alone may found a network, until when.
    founder: Option<(NodeId, Instant)>,
    settled_at: Instant,
    /// When the last input came.
    last: Instant,
    out: Outbox,
}

impl Bootstrap {
    /// A bootstrap that knows nobody yet. `seed` feeds its nonces.
    pub fn new(me: NodeId, options: &Options, seed: u64, now: Now) -> Self {
        let realm = Realm::open(NetworkId::NONE);
        Self {
            connections: Connections::new(me, RoleKind::Bootstrap, realm, options, seed, now),
            lease: options.lease,
            leases: BTreeMap::new(),
            founder: None,
            settled_at: now.instant + SETTLING,
            last: now.instant,
            out: Outbox::default(),
        }
    }

    /// Every input but the end of a connection passes here first, to find out whether the process stood still before it.
    fn note_time(&mut self, now: Now) {
        if let Some(due) = self.poll_timeout() {
            let late = now.instant.saturating_duration_since(due.max(self.last));
            if late > LATE {
                self.settled_at = now.instant + SETTLING;
            }
        }
        self.last = self.last.max(now.instant);
    }

    fn register(
        &mut self,
        conn: ConnId,
        from: NodeId,
        (endpoints, network, would_found): (Vec<String>, Option<NetworkId>, bool),
        now: Now,
    ) {
        let is_formed = (1..=ENDPOINTS_MAX).contains(&endpoints.len())
            && endpoints
                .iter()
                .all(|endpoint| endpoint.len() <= ENDPOINT_LEN_MAX);
        if !is_formed {
            let what = format!(
                "expected 1 to {ENDPOINTS_MAX} endpoints of at most {ENDPOINT_LEN_MAX} bytes"
            );
            self.connections.misbehaved(conn, what, &mut self.out);
            return;
        }
        self.expire(now.instant);
        if self.leases.is_empty() {
            // Who comes first after nobody was here may be the first of many who come back: the way was blocked, perhaps.
            self.settled_at = self.settled_at.max(now.instant + SETTLING);
        }
        let until = now.instant + self.lease;
        if self.leases.contains_key(&from) || self.leases.len() < LEASES_MAX {
            let lease = Lease {
                endpoints: endpoints.clone(),
                network,
                until,
            };
            if self.leases.insert(from, lease).is_none() {
                let node = Party {
                    id: from,
                    address: endpoints.into_iter().next(),
                };
                self.out.event(Event::Registered { node });
            }
        }
        let has_founded = network.is_some();
        if (has_founded || !would_found) && self.founder.is_some_and(|(node, _)| node == from) {
            self.founder = None;
        }
        let members: Vec<KnownMember> = self
            .leases
            .iter()
            .filter(|(node, _)| **node != from)
            .filter_map(|(node, lease)| {
                Some(KnownMember {
                    id: *node,
                    endpoints: lease.endpoints.clone(),
                    network: lease.network?,
                })
            })
            .take(KNOWN_MAX)
            .collect();
        let is_free = self.founder.is_none_or(|(node, _)| node == from);
        let there_is_none = members.is_empty() && !has_founded;
        let is_settled = now.instant >= self.settled_at;
        let may_found = would_found && there_is_none && is_free && is_settled;
        if may_found {
            self.founder = Some((from, until));
        }
        let known = DiscoveryMessage::Known {
            members,
            may_found,
            ask_again: would_found && there_is_none && !may_found,
        };
        self.out.send(conn, Message::Discovery(known));
    }

    /// A node says that it is going: it need not be waited for.
    fn forget(&mut self, node: &NodeId) {
        if let Some(lease) = self.leases.remove(node) {
            let node = Party {
                id: *node,
                address: lease.endpoints.into_iter().next(),
            };
            self.out.event(Event::LeaseEnded { node });
        }
        if self.founder.is_some_and(|(founder, _)| founder == *node) {
            self.founder = None;
        }
    }

    fn expire(&mut self, now: Instant) {
        let late: Vec<NodeId> = self
            .leases
            .iter()
            .filter(|(_, lease)| now >= lease.until)
            .map(|(node, _)| *node)
            .collect();
        late.iter().for_each(|node| self.forget(node));
        if self.founder.is_some_and(|(_, until)| now >= until) {
            self.founder = None;
        }
    }
}

impl Role for Bootstrap {
    fn handle_connected(
        &mut self,
        conn: ConnId,
        dial: Option<DialId>,
        remote: NodeId,
        address: &str,
        now: Now,
    ) {
        self.note_time(now);
        self.connections
            .handle_connected(conn, dial, remote, address, now, &mut self.out);
        self.connections.note_due();
    }

    fn handle_dial_failed(&mut self, _dial: DialId, _error: DialError, _now: Now) {
        // It dials nobody.
    }

    fn handle_pinged(&mut self, _dial: DialId, _answers: bool, _now: Now) {}

    fn handle_frame(&mut self, conn: ConnId, frame: Frame, now: Now) {
        self.note_time(now);
        match frame {
            Frame::Hello(hello) => {
                let _ready = self
                    .connections
                    .handle_hello(conn, hello, now, &mut self.out);
            }
            Frame::Message(message) => {
                let message =
                    self.connections
                        .handle_message(conn, message, None, now, &mut self.out);
                match message {
                    Some((
                        Purpose::Discover,
                        from,
                        Message::Discovery(DiscoveryMessage::Register {
                            endpoints,
                            network,
                            would_found,
                        }),
                    )) => {
                        if self.connections.may_ask(conn, now, &mut self.out) {
                            self.register(conn, from, (endpoints, network, would_found), now);
                        }
                    }
                    Some((Purpose::Discover, from, Message::Goodbye(Goodbye::Leaving))) => {
                        self.forget(&from);
                    }
                    Some((_, _, Message::Goodbye(_) | Message::Echo { .. })) | None => {}
                    Some((purpose, _, message)) => {
                        let what = format!(
                            "a bootstrap does not take {} on a connection for {purpose:?}",
                            message.name()
                        );
                        self.connections.misbehaved(conn, what, &mut self.out);
                    }
                }
            }
        }
        self.connections.note_due();
    }

    fn handle_closed(&mut self, conn: ConnId, _cause: &str, _now: Now) {
        // The lease runs on: a connection that broke says nothing of the node.
        self.connections.handle_closed(conn);
        self.connections.note_due();
    }

    fn handle_written(&mut self, _write: WriteId, _result: Result<(), String>, _now: Now) {
        // It keeps nothing.
    }

    fn handle_request(&mut self, id: RequestId, request: Request, _now: Now) {
        let reply = match request {
            Request::Leave => {
                let all: Vec<ConnId> = self.connections.all().collect();
                for conn in all {
                    self.connections
                        .close(conn, Goodbye::Leaving, &mut self.out);
                }
                self.out.event(Event::ShuttingDown);
                self.out.push(Output::Exit);
                return;
            }
            Request::Members => Reply::Members(Vec::new()),
            Request::RosterDigest => Reply::RosterDigest(None),
            Request::Neighbors => Reply::Neighbors(Vec::new()),
            Request::Pending => Reply::Pending(Vec::new()),
            Request::Explain(_) => Reply::Explained(None),
            Request::Broadcast(_) => Reply::Broadcast(Err(RequestError::NotAMember)),
            Request::Electorate | Request::Seat(_) | Request::Unseat(_) | Request::Resign => {
                Reply::Done(Err(RequestError::NotASeed))
            }
            Request::Allow(_) | Request::Deny(..) | Request::JoinAgain | Request::Refound => {
                Reply::Done(Err(RequestError::NotInAssembly))
            }
        };
        self.out.push(Output::Reply(id, reply));
    }

    fn handle_timeout(&mut self, now: Now) {
        self.note_time(now);
        // Leases are their own life sign; what is silent is closed.
        let _lost = self.connections.handle_timeout(now, &mut self.out);
        self.expire(now.instant);
        self.connections.note_due();
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.out.pop()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let leases = self.leases.values().map(|lease| lease.until).min();
        let founder = self.founder.map(|(_, until)| until);
        earlier(earlier(leases, founder), self.connections.poll_timeout())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bootstrap, and what it answers nodes that register.
    struct Desk {
        bootstrap: Bootstrap,
        now: Now,
    }

    impl Desk {
        fn open() -> Self {
            let now = Now {
                instant: Instant::now(),
                unix_ms: 0,
            };
            let bootstrap = Bootstrap::new(NodeId::from(99), &Options::default(), 1, now);
            Self { bootstrap, now }
        }

        fn settled() -> Self {
            let mut this = Self::open();
            this.register(0, None, false);
            this.now = this.now.after(SETTLING);
            this
        }

        /// Registers; returns whom it is told of, whether it may found, and whether it is to ask again.
        fn register(
            &mut self,
            node: u64,
            network: Option<u8>,
            would_found: bool,
        ) -> (Vec<NodeId>, bool, bool) {
            let endpoints = vec!["127.0.0.1:5000".to_owned()];
            let network = network.map(|number| NetworkId::new([number; 32]));
            let asked = (endpoints, network, would_found);
            self.bootstrap
                .register(ConnId(node), NodeId::from(node), asked, self.now);
            loop {
                match self.bootstrap.poll_output() {
                    Some(Output::Send {
                        frame:
                            Frame::Message(Message::Discovery(DiscoveryMessage::Known {
                                members,
                                may_found,
                                ask_again,
                            })),
                        ..
                    }) => {
                        let ids = members.into_iter().map(|member| member.id).collect();
                        return (ids, may_found, ask_again);
                    }
                    Some(_) => {}
                    None => panic!("no answer"),
                }
            }
        }
    }

    #[test]
    fn of_two_first_starters_one_founds() {
        let mut desk = Desk::settled();
        assert_eq!(desk.register(1, None, true), (vec![], true, false));
        assert_eq!(desk.register(2, None, true), (vec![], false, true));
        // The one that may keeps its turn when it asks again, and gives it up by founding.
        assert_eq!(desk.register(1, None, true), (vec![], true, false));
        assert_eq!(desk.register(1, Some(7), false), (vec![], false, false));
        let known = (vec![NodeId::from(1)], false, false);
        assert_eq!(desk.register(2, None, true), known);
    }

    #[test]
    fn a_founder_that_is_gone_is_not_waited_for() {
        let mut desk = Desk::settled();
        assert!(desk.register(1, None, true).1);
        desk.bootstrap.forget(&NodeId::from(1));
        assert!(desk.register(2, None, true).1);
        desk.register(4, None, false);
        desk.now = desk.now.after(Options::default().lease / 2);
        desk.register(4, None, false);
        desk.now = desk.now.after(Options::default().lease / 2);
        assert!(desk.register(3, None, true).1);
    }

    #[test]
    fn members_are_waited_for_after_nobody_came_for_long() {
        let mut desk = Desk::settled();
        desk.register(1, Some(7), false);
        // The way to the bootstrap is blocked, and its lease runs out. The first to come is not the only one.
        desk.now = desk.now.after(Options::default().lease);
        desk.bootstrap.handle_timeout(desk.now);
        assert_eq!(desk.register(2, None, true), (vec![], false, true));
        desk.now = desk.now.after(SETTLING / 2);
        desk.register(1, Some(7), false);
        desk.now = desk.now.after(SETTLING / 2);
        let known = (vec![NodeId::from(1)], false, false);
        assert_eq!(desk.register(2, None, true), known);
    }

    #[test]
    fn members_that_come_back_are_waited_for_after_a_restart() {
        let mut desk = Desk::open();
        assert_eq!(desk.register(2, None, true), (vec![], false, true));
        desk.register(1, Some(7), false);
        desk.now = desk.now.after(SETTLING);
        let known = (vec![NodeId::from(1)], false, false);
        assert_eq!(desk.register(2, None, true), known);
    }

    #[test]
    fn members_are_waited_for_after_the_bootstrap_stood_still() {
        let mut desk = Desk::settled();
        desk.register(1, Some(7), false);
        // Its lease runs out while nobody can renew it.
        desk.now = desk.now.after(Options::default().lease * 2);
        desk.bootstrap.handle_timeout(desk.now);
        assert_eq!(desk.register(2, None, true), (vec![], false, true));
        desk.register(1, Some(7), false);
        desk.now = desk.now.after(SETTLING);
        let known = (vec![NodeId::from(1)], false, false);
        assert_eq!(desk.register(2, None, true), known);
    }

    #[test]
    fn leases_run_out_and_are_bounded() {
        let mut desk = Desk::settled();
        for node in 0..LEASES_MAX as u64 + 10 {
            let (known, _, _) = desk.register(node, Some(7), false);
            assert!(known.len() <= KNOWN_MAX);
        }
        assert_eq!(desk.bootstrap.leases.len(), LEASES_MAX);
        desk.now = desk.now.after(Options::default().lease);
        assert_eq!(desk.register(1, None, true), (vec![], false, true));
        assert_eq!(desk.bootstrap.leases.len(), 1);
    }
}
