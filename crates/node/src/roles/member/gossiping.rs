//! A member's gossip: which of its links carry it, and whether a message is to be believed.

use std::collections::BTreeSet;

use bytes::Bytes;
use quorate_consensus::succession::Membership;
use quorate_consensus::{NodeId, Now};
use quorate_gossip::{CheckId, Content, MessageId, Output, Published, Verdict};

use super::Member;
use crate::event::{Delivery, Event};
use crate::protocol::{Goodbye, LIST_MAX, Message, NeighborMessage};
use crate::roles::speech::{Origin, is_signed, sign};
use crate::roles::{ConnId, RequestError};

/// How many members that left are remembered, so that what they said last is still passed on.
const LEAVERS_MAX: usize = 1024;

/// A member's messages count within one run of its process: the run is part of what gossip knows as its incarnation.
const RUN_BITS: u32 = 32;

impl Member {
    /// What gossip knows as this process's life.
    pub(super) fn own_life(&self) -> u64 {
        let assembly = self.assembly.as_ref();
        let record = assembly.and_then(|assembly| assembly.membership().member(&self.me));
        let incarnation = record.map_or(0, |record| record.incarnation);
        (incarnation << RUN_BITS) | (self.run & u64::from(u32::MAX))
    }

    pub(super) fn broadcast(
        &mut self,
        payload: Bytes,
        now: Now,
    ) -> Result<Published, RequestError> {
        let Some(assembly) = self.assembly.as_ref().filter(|_| self.is_welcome) else {
            return Err(RequestError::NotAMember);
        };
        let network = assembly.membership().network();
        let draft = self.gossip.draft(payload)?;
        let signature = sign(&*self.signer, network, draft.id());
        Ok(self.gossip.publish(draft, signature, now.instant))
    }

    /// Asks whom the overlay wants as neighbours, of those that are linked.
    pub(super) fn ask_neighbors(&mut self) {
        let resting: BTreeSet<NodeId> = self
            .overlay_members()
            .into_iter()
            .filter(|node| !self.has_met(node))
            .collect();
        for node in self.overlay.wanted(&self.asked_neighbors, &resting) {
            if let Some(conn) = self.met_conn(&node) {
                self.asked_neighbors.insert(node);
                self.out.send(conn, Message::Neighbor(NeighborMessage::Ask));
            }
        }
    }

    pub(super) fn overlay_members(&self) -> Vec<NodeId> {
        let assembly = self.assembly.as_ref();
        let members = assembly
            .into_iter()
            .flat_map(|assembly| assembly.membership().members());
        members.map(|record| record.node).collect()
    }

    pub(super) fn handle_neighbor(
        &mut self,
        conn: ConnId,
        from: NodeId,
        message: NeighborMessage,
        now: Now,
    ) {
        match message {
            NeighborMessage::Ask => {
                let is_one = self.links.get(&from).is_some_and(|link| link.is_neighbor);
                let answer = if is_one || self.overlay.accepts(from, &self.asked_neighbors) {
                    self.is_neighbor(from, now);
                    NeighborMessage::Accept
                } else {
                    NeighborMessage::Refuse
                };
                self.out.send(conn, Message::Neighbor(answer));
            }
            NeighborMessage::Accept if self.asked_neighbors.contains(&from) => {
                self.is_neighbor(from, now);
            }
            // An answer to a question of another link's time.
            NeighborMessage::Accept => {}
            NeighborMessage::Refuse => {
                if self.asked_neighbors.remove(&from) {
                    self.overlay.link_refused(from);
                    self.wishes_changed = true;
                }
            }
        }
    }

    fn is_neighbor(&mut self, node: NodeId, now: Now) {
        self.asked_neighbors.remove(&node);
        let Some(link) = self.links.get_mut(&node).filter(|link| !link.is_neighbor) else {
            return;
        };
        link.is_neighbor = true;
        self.overlay.link_up(node);
        self.neighbors_changed = true;
        self.wishes_changed = true;
        let peer = self.party(node);
        self.out.event(Event::LinkUp(peer));
        self.gossip.handle_link_up(node, now.instant);
    }

    /// Tells all members how many neighbours this one has, and neighbours who they are, when that changed.
    pub(super) fn tell_neighbors(&mut self) {
        if !std::mem::take(&mut self.neighbors_changed) {
            return;
        }
        let neighbors: Vec<NodeId> = self.overlay.neighbors().take(LIST_MAX).collect();
        let count = u32::try_from(neighbors.len()).unwrap_or(u32::MAX);
        let (mut near, mut all) = (Vec::new(), Vec::new());
        for (node, link) in self.links.iter() {
            if self.has_met(node) {
                all.push(link.conn);
            }
            if link.is_neighbor {
                near.push(link.conn);
            }
        }
        self.out.send_all(near, Message::Neighbors(neighbors));
        self.out.send_all(all, Message::LinkCount(count));
    }

    pub(super) fn handle_gossip(
        &mut self,
        conn: ConnId,
        from: NodeId,
        message: quorate_gossip::Message,
        now: Now,
    ) {
        if !self.links.get(&from).is_some_and(|link| link.is_neighbor) {
            return;
        }
        if let Err(error) = self.gossip.handle_message(from, message, now.instant) {
            self.drop_link(conn, from, Goodbye::Misbehaved(error.to_string()), now);
        }
    }

    pub(super) fn carry_out_gossip(&mut self, output: Output<NodeId>, now: Now) {
        match output {
            Output::Send { to, message } => {
                let conns = to.iter().filter_map(|node| self.met_conn(node)).collect();
                self.out.send_all(conns, Message::Gossip(message));
            }
            Output::Check {
                check,
                from,
                id,
                content,
            } => self.check(check, from, id, content, now),
            Output::Deliver {
                from,
                id,
                content,
                hop_count,
            } => {
                if let Content::Application {
                    origin,
                    incarnation,
                    sequence,
                    payload,
                    ..
                } = content
                {
                    self.out.event(Event::Message(Delivery {
                        id,
                        origin: self.party(origin),
                        incarnation: incarnation >> RUN_BITS,
                        sequence,
                        payload,
                        from: self.party(from),
                        hop_count,
                    }));
                }
            }
            Output::Gap(gap) => self.out.event(Event::Gap {
                origin: self.party(gap.origin),
                incarnation: gap.incarnation >> RUN_BITS,
                first: *gap.sequences.start(),
                last: *gap.sequences.end(),
            }),
            Output::Silent { peer, silence } => {
                if let Some(conn) = self.links.get(&peer).map(|link| link.conn) {
                    let cause = format!("silent for {} ms", silence.as_millis());
                    self.link_is_down(peer, &cause, now);
                    self.connections.close(conn, Goodbye::Silent, &mut self.out);
                }
            }
        }
    }

    fn check(
        &mut self,
        check: CheckId,
        from: NodeId,
        id: MessageId,
        content: Content<NodeId>,
        now: Now,
    ) {
        let Some(network) = self
            .assembly
            .as_ref()
            .map(|assembly| assembly.membership().network())
        else {
            return;
        };
        let Content::Application {
            origin,
            incarnation,
            signature,
            ..
        } = content
        else {
            // Members decide over their links; nothing of theirs proves itself in gossip.
            self.gossip
                .handle_checked(check, Verdict::Ignore, now.instant);
            return;
        };
        if !is_signed(&*self.scheme, network, &origin, id, &signature) {
            // Honest neighbours check before they forward, so who brings what is bad is not one of them.
            self.gossip
                .handle_checked(check, Verdict::Reject, now.instant);
            if let Some(conn) = self.links.get(&from).map(|link| link.conn) {
                let what = "a message that its origin did not sign".to_owned();
                self.drop_link(conn, from, Goodbye::Misbehaved(what), now);
            }
            return;
        }
        match self
            .standing_of(origin, incarnation)
            .verdict(origin == self.me)
        {
            Some(verdict) => self.gossip.handle_checked(check, verdict, now.instant),
            None => {
                let dropped = self.strangers.wait(check, origin, incarnation, now.instant);
                if let Some(dropped) = dropped {
                    self.gossip
                        .handle_checked(dropped, Verdict::Reject, now.instant);
                }
            }
        }
    }

    fn standing_of(&self, origin: NodeId, incarnation: u64) -> Origin {
        let life = incarnation >> RUN_BITS;
        let Some(assembly) = &self.assembly else {
            return Origin::Unknown;
        };
        let membership = assembly.membership();
        match membership.last_life(&origin) {
            Some(last) if life < last => Origin::Gone,
            Some(last) if life == last => {
                let may_be_heard = membership.member(&origin).is_some()
                    || planted!(EvictedNotCut)
                    || self
                        .leavers
                        .iter()
                        .any(|(node, left)| (*node, *left) == (origin, life));
                if may_be_heard {
                    Origin::Known
                } else {
                    Origin::Gone
                }
            }
            _ => Origin::Unknown,
        }
    }

    /// What a member said before it left is still on its way.
    pub(super) fn remember_leaver(&mut self, node: NodeId, membership: &Membership) {
        if self.leavers.len() >= LEAVERS_MAX {
            self.leavers.pop_front();
        }
        let life = membership.last_life(&node).unwrap_or_default();
        self.leavers.push_back((node, life));
    }

    /// Looks again at messages whose origin was unknown: the membership has changed, or their time is up.
    pub(super) fn judge_strangers(&mut self, now: Now) {
        for stranger in self.strangers.take() {
            let verdict = self
                .standing_of(stranger.origin, stranger.incarnation)
                .verdict(stranger.origin == self.me);
            match verdict {
                Some(verdict) => self
                    .gossip
                    .handle_checked(stranger.check, verdict, now.instant),
                None if now.instant >= stranger.deadline => {
                    self.gossip
                        .handle_checked(stranger.check, Verdict::Reject, now.instant);
                }
                None => self.strangers.put_back(stranger),
            }
        }
    }

    pub(super) fn drop_link(&mut self, conn: ConnId, node: NodeId, goodbye: Goodbye, now: Now) {
        if self.links.get(&node).is_some_and(|link| link.conn == conn) {
            self.link_is_down(node, &goodbye.to_string(), now);
        }
        self.connections.refuse(conn, goodbye, &mut self.out);
    }
}
