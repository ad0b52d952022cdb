//! One voter's part in changing who votes.
//!
//! ```text
//!   seat, unseat, resign (a person) ──> Assembly over the seats: which change comes next
//!                                            │ Decided: each seals, with what it holds
//!                                            v
//!                       seals of a quorum, and one roster among them
//!                                            │
//!                                            v
//!                                       HandedOver ──> the next epoch, and a new Assembly
//! ```
//!
//! The rules are those of an open network whose members are the voters: a node gets a seat by the word of every voter; a
//! voter loses its seat by the word of all others, if they are a majority, or by its own. One change is made per epoch; several
//! voters may be unseated by one, and have no say about each other then: of two that are dead, neither could be alone. A
//! person decides, at every seat: nothing here throws a voter out because it is silent.
//!
//! A decided change does not take effect until a quorum of the old voters have sealed and hold the same roster: what was
//! decided in the old epoch is known in the new one. From then on everybody follows by the [`Handover`].
//!
//! # Contract
//!
//! After any call that takes `&mut self`, drain [`Conclave::poll_output`], carry the outputs out in order, and read
//! [`Conclave::poll_timeout`] anew. Answer every [`Output::Persist`]. Tell it of the roster's digest whenever that changes
//! while [`Conclave::is_sealed`].

mod handing_over;
mod output;
mod wishes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use output::{Message, MessageError, Output, PersistId, SeatError, Step};

use crate::assembly::{self, Assembly};
use crate::electorate::Electorate;
use crate::handover::{Handover, HandoverError, Seal};
use crate::id::{Digest, NodeId};
use crate::record::Record;
use crate::scheme::{Scheme, Signer};
use crate::succession::{Chain, Durable, Membership};
use crate::time::Now;

/// How many nodes each voter may want a seat for at a time.
const NOMINATIONS_PER_VOTER: usize = 4;

/// How many nodes may want a seat by their own word alone.
const SELF_NOMINATIONS_MAX: usize = 16;

/// How often a seal is repeated until the epoch is handed over.
const REPEAT: Duration = Duration::from_secs(1);

/// How many handovers one message carries.
const HANDOVERS_PER_MESSAGE: usize = 64;

/// One voter's part in changing who votes; also a follower's, who has no seat. See the [module](self).
#[derive(Debug)]
pub struct Conclave {
    signer: Arc<dyn Signer>,
    scheme: Arc<dyn Scheme>,
    electorate: Electorate,
    /// The one that it began with, with whoever was met there.
    first: Electorate,
    /// Those that came between, as they were stored.
    earlier: Vec<Electorate>,
    /// `None` while not all voters are known, or without a seat.
    assembly: Option<Assembly>,
    config: assembly::Config,
    /// What was said before a restart, until there is an assembly to restore.
    said: Vec<Durable>,
    linked: BTreeSet<NodeId>,
    /// Whom each voter's person wants a seat for.
    nominated: BTreeMap<NodeId, BTreeMap<NodeId, Record>>,
    /// Voters that this one's person wants unseated.
    challenged: BTreeSet<NodeId>,
    own_seal: Option<Seal>,
    /// The seals of this epoch's voters, with what each holds.
    seals: BTreeMap<NodeId, (Seal, Digest)>,
    roster: Digest,
    /// The chain as far as others can be shown it, by the epoch that each ends.
    handovers: BTreeMap<u64, Arc<Handover>>,
    repeat_at: Option<Instant>,
    /// What this voter said of the present change, it may not know any more.
    has_forgotten: bool,
    /// Other voters that said, while this one was there to hear it, that this epoch's change was not decided.
    undecided: BTreeSet<NodeId>,
    seed: u64,
    out: VecDeque<Output>,
}

impl Conclave {
    /// A conclave of this electorate, with the steps that follow it and what this voter had said, as they were stored.
    /// `roster` is the digest of its roster; `seed` feeds the jitter.
    ///
    /// # Errors
    /// When a stored step does not follow. [`HandoverError::Undecided`]: not enough voters are known.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a plain fact of the one call that makes a conclave"
    )]
    pub fn new(
        signer: Arc<dyn Signer>,
        scheme: Arc<dyn Scheme>,
        electorate: Electorate,
        steps: impl IntoIterator<Item = Step>,
        said: Vec<Durable>,
        roster: Digest,
        config: assembly::Config,
        seed: u64,
        now: Now,
    ) -> Result<Self, HandoverError> {
        let mut this = Self {
            signer,
            scheme,
            first: electorate.clone(),
            electorate,
            earlier: Vec::new(),
            assembly: None,
            config: assembly::Config {
                decides_once: true,
                ..config
            },
            said,
            linked: BTreeSet::new(),
            nominated: BTreeMap::new(),
            challenged: BTreeSet::new(),
            own_seal: None,
            seals: BTreeMap::new(),
            roster,
            handovers: BTreeMap::new(),
            repeat_at: None,
            has_forgotten: false,
            undecided: BTreeSet::new(),
            seed,
            out: VecDeque::new(),
        };
        for step in steps {
            // A list of a later epoch may have taken the place of an earlier one.
            if step.epoch() < this.electorate.epoch() {
                continue;
            }
            let next = step.follow(&this.electorate, &*this.scheme)?;
            let ended = std::mem::replace(&mut this.electorate, next);
            this.earlier.push(ended);
            if let Step::HandedOver(handover) = step {
                this.handovers.insert(handover.epoch, handover);
            }
        }
        this.settle(now);
        Ok(this)
    }

    /// This voter has lost its store, not its key, and so what it said about a change that is under way. It says what its person
    /// wants, and takes part in ballots once enough others have promised
    /// ([`Succession::forget`](crate::Succession::forget)). So it does in every epoch that may have begun before its loss: all but
    /// those whose predecessor it has seen undecided since, by the word of so many others that no quorum can have ended that
    /// without one of them, provided that these have lost nothing.
    pub fn forget(&mut self) {
        self.has_forgotten = true;
        if let Some(assembly) = &mut self.assembly {
            assembly.forget();
        }
    }

    /// Whether it may have said of the present change what it does not know any more.
    pub const fn has_forgotten(&self) -> bool {
        self.has_forgotten
    }

    /// Who votes, as far as this node has followed the chain.
    pub const fn electorate(&self) -> &Electorate {
        &self.electorate
    }

    /// The electorate that this node began with, with whoever it has met there since.
    pub const fn first_electorate(&self) -> &Electorate {
        &self.first
    }

    /// Who voted in an epoch that was over when this conclave was made, if its store knew.
    pub fn earlier_electorate(&self, epoch: u64) -> Option<&Electorate> {
        self.earlier.iter().find(|earlier| earlier.epoch() == epoch)
    }

    /// Whether this voter gives no more votes in this epoch.
    pub const fn is_sealed(&self) -> bool {
        self.own_seal.is_some()
    }

    /// Learns who sits in a seat; returns whether it was news.
    ///
    /// # Errors
    /// As [`Electorate::bind`].
    pub fn bind(
        &mut self,
        seat: usize,
        voter: NodeId,
        now: Now,
    ) -> Result<bool, crate::ElectorateError> {
        let is_news = self.electorate.bind(seat, voter)?;
        if self.first.id() == self.electorate.id() {
            self.first.bind(seat, voter)?;
        }
        self.settle(now);
        Ok(is_news)
    }

    /// A link to a voter, or to somebody who follows the chain, came up.
    pub fn handle_linked(&mut self, node: NodeId, now: Now) {
        self.linked.insert(node);
        self.push_send(vec![node], Message::Epoch(self.electorate.epoch()));
        self.meet(node, now);
        let me = self.signer.id();
        if self.electorate.contains(&node) {
            let wanted = self
                .nominated
                .get(&me)
                .into_iter()
                .flat_map(BTreeMap::values);
            let wanted = wanted.map(|record| Message::Nominated(Box::new(record.clone())));
            let challenged = self.challenged.iter().copied().map(Message::Challenged);
            let wishes: Vec<Message> = wanted.chain(challenged).collect();
            for wish in wishes {
                self.push_send(vec![node], wish);
            }
        }
        self.tell_seal(vec![node]);
        self.settle(now);
    }

    /// It went down.
    pub fn handle_unlinked(&mut self, node: NodeId, now: Now) {
        self.linked.remove(&node);
        if let Some(assembly) = &mut self.assembly {
            assembly.handle_lost(node, now);
        }
        self.accuse_the_challenged(now);
        self.settle(now);
    }

    /// What another node says.
    ///
    /// # Errors
    /// Why it does not count; no honest node sends such.
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
        let is_voter = self.electorate.contains(&from);
        match message {
            Message::Epoch(epoch) => self.tell_handovers(from, epoch),
            Message::Handovers(handovers) => {
                for handover in handovers {
                    if handover.epoch == self.electorate.epoch() {
                        self.take_over(handover, now)?;
                    } else {
                        self.widen(&handover);
                    }
                }
            }
            // A voter's person wants it, or the node itself.
            Message::Nominated(record) if is_voter || record.node == from => {
                self.handle_nominated(from, record)?;
            }
            Message::Challenged(voter) if is_voter && self.electorate.contains(&voter) => {
                self.out.push_back(Output::Challenged { by: from, voter });
            }
            Message::Assembly { epoch, message } if epoch == self.electorate.epoch() => {
                if is_voter
                    && matches!(message, assembly::Message::Status { epoch: at, .. } if at == epoch)
                {
                    self.undecided.insert(from);
                }
                if let Some(assembly) = self.assembly.as_mut().filter(|_| is_voter) {
                    assembly.handle_message(from, message, now)?;
                }
            }
            Message::Sealed { seal, roster } if seal.epoch == self.electorate.epoch() => {
                if seal.voter != from {
                    return Err(MessageError::Hearsay(seal.voter));
                }
                if is_voter {
                    seal.verify(&self.electorate, &*self.scheme)?;
                    self.seals.insert(from, (seal, roster));
                }
            }
            Message::Sealed { seal, .. } => {
                // It has not heard, and its seal makes the handover clearer to those who know other voters.
                let epoch = seal.epoch;
                self.widen_by(seal);
                self.tell_handovers(from, epoch);
            }
            Message::Assembly { epoch, .. } => self.tell_handovers(from, epoch),
            Message::Nominated(_) | Message::Challenged(_) => {}
        }
        Ok(())
    }

    /// The roster has this digest now. Returns whether that was news.
    pub fn handle_roster(&mut self, digest: Digest, now: Now) -> bool {
        let is_news = self.roster != digest;
        if is_news {
            self.roster = digest;
            let voters = self.linked_voters();
            self.tell_seal(voters);
            self.settle(now);
        }
        is_news
    }

    /// What was to be persisted is.
    pub fn handle_persisted(&mut self, id: PersistId, now: Now) {
        if let Some(assembly) = self.assembly_of(id) {
            assembly.handle_persisted(id.write, now);
        }
        self.settle(now);
    }

    /// It is not. It is tried again; nothing that rests on it leaves.
    pub fn handle_persist_failed(&mut self, id: PersistId, now: Now) {
        if let Some(assembly) = self.assembly_of(id) {
            assembly.handle_persist_failed(id.write, now);
        }
        self.settle(now);
    }

    /// The deadline that [`poll_timeout`](Self::poll_timeout) gave has come. Harmless at any other time.
    pub fn handle_timeout(&mut self, now: Now) {
        if let Some(assembly) = &mut self.assembly {
            assembly.handle_timeout(now);
        }
        if self.repeat_at.is_some_and(|at| now.instant >= at) {
            self.repeat_at = Some(now.instant + REPEAT);
            let voters = self.linked_voters();
            self.tell_seal(voters);
        }
        self.settle(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let assembly = self.assembly.as_ref().and_then(Assembly::poll_timeout);
        [assembly, self.repeat_at].into_iter().flatten().min()
    }

    /// The next thing to do, in the order in which things are to be done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn assembly_of(&mut self, id: PersistId) -> Option<&mut Assembly> {
        let is_its = id.epoch == self.electorate.epoch();
        self.assembly.as_mut().filter(|_| is_its)
    }

    /// Voters of this epoch, of the one before, who may not have heard, and of the next, if it is decided.
    fn linked_voters(&self) -> Vec<NodeId> {
        let before = self.electorate.predecessor();
        let next = self.own_seal.as_ref().map(|seal| &seal.next.seats);
        let is_voter = |node: &&NodeId| {
            self.electorate.contains(node)
                || before.is_some_and(|before| before.contains(node))
                || next.is_some_and(|next| next.values().any(|voter| voter == *node))
        };
        self.linked.iter().filter(is_voter).copied().collect()
    }

    fn meet(&mut self, node: NodeId, now: Now) {
        let is_met = self.electorate.contains(&node) && !self.challenged.contains(&node);
        if let Some(assembly) = self.assembly.as_mut().filter(|_| is_met) {
            assembly.handle_met(node, now);
        }
    }

    fn push_send(&mut self, to: Vec<NodeId>, message: Message) {
        let to: Vec<NodeId> = to
            .into_iter()
            .filter(|node| self.linked.contains(node))
            .collect();
        if !to.is_empty() {
            self.out.push_back(Output::Send { to, message });
        }
    }

    /// What must follow every input.
    fn settle(&mut self, now: Now) {
        if self.assembly.is_none() && self.electorate.contains(&self.signer.id()) {
            self.assemble(now);
        }
        if let Some(assembly) = &mut self.assembly {
            // If it has to ask whether it may take part again: those too that its person wants unseated.
            let is_voter = |node: &&NodeId| self.electorate.contains(node);
            assembly.set_asked(self.linked.iter().filter(is_voter).count());
        }
        while let Some(output) = self.assembly.as_mut().and_then(Assembly::poll_output) {
            let epoch = self.electorate.epoch();
            match output {
                assembly::Output::Persist { id, durable } => {
                    let id = PersistId { epoch, write: id };
                    self.out.push_back(Output::Persist { id, durable });
                }
                assembly::Output::Send { to, message } => {
                    self.push_send(to, Message::Assembly { epoch, message });
                }
                assembly::Output::Decided(_) => self.seal(now),
                assembly::Output::Counted(_) => {}
                assembly::Output::Evidence(evidence) => {
                    self.out.push_back(Output::Evidence(evidence));
                }
            }
        }
        self.hand_over(now);
    }

    /// Once all voters are known, they can decide on changes.
    fn assemble(&mut self, now: Now) {
        let Some(membership) = Membership::of_seats(&self.electorate) else {
            return;
        };
        let mut chain = Chain::of(membership);
        let said = std::mem::take(&mut self.said);
        for durable in &said {
            if let Durable::Link(link) = durable
                && chain.membership().epoch() == self.electorate.epoch()
            {
                // Of an earlier epoch, perhaps: void.
                let _extended = chain.extend(link.clone(), &*self.scheme);
            }
        }
        let is_decided = chain.membership().epoch() > self.electorate.epoch();
        let mut assembly = Assembly::new(
            self.signer.clone(),
            self.scheme.clone(),
            chain,
            said,
            self.config.clone(),
            self.seed ^ self.electorate.epoch(),
            now,
        );
        if self.has_forgotten {
            assembly.forget();
        }
        for node in &self.linked {
            if self.electorate.contains(node) {
                assembly.handle_met(*node, now);
            }
        }
        self.assembly = Some(assembly);
        if is_decided {
            self.seal(now);
        }
    }
}
