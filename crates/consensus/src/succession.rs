//! Which valid change of the membership comes next: unanimous opinions make a change valid, and single-decree Paxos, one
//! instance per epoch, orders the valid ones (Lamport, "Paxos Made Simple", 2001).
//!
//! ```text
//!  ALLOW of every member   ─┐                    leader                 acceptors
//!  ACCUSE of all who stay  ─┼─> a valid change ─> PREPARE ────────────────> promise
//!  LEAVE of the leaver     ─┘                    ACCEPT  <── a quorum's ── PROMISE
//!                                                   └────────────────────> accept
//!                                              Link    <── a quorum's ──── ACCEPTED, to all
//! ```
//!
//! [`Succession`] is one member's part in it, without time and without IO: it can be cloned, compared and hashed, so that
//! a model checker explores it as it is. [`Assembly`](crate::Assembly) adds timers, leading and catching up.
//!
//! # What holds
//!
//! - No admission without the ALLOW of every member of the epoch, whoever lies.
//! - While no member contradicts itself (which losing its store makes it do, unless it [knows](Succession::forget)), an
//!   epoch is decided once: all chains are prefixes of one. A member that does leaves [`Evidence`].
//! - A statement leaves only after it is durable: see [`Output::Persist`]. PREPARE and ACCEPT are questions, and may leave
//!   before: a leader that forgets that it asked may lead the same ballot again, but proposes nothing in it before its own
//!   promise is durable, so never two changes. Where it has lost its store, nobody promises it a ballot twice, and those who
//!   have not are too few.
//!
//! # Limits
//!
//! Opinions on at most 1024 records are held; those of candidates that are here, and one's own, go last. A ballot's counter
//! may be at most 65,536 above the highest heard, so that nobody can use the numbers up.

mod ballot;
mod chain;
mod change;
mod choosing;
mod counting;
mod error;
mod evidence;
mod forgetting;
mod founding;
mod history;
mod leading;
mod losses;
mod message;
mod opinion;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

pub use ballot::{Accepted, Ballot, Loss, Lost, Promise, Proposed};
pub use chain::{Link, LinkError, Membership, Place};
pub use change::{Change, ChangeError};
pub use error::{Heard, SayError, StatementError};
pub use evidence::Evidence;
pub use founding::{Founding, FoundingError, Predecessor};
pub use history::Chain;
pub use message::{Acceptor, Durable, Grounds, Message, Output, Statement, To};
pub use opinion::{Accusation, Leave, Opinion};

use crate::id::{Digest, NodeId};
use crate::record::Record;
use crate::scheme::{Scheme, Signer};
use crate::vote::Choice;
use leading::Leading;

/// On how many records opinions are held.
const OPINIONS_MAX: usize = 1024;

/// How far above the highest counter heard a ballot may be.
const COUNTER_JUMP_MAX: u64 = 65_536;

/// How a member signs, and how everybody checks.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a> {
    /// The member's own key.
    pub signer: &'a dyn Signer,
    /// The network's scheme.
    pub scheme: &'a dyn Scheme,
}

/// One member's part in the decision of the present epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Succession {
    me: NodeId,
    membership: Arc<Membership>,
    candidates: BTreeMap<NodeId, Arc<Record>>,
    opinions: BTreeMap<Digest, BTreeMap<NodeId, Opinion>>,
    accusations: BTreeMap<NodeId, BTreeMap<NodeId, Accusation>>,
    leaves: BTreeMap<NodeId, Leave>,
    /// Members that this one is in touch with: it does not choose to throw them out, whatever was said before.
    present: BTreeSet<NodeId>,
    /// Nobody is chosen to be thrown out for now.
    holds_evictions: bool,
    acceptor: Option<Acceptor>,
    /// The latest acceptance of each member.
    accepted: BTreeMap<NodeId, Accepted>,
    /// Valid changes that were proposed, by hash.
    changes: BTreeMap<Digest, Arc<Change>>,
    /// The highest counter heard.
    counter: u64,
    /// As far as the limit on counters was raised, for those that were too far above it to be heard.
    raised: u64,
    leading: Option<Leading>,
    /// What this member said of the present decision, it may not know any more.
    has_forgotten: bool,
    /// How many other members it can ask to take part again, present or not.
    asked: usize,
    /// Who has lost what it said about the present decision, perhaps this member, and by whose promises it came back then.
    losses: BTreeMap<NodeId, Loss>,
    return_promises: Vec<Promise>,
    out: VecDeque<Output>,
}

impl Succession {
    /// A member's part in the decision that follows `membership`.
    pub fn new(me: NodeId, membership: Arc<Membership>) -> Self {
        Self {
            me,
            membership,
            candidates: BTreeMap::new(),
            opinions: BTreeMap::new(),
            accusations: BTreeMap::new(),
            leaves: BTreeMap::new(),
            present: BTreeSet::new(),
            holds_evictions: false,
            acceptor: None,
            accepted: BTreeMap::new(),
            changes: BTreeMap::new(),
            counter: 0,
            raised: 0,
            leading: None,
            has_forgotten: false,
            asked: 0,
            losses: BTreeMap::new(),
            return_promises: Vec::new(),
            out: VecDeque::new(),
        }
    }

    /// Takes back what this member said before it was restarted, in any order. Links are the caller's to apply first;
    /// what belongs to an earlier epoch is void and passed over.
    pub fn restore(&mut self, said: Durable, keys: &Keys<'_>) {
        match said {
            Durable::Opinion { opinion, .. } => {
                let of_record = self.opinions.entry(opinion.record).or_default();
                let held = of_record.get(&opinion.voter);
                if held.is_none_or(|held| held.incarnation < opinion.incarnation) {
                    of_record.insert(opinion.voter, opinion);
                }
            }
            Durable::Accusation(accusation)
                if accusation.is_valid(&self.membership.place(), keys.scheme) =>
            {
                let of_suspect = self.accusations.entry(accusation.suspect).or_default();
                of_suspect.insert(accusation.accuser, accusation);
            }
            Durable::Leave(leave) if leave.is_valid(&self.membership.place(), keys.scheme) => {
                self.leaves.insert(leave.member, leave);
            }
            Durable::Acceptor(acceptor)
                if acceptor.epoch == self.membership.epoch()
                    && Some(acceptor.promised) >= self.promised() =>
            {
                self.counter = self.counter.max(acceptor.promised.counter);
                if let Some((proposed, change)) = &acceptor.accepted {
                    self.changes.insert(proposed.change, change.clone());
                    let place = self.membership.place();
                    let accepted =
                        Accepted::sign(keys.signer, &place, proposed.ballot, proposed.change);
                    self.accepted.insert(self.me, accepted);
                }
                let losses = acceptor.grounds.losses.iter();
                self.losses = losses.map(|loss| (loss.ballot.leader, *loss)).collect();
                self.return_promises = acceptor.grounds.return_promises.clone();
                self.acceptor = Some(*acceptor);
            }
            Durable::Accusation(_)
            | Durable::Leave(_)
            | Durable::Acceptor(_)
            | Durable::Link(_)
            | Durable::Fork(_) => {}
        }
    }

    /// Whose part this is.
    pub const fn me(&self) -> NodeId {
        self.me
    }

    /// The members, and the place of the next decision.
    pub const fn membership(&self) -> &Arc<Membership> {
        &self.membership
    }

    /// The candidates that are here.
    pub fn candidates(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.candidates.values()
    }

    /// Every opinion held on a record.
    pub fn opinions(&self, record: &Digest) -> impl Iterator<Item = &Opinion> {
        self.opinions
            .get(record)
            .into_iter()
            .flat_map(BTreeMap::values)
    }

    /// This member's own opinion on a record.
    pub fn own_opinion(&self, record: &Digest) -> Option<&Opinion> {
        self.opinions.get(record)?.get(&self.me)
    }

    /// Members whose opinion on a record is not held: whom its candidate waits for.
    pub fn undecided_on(&self, record: &Digest) -> impl Iterator<Item = NodeId> {
        let given = self.opinions.get(record);
        self.membership
            .members()
            .filter(move |member| {
                given
                    .and_then(|given| given.get(&member.node))
                    .is_none_or(|opinion| opinion.incarnation != member.incarnation)
            })
            .map(|member| member.node)
    }

    /// The ballot that this member promised last.
    pub fn promised(&self) -> Option<Ballot> {
        self.acceptor.as_ref().map(|acceptor| acceptor.promised)
    }

    /// Whether anything was said about the present decision that others may not have heard.
    pub fn is_deciding(&self) -> bool {
        self.acceptor.is_some()
            || !self.candidates.is_empty()
            || !self.accusations.is_empty()
            || !self.leaves.is_empty()
    }

    /// Whom this member accuses now.
    pub fn accused(&self) -> impl Iterator<Item = NodeId> {
        self.accusations
            .iter()
            .filter(|(_, by)| by.contains_key(&self.me))
            .map(|(suspect, _)| *suspect)
    }

    /// Who accuses a member now, by the accusations that are held.
    pub fn accusers_of(&self, suspect: &NodeId) -> impl Iterator<Item = NodeId> {
        let by = self.accusations.get(suspect).into_iter();
        by.flat_map(BTreeMap::keys).copied()
    }

    /// Whether a member has said that it leaves, and that is not decided yet.
    pub fn is_leaving(&self, member: &NodeId) -> bool {
        self.leaves.contains_key(member)
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// A candidate is here with this record. One record per candidate: a later one replaces it.
    ///
    /// # Errors
    /// When the record cannot be put to these members.
    pub fn handle_candidate(
        &mut self,
        record: Arc<Record>,
        keys: &Keys<'_>,
    ) -> Result<(), ChangeError> {
        self.membership.check_candidate(&record)?;
        record.verify(keys.scheme)?;
        self.candidates.insert(record.node, record);
        Ok(())
    }

    /// A candidate has gone away: it is not admitted until it is back.
    pub fn handle_candidate_gone(&mut self, node: &NodeId) {
        if let Some(record) = self.candidates.remove(node) {
            self.forget_opinions_on(&record.hash());
        }
    }

    /// This member is in touch with another, or has lost it. What it said against one that is back does not count any more.
    pub fn set_present(&mut self, member: NodeId, is_present: bool) {
        if is_present {
            self.present.insert(member);
            self.withdraw_accusation(self.me, member);
        } else {
            self.present.remove(&member);
        }
    }

    /// Whether this member chooses to throw anybody out, while the choice is free.
    pub const fn hold_evictions(&mut self, holds: bool) {
        self.holds_evictions = holds;
    }

    /// Tells the others whom this member is in touch with, so that they do not count what it said against them before.
    pub fn say_in_touch(&mut self) {
        let members = self.membership.clone();
        let present: BTreeSet<NodeId> = self
            .present
            .iter()
            .filter(|node| members.member(node).is_some())
            .copied()
            .collect();
        if !present.is_empty() {
            self.send(To::All, self.at(Statement::InTouch(present)));
        }
    }

    pub(super) fn withdraw_accusation(&mut self, accuser: NodeId, suspect: NodeId) {
        if let Some(by) = self.accusations.get_mut(&suspect) {
            by.remove(&accuser);
            if by.is_empty() {
                self.accusations.remove(&suspect);
            }
        }
    }

    /// ALLOW or DENY a candidate. What was said in an earlier life has to be said again, and cannot be said otherwise.
    ///
    /// # Errors
    /// When the candidate is not here, or was answered.
    pub fn say_opinion(
        &mut self,
        candidate: NodeId,
        choice: Choice,
        reason: &str,
        keys: &Keys<'_>,
    ) -> Result<(), SayError> {
        let incarnation = self.own_incarnation()?;
        let asking = self.candidates.get(&candidate);
        let asking = asking.ok_or(SayError::NoCandidate(candidate))?;
        let (record, opened_ms) = (asking.hash(), asking.opened_ms);
        if let Some(given) = self.own_opinion(&record)
            && (given.incarnation >= incarnation || given.choice != choice)
        {
            return Err(SayError::Answered(given.choice));
        }
        let network = self.membership.network();
        let opinion = Opinion::sign(keys.signer, network, record, incarnation, choice, reason);
        self.opinions
            .entry(record)
            .or_default()
            .insert(self.me, opinion.clone());
        self.out.push_back(Output::Persist(Durable::Opinion {
            opened_ms,
            opinion: opinion.clone(),
        }));
        self.send(To::All, Message::Opinion(opinion.clone()));
        self.out.push_back(Output::Counted(opinion));
        Ok(())
    }

    /// ACCUSE: one's own probe of a member failed. Said once per epoch.
    ///
    /// # Errors
    /// When either is no member.
    pub fn say_accuse(&mut self, suspect: NodeId, keys: &Keys<'_>) -> Result<(), SayError> {
        self.own_incarnation()?;
        let member = self.membership.member(&suspect);
        let incarnation = member.ok_or(SayError::NotAMember)?.incarnation;
        let by = self.accusations.entry(suspect).or_default();
        if by.contains_key(&self.me) {
            return Ok(());
        }
        let place = self.membership.place();
        let accusation = Accusation::sign(keys.signer, &place, suspect, incarnation);
        by.insert(self.me, accusation);
        self.out
            .push_back(Output::Persist(Durable::Accusation(accusation)));
        self.send(To::All, self.at(Statement::Accuse(accusation)));
        Ok(())
    }

    /// LEAVE: this member goes. Said once per epoch.
    ///
    /// # Errors
    /// When it is no member.
    pub fn say_leave(&mut self, keys: &Keys<'_>) -> Result<(), SayError> {
        self.own_incarnation()?;
        if self.leaves.contains_key(&self.me) {
            return Ok(());
        }
        let leave = Leave::sign(keys.signer, &self.membership.place());
        self.leaves.insert(self.me, leave);
        self.out.push_back(Output::Persist(Durable::Leave(leave)));
        self.send(To::All, self.at(Statement::Leave(leave)));
        Ok(())
    }

    /// Another member says something.
    ///
    /// # Errors
    /// Why it does not count. Honest members say nothing that does not.
    pub fn handle_message(
        &mut self,
        from: NodeId,
        message: Message,
        keys: &Keys<'_>,
    ) -> Result<Heard, StatementError> {
        match message {
            Message::Opinion(opinion) => self.handle_opinion(opinion, keys).map(|()| Heard::Now),
            Message::At {
                epoch,
                head,
                statement,
            } => {
                let place = self.membership.place();
                if epoch < place.epoch {
                    return Ok(Heard::Earlier);
                }
                if (epoch, head) != (place.epoch, place.head) {
                    return Ok(Heard::Later);
                }
                if self.membership.member(&from).is_none() {
                    return Err(StatementError::NotAMember(from));
                }
                if self.membership.member(&self.me).is_none() {
                    // Who is no member (any more) follows the links. Its own acceptance must not count to a quorum.
                    return Ok(Heard::Now);
                }
                self.handle_statement(from, statement, keys)?;
                Ok(Heard::Now)
            }
        }
    }

    /// The next decision, as another member holds it.
    ///
    /// # Errors
    /// Why it does not follow. Nothing has changed then.
    pub fn handle_link(&mut self, link: Arc<Link>, keys: &Keys<'_>) -> Result<(), LinkError> {
        link.verify(&self.membership, keys.scheme)?;
        self.decided(link);
        Ok(())
    }

    /// What another member needs to hear when the two meet: all opinions on candidates that are here, and what this member
    /// says about the present decision.
    pub fn handle_met(&mut self, member: NodeId) {
        self.tell(member, |_| true);
    }

    /// What this member has said itself, again, in case it was not heard.
    pub fn repeat_to(&mut self, member: NodeId) {
        let me = self.me;
        self.tell(member, |voter| voter == me);
    }

    /// Says this member's opinion on a record again, if it has one. Each answers for itself: what those said who are away
    /// is told when members meet.
    pub fn repeat_opinion(&mut self, record: &Digest, to: NodeId) {
        if let Some(opinion) = self.own_opinion(record).cloned() {
            self.out.push_back(Output::Send {
                to: To::One(to),
                message: Message::Opinion(opinion),
            });
        }
    }

    fn tell(&mut self, member: NodeId, is_told: impl Fn(NodeId) -> bool) {
        let here: BTreeSet<Digest> = self
            .candidates
            .values()
            .map(|record| record.hash())
            .collect();
        let opinions = self
            .opinions
            .iter()
            .filter(|(record, _)| here.contains(*record))
            .flat_map(|(_, by)| by.values())
            .filter(|opinion| is_told(opinion.voter))
            .cloned()
            .map(Message::Opinion);
        let own = self
            .acceptor
            .as_ref()
            .and_then(|_| self.accepted.get(&self.me));
        // Each accuses for itself: what it has taken back must not come again by way of another.
        let statements = self
            .accusations
            .values()
            .filter_map(|by| by.get(&self.me))
            .map(|accusation| Statement::Accuse(*accusation))
            .chain(self.leaves.values().map(|leave| Statement::Leave(*leave)))
            .chain(own.map(|accepted| Statement::Accepted(*accepted)))
            .chain(self.leading.as_ref().map(Leading::repeat))
            .map(|statement| self.at(statement));
        let to = To::One(member);
        let outputs: Vec<Output> = opinions
            .chain(statements)
            .map(|message| Output::Send { to, message })
            .collect();
        self.out.extend(outputs);
    }

    fn own_incarnation(&self) -> Result<u64, SayError> {
        let record = self.membership.member(&self.me);
        Ok(record.ok_or(SayError::NotAMember)?.incarnation)
    }

    fn at(&self, statement: Statement) -> Message {
        let place = self.membership.place();
        Message::At {
            epoch: place.epoch,
            head: place.head,
            statement,
        }
    }

    fn send(&mut self, to: To, message: Message) {
        self.out.push_back(Output::Send { to, message });
    }

    /// Own opinions are kept; others' come again with the candidate.
    fn forget_opinions_on(&mut self, record: &Digest) {
        if let Some(given) = self.opinions.get_mut(record) {
            given.retain(|voter, _| *voter == self.me);
            if given.is_empty() {
                self.opinions.remove(record);
            }
        }
    }

    /// Forgets an own opinion on a record that will not be put to this member again.
    pub fn forget_opinion(&mut self, record: &Digest) {
        if !self
            .candidates
            .values()
            .any(|candidate| candidate.hash() == *record)
        {
            self.opinions.remove(record);
        }
    }

    fn decided(&mut self, link: Arc<Link>) {
        self.membership = Arc::new(self.membership.apply(&link));
        self.accusations.clear();
        self.leaves.clear();
        self.acceptor = None;
        self.accepted.clear();
        self.changes.clear();
        (self.counter, self.raised) = (0, 0);
        self.losses.clear();
        self.return_promises.clear();
        self.leading = None;
        if let Change::Admit { record, .. } = &link.change {
            self.opinions.remove(&record.hash());
        }
        // A candidate that is in by another record, or is too late for this life, would be a choice that nobody accepts.
        let membership = self.membership.clone();
        self.candidates
            .retain(|_, record| membership.check_candidate(record).is_ok());
        self.out
            .push_back(Output::Persist(Durable::Link(link.clone())));
        self.out.push_back(Output::Decided(link));
    }
}
