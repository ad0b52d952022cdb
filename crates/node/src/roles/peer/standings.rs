//! A peer's roster: taking proofs in, and what follows when a standing changes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::{Merged, NodeId, Now, Proof, ProofError, Standing, StandingKey, council};

use super::Peer;
use crate::event::{Event, Party};
use crate::protocol::{Goodbye, Message, RosterMessage};
use crate::roles::ConnId;
use crate::roles::fetching::Step;
use crate::roles::roster_sync::{self, Answer};

/// The kind of self-proving gossip that carries a standing's proof.
pub(super) const KIND_STANDING: u8 = 1;

/// Standings opened longer ago than this are no news: roster comparison spreads them, not gossip.
const NEWS_MAX_AGE_MS: u64 = 60_000;

/// How many proofs with unknown signers are kept for when the signers are met.
const UNDECIDED_MAX: usize = 1024;

/// How much time lies between two lists of members told to the application: at least this, and so much for each member
/// on it. Nobody reads faster, and while a large network forms, most of a peer's work would be making lists.
const LISTS_APART: Duration = Duration::from_millis(200);
const LISTS_APART_PER_MEMBER: Duration = Duration::from_millis(2);

impl Peer {
    /// Proofs from anywhere: each is checked unless it is known, and changes follow. Whoever brings one that proves
    /// nothing is cut off: honest nodes pass on only what they checked.
    pub(super) fn take_in(
        &mut self,
        conn: ConnId,
        proofs: Vec<Arc<Proof>>,
        from: NodeId,
        now: Now,
    ) {
        for proof in proofs {
            match self.merge(proof, from, true, now) {
                Ok(_) => {}
                Err(error) if !error.is_forgery() => {}
                Err(error) => {
                    let goodbye =
                        Goodbye::Misbehaved(format!("a proof that proves nothing: {error}"));
                    self.drop_link(conn, from, goodbye, now);
                    return;
                }
            }
        }
    }

    /// Asks for the next part of what the other end knows better, after an answer of it.
    pub(super) fn fetch(&mut self, conn: ConnId, answer: &Answer, now: Now) {
        for proof in &answer.proofs {
            if let Some((node, _)) = proof.claims() {
                self.fetching.arrived(conn, &node, now.instant);
            }
        }
        if !answer.want.is_empty() {
            let want = answer.want.clone();
            self.fetching.want(conn, want, answer.again, now.instant);
        }
        let (roster, seats) = (&self.roster, self.electorate.seats().len());
        let holds = |node: &NodeId, key: &StandingKey| {
            roster.get(node).is_some_and(|entry| entry.key >= *key)
        };
        for step in self.fetching.next(conn, seats, holds, now.instant) {
            let message = match step {
                Step::Want(nodes) => RosterMessage::Want(nodes),
                Step::Compare => roster_sync::begin(roster),
            };
            self.out.send(conn, Message::Roster(message));
        }
    }

    /// Tells the application the list of members after it changed, not more often than people can read.
    pub(super) fn tell_list(&mut self, now: Now) {
        if self.list_due().is_some_and(|due| now.instant >= due)
            && let Some(from) = self.list_news.take()
        {
            self.list_told = Some(now.instant);
            let records = self.roster.members();
            let mut members: Vec<Party> = records.map(|record| self.party(record.node)).collect();
            members.sort_by(|a, b| a.address.cmp(&b.address));
            let from = self.party(from);
            self.out.event(Event::PeerList { from, members });
        }
    }

    /// When the next list is due.
    pub(super) fn list_due(&self) -> Option<Instant> {
        self.list_news?;
        let members = u32::try_from(self.roster.member_count()).unwrap_or(u32::MAX);
        let apart = LISTS_APART.max(LISTS_APART_PER_MEMBER.saturating_mul(members));
        Some(self.list_told.map_or(self.now, |told| told + apart))
    }

    /// Takes one proof in; `Ok(true)` when a standing changed.
    pub(super) fn merge(
        &mut self,
        proof: Arc<Proof>,
        from: NodeId,
        spread: bool,
        now: Now,
    ) -> Result<bool, ProofError> {
        let known = proof
            .record()
            .and_then(|record| self.roster.get(&record.node));
        if known.is_some_and(|entry| entry.proof == proof) {
            // Every seed and every neighbour brings it: what is the same is found so with less than hashing.
            return Ok(false);
        }
        if let Some((node, key)) = proof.claims()
            && let Some(entry) = self.roster.get(&node)
            && entry.outdoes(&key, &proof)
        {
            return Ok(false);
        }
        let verified = match proof.clone().verify(&self.electorate, &*self.scheme) {
            Ok(verified) => verified,
            Err(error) => {
                if council::is_undecided(&error) {
                    self.keep_undecided(proof);
                }
                return Err(error);
            }
        };
        let node = verified.node();
        let previous = match self.roster.merge(verified) {
            Merged::Changed(previous) => previous,
            Merged::Widened if node == self.me => {
                // The wider certificate convinces readers who know other seeds.
                if let Some(entry) = self.roster.get(&node).cloned() {
                    self.own_standing_changed(&entry, now);
                }
                return Ok(false);
            }
            Merged::Widened | Merged::Known | Merged::Outdated => return Ok(false),
        };
        let was = previous.map(|entry| (entry.key.incarnation, entry.key.standing));
        self.list_news = Some(from);
        self.standing_changed(node, was, spread, now);
        Ok(true)
    }

    pub(super) fn keep_undecided(&mut self, proof: Arc<Proof>) {
        if let Some((node, key)) = proof.claims() {
            let is_newer = |known: &Arc<Proof>| known.claims().is_none_or(|(_, known)| known < key);
            let is_known = self.undecided.get(&node);
            if is_known.map_or(self.undecided.len() < UNDECIDED_MAX, is_newer) {
                self.undecided.insert(node, proof);
            }
        }
    }

    /// A voter was met: what could not be judged before may be now.
    pub(super) fn judge_undecided(&mut self, now: Now) {
        let undecided: Vec<_> = std::mem::take(&mut self.undecided).into_values().collect();
        for proof in undecided {
            // Still undecided, it is kept again; false, it is gone.
            let _merged = self.merge(proof, self.me, true, now);
        }
        let shown: Vec<(NodeId, ConnId, Arc<Proof>)> = self
            .links
            .iter_mut()
            .filter_map(|(node, link)| Some((*node, link.conn, link.passport.take()?)))
            .collect();
        for (node, conn, passport) in shown {
            self.handle_passport(conn, node, passport, now);
        }
    }

    pub(super) fn standing_changed(
        &mut self,
        node: NodeId,
        was: Option<(u64, Standing)>,
        spread: bool,
        now: Now,
    ) {
        let Some(entry) = self.roster.get(&node).cloned() else {
            return;
        };
        self.wishes_changed = true;
        let key = entry.key;
        if was == Some((key.incarnation, key.standing)) && key.standing != Standing::Admitted {
            // The same end, by another report: no news to anybody.
            return;
        }
        self.suspicions.handle_standing(&node, &self.roster);
        let member = self.party(node);
        let (votes, quorum) = (
            entry.proof.certificate().votes.len(),
            self.electorate.quorum(),
        );
        let opened_ms = match &*entry.proof {
            // Decided in an epoch that is gone: history.
            Proof::Endorsed(_) => 0,
            proof => proof.certificate().proposal.opened_ms(),
        };
        let is_recent = now.unix_ms.saturating_sub(opened_ms) <= NEWS_MAX_AGE_MS;
        match entry.key.standing {
            Standing::Admitted => {
                if node != self.me {
                    self.overlay.insert_member(node);
                }
                self.out.event(Event::Admitted {
                    member,
                    incarnation: entry.key.incarnation,
                    votes,
                    quorum,
                    seeds: self.electorate.seats().len(),
                });
            }
            Standing::Evicted => {
                self.forget_member(node, Goodbye::NotAMember(entry.proof.clone()), now);
                // Of members that came and went before this one there is nothing to tell.
                if was.is_some() {
                    self.out.event(Event::DeadConfirmed {
                        member,
                        incarnation: key.incarnation,
                        votes,
                        quorum,
                    });
                }
            }
            Standing::Left => {
                self.forget_member(node, Goodbye::NotAMember(entry.proof.clone()), now);
                if was.is_some() {
                    self.out.event(Event::Left(member));
                }
            }
        }
        if node == self.me {
            self.own_standing_changed(&entry, now);
        }
        // Ends are urgent. Who is admitted, all seeds tell all members, and shows its own certificate; the few who miss that
        // learn it when rosters are compared. A departure is dated by the admission it ends, so its age says nothing.
        let is_urgent = match key.standing {
            Standing::Admitted => false,
            Standing::Evicted => is_recent,
            Standing::Left => true,
        };
        if spread && is_urgent {
            self.publish_standing(&entry.proof, now);
        }
        self.judge_strangers(now);
    }

    pub(super) fn publish_standing(&mut self, proof: &Proof, now: Now) {
        // A proof that was decoded encodes; one over the gossip limit travels by roster comparison alone.
        if let Ok(body) = self.options.format.encode(proof) {
            let _published = self.gossip.publish_proof(KIND_STANDING, body, now.instant);
        }
    }

    pub(super) fn forget_member(&mut self, node: NodeId, goodbye: Goodbye, now: Now) {
        self.overlay.remove_member(node);
        self.back_offs.remove(&node);
        if planted!(EvictedNotCut) {
            return;
        }
        if let Some(conn) = self.links.get(&node).map(|link| link.conn) {
            self.link_is_down(node, goodbye.to_string(), now);
            self.connections.close(conn, goodbye.clone(), &mut self.out);
        }
        let others: Vec<ConnId> = self.connections.to(node).collect();
        for conn in others {
            self.connections.close(conn, goodbye.clone(), &mut self.out);
        }
    }
}
