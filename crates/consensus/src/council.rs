//! One voter of a fixed electorate: the engine that proposes, judges, votes, certifies and announces.
//!
//! ```text
//!   propose, handle_proposal ─┐                        ┌─> Judge    (answer: handle_judgement)
//!   handle_vote ──────────────┤                        ├─> Persist  (answer: handle_persisted, …_failed)
//!   handle_proof ─────────────┼──> open matters ──────┼─> Send     proposals and votes to the other voters
//!   handle_timeout ───────────┤    (a tally each)      ├─> Decided  carried, defeated, expired, superseded
//!   handle_voter_up ──────────┘    roster              └─> Committed, Widened, Counted, Equivocated
//! ```
//!
//! Contract: after any `handle_…`, `propose` or `bind`, drain [`Council::poll_output`] to the end, then read
//! [`Council::poll_timeout`] anew. Time must not go backwards on the monotonic clock; the wall clock may jump.
//!
//! Invariants:
//! - A vote leaves only after it was persisted, and never both ways on one proposal, also across restarts.
//! - A certificate of a standing is committed to the roster and announced only after it was persisted. Those of motions
//!   are the caller's to keep.
//! - A voter takes part in a proposal only within [`VOTING_WINDOW_MS`](crate::VOTING_WINDOW_MS) of its opening, by its
//!   own wall clock.
//! - An opened vote ends once: one [`Output::Decided`], after which no voter's repeating it opens it again. Only one that
//!   [expired](Decision::Expired) or [could not be made durable](Decision::NotDurable) may be opened again, and one that
//!   the caller proposes again.
//! - What is asked to be persisted never replaces a larger standing by a lesser one.
//! - Every queue is bounded: open matters, early votes, remembered votes (see [`Config`]).
//!
//! Left out: who is asked to judge (a probe, a policy, a person) is the caller's.

mod config;
mod error;
mod matter;
mod output;
mod remembered;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

pub use config::{Config, ConfigError};
pub use error::ProposeError;
pub use output::{Decision, Durable, Message, Output, PersistId};

use crate::certificate::CertificateError;
use crate::electorate::{Electorate, ElectorateError};
use crate::id::{NodeId, ProposalId};
use crate::proposal::Proposal;
use crate::roster::{Merged, Proof, ProofError, Roster, Standing, StandingKey, VerifiedProof};
use crate::scheme::{Scheme, Signer};
use crate::tally::{Counted, Outcome};
use crate::time::Now;
use crate::vote::{Choice, VerifiedVote, Vote, VoteError};
use matter::{Matter, Own};
use remembered::{Casting, Remembered};

/// One voter of a fixed electorate. See the [module](self) for the contract.
#[derive(Debug)]
pub struct Council {
    signer: Arc<dyn Signer>,
    scheme: Arc<dyn Scheme>,
    electorate: Electorate,
    config: Config,
    rng: ChaCha8Rng,
    roster: Roster,
    matters: BTreeMap<ProposalId, Matter>,
    /// Own votes and ends, kept past their matters so that a proposal that comes again meets the same vote.
    remembered: BTreeMap<ProposalId, Remembered>,
    /// Votes that overtook their proposal.
    early: VecDeque<VerifiedVote>,
    committing: BTreeMap<PersistId, VerifiedProof>,
    voting: BTreeMap<PersistId, Casting>,
    abstain_until: Option<Instant>,
    next_persist: u64,
    outputs: VecDeque<Output>,
}

impl Council {
    /// A voter with its key, the electorate it belongs to, and the seed of its retransmission jitter. Persistent state
    /// is put back with [`restore_vote`](Self::restore_vote) and [`restore_proof`](Self::restore_proof).
    ///
    /// # Errors
    /// When the configuration is unusable or the signer has no seat.
    pub fn new(
        signer: Arc<dyn Signer>,
        scheme: Arc<dyn Scheme>,
        electorate: Electorate,
        config: Config,
        seed: u64,
    ) -> Result<Self, ConfigError> {
        config.validate()?;
        if !electorate.contains(&signer.id()) {
            return Err(ConfigError::NotAVoter(signer.id()));
        }
        Ok(Self {
            signer,
            scheme,
            electorate,
            config,
            rng: ChaCha8Rng::seed_from_u64(seed),
            roster: Roster::new(),
            matters: BTreeMap::new(),
            remembered: BTreeMap::new(),
            early: VecDeque::new(),
            committing: BTreeMap::new(),
            voting: BTreeMap::new(),
            abstain_until: None,
            next_persist: 0,
            outputs: VecDeque::new(),
        })
    }

    /// Puts back a vote that was persisted before a restart.
    pub fn restore_vote(&mut self, opened_ms: u64, vote: Vote) {
        let id = vote.proposal;
        self.remember(id, opened_ms).vote = Some(vote);
    }

    /// Puts back a proof that was persisted before a restart. Seats whose voters had been met must be bound again
    /// first, or it is undecided.
    ///
    /// # Errors
    /// When it does not verify: the store is not this network's, or not this electorate's.
    pub fn restore_proof(&mut self, proof: Arc<Proof>) -> Result<(), ProofError> {
        let proof = proof.verify(&self.electorate, &*self.scheme)?;
        self.roster.merge(proof);
        Ok(())
    }

    /// Casts no vote before `instant`: a voter that lost its store may have voted on anything still open, so it waits
    /// until every such attempt has closed. Proofs are taken in meanwhile.
    pub fn abstain_until(&mut self, instant: Instant) {
        self.abstain_until = Some(instant);
    }

    /// Who votes.
    pub const fn electorate(&self) -> &Electorate {
        &self.electorate
    }

    /// Every node's committed standing.
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The open votes about a node: what each waits for, by seat name.
    pub fn pending(&self, node: &NodeId) -> impl Iterator<Item = (&Proposal, Vec<&str>)> {
        self.matters
            .values()
            .filter(move |matter| matter.proposal.subject() == *node && !matter.carried)
            .map(|matter| {
                (
                    &*matter.proposal,
                    matter.tally.silent(&self.electorate).collect(),
                )
            })
    }

    /// Whether a proposal is open to votes here.
    pub fn is_open(&self, id: &ProposalId) -> bool {
        self.matters.contains_key(id)
    }

    /// A proposal that is open here.
    pub fn proposal(&self, id: &ProposalId) -> Option<&Arc<Proposal>> {
        self.matters.get(id).map(|matter| &matter.proposal)
    }

    /// Learns who sits in a seat of the electorate; returns whether it was news.
    ///
    /// # Errors
    /// As [`Electorate::bind`].
    pub fn bind(&mut self, seat: usize, voter: NodeId) -> Result<bool, ElectorateError> {
        self.electorate.bind(seat, voter)
    }

    /// Brings a proposal: a candidate's record, a report of a death, a motion. The same proposal brought twice, here or
    /// by two voters, is one proposal.
    ///
    /// # Errors
    /// Why it is not put to the vote; nothing changes then. [`ProposeError::Settled`] carries the proof of the standing
    /// that stands against it.
    pub fn propose(&mut self, proposal: Proposal, now: Now) -> Result<ProposalId, ProposeError> {
        let id = proposal.id();
        if self.matters.contains_key(&id) {
            return Ok(id);
        }
        self.open(id, Arc::new(proposal), now)?;
        self.send_to_all(&id, now.instant);
        Ok(id)
    }

    /// A proposal that another voter brought, or sends again because it lacks our vote.
    ///
    /// # Errors
    /// Why this voter takes no part; nothing changes then. When it is [`ProposeError::Settled`], the proof has been
    /// sent back to `from`.
    pub fn handle_proposal(
        &mut self,
        from: NodeId,
        proposal: Proposal,
        now: Now,
    ) -> Result<(), ProposeError> {
        let id = proposal.id();
        if !self.matters.contains_key(&id) {
            let opened = if self.has_ended(&id) {
                self.check_standing(&proposal)
            } else {
                self.open(id, Arc::new(proposal), now)
            };
            match opened {
                Err(ProposeError::Settled(proof)) => {
                    self.send(from, Message::Proof(proof.clone()));
                    return Err(ProposeError::Settled(proof));
                }
                opened => opened?,
            }
        }
        let remembered = self.remembered.get(&id);
        if let Some(vote) = remembered.and_then(|remembered| remembered.vote.clone()) {
            self.send(from, Message::Vote(vote));
        }
        Ok(())
    }

    /// A vote of another voter. It may arrive before its proposal.
    ///
    /// # Errors
    /// When it does not verify, or contradicts the voter's first vote (which is also output as
    /// [`Output::Equivocated`]).
    pub fn handle_vote(&mut self, vote: Vote) -> Result<(), VoteError> {
        let vote = vote.verify(&self.electorate, &*self.scheme)?;
        if self.matters.contains_key(&vote.vote().proposal) {
            return self.count(vote);
        }
        if self.has_ended(&vote.vote().proposal) || self.early.contains(&vote) {
            return Ok(());
        }
        self.early.push_back(vote);
        if self.early.len() > self.config.early_votes_max {
            self.early.pop_front();
        }
        Ok(())
    }

    /// A proof of a standing, from anywhere: another voter, a member's passport, an exchange of rosters.
    ///
    /// # Errors
    /// When it does not verify. A proof of what is known already is not verified and not an error.
    pub fn handle_proof(&mut self, proof: Arc<Proof>) -> Result<(), ProofError> {
        let known = |(node, key): (NodeId, StandingKey)| {
            let entry = self.roster.get(&node);
            entry.is_some_and(|entry| {
                let votes = |proof: &Proof| proof.certificate().votes.len();
                entry.key > key || (entry.key == key && votes(&entry.proof) >= votes(&proof))
            })
        };
        let claims = proof.claims();
        let mut committing = self.committing.values();
        if claims.is_some_and(known) || committing.any(|known| *known.proof() == proof) {
            return Ok(());
        }
        let proof = proof.verify(&self.electorate, &*self.scheme)?;
        self.persist_proof(proof);
        Ok(())
    }

    /// The caller's answer to [`Output::Judge`]. The reason travels with the vote.
    pub fn handle_judgement(&mut self, id: ProposalId, choice: Choice, reason: &str, now: Now) {
        let abstains = self.abstains(now.instant);
        let Some(matter) = self.matters.get_mut(&id) else {
            return;
        };
        let opened_ms = matter.proposal.opened_ms();
        // The window is checked again: judging takes time, and the clock may have jumped.
        if !matches!(matter.own, Own::Judging) || abstains || !now.is_within_window(opened_ms) {
            return;
        }
        matter.own = Own::Persisting;
        let vote = Vote::cast(&*self.signer, &self.electorate, id, choice, reason);
        let casting = Casting {
            opened_ms,
            vote: vote.clone(),
            since: now.instant,
        };
        let persist = self.persist(Durable::Vote { opened_ms, vote });
        self.voting.insert(persist, casting);
    }

    /// What [`Output::Persist`] asked for is durable.
    pub fn handle_persisted(&mut self, persist: PersistId) {
        if let Some(casting) = self.voting.remove(&persist) {
            self.vote_is_durable(casting);
        } else if let Some(proof) = self.committing.remove(&persist) {
            self.commit(proof);
        }
    }

    /// What [`Output::Persist`] asked for could not be made durable: a vote is not cast, a certificate not announced.
    pub fn handle_persist_failed(&mut self, persist: PersistId) {
        if let Some(matter) = self
            .voting
            .remove(&persist)
            .and_then(|casting| self.matters.get_mut(&casting.vote.proposal))
        {
            matter.own = Own::Withheld;
        }
        if let Some(proof) = self.committing.remove(&persist) {
            let id = proof.proof().certificate().id();
            if let Some(matter) = self.matters.remove(&id).filter(|matter| !matter.announced) {
                self.decided(matter.proposal, Decision::NotDurable);
            }
        }
    }

    /// The link to a voter came up: it is sent what it may lack.
    pub fn handle_voter_up(&mut self, voter: NodeId) {
        let lacking: Vec<ProposalId> = self
            .matters
            .iter()
            .filter(|(_, matter)| matter.tally.vote_of(&voter).is_none())
            .map(|(id, _)| *id)
            .collect();
        for id in lacking {
            self.send_matter(&id, voter);
        }
    }

    /// Deadlines and retransmissions that are due.
    pub fn handle_timeout(&mut self, now: Now) {
        let ids: Vec<ProposalId> = self.matters.keys().copied().collect();
        for id in ids {
            let Some(matter) = self.matters.get(&id) else {
                continue;
            };
            if now.instant >= matter.deadline {
                self.expire(&id, now.instant);
            } else if now.instant >= matter.resend_at {
                self.send_to_all(&id, now.instant);
            }
        }
        self.forget(now);
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.matters
            .values()
            .map(|matter| matter.deadline.min(matter.resend_at))
            .min()
    }

    fn open(
        &mut self,
        id: ProposalId,
        proposal: Arc<Proposal>,
        now: Now,
    ) -> Result<(), ProposeError> {
        self.check(&proposal, now)?;
        self.check_memory(&id, now)?;
        let mut matter = Matter::new(id, proposal.clone(), &self.config, now.instant);
        let remembered = self.remembered.get(&id);
        let said = remembered.and_then(|remembered| remembered.vote.clone());
        if let Some(vote) = &said {
            matter.own = Own::Cast(vote.clone());
        } else if self
            .voting
            .values()
            .any(|casting| casting.vote.proposal == id)
        {
            matter.own = Own::Persisting;
        } else if self.abstains(now.instant) {
            matter.own = Own::Withheld;
        } else {
            self.outputs.push_back(Output::Judge { id, proposal });
        }
        self.matters.insert(id, matter);
        if let Some(Ok(vote)) = said.map(|vote| vote.verify(&self.electorate, &*self.scheme)) {
            // Its own word, the first in the tally; it may decide alone.
            let _counted = self.count(vote);
        }
        let (mine, others) = std::mem::take(&mut self.early)
            .into_iter()
            .partition(|vote| vote.vote().proposal == id);
        self.early = others;
        let mine: VecDeque<VerifiedVote> = mine;
        for vote in mine {
            // An equivocation among them is output as evidence.
            let _counted = self.count(vote);
        }
        Ok(())
    }

    fn check(&self, proposal: &Proposal, now: Now) -> Result<(), ProposeError> {
        if proposal.network() != self.electorate.network() {
            return Err(ProposeError::AnotherNetwork {
                expected: self.electorate.network(),
                got: proposal.network(),
            });
        }
        let opened_ms = proposal.opened_ms();
        if !now.is_within_window(opened_ms) {
            return Err(ProposeError::OutsideWindow {
                opened_ms,
                now_ms: now.unix_ms,
            });
        }
        self.check_standing(proposal)?;
        let about_subject = |matter: &&Matter| matter.proposal.subject() == proposal.subject();
        if self.matters.len() >= self.config.open_max
            || self.matters.values().filter(about_subject).count()
                >= self.config.open_per_subject_max
        {
            return Err(ProposeError::TooManyOpen);
        }
        Ok(proposal.verify(&*self.scheme)?)
    }

    fn check_standing(&self, proposal: &Proposal) -> Result<(), ProposeError> {
        let entry = self.roster.get(&proposal.subject());
        match proposal {
            Proposal::Admit(_) => {
                let claimed = claimed_key(proposal);
                match entry {
                    Some(entry) if Some(entry.key) >= claimed => {
                        Err(ProposeError::Settled(entry.proof.clone()))
                    }
                    _ => Ok(()),
                }
            }
            Proposal::Evict(report) => {
                let admitted = |key: &StandingKey| {
                    (key.incarnation, key.standing) == (report.incarnation, Standing::Admitted)
                };
                match entry {
                    Some(entry) if admitted(&entry.key) => {}
                    Some(entry) if entry.key.incarnation >= report.incarnation => {
                        return Err(ProposeError::Settled(entry.proof.clone()));
                    }
                    _ => {
                        return Err(ProposeError::UnknownSuspect {
                            suspect: report.suspect,
                            incarnation: report.incarnation,
                        });
                    }
                }
                let reporter = report.reporter;
                if self.electorate.contains(&reporter) || self.roster.member(&reporter).is_some() {
                    Ok(())
                } else {
                    Err(ProposeError::NotAReporter(reporter))
                }
            }
            Proposal::Motion(motion) if self.electorate.contains(&motion.proposer) => Ok(()),
            Proposal::Motion(motion) => Err(ProposeError::NotAProposer(motion.proposer)),
        }
    }

    /// Whether there is room to remember what comes of this proposal.
    fn check_memory(&mut self, id: &ProposalId, now: Now) -> Result<(), ProposeError> {
        let remembered_max = self.config.open_max.saturating_mul(REMEMBERED_PER_OPEN);
        let is_full = |this: &Self| this.remembered.len() >= remembered_max;
        if self.remembered.contains_key(id) || !is_full(self) {
            return Ok(());
        }
        self.forget(now);
        if is_full(self) {
            return Err(ProposeError::TooManyOpen);
        }
        Ok(())
    }

    fn remember(&mut self, id: ProposalId, opened_ms: u64) -> &mut Remembered {
        let remembered = self.remembered.entry(id);
        remembered.or_insert(Remembered::new(opened_ms))
    }

    fn forget(&mut self, now: Now) {
        self.remembered
            .retain(|_, remembered| !remembered.is_outdated(now));
    }

    fn has_ended(&self, id: &ProposalId) -> bool {
        let remembered = self.remembered.get(id);
        remembered.is_some_and(|remembered| remembered.has_ended)
    }

    fn abstains(&self, now: Instant) -> bool {
        self.abstain_until.is_some_and(|until| now < until)
    }

    fn vote_is_durable(&mut self, casting: Casting) {
        let Casting {
            opened_ms,
            vote,
            since,
        } = casting;
        let remembered = self.remember(vote.proposal, opened_ms);
        remembered.vote = Some(vote.clone());
        remembered.since = Some(since);
        // Its matter may have ended meanwhile: nobody waits for the vote here, but it was given.
        let matter = self.matters.get_mut(&vote.proposal);
        let Some(matter) = matter.filter(|matter| matches!(matter.own, Own::Persisting)) else {
            return;
        };
        matter.own = Own::Cast(vote.clone());
        for voter in self.others() {
            self.send(voter, Message::Vote(vote.clone()));
        }
        // Its own vote, counted once: neither foreign nor contradicting.
        let _counted = self.count(VerifiedVote::own(vote));
    }

    fn count(&mut self, vote: VerifiedVote) -> Result<(), VoteError> {
        let id = vote.vote().proposal;
        let Some(matter) = self.matters.get_mut(&id) else {
            return Ok(());
        };
        match matter.tally.count(vote.clone()) {
            Ok(Counted::Duplicate) => return Ok(()),
            Ok(Counted::New) => {}
            Err(error) => {
                if let VoteError::Equivocation(evidence) = &error {
                    self.outputs
                        .push_back(Output::Equivocated(evidence.clone()));
                }
                return Err(error);
            }
        }
        let proposal = matter.proposal.clone();
        let outcome = matter.tally.outcome(&self.electorate);
        let certificate = matter.tally.certificate(&proposal, &self.electorate);
        let (was_carried, was_announced) = (matter.carried, matter.announced);
        // A proof from elsewhere may have carried it before this tally does.
        matter.carried |= outcome == Outcome::Carried;
        let choice = vote.vote().choice;
        self.outputs.push_back(Output::Counted {
            proposal: proposal.clone(),
            vote: vote.into_vote(),
        });
        match (outcome, certificate) {
            // Later yes votes widen the certificate for readers who know other voters; later noes change nothing.
            (Outcome::Carried, Some(certificate)) if !was_carried || choice == Choice::Yes => {
                match Proof::of(certificate.clone()).map(Arc::new) {
                    Some(proof) => {
                        if let Some(proof) = VerifiedProof::own(proof) {
                            self.persist_proof(proof);
                        }
                    }
                    None if !was_carried => {
                        matter.announced = true;
                        self.decided(proposal, Decision::Carried(Box::new(certificate)));
                    }
                    None => {}
                }
            }
            (Outcome::Defeated, _) if !was_announced => {
                let reasons = self.matters[&id]
                    .tally
                    .votes()
                    .filter(|vote| vote.choice == Choice::No)
                    .map(|vote| (vote.voter, vote.reason.clone()))
                    .collect();
                self.end(&id);
                self.decided(proposal, Decision::Defeated(reasons));
            }
            _ => {}
        }
        self.close_if_done(&id);
        Ok(())
    }

    /// A decided matter stays open for late votes, which widen its certificate, until all have voted.
    fn close_if_done(&mut self, id: &ProposalId) {
        let is_done = |matter: &Matter| matter.announced && matter.is_complete(&self.electorate);
        if self.matters.get(id).is_some_and(is_done) {
            self.end(id);
        }
    }

    /// Closes a matter whose end was told, and remembers that it was.
    fn end(&mut self, id: &ProposalId) {
        if let Some(matter) = self.matters.remove(id) {
            self.remember(*id, matter.proposal.opened_ms()).has_ended = true;
        }
    }

    fn persist_proof(&mut self, proof: VerifiedProof) {
        // The store keeps what was written last of a node, so what adds nothing to what is there, or on its way, must
        // not follow it.
        let adds_nothing = |key: StandingKey, known: &Proof| {
            key > proof.key() || (key == proof.key() && !proof.proof().adds_to(known))
        };
        let entry = self.roster.get(&proof.node());
        let mut pending = self.committing.values();
        if entry.is_some_and(|entry| adds_nothing(entry.key, &entry.proof))
            || pending.any(|pending| {
                pending.node() == proof.node() && adds_nothing(pending.key(), pending.proof())
            })
        {
            return;
        }
        let durable = Durable::Proof(proof.proof().clone());
        let persist = self.persist(durable);
        self.committing.insert(persist, proof);
    }

    fn commit(&mut self, proof: VerifiedProof) {
        let node = proof.node();
        match self.roster.merge(proof) {
            Merged::Changed(previous) => {
                let Some(entry) = self.roster.get(&node) else {
                    return;
                };
                let (key, proof) = (entry.key, entry.proof.clone());
                self.outputs.push_back(Output::Committed {
                    node,
                    proof: proof.clone(),
                    previous,
                });
                self.settle(node, key, &proof);
            }
            Merged::Widened => {
                if let Some(entry) = self.roster.get(&node) {
                    let proof = entry.proof.clone();
                    self.outputs.push_back(Output::Widened { node, proof });
                }
            }
            Merged::Known | Merged::Outdated => {}
        }
    }

    /// Closes what a new standing has decided or overtaken.
    fn settle(&mut self, node: NodeId, key: StandingKey, proof: &Arc<Proof>) {
        let is_overtaken = |proposal: &Proposal| match proposal {
            // Once is enough, whoever reported.
            Proposal::Evict(report) if key.standing == Standing::Evicted => {
                report.incarnation <= key.incarnation
            }
            _ => claimed_key(proposal).is_some_and(|claimed| claimed <= key),
        };
        let overtaken: Vec<ProposalId> = self
            .matters
            .iter()
            .filter(|(_, matter)| {
                matter.proposal.subject() == node && is_overtaken(&matter.proposal)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in overtaken {
            let Some(matter) = self.matters.get(&id) else {
                continue;
            };
            let proposal = matter.proposal.clone();
            if claimed_key(&proposal) == Some(key) {
                if let Some(matter) = self.matters.get_mut(&id) {
                    matter.carried = true;
                    matter.announced = true;
                }
                let certificate = Box::new(proof.certificate().clone());
                self.decided(proposal, Decision::Carried(certificate));
                self.close_if_done(&id);
            } else if let Some(matter) = self.matters.remove(&id)
                && !matter.announced
            {
                self.decided(proposal, Decision::Superseded(proof.clone()));
            }
        }
    }

    fn expire(&mut self, id: &ProposalId, now: Instant) {
        let Some(matter) = self.matters.get_mut(id) else {
            return;
        };
        let subject = matter.proposal.subject();
        if matter.announced {
            self.end(id);
        } else if self.committing.values().any(|p| p.node() == subject) {
            // A decision about the node is on its way to the disk, and says how this ends.
            matter.deadline = now + self.config.deadline;
        } else if let Some(matter) = self.matters.remove(id) {
            let silent = matter
                .tally
                .silent(&self.electorate)
                .map(str::to_owned)
                .collect();
            self.decided(matter.proposal, Decision::Expired { silent });
        }
    }

    fn decided(&mut self, proposal: Arc<Proposal>, decision: Decision) {
        self.outputs
            .push_back(Output::Decided { proposal, decision });
    }

    fn persist(&mut self, durable: Durable) -> PersistId {
        let id = PersistId(self.next_persist);
        self.next_persist += 1;
        self.outputs.push_back(Output::Persist { id, durable });
        id
    }

    fn send(&mut self, to: NodeId, message: Message) {
        self.outputs.push_back(Output::Send { to, message });
    }

    fn others(&self) -> Vec<NodeId> {
        let me = self.signer.id();
        self.electorate
            .voters()
            .filter(|voter| *voter != me)
            .collect()
    }

    /// The proposal to every voter not heard on it, and when to do so again.
    fn send_to_all(&mut self, id: &ProposalId, now: Instant) {
        for voter in self.others() {
            let silent = |matter: &Matter| matter.tally.vote_of(&voter).is_none();
            if self.matters.get(id).is_some_and(silent) {
                self.send_matter(id, voter);
            }
        }
        if let Some(matter) = self.matters.get_mut(id) {
            matter.back_off(&self.config, &mut self.rng, now);
        }
    }

    fn send_matter(&mut self, id: &ProposalId, voter: NodeId) {
        let Some(matter) = self.matters.get(id) else {
            return;
        };
        let proposal = matter.proposal.clone();
        let vote = match &matter.own {
            Own::Cast(vote) => Some(vote.clone()),
            _ => None,
        };
        self.send(voter, Message::Proposal(proposal));
        if let Some(vote) = vote {
            self.send(voter, Message::Vote(vote));
        }
    }
}

fn claimed_key(proposal: &Proposal) -> Option<StandingKey> {
    let (incarnation, standing, attempt, hash) = match proposal {
        Proposal::Admit(record) => (
            record.incarnation,
            Standing::Admitted,
            record.attempt,
            record.hash(),
        ),
        Proposal::Evict(report) => (
            report.incarnation,
            Standing::Evicted,
            report.attempt,
            report.hash(),
        ),
        Proposal::Motion(_) => return None,
    };
    Some(StandingKey {
        incarnation,
        standing,
        attempt,
        hash,
    })
}

/// Whether a proof is not false, only not judgeable until more voters are met.
pub fn is_undecided(error: &ProofError) -> bool {
    matches!(
        error,
        ProofError::Certificate(CertificateError::Undecided { .. })
    )
}

/// How many votes and ends are remembered for each proposal that may be open.
const REMEMBERED_PER_OPEN: usize = 64;
