//! A member's links: one connection with every other member, over which they decide, and some of which carry gossip.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::assembly;
use quorate_consensus::succession::{Change, Link as Decision, Place};
use quorate_consensus::{NodeId, Now};

use super::Member;
use super::watching::Watch;
use crate::event::{Event, Party};
use crate::protocol::{Goodbye, Message, NeighborMessage, Purpose};
use crate::roles::ConnId;
use crate::roles::connections::{Conn, Ready};

/// Of two members, the smaller id dials at once and the larger after this long, so that they seldom dial both.
const LARGER_WAITS: Duration = Duration::from_millis(400);

/// A link, whether its other end is known as a member (yet) or not.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) conn: ConnId,
    /// Its other end is a member by this node's chain.
    is_met: bool,
    /// When an other end that is still no member is sent away.
    deadline: Instant,
    pub(super) is_neighbor: bool,
    /// It asked to be a neighbour before this node knew that it is a member.
    pub(super) asks: bool,
}

/// All links. Whoever changes them, or could, is noticed.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_node: BTreeMap<NodeId, Link>,
    changes: u64,
}

impl Deref for Links {
    type Target = BTreeMap<NodeId, Link>;

    fn deref(&self) -> &Self::Target {
        &self.by_node
    }
}

impl DerefMut for Links {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.changes += 1;
        &mut self.by_node
    }
}

/// The members that there is no link in use with. They are asked for after every input and seldom change, so they are
/// looked for again only when the membership or a link has changed.
#[derive(Debug, Default)]
pub(super) struct Unmet {
    /// Of which membership and of which state of the links.
    of: Option<(Place, u64)>,
    pub(super) nodes: Vec<NodeId>,
}

impl Member {
    /// Brings [`Unmet`] up to date. Only those who are not met are watched.
    pub(super) fn find_unmet(&mut self) {
        let Some(assembly) = &self.assembly else {
            return;
        };
        let membership = assembly.membership();
        let of = Some((membership.place(), self.links.changes));
        if self.unmet.of == of {
            return;
        }
        let others = membership.members().map(|record| record.node);
        let nodes: Vec<NodeId> = others
            .filter(|node| *node != self.me && !self.has_met(node))
            .collect();
        self.watches
            .retain(|node, _| nodes.binary_search(node).is_ok());
        self.unmet = Unmet { of, nodes };
    }

    /// Dials the members that there is no link to.
    pub(super) fn dial_links(&mut self, now: Now) {
        if self.is_ending() {
            return;
        }
        self.find_unmet();
        let Some(assembly) = &self.assembly else {
            return;
        };
        let membership = assembly.membership();
        let unmet = self.unmet.nodes.iter();
        for record in unmet.filter_map(|node| membership.member(node)) {
            let node = record.node;
            let is_busy = self.links.contains_key(&node)
                || self.dialing.values().any(|dialed| *dialed == node);
            let is_due = self
                .back_offs
                .get(&node)
                .is_none_or(|back_off| back_off.is_due(now.instant));
            if !is_busy && is_due {
                let endpoints = record.endpoints.clone();
                let dial =
                    self.connections
                        .dial(Purpose::Link, endpoints, Some(node), &mut self.out);
                self.dialing.insert(dial, node);
            }
        }
    }

    pub(super) fn back_off(&mut self, node: NodeId, now: Now) {
        let back_off = self.back_offs.entry(node).or_default();
        back_off.fail(self.options.redial, &mut self.rng, now.instant);
    }

    pub(super) fn link_is_ready(&mut self, ready: &Ready, now: Now) {
        for dial in &ready.cancelled {
            self.dialing.remove(dial);
        }
        if ready.replaces.is_some() {
            self.link_is_down(ready.remote, "replaced by a new connection", now);
        }
        let link = Link {
            conn: ready.conn,
            is_met: false,
            deadline: now.instant + self.options.hello_timeout,
            is_neighbor: false,
            asks: false,
        };
        self.links.insert(ready.remote, link);
        if let Some(back_off) = self.back_offs.get_mut(&ready.remote) {
            back_off.reset();
        }
        match &self.assembly {
            Some(assembly) => {
                let place = assembly.membership().place();
                let status = assembly::Message::Status {
                    epoch: place.epoch,
                    head: place.head,
                };
                self.out.send(ready.conn, Message::Assembly(status));
            }
            // Somebody takes this candidate for a member: there are links that it lacks.
            None => self.fetch_links(ready.conn),
        }
        self.meet_members(now);
    }

    /// Takes links into use whose other end is a member by now, and ends those whose other end is none any more.
    pub(super) fn meet_members(&mut self, now: Now) {
        let Some(assembly) = &self.assembly else {
            return;
        };
        let membership = assembly.membership().clone();
        let mut met = Vec::new();
        let mut parted = Vec::new();
        for (node, link) in self.links.iter_mut() {
            match (membership.member(node).is_some(), link.is_met) {
                (true, false) => {
                    link.is_met = true;
                    met.push(*node);
                }
                (false, true) if !planted!(EvictedNotCut) => parted.push((*node, link.conn)),
                _ => {}
            }
        }
        let epoch = membership.epoch();
        for (node, conn) in parted {
            self.link_is_down(node, "it is no member any more", now);
            self.connections
                .close(conn, Goodbye::NotInChain { epoch }, &mut self.out);
        }
        for node in met {
            self.watches.remove(&node);
            if let Some(assembly) = &mut self.assembly {
                assembly.handle_met(node, now);
            }
            let link = self.links.get_mut(&node).filter(|link| link.asks);
            if let Some(link) = link {
                link.asks = false;
                let conn = link.conn;
                self.handle_neighbor(conn, node, NeighborMessage::Ask, now);
            }
            self.wishes_changed = true;
        }
    }

    /// Sends away who links as a member and, for all that is known, is none.
    pub(super) fn drop_strange_links(&mut self, now: Now) {
        let Some(assembly) = &self.assembly else {
            return;
        };
        let epoch = assembly.membership().epoch();
        let late: Vec<(NodeId, ConnId)> = self
            .links
            .iter()
            .filter(|(_, link)| !link.is_met && now.instant >= link.deadline)
            .map(|(node, link)| (*node, link.conn))
            .collect();
        for (node, conn) in late {
            self.links.remove(&node);
            self.connections
                .refuse(conn, Goodbye::NotInChain { epoch }, &mut self.out);
        }
    }

    pub(super) fn links_timeout(&self) -> Option<Instant> {
        let strange = self.links.values().filter(|link| !link.is_met);
        let has_assembly = self.assembly.is_some();
        strange
            .map(|link| link.deadline)
            .min()
            .filter(|_| has_assembly)
    }

    /// A link is gone. A member that is lost is watched until it is back, or dead.
    pub(super) fn link_is_down(&mut self, node: NodeId, cause: &str, now: Now) {
        let Some(link) = self.links.remove(&node) else {
            return;
        };
        if link.is_neighbor {
            self.gossip.handle_link_down(node, now.instant);
            self.overlay.link_lost(node);
            self.neighbors_changed = true;
            let peer = self.party(node);
            let cause = cause.to_owned();
            self.out.event(Event::LinkDown { peer, cause });
        }
        self.asked_neighbors.remove(&node);
        self.wishes_changed = true;
        if link.is_met
            && let Some(assembly) = &mut self.assembly
        {
            assembly.handle_lost(node, now);
            let conn = self.connections.get(link.conn);
            let heard = conn.map_or(now.instant, Conn::heard);
            self.watches.insert(node, Watch::new(true, heard, now));
        }
        self.back_off(node, now);
        if self.me > node {
            let back_off = self.back_offs.entry(node).or_default();
            back_off.rest_until(now.instant + LARGER_WAITS);
        }
    }

    /// A link with a member that is known as one.
    pub(super) fn met_conn(&self, node: &NodeId) -> Option<ConnId> {
        self.links
            .get(node)
            .filter(|link| link.is_met)
            .map(|link| link.conn)
    }

    pub(super) fn has_met(&self, node: &NodeId) -> bool {
        self.met_conn(node).is_some()
    }

    /// The assembly's messages; chains also pass between a member and who is to become one, or was one.
    pub(super) fn handle_assembly(
        &mut self,
        conn: ConnId,
        from: NodeId,
        message: assembly::Message,
        now: Now,
    ) {
        let is_about_chain = matches!(
            message,
            assembly::Message::Status { .. }
                | assembly::Message::Fetch { .. }
                | assembly::Message::Links(_)
        );
        match &mut self.assembly {
            Some(assembly) => {
                let is_met = self.links.get(&from).is_some_and(|link| link.is_met);
                if !is_met && !is_about_chain {
                    return;
                }
                if let Err(error) = assembly.handle_message(from, message, now) {
                    self.link_is_down(from, &error.to_string(), now);
                    let goodbye = Goodbye::Misbehaved(error.to_string());
                    self.connections.refuse(conn, goodbye, &mut self.out);
                }
            }
            None => match message {
                assembly::Message::Links(links) => self.handle_links(conn, from, links, now),
                assembly::Message::Status { .. } => self.fetch_links(conn),
                _ => {}
            },
        }
    }

    /// Carries out what the assembly wants.
    pub(super) fn carry_out_assembly(&mut self, output: assembly::Output, now: Now) {
        match output {
            assembly::Output::Persist { id, durable } => self.persist(id, durable),
            assembly::Output::Send { to, message } => {
                let conns = to
                    .iter()
                    .filter_map(|node| self.links.get(node).map(|link| link.conn))
                    .collect();
                self.out.send_all(conns, Message::Assembly(message));
            }
            assembly::Output::Decided(link) => self.decided(&link, now),
            assembly::Output::Counted(opinion) => self.opinion_is_counted(opinion, now),
            assembly::Output::Evidence(evidence) => self.out.event(Event::Contradiction(evidence)),
        }
    }

    /// An epoch is decided.
    fn decided(&mut self, link: &Arc<Decision>, now: Now) {
        let Some(assembly) = &self.assembly else {
            return;
        };
        let membership = assembly.membership().clone();
        self.tell_guests(link);
        match &link.change {
            Change::Admit { record, .. } => {
                let node = record.node;
                self.candidate_is_in(record, now);
                self.overlay.insert_member(node);
                self.wishes_changed = true;
                if self.me > node {
                    let back_off = self.back_offs.entry(node).or_default();
                    back_off.rest_until(now.instant + LARGER_WAITS);
                }
                self.out.event(Event::Entered {
                    member: Party::from(record),
                    incarnation: record.incarnation,
                    epoch: membership.epoch(),
                    members: membership.len(),
                });
            }
            Change::Evict { suspects } => {
                let quorum = membership.len();
                for (node, accusations) in suspects {
                    let member = self.party(*node);
                    let incarnation = membership.last_life(node).unwrap_or_default();
                    self.forget_member(node, link, now);
                    self.out.event(Event::DeadConfirmed {
                        member,
                        incarnation,
                        votes: accusations.len(),
                        quorum,
                    });
                }
            }
            Change::Leave(leave) => {
                let member = self.party(leave.member);
                self.remember_leaver(leave.member, &membership);
                self.forget_member(&leave.member, link, now);
                self.out.event(Event::Left(member));
            }
        }
        self.judge_strangers(now);
        if membership.member(&self.me).is_none() {
            self.is_out(&link.change, now);
        } else {
            self.meet_members(now);
        }
    }

    /// Who has gone is told so, if it is there to hear it.
    fn forget_member(&mut self, node: &NodeId, link: &Arc<Decision>, now: Now) {
        self.overlay.remove_member(*node);
        self.back_offs.remove(node);
        self.watches.remove(node);
        if planted!(EvictedNotCut) {
            return;
        }
        if let Some(conn) = self.links.get(node).map(|link| link.conn) {
            let links = assembly::Message::Links(vec![link.clone()]);
            self.out.send(conn, Message::Assembly(links));
            self.link_is_down(*node, "it is no member any more", now);
            self.back_offs.remove(node);
            let epoch = link.epoch.saturating_add(1);
            self.connections
                .close(conn, Goodbye::NotInChain { epoch }, &mut self.out);
        }
    }
}
