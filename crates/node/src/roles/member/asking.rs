//! A candidate's way in: it dials the members, follows their chain, asks each of them, and counts the answers.

mod following;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::succession::{Chain, Evidence, Opinion};
use quorate_consensus::{Choice, Digest, NetworkId, NodeId, Now, Record};

use super::Member;
use crate::event::{Event, Party};
use crate::protocol::{Goodbye, JoinMessage, KnownMember, Message, Purpose};
use crate::roles::back_off::BackOff;
use crate::roles::connections::Ready;
use crate::roles::{ConnId, DialId, RequestError, earlier};

/// How many members are dialled at once before the chain says who they are.
const FIRST_DIALS_MAX: usize = 3;

/// How long a candidate stays with a chain of whose members none answers, while another network is known.
const ALONE_MAX: Duration = Duration::from_secs(10);

/// How many networks are remembered that nobody answers for.
const GIVEN_UP_MAX: usize = 64;

/// How soon a member is asked again that did not take up the request.
const HINDERED: Duration = Duration::from_secs(1);

/// Whom a dial is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Target {
    Member(NodeId),
    Address(String),
}

/// A member that this node asks.
#[derive(Debug)]
struct Host {
    conn: ConnId,
    /// It has no more links than this node.
    is_synced: bool,
    /// The record that it was asked about.
    asked: Option<Digest>,
    /// It did not take the record up; when to ask again.
    again_at: Option<Instant>,
    hindered_by: Option<String>,
}

/// A candidate's request, and the chain it is about.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// Held here while this node is no member.
    pub(super) chain: Option<Chain>,
    record: Option<Arc<Record>>,
    attempt: u64,
    opinions: BTreeMap<NodeId, Opinion>,
    hosts: BTreeMap<NodeId, Host>,
    dials: BTreeMap<DialId, Target>,
    back_offs: BTreeMap<Target, BackOff>,
    is_refused: bool,
    told: Option<(Vec<NodeId>, Vec<NodeId>)>,
    /// The chain is what somebody showed to this candidate, which was never a member by it.
    is_hearsay: bool,
    /// Since when nobody of that chain answers.
    alone_since: Option<Instant>,
    /// Networks whose members were not there any more: tried last.
    given_up: BTreeSet<NetworkId>,
}

impl Asking {
    pub(super) fn new(chain: Option<Chain>) -> Self {
        Self {
            chain,
            ..Self::default()
        }
    }

    /// Whether a member answers this node.
    pub(super) fn has_company(&self) -> bool {
        self.hosts.values().any(|host| host.is_synced)
    }

    pub(super) const fn is_refused(&self) -> bool {
        self.is_refused
    }

    /// The record that members are asked about, and what they have said of it.
    pub(super) fn request(&self) -> Option<(&Record, impl Iterator<Item = &Opinion>)> {
        let record = self.record.as_deref()?;
        Some((record, self.opinions.values()))
    }

    /// What probes are answered with.
    pub(super) fn record_hash(&self) -> Option<Digest> {
        self.record.as_ref().map(|record| record.hash())
    }

    pub(super) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let back_offs = BackOff::earliest(self.back_offs.values(), now);
        let again = self.hosts.values().filter_map(|host| host.again_at);
        let alone = self.alone_since.map(|since| since + ALONE_MAX);
        // What is due and cannot be done yet, as for who refuses before it can be asked, waits for what makes it possible.
        let later = again.chain(alone).filter(|at| *at > now).min();
        earlier(back_offs, later)
    }
}

impl Member {
    /// Dials whom it should ask, and asks whom it can.
    pub(super) fn ask_members(&mut self, now: Now) {
        if self.assembly.is_some() || self.is_idle() {
            return;
        }
        if self.asking.chain.is_none() && self.looking.may_found() {
            self.found(None, now);
            return;
        }
        self.give_up_chain(now);
        self.dial_members(now);
        self.renew_record(now);
        let Some(record) = self.asking.record.clone() else {
            return;
        };
        let hash = record.hash();
        let Some(chain) = &self.asking.chain else {
            return;
        };
        let mut asked = false;
        for (node, host) in &mut self.asking.hosts {
            let is_due = host.again_at.is_some_and(|at| now.instant >= at);
            let is_new = host.asked != Some(hash);
            if host.is_synced && chain.membership().member(node).is_some() && (is_new || is_due) {
                host.asked = Some(hash);
                host.again_at = None;
                asked = true;
                let request = Message::Join(JoinMessage::Request((*record).clone()));
                self.out.send(host.conn, request);
            }
        }
        if asked || self.asking.told.is_some() {
            self.tell_status();
        }
    }

    fn dial_members(&mut self, now: Now) {
        let mut targets: Vec<(Target, Vec<String>)> = Vec::new();
        if let Some(chain) = &self.asking.chain {
            let others = chain
                .membership()
                .members()
                .filter(|record| record.node != self.me);
            targets.extend(
                others.map(|record| (Target::Member(record.node), record.endpoints.clone())),
            );
        }
        if !self.asking.has_company() {
            let network = self
                .asking
                .chain
                .as_ref()
                .map(|chain| chain.membership().network());
            // Anybody can have a bootstrap name nodes that are not there: who was tried least comes first, then the larger
            // network.
            let mut known: Vec<KnownMember> = self.looking.known();
            known.retain(|member| {
                network.is_none_or(|network| network == member.network) && member.id != self.me
            });
            let failures = |member: &KnownMember| {
                let back_off = self.asking.back_offs.get(&Target::Member(member.id));
                back_off.map_or(0, BackOff::failures)
            };
            known.sort_by_key(|member| {
                let is_given_up = self.asking.given_up.contains(&member.network);
                (is_given_up, failures(member))
            });
            let known = known.into_iter().map(|member| {
                let target = Target::Member(member.id);
                (target, member.endpoints)
            });
            let is_due = |target: &Target| {
                let back_off = self.asking.back_offs.get(target);
                back_off.is_none_or(|back_off| back_off.is_due(now.instant))
            };
            let given = self.looking.join.iter();
            targets.extend(
                given.map(|address| (Target::Address(address.clone()), vec![address.clone()])),
            );
            let free = FIRST_DIALS_MAX.saturating_sub(self.asking.dials.len());
            targets.extend(known.filter(|(target, _)| is_due(target)).take(free));
        }
        for (target, endpoints) in targets {
            let is_busy = self.asking.dials.values().any(|dialed| *dialed == target)
                || matches!(&target, Target::Member(node) if self.asking.hosts.contains_key(node));
            let back_off = self.asking.back_offs.entry(target.clone()).or_default();
            if is_busy || !back_off.is_due(now.instant) {
                continue;
            }
            back_off.fail(self.options.redial, &mut self.rng, now.instant);
            let expect = match &target {
                Target::Member(node) => Some(*node),
                Target::Address(_) => None,
            };
            let dial = self
                .connections
                .dial(Purpose::Join, endpoints, expect, &mut self.out);
            self.asking.dials.insert(dial, target);
        }
    }

    /// Signs a record when there is none that these members could be asked about.
    fn renew_record(&mut self, now: Now) {
        let Some(chain) = &self.asking.chain else {
            return;
        };
        if !self.asking.has_company() {
            return;
        }
        let membership = chain.membership();
        // Who holds a record goes on with it, but one that is as old as this nobody takes up any more.
        let window_ms = u64::try_from(self.options.assembly.window.as_millis()).unwrap_or(u64::MAX);
        let is_hindered = self
            .asking
            .hosts
            .values()
            .any(|host| host.again_at.is_some());
        let is_old = |record: &Record| now.unix_ms.saturating_sub(record.opened_ms) > window_ms;
        let is_good = |record: &Arc<Record>| {
            membership.check_candidate(record).is_ok() && !(is_hindered && is_old(record))
        };
        if self.asking.record.as_ref().is_some_and(is_good) || membership.member(&self.me).is_some()
        {
            return;
        }
        let incarnation = membership
            .last_life(&self.me)
            .map_or(1, |last| last.saturating_add(1));
        // Attempts of several runs must differ too, and a run without a store knows nothing of those before.
        self.asking.attempt = now.unix_ms.max(self.asking.attempt.saturating_add(1));
        let record = Record::sign(
            &*self.signer,
            membership.network(),
            self.endpoints.clone(),
            incarnation,
            self.asking.attempt,
            now.unix_ms,
        );
        // The endpoints were checked when the member was made.
        let Ok(record) = record else {
            return;
        };
        self.asking.record = Some(Arc::new(record));
        self.asking.opinions.clear();
        self.asking.told = None;
    }

    /// Whether a dial was for asking.
    pub(super) fn asking_dial_ended(&mut self, dial: DialId) {
        self.asking.dials.remove(&dial);
    }

    pub(super) fn host_is_ready(&mut self, ready: &Ready) {
        if self.assembly.is_some() || self.asking.hosts.contains_key(&ready.remote) {
            self.connections
                .close(ready.conn, Goodbye::Duplicate, &mut self.out);
            return;
        }
        let host = Host {
            conn: ready.conn,
            is_synced: false,
            asked: None,
            again_at: None,
            hindered_by: None,
        };
        self.asking.hosts.insert(ready.remote, host);
    }

    pub(super) fn host_is_lost(&mut self, conn: ConnId) {
        self.asking.hosts.retain(|_, host| host.conn != conn);
    }

    /// What a member says to this candidate.
    pub(super) fn handle_answer(
        &mut self,
        conn: ConnId,
        from: NodeId,
        message: JoinMessage,
        now: Now,
    ) {
        match message {
            JoinMessage::Founded(founding) => self.handle_founded(conn, from, &founding),
            JoinMessage::Opinion(opinion) => self.handle_own_opinion(conn, from, opinion, now),
            JoinMessage::Refused(reason) => {
                let Some(host) = self.asking.hosts.get_mut(&from) else {
                    return;
                };
                host.again_at = Some(now.instant + HINDERED);
                if host.hindered_by.as_ref() != Some(&reason) {
                    host.hindered_by = Some(reason.clone());
                    let member = self.party(from);
                    self.out.event(Event::JoinHindered { member, reason });
                }
            }
            JoinMessage::Request(_) => {
                let what = "a member does not ask a candidate to let it in".to_owned();
                self.connections.misbehaved(conn, what, &mut self.out);
            }
        }
    }

    fn handle_own_opinion(&mut self, conn: ConnId, from: NodeId, opinion: Opinion, now: Now) {
        let Some(chain) = &self.asking.chain else {
            return;
        };
        let network = chain.membership().network();
        if opinion.voter != from || !opinion.is_valid(network, &*self.scheme) {
            let what = "an opinion that its voter did not sign".to_owned();
            self.connections.misbehaved(conn, what, &mut self.out);
            return;
        }
        if Some(opinion.record) != self.asking.record_hash() {
            // Of an earlier attempt.
            return;
        }
        let (choice, reason) = (opinion.choice, opinion.reason.clone());
        if let Some(first) = self.asking.opinions.get(&from)
            && first.choice != choice
            && first.incarnation == opinion.incarnation
        {
            let evidence = Evidence::Opinions {
                network,
                first: first.clone(),
                second: opinion.clone(),
            };
            self.out.event(Event::Contradiction(Box::new(evidence)));
        }
        let known = self.asking.opinions.insert(from, opinion);
        if known.is_none_or(|known| known.choice != choice) {
            let (candidate, voter) = (self.party(self.me), self.party(from));
            self.out.event(Event::Opinion {
                candidate,
                voter,
                choice,
                reason,
            });
        }
        self.count_answers();
        if !self.asking.is_refused {
            self.ask_members(now);
        }
    }

    /// One DENY of a member is the end of the attempt.
    fn count_answers(&mut self) {
        let Some(chain) = &self.asking.chain else {
            return;
        };
        let is_member = |node: &NodeId| chain.membership().member(node).is_some();
        let denied: Vec<NodeId> = self
            .asking
            .opinions
            .values()
            .filter(|opinion| opinion.choice == Choice::No && is_member(&opinion.voter))
            .map(|opinion| opinion.voter)
            .collect();
        if denied.is_empty() || self.asking.is_refused {
            return;
        }
        self.asking.is_refused = true;
        let denied = denied
            .into_iter()
            .filter_map(|node| {
                let reason = self.asking.opinions.get(&node)?.reason.clone();
                Some((self.party(node), reason))
            })
            .collect();
        self.leave_hosts();
        self.out.event(Event::JoinRefused { denied });
    }

    fn leave_hosts(&mut self) {
        for (_, host) in std::mem::take(&mut self.asking.hosts) {
            self.connections
                .close(host.conn, Goodbye::Done, &mut self.out);
        }
        for dial in std::mem::take(&mut self.asking.dials).into_keys() {
            self.connections.cancel(dial, &mut self.out);
        }
    }

    /// Nothing is asked any more: this node is in.
    pub(super) fn stop_asking(&mut self) {
        self.leave_hosts();
        self.asking = Asking {
            // Members probe a new member by the record that they let in.
            record: self.asking.record.take(),
            attempt: self.asking.attempt,
            ..Asking::default()
        };
    }

    pub(super) fn join_again(&mut self, now: Now) -> Result<(), RequestError> {
        if !self.asking.is_refused {
            return Err(RequestError::NotRefused);
        }
        self.asking.is_refused = false;
        self.asking.record = None;
        self.asking.opinions.clear();
        self.asking.back_offs.clear();
        self.asking.told = None;
        self.ask_members(now);
        Ok(())
    }

    /// Tells whom the request waits for, when that changed.
    fn tell_status(&mut self) {
        let Some(chain) = &self.asking.chain else {
            return;
        };
        let (allowed, waiting): (Vec<NodeId>, Vec<NodeId>) = chain
            .membership()
            .members()
            .map(|record| record.node)
            .partition(|node| {
                let opinion = self.asking.opinions.get(node);
                opinion.is_some_and(|opinion| opinion.choice == Choice::Yes)
            });
        if self.asking.told.as_ref() == Some(&(allowed.clone(), waiting.clone())) {
            return;
        }
        let parties = |nodes: &[NodeId]| -> Vec<Party> {
            nodes.iter().map(|node| self.party(*node)).collect()
        };
        let event = Event::JoinStatus {
            allowed: parties(&allowed),
            waiting: parties(&waiting),
        };
        self.asking.told = Some((allowed, waiting));
        self.out.event(event);
    }
}
