//! One member of an open network as an engine: it gives opinions, leads decisions when it is its turn, and catches up.
//!
//! ```text
//! handle_candidate, give_opinion    handle_met, handle_message    handle_dead    leave
//!          |                                |                          |            |
//!          v                                v                          v            v
//! +-------------------------------------------------------------------------------------+
//! |  Succession: opinions, accusations, ballots        turns: when to lead, to repeat    |
//! |  Chain: what was decided                           catching up: links others have    |
//! |  gate: nothing leaves before what it rests on is durable                             |
//! +-------------------------------------------------------------------------------------+
//!          |                                |                                   |
//!          v                                v                                   v
//! poll_output: Persist, Send, Decided, Counted, Evidence                 poll_timeout
//! ```
//!
//! The electorate is the membership itself, so an assembly changes who it is made of with every decision. A candidate is
//! put to the members by its own record; who is asked, and by what policy, is the caller's business, and so is finding out
//! who does not answer ([`Assembly::handle_dead`]).
//!
//! # Contract
//!
//! After any call that takes `&mut self`, drain [`Assembly::poll_output`], carry the outputs out in order, and read
//! [`Assembly::poll_timeout`] anew. Answer every [`Output::Persist`].

mod catching_up;
mod config;
mod explaining;
mod gate;
mod output;
mod turns;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

pub use config::Config;
pub use explaining::{Accused, Candidacy, Decided, Explanation};
pub use output::{Asked, CandidateError, Message, MessageError, Output, PersistId, Stuck};

use crate::id::{Digest, NodeId};
use crate::record::Record;
use crate::scheme::{Scheme, Signer};
use crate::succession::{
    self, Chain, Change, Durable, Evidence, Keys, Link, Membership, Opinion, Place, SayError,
    Succession, To,
};
use crate::time::Now;
use crate::vote::Choice;
use catching_up::Fetching;
use gate::Gate;
use turns::Turns;

/// One member of an open network. See the [module](self) for how it is driven.
#[derive(Debug)]
pub struct Assembly {
    me: NodeId,
    signer: Arc<dyn Signer>,
    scheme: Arc<dyn Scheme>,
    config: Config,
    chain: Chain,
    core: Succession,
    /// Members that this one can talk to.
    met: BTreeSet<NodeId>,
    /// Members that do not answer this one: accused again in every epoch.
    dead: BTreeSet<NodeId>,
    /// Own opinions, by when their attempts were opened.
    given: BTreeSet<(u64, Digest)>,
    leaving: bool,
    /// Evidence of a fork: nothing more is decided.
    fork: Option<Evidence>,
    /// Whose contradictions were told.
    told: BTreeSet<NodeId>,
    /// Whom links were asked of lately. Bounded by the members.
    fetching: BTreeMap<NodeId, Fetching>,
    turns: Turns,
    gate: Gate,
    rng: ChaCha8Rng,
    out: VecDeque<Output>,
}

impl Assembly {
    /// A member by this chain, with what it had said before it was restarted. `seed` feeds the jitter.
    pub fn new(
        signer: Arc<dyn Signer>,
        scheme: Arc<dyn Scheme>,
        chain: Chain,
        said: impl IntoIterator<Item = Durable>,
        config: Config,
        seed: u64,
        now: Now,
    ) -> Self {
        let me = signer.id();
        let mut this = Self {
            me,
            core: Succession::new(me, chain.membership().clone()),
            turns: Turns::new(now.instant + config.sync),
            signer,
            scheme,
            config,
            chain,
            met: BTreeSet::new(),
            dead: BTreeSet::new(),
            given: BTreeSet::new(),
            leaving: false,
            fork: None,
            told: BTreeSet::new(),
            fetching: BTreeMap::new(),
            gate: Gate::default(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            out: VecDeque::new(),
        };
        for durable in said {
            match &durable {
                Durable::Opinion { opened_ms, opinion } => {
                    this.given.insert((*opened_ms, opinion.record));
                }
                Durable::Fork(evidence) => this.fork = Some((**evidence).clone()),
                // Who does not answer now is found out now, and who left is here again. Neither is a promise.
                Durable::Accusation(_) | Durable::Leave(_) => continue,
                Durable::Acceptor(_) | Durable::Link(_) => {}
            }
            this.with_core(|core, keys| core.restore(durable, keys));
        }
        this.settle(now);
        this
    }

    /// This member has lost what it said, perhaps of the present decision; see [`Succession::forget`].
    pub const fn forget(&mut self) {
        self.core.forget();
    }

    /// How many other members one that has forgotten can ask; see [`Succession::set_asked`].
    pub const fn set_asked(&mut self, others: usize) {
        self.core.set_asked(others);
    }

    /// What was decided so far.
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Who is in.
    pub const fn membership(&self) -> &Arc<Membership> {
        self.chain.membership()
    }

    /// The candidates that are here.
    pub fn candidates(&self) -> impl Iterator<Item = &Arc<Record>> {
        self.core.candidates()
    }

    /// The opinions held on a record.
    pub fn opinions(&self, record: &Digest) -> impl Iterator<Item = &Opinion> {
        self.core.opinions(record)
    }

    /// This member's own opinion on a record, once it is durable.
    pub fn own_opinion(&self, record: &Digest) -> Option<&Opinion> {
        let own = self.core.own_opinion(record);
        own.filter(|_| !self.gate.awaits_opinion(record))
    }

    /// What this member has said of candidates: for an assembly of its next life, so that nobody is answered twice.
    pub fn own_opinions(&self) -> Vec<Durable> {
        let given = self.given.iter().filter_map(|(opened_ms, record)| {
            let opinion = self.core.own_opinion(record)?.clone();
            Some(Durable::Opinion {
                opened_ms: *opened_ms,
                opinion,
            })
        });
        given.collect()
    }

    /// Members whose opinion on a record is not held: whom its candidate waits for.
    pub fn waiting_for(&self, record: &Digest) -> Vec<NodeId> {
        self.core.undecided_on(record).collect()
    }

    /// Evidence of a fork, if there is any: then this member decides nothing more.
    pub const fn fork(&self) -> Option<&Evidence> {
        self.fork.as_ref()
    }

    /// Whether so many members do not answer that the others can decide nothing, and who.
    pub fn stuck(&self) -> Option<Stuck> {
        let membership = self.membership();
        if self.dead.is_empty() && !membership.is_empty() {
            // All others answer, and all together are a quorum.
            return None;
        }
        let silent: Vec<NodeId> = self
            .dead
            .iter()
            .filter(|node| membership.member(node).is_some())
            .copied()
            .collect();
        let (members, quorum) = (membership.len(), membership.quorum());
        (members - silent.len() < quorum).then_some(Stuck {
            silent,
            members,
            quorum,
        })
    }

    /// A candidate is here, and means this record. Says whether this member is to be asked.
    ///
    /// # Errors
    /// When the record is not acceptable, or there are too many candidates.
    pub fn handle_candidate(
        &mut self,
        record: Arc<Record>,
        now: Now,
    ) -> Result<Asked, CandidateError> {
        let window_ms = u64::try_from(self.config.window.as_millis()).unwrap_or(u64::MAX);
        if now.unix_ms.abs_diff(record.opened_ms) > window_ms {
            return Err(CandidateError::Window {
                window: self.config.window,
                opened_ms: record.opened_ms,
            });
        }
        self.forget_old_opinions(now);
        let is_known = self
            .core
            .candidates()
            .any(|known| known.node == record.node);
        let count = self.core.candidates().count();
        if !is_known && count >= self.config.candidates_max {
            return Err(CandidateError::TooMany(count));
        }
        let hash = record.hash();
        let node = record.node;
        let own = self.core.own_opinion(&hash).cloned();
        if own.is_none() && self.given.len() >= self.config.opinions_max {
            return Err(CandidateError::TooMany(self.given.len()));
        }
        self.with_core(|core, keys| core.handle_candidate(record, keys))?;
        if let Some(own) = &own {
            // Said in an earlier life, it has to be said again in this one. In the same, it is not.
            let (choice, reason) = (own.choice, own.reason.clone());
            let _said = self.with_core(|core, keys| core.say_opinion(node, choice, &reason, keys));
        }
        // Who has heard of the candidate before has opinions to tell.
        let met: Vec<NodeId> = self.met.iter().copied().collect();
        let message = Message::OpinionsOn(hash);
        self.push(Output::Send { to: met, message });
        self.settle(now);
        Ok(own.map_or(Asked::Ask, Asked::Answered))
    }

    /// A candidate has gone away.
    pub fn handle_candidate_gone(&mut self, node: &NodeId, now: Now) {
        self.core.handle_candidate_gone(node);
        self.settle(now);
    }

    /// The opinion of this member's person, or policy.
    ///
    /// # Errors
    /// When the candidate is not here, or was answered: an opinion is given once per record.
    pub fn give_opinion(
        &mut self,
        candidate: NodeId,
        choice: Choice,
        reason: &str,
        now: Now,
    ) -> Result<(), SayError> {
        let asking = self
            .core
            .candidates()
            .find(|record| record.node == candidate);
        let given = asking.map(|record| (record.opened_ms, record.hash()));
        self.with_core(|core, keys| core.say_opinion(candidate, choice, reason, keys))?;
        self.given.extend(given);
        self.settle(now);
        Ok(())
    }

    /// Another member, or one that takes itself for a member, can be talked to.
    pub fn handle_met(&mut self, node: NodeId, now: Now) {
        self.met.insert(node);
        if self.dead.remove(&node) {
            // Where one comes back, others may be about to.
            self.turns.hold_evictions_until = Some(now.instant + self.config.heal);
        }
        self.core.set_present(node, true);
        self.tell_status(vec![node]);
        self.core.handle_met(node);
        self.core.say_in_touch();
        self.settle(now);
    }

    /// It cannot any more. That is no sign of death yet.
    pub fn handle_lost(&mut self, node: NodeId, now: Now) {
        self.met.remove(&node);
        self.core.set_present(node, false);
        self.fetching.remove(&node);
        self.settle(now);
    }

    /// This member's own probes say that another does not answer. It is accused, in this epoch and in later ones, until it
    /// is met again.
    pub fn handle_dead(&mut self, node: NodeId, now: Now) {
        if !self.met.contains(&node) {
            self.dead.insert(node);
        }
        self.settle(now);
    }

    /// This member leaves: it says so and leads the decision. Also in later epochs, until it is decided.
    pub fn leave(&mut self, now: Now) {
        self.leaving = true;
        self.settle(now);
    }

    /// A message of a node that was met.
    ///
    /// # Errors
    /// Why it does not count; no honest member sends such.
    pub fn handle_message(
        &mut self,
        from: NodeId,
        message: Message,
        now: Now,
    ) -> Result<(), MessageError> {
        let result = self.handle(from, message, now);
        self.settle(now);
        result
    }

    fn handle(&mut self, from: NodeId, message: Message, now: Now) -> Result<(), MessageError> {
        match message {
            Message::Status { epoch, head } => {
                self.handle_status(from, epoch, head, now);
                Ok(())
            }
            Message::Fetch { epoch } => {
                self.send_links(from, epoch);
                Ok(())
            }
            Message::Links(links) => self.handle_links(from, links, now),
            Message::OpinionsOn(record) => {
                self.core.repeat_opinion(&record, from);
                Ok(())
            }
            Message::Succession(message) => {
                // A disk that does not take what is said makes this member silent, not forgetful.
                // Who has forgotten what it said asks everybody, and so hears everybody.
                let is_heard = self.met.contains(&from) || self.core.has_forgotten();
                if !self.may_speak() || !is_heard {
                    return Ok(());
                }
                let promised = self.core.promised();
                let heard = self.with_core(|core, keys| core.handle_message(from, *message, keys));
                if let Err(succession::StatementError::Counter { .. }) = heard {
                    // An honest member can come to lead such a ballot; it repeats itself until it is followed.
                    self.core.raise_limit();
                    return Ok(());
                }
                match heard? {
                    succession::Heard::Now => {}
                    succession::Heard::Earlier => self.tell_status(vec![from]),
                    succession::Heard::Later => self.fetch(from, now),
                }
                if self.core.promised() != promised {
                    // Somebody else leads: give it time.
                    self.turns
                        .wait_for_other(&self.config, now.instant, &mut self.rng);
                }
                Ok(())
            }
        }
    }

    /// The deadline that [`poll_timeout`](Self::poll_timeout) gave has come. Harmless at any other time.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.turns.sync_is_due(now.instant) {
            self.turns.sync_at = now.instant + self.config.sync;
            let met: Vec<NodeId> = self.met.iter().copied().collect();
            self.tell_status(met.clone());
            let repeats = self.turns.repeats_at_sync(self.membership().epoch());
            if repeats && self.may_speak() && self.core.is_deciding() {
                // To each what is this member's own, and to one at a time what others said: everybody telling everything
                // to everybody would be as many messages as the cube of their number.
                if !met.is_empty() {
                    let one = met[self.rng.random_range(0..met.len())];
                    self.core.handle_met(one);
                }
                met.into_iter().for_each(|node| self.core.repeat_to(node));
            }
        }
        if self.gate.retry_is_due(now.instant) {
            self.gate.retry(&mut self.out);
        }
        self.settle(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let turns = self.turns.poll_timeout(self.may_speak());
        [turns, self.gate.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next thing to do, in the order in which things are to be done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// What was to be persisted is.
    pub fn handle_persisted(&mut self, id: PersistId, now: Now) {
        for output in self.gate.handle_persisted(id) {
            self.release(output, now);
        }
        self.settle(now);
    }

    /// It is not. It is tried again; until then nothing that rests on it leaves.
    pub fn handle_persist_failed(&mut self, id: PersistId, now: Now) {
        self.gate
            .handle_failed(id, now.instant + self.config.persist_again);
    }

    /// A fork ends all deciding. A disk that takes nothing makes this member silent, and leaves nothing to be written later.
    fn may_speak(&self) -> bool {
        self.fork.is_none() && !self.gate.is_failing() && !self.is_done()
    }

    /// One decision is all that was wanted.
    pub(super) fn is_done(&self) -> bool {
        self.config.decides_once && self.core.membership().epoch() > self.chain.first().epoch()
    }

    /// What must follow every input.
    fn settle(&mut self, now: Now) {
        let holds = self.turns.holds_evictions(now.instant);
        self.core.hold_evictions(holds);
        if self.may_speak() {
            self.say_what_is_due();
            self.take_turn(now);
        }
        while let Some(output) = self.core.poll_output() {
            if let succession::Output::Decided(link) = &output {
                self.forget_the_departed(link);
            }
            if let Some(output) = self.gate.pass(output, &mut self.out) {
                self.release(output, now);
            }
            if self.may_speak() {
                self.say_what_is_due();
            }
        }
        if self.fork.is_none() {
            self.turns
                .plan(&self.core, &self.config, now.instant, &mut self.rng);
        }
    }

    /// Who comes back begins a new life, of which nothing is known yet.
    fn forget_the_departed(&mut self, link: &Link) {
        match &link.change {
            Change::Evict { suspects } => self.dead.retain(|node| !suspects.contains_key(node)),
            Change::Leave(leave) => {
                self.dead.remove(&leave.member);
            }
            Change::Admit { .. } => {}
        }
    }

    /// Accusations and the own leave are void after a decision: they are said again in the new epoch.
    fn say_what_is_due(&mut self) {
        if (self.dead.is_empty() && !self.leaving)
            || self.core.membership().member(&self.me).is_none()
        {
            return;
        }
        let membership = self.core.membership().clone();
        let accused: BTreeSet<NodeId> = self.core.accused().collect();
        let due: Vec<NodeId> = self
            .dead
            .iter()
            .filter(|node| membership.member(node).is_some() && !accused.contains(*node))
            .copied()
            .collect();
        for suspect in due {
            // Both are members, as was just looked up.
            let _said = self.with_core(|core, keys| core.say_accuse(suspect, keys));
        }
        // The last member keeps its network.
        if self.leaving && membership.len() > 1 {
            let _said = self.with_core(|core, keys| core.say_leave(keys));
        }
    }

    /// Carries out an output of the core that may leave now.
    fn release(&mut self, output: succession::Output, now: Now) {
        match output {
            // The gate answers for these.
            succession::Output::Persist(_) => {}
            succession::Output::Send { to, message } => {
                let to: Vec<NodeId> = match to {
                    // Who has forgotten what it said asks also those that it takes for dead, or wants out.
                    To::All if self.core.has_forgotten() => {
                        let members = self.membership().members().map(|record| record.node);
                        members.filter(|node| *node != self.me).collect()
                    }
                    To::All => self.met.iter().copied().collect(),
                    To::One(node) => self.met.get(&node).copied().into_iter().collect(),
                };
                let message = Message::Succession(Box::new(message));
                self.push(Output::Send { to, message });
            }
            succession::Output::Decided(link) => {
                self.chain.push_verified(link.clone());
                self.turns.decided();
                self.push(Output::Decided(link));
                let met = self.met.iter().copied().collect();
                self.tell_status(met);
            }
            succession::Output::Counted(opinion) => self.push(Output::Counted(opinion)),
            succession::Output::Refused => {
                self.turns.refused(&self.config, now.instant, &mut self.rng);
            }
            succession::Output::Evidence(evidence) => self.tell_evidence(evidence),
        }
    }

    fn tell_evidence(&mut self, evidence: Evidence) {
        let suspects = evidence.suspects();
        if planted!(EvidenceSwallowed) {
            return;
        }
        if suspects.iter().any(|suspect| !self.told.contains(suspect)) {
            self.told.extend(suspects);
            self.push(Output::Evidence(Box::new(evidence)));
        }
    }

    fn tell_status(&mut self, to: Vec<NodeId>) {
        let Place { epoch, head, .. } = self.membership().place();
        let message = Message::Status { epoch, head };
        self.push(Output::Send { to, message });
    }

    fn push(&mut self, output: Output) {
        if !matches!(&output, Output::Send { to, .. } if to.is_empty()) {
            self.out.push_back(output);
        }
    }

    /// Opinions on records that are too old to be put to anybody again.
    fn forget_old_opinions(&mut self, now: Now) {
        let window_ms = u64::try_from(self.config.window.as_millis()).unwrap_or(u64::MAX);
        let oldest = now.unix_ms.saturating_sub(window_ms);
        while let Some((opened_ms, record)) = self.given.first().copied() {
            if opened_ms >= oldest {
                break;
            }
            self.given.pop_first();
            self.core.forget_opinion(&record);
        }
    }

    fn with_core<T>(&mut self, act: impl FnOnce(&mut Succession, &Keys<'_>) -> T) -> T {
        let keys = Keys {
            signer: &*self.signer,
            scheme: &*self.scheme,
        };
        act(&mut self.core, &keys)
    }
}
