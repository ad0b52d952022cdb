//! A peer's links: whom to dial, whose certificate opens a link, and what a lost one sets off.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::{NodeId, Now, Proof, Standing, council};
use quorate_gossip as gossip;

use super::Peer;
use crate::event::Event;
use crate::protocol::{Goodbye, LIST_MAX, Message, Purpose};
use crate::roles::ConnId;
use crate::roles::connections::Ready;

/// How long changes of this peer's links are gathered before neighbours and seeds are told again.
const NEIGHBORS_APART: Duration = Duration::from_millis(250);

/// A link on its way up, or up.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) conn: ConnId,
    dialed: bool,
    /// This end has accepted the other's certificate, and the other end this one's.
    accepted: (bool, bool),
    pub(super) is_up: bool,
    /// Shown, but its signers are not known yet.
    pub(super) passport: Option<Arc<Proof>>,
    pub(super) deadline: Instant,
}

impl Peer {
    pub(super) fn is_up(&self, node: NodeId, conn: ConnId) -> bool {
        self.links
            .get(&node)
            .is_some_and(|link| link.is_up && link.conn == conn)
    }

    /// Dials whom the overlay wants.
    pub(super) fn open_links(&mut self, now: Now) {
        if self.life.passport().is_none() {
            return;
        }
        let dialing = self.coming();
        let resting: BTreeSet<NodeId> = self
            .back_offs
            .iter()
            .filter(|(_, back_off)| !back_off.is_due(now.instant))
            .map(|(node, _)| *node)
            .collect();
        for node in self.overlay.wanted(&dialing, &resting) {
            if let Some(record) = self.roster.member(&node) {
                let endpoints = record.endpoints.clone();
                let dial =
                    self.connections
                        .dial(Purpose::Link, endpoints, Some(node), &mut self.out);
                self.dialing.insert(dial, node);
            }
        }
    }

    /// Members a link to is under way.
    fn coming(&self) -> BTreeSet<NodeId> {
        let opening = self.links.iter().filter(|(_, link)| !link.is_up);
        self.dialing
            .values()
            .chain(opening.map(|(node, _)| node))
            .copied()
            .collect()
    }

    pub(super) fn link_is_ready(&mut self, ready: &Ready, now: Now) {
        // Dials that this link made needless.
        ready.cancelled.iter().for_each(|dial| {
            self.dialing.remove(dial);
        });
        if ready.replaces.is_some() {
            self.link_is_down(ready.remote, "replaced by a new connection".to_owned(), now);
        }
        let Some(passport) = self.life.passport().cloned() else {
            let why = "this node is not admitted itself (yet)".to_owned();
            self.connections
                .refuse(ready.conn, Goodbye::NoPassport(why), &mut self.out);
            return;
        };
        self.out.send(ready.conn, Message::Passport(passport));
        self.links.insert(
            ready.remote,
            Link {
                conn: ready.conn,
                dialed: ready.dialed,
                accepted: (false, false),
                is_up: false,
                passport: None,
                deadline: now.instant + self.options.hello_timeout,
            },
        );
    }

    pub(super) fn handle_passport(
        &mut self,
        conn: ConnId,
        from: NodeId,
        proof: Arc<Proof>,
        now: Now,
    ) {
        if self
            .links
            .get(&from)
            .is_none_or(|link| link.is_up || link.conn != conn)
        {
            return;
        }
        let Some((node, key)) = proof
            .claims()
            .filter(|(_, key)| key.standing == Standing::Admitted)
        else {
            self.drop_link(
                conn,
                from,
                Goodbye::NoPassport("expected a certificate of an admission".to_owned()),
                now,
            );
            return;
        };
        if node != from {
            let why = format!(
                "expected one of {}, got one of {}",
                from.short(),
                node.short()
            );
            self.drop_link(conn, from, Goodbye::NoPassport(why), now);
            return;
        }
        let merged = self.merge(proof.clone(), from, true, now);
        if let Err(error) = merged {
            if council::is_undecided(&error) {
                if let Some(link) = self.links.get_mut(&from) {
                    link.passport = Some(proof);
                }
                self.seats.hurry(&self.electorate);
            } else {
                self.drop_link(conn, from, Goodbye::NoPassport(error.to_string()), now);
            }
            return;
        }
        match self.roster.get(&from).cloned() {
            // A later attempt of the same life is as good: both are this member's.
            Some(entry)
                if entry.key.standing == Standing::Admitted
                    && entry.key.incarnation == key.incarnation =>
            {
                self.accept_link(conn, from, now);
            }
            Some(entry) => self.drop_link(conn, from, Goodbye::NotAMember(entry.proof), now),
            None => self.drop_link(
                conn,
                from,
                Goodbye::NoPassport("it proves no standing".to_owned()),
                now,
            ),
        }
    }

    /// The other end's certificate holds: it is told so, if there is room for the link.
    fn accept_link(&mut self, conn: ConnId, node: NodeId, now: Now) {
        let coming = self.coming();
        let Some(link) = self.links.get_mut(&node) else {
            return;
        };
        if !link.dialed && !self.overlay.accepts(node, &coming) {
            self.links.remove(&node);
            self.connections
                .close(conn, Goodbye::TooManyLinks, &mut self.out);
            return;
        }
        link.passport = None;
        link.accepted.0 = true;
        self.out.send(conn, Message::Welcome);
        self.link_is_up(conn, node, now);
    }

    /// The other end has accepted this one's certificate.
    pub(super) fn handle_welcome(&mut self, conn: ConnId, node: NodeId, now: Now) {
        if let Some(link) = self.links.get_mut(&node).filter(|link| link.conn == conn) {
            link.accepted.1 = true;
            self.link_is_up(conn, node, now);
        }
    }

    /// Begins to use a link, once both ends have accepted it.
    fn link_is_up(&mut self, conn: ConnId, node: NodeId, now: Now) {
        let is_accepted = |link: &&mut Link| link.accepted == (true, true) && !link.is_up;
        let Some(link) = self.links.get_mut(&node).filter(is_accepted) else {
            return;
        };
        link.is_up = true;
        self.wishes_changed = true;
        if let Some(back_off) = self.back_offs.get_mut(&node) {
            back_off.reset();
        }
        self.overlay.link_up(node);
        self.suspicions.handle_alive(&node);
        self.neighbors_changed = true;
        let peer = self.party(node);
        self.out.event(Event::LinkUp(peer));
        let members = self.roster.member_count();
        self.comparisons.soon(conn, members, now.instant);
        self.gossip.handle_link_up(node, now.instant);
    }

    pub(super) fn link_is_down(&mut self, node: NodeId, cause: String, now: Now) {
        let Some(link) = self.links.remove(&node) else {
            return;
        };
        self.wishes_changed = true;
        if link.is_up {
            self.gossip.handle_link_down(node, now.instant);
            self.overlay.link_lost(node);
            self.neighbors_changed = true;
            let peer = self.party(node);
            self.out.event(Event::LinkDown { peer, cause });
        }
        self.back_off(node, now);
    }

    pub(super) fn back_off(&mut self, node: NodeId, now: Now) {
        if self.roster.member(&node).is_some() {
            let back_off = self.back_offs.entry(node).or_default();
            back_off.fail(self.options.redial, &mut self.rng, now.instant);
        }
    }

    /// Refuses a node that linked, or tried to.
    pub(super) fn drop_link(&mut self, conn: ConnId, node: NodeId, goodbye: Goodbye, now: Now) {
        if self.links.get(&node).is_some_and(|link| link.conn == conn) {
            self.link_is_down(node, goodbye.to_string(), now);
        }
        self.connections.refuse(conn, goodbye, &mut self.out);
    }

    /// Closes links whose other end shows no certificate, or one whose signers stay unknown.
    pub(super) fn drop_undocumented(&mut self, now: Now) {
        let late: Vec<(NodeId, ConnId, bool, bool)> = self
            .links
            .iter()
            .filter(|(_, link)| !link.is_up && now.instant >= link.deadline)
            .map(|(node, link)| (*node, link.conn, link.passport.is_some(), link.accepted.0))
            .collect();
        for (node, conn, was_shown, was_accepted) in late {
            let goodbye = if was_shown {
                Goodbye::Undecided("its signers are seeds that were not met yet".to_owned())
            } else if was_accepted {
                Goodbye::Undecided("the other end did not accept this one's in time".to_owned())
            } else {
                Goodbye::NoPassport("none was shown".to_owned())
            };
            self.drop_link(conn, node, goodbye, now);
        }
    }

    /// A neighbour is lost without a goodbye: the documents' suspicion begins.
    pub(super) fn suspect(&mut self, node: NodeId, cause: &str, now: Now) {
        let Some(record) = self.roster.member(&node) else {
            return;
        };
        let noticing = self.overlay.neighbors_of(node).chain([self.me]);
        let order = gossip::panel_order(&node, record.incarnation, noticing);
        let rank = order
            .iter()
            .position(|other| *other == self.me)
            .unwrap_or_default();
        self.with_suspicions(now, |suspicions, with| {
            suspicions.notice(node, cause, rank, with)
        });
    }

    /// Tells neighbours and seeds when the own links have changed.
    pub(super) fn tell_neighbors(&mut self, now: Now) {
        if !self.neighbors_changed || now.instant < self.neighbors_at {
            return;
        }
        self.neighbors_changed = false;
        self.neighbors_at = now.instant + NEIGHBORS_APART;
        let up = || self.links.iter().filter(|(_, link)| link.is_up);
        let neighbors: Vec<NodeId> = up().map(|(node, _)| *node).take(LIST_MAX).collect();
        let conns = up().map(|(_, link)| link.conn).collect();
        let count = u32::try_from(neighbors.len()).unwrap_or(u32::MAX);
        self.out.send_all(conns, Message::Neighbors(neighbors));
        let seeds = self.seed_sessions();
        self.out.send_all(seeds, Message::LinkCount(count));
    }
}
