//! A seed's connections: other seeds, candidates, members, and the members it misses.

use std::collections::BTreeSet;
use std::sync::Arc;

use quorate_consensus::{NodeId, Now, Proof, ProposalId, ProposeError, Record, Standing};

use super::{NEWS_APART, NEWS_APART_MAX, NEWS_APART_PER_MEMBER, Seed};
use crate::admission::Host;
use crate::event::{Event, Party, Way};
use crate::protocol::{Goodbye, LIST_MAX, Message, Purpose, Refusal, RosterMessage};
use crate::roles::connections::{Conn, Ready};
use crate::roles::{ConnId, Output, roster_sync};

impl Seed {
    pub(super) fn handle_ready(&mut self, ready: &Ready, now: Now) {
        self.seats.handle_cancelled(&ready.cancelled);
        self.probes.handle_ready(ready.conn, &mut self.out);
        self.with_suspicions(now, |suspicions, with| {
            suspicions.handle_ready(ready.conn, with)
        });
        if ready.purpose == Purpose::Link {
            self.seed_is_linked(ready.conn, ready.remote, now);
            if self.council.electorate().contains(&ready.remote) {
                self.voter_is_linked(ready.conn, ready.remote);
            } else {
                // A seed says so, but only this node's own dial proves which line is whose.
                self.seats.hurry(self.council.electorate());
                self.tell_usurper(ready.remote);
            }
        }
    }

    /// Tells a node that answers at another's seat why its word does not count. Its link stays: it may want a seat.
    pub(super) fn tell_usurper(&mut self, node: NodeId) {
        let seat = self.seats.usurped_by(node);
        let seat = seat.and_then(|seat| self.council.electorate().seats().get(seat));
        if let (Some(seat), Some(link)) = (seat, self.link_to(node))
            && let Some(expected) = seat.voter
        {
            let why = format!(
                "expected {expected} at {}, got {node}; put the old key back, or pin the new id in the third column of \
                 config.csv everywhere",
                seat.name
            );
            self.out
                .send(link, Message::Goodbye(Goodbye::NotTrusted(why)));
        }
    }

    pub(super) fn voter_is_linked(&mut self, conn: ConnId, voter: NodeId) {
        if let Some(seat) = self.council.electorate().seat_of(&voter) {
            self.seats.handle_ready(seat);
        }
        let seed = self.party(voter);
        self.out.event(Event::SeedConnected(seed));
        self.out.send(
            conn,
            Message::Roster(roster_sync::begin(self.council.roster())),
        );
        self.council.handle_voter_up(voter);
    }

    pub(super) fn compare_rosters(&mut self) {
        let links: Vec<ConnId> = self
            .connections
            .ready(Purpose::Link)
            .map(|(conn, _)| conn)
            .collect();
        self.out.send_all(
            links,
            Message::Roster(roster_sync::begin(self.council.roster())),
        );
    }

    pub(super) fn connection_is_gone(
        &mut self,
        conn: ConnId,
        closed: &Conn,
        cause: &str,
        now: Now,
    ) {
        let node = closed.remote;
        let cause = closed
            .goodbye
            .as_ref()
            .map_or_else(|| cause.to_owned(), ToString::to_string);
        match closed.purpose {
            Some(Purpose::Link)
                if closed.role.is_some()
                    && closed.goodbye != Some(Goodbye::Duplicate)
                    && self.link_to(node).is_none() =>
            {
                self.conclave.handle_unlinked(node, now);
                if let Some(seat) = self.council.electorate().seat_of(&node) {
                    self.seats.handle_lost(seat, now.instant);
                    let seed = self.party(node);
                    self.out.event(Event::SeedLost { seed, cause });
                }
            }
            Some(Purpose::Register) => {
                if self.candidates.get(&node) == Some(&conn) {
                    self.candidates.remove(&node);
                }
                let is_missed = self.council.roster().member(&node).is_some()
                    && self.connections.find(node, Purpose::Register).is_none();
                if is_missed {
                    self.orphans
                        .insert(node, now.instant + self.options.orphan_after);
                }
            }
            _ => {}
        }
    }

    /// `REGISTER_REQUEST`.
    pub(super) fn handle_register(&mut self, conn: ConnId, from: NodeId, record: Record, now: Now) {
        if !self.connections.may_ask(conn, now, &mut self.out) {
            return;
        }
        if record.node != from {
            let why = format!(
                "a record of {} came from {}",
                record.node.short(),
                from.short()
            );
            self.refuse_candidate(conn, &record, Refusal::Unacceptable(why));
            return;
        }
        let candidate = Party {
            id: from,
            address: record.endpoints.first().cloned(),
        };
        self.out.event(Event::RegisterRequest {
            candidate: candidate.clone(),
            incarnation: record.incarnation,
            way: Way::Received,
        });
        let proposal = quorate_consensus::Proposal::Admit(record.clone());
        let is_news = !self.council.is_open(&proposal.id());
        let host = self.connections.get(conn);
        let host = host.and_then(|conn| Host::of(&conn.address));
        let council = &self.council;
        // Its share: who asks every seed has no more votes open.
        let seats = council.electorate().seats().len().max(1);
        let max = (self.options.candidates_per_host_max / seats).max(1);
        let is_open = |id: &ProposalId| council.is_open(id) && !council.is_carried(id);
        if let Some(host) = host.as_ref().filter(|_| is_news)
            && self.candidacies.of(host, is_open) >= max
        {
            let why =
                format!("expected at most {max} candidates of {host} at once; try again later");
            self.refuse_candidate(conn, &record, Refusal::Unacceptable(why));
            return;
        }
        match self.council.propose(proposal, now) {
            Ok(id) => {
                self.candidates.insert(from, conn);
                if let Some(host) = host.filter(|_| is_news) {
                    self.candidacies.insert(id, host);
                }
                if is_news {
                    let proposer = self.party(self.me);
                    self.out.event(Event::RegisterProposal {
                        candidate,
                        proposer,
                    });
                }
            }
            Err(ProposeError::Settled(proof)) => {
                self.refuse_candidate(conn, &record, Refusal::Settled(proof))
            }
            Err(error) => {
                self.refuse_candidate(conn, &record, Refusal::Unacceptable(error.to_string()))
            }
        }
    }

    fn refuse_candidate(&mut self, conn: ConnId, record: &Record, refusal: Refusal) {
        let candidate = Party {
            id: record.node,
            address: record.endpoints.first().cloned(),
        };
        let reason = refusal.describe(|node| self.party(node).to_string());
        self.out.event(Event::RegisterRefused { candidate, reason });
        self.out.send(conn, Message::RegisterRefused(refusal));
    }

    /// A member resumes its session.
    pub(super) fn handle_passport(&mut self, conn: ConnId, from: NodeId, proof: Arc<Proof>) {
        let claims = proof.claims();
        if !claims.is_some_and(|(node, key)| node == from && key.standing == Standing::Admitted) {
            let goodbye = Goodbye::NoPassport(
                "expected a certificate of the sender's own admission".to_owned(),
            );
            self.connections.refuse(conn, goodbye, &mut self.out);
            return;
        }
        self.handle_proof(conn, proof);
        let entry = self.council.roster().get(&from).cloned();
        match (entry, claims) {
            (Some(entry), Some((_, key)))
                if entry.key.incarnation > key.incarnation
                    || entry.key.standing != Standing::Admitted =>
            {
                // It does not know yet that it is out: its next life begins with this.
                self.out.send(
                    conn,
                    Message::Roster(RosterMessage::Proofs(vec![entry.proof])),
                );
            }
            _ => {
                self.orphans.remove(&from);
                self.suspicions.handle_alive(&from);
                self.greet_on(conn);
            }
        }
    }

    /// What a member needs to find its place in the overlay. It compares rosters by itself, with one seed at a time.
    pub(super) fn greet(&mut self, node: NodeId) {
        if let Some(conn) = self.connections.find(node, Purpose::Register) {
            self.greet_on(conn);
        }
    }

    fn greet_on(&mut self, conn: ConnId) {
        let counts: Vec<(NodeId, u32)> = self
            .link_counts
            .iter()
            .take(LIST_MAX)
            .map(|(node, count)| (*node, *count))
            .collect();
        self.out.send(conn, Message::LinkCounts(counts));
    }

    /// Tells members of the admissions that have gathered, if it is time.
    pub(super) fn tell_news(&mut self, now: Now) {
        if self.news.is_empty() || now.instant < self.news_at {
            return;
        }
        let members = u32::try_from(self.council.roster().member_count()).unwrap_or(u32::MAX);
        self.news_at = now.instant
            + NEWS_APART_PER_MEMBER
                .saturating_mul(members)
                .clamp(NEWS_APART, NEWS_APART_MAX);
        let news = std::mem::take(&mut self.news);
        self.tell_members(&news);
    }

    /// Tells members of standings, all of which its subject hears of too.
    pub(super) fn tell_members(&mut self, proofs: &[Arc<Proof>]) {
        let subjects: BTreeSet<NodeId> = proofs
            .iter()
            .filter_map(|proof| proof.claims().map(|(node, _)| node))
            .collect();
        let sessions: Vec<ConnId> = self
            .connections
            .ready(Purpose::Register)
            .filter(|(_, node)| {
                subjects.contains(node) || self.council.roster().member(node).is_some()
            })
            .map(|(conn, _)| conn)
            .collect();
        for message in roster_sync::tell(proofs) {
            self.out
                .send_all(sessions.clone(), Message::Roster(message));
        }
    }

    /// Cuts off a node that is out. Its session stays: it learns there that it is out, and may register again.
    pub(super) fn cut(&mut self, node: NodeId, proof: &Arc<Proof>) {
        if planted!(EvictedNotCut) {
            return;
        }
        let conns: Vec<ConnId> = self.connections.to(node).collect();
        for conn in conns {
            let purpose = self.connections.get(conn).and_then(|conn| conn.purpose);
            if purpose != Some(Purpose::Register) {
                self.connections
                    .close(conn, Goodbye::NotAMember(proof.clone()), &mut self.out);
            }
        }
    }

    /// Members without a session are probed; one that does not answer is investigated, after its neighbours had time to
    /// report it.
    pub(super) fn look_after_orphans(&mut self, now: Now) {
        let due = self.orphans.due(now.instant);
        let rank = self
            .council
            .electorate()
            .seat_of(&self.me)
            .unwrap_or_default();
        for node in due {
            // Looked at again later, for as long as it is a member without a session.
            self.orphans
                .insert(node, now.instant + self.options.orphan_after * 5);
            self.with_suspicions(now, |suspicions, with| {
                suspicions.notice(node, "no session with this seed", rank, with);
            });
        }
    }

    /// A node answered a probe.
    pub(super) fn look_again(&mut self, node: NodeId, now: Now) {
        if self.orphans.contains(&node) {
            self.orphans
                .insert(node, now.instant + self.options.orphan_after * 5);
        }
    }

    pub(super) fn stop(&mut self) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        let all: Vec<ConnId> = self.connections.all().collect();
        for conn in all {
            self.connections
                .close(conn, Goodbye::Leaving, &mut self.out);
        }
        self.out.event(Event::ShuttingDown);
        self.out.push(Output::Exit);
    }
}
