//! One voter of a fixed electorate: the engine that proposes, judges, votes, certifies and announces.
//!
//! ```text
//!   propose, handle_proposal ─┐                        ┌─> Judge    (answer: handle_judgement)
//!   handle_vote, handle_votes ┤                        ├─> Persist  (answer: handle_persisted, …_failed)
//!   handle_proof, …_settled ──┼──> open matters ──────┼─> Send     proposals and votes to the other voters
//!   handle_timeout ───────────┤    (a tally each)      ├─> Decided  carried, defeated, expired, superseded
//!   handle_voter_up ──────────┘    roster              └─> Committed, Widened, Counted, Equivocated
//! ```
//!
//! A voter sends its vote to whoever brought the proposal. Who brought it passes on the votes that decide, so that all
//! others count them too, and for a standing later those that came late. Who hears nothing for a while asks all others, and is
//! answered with their votes: of what they were asked, they learn the end without whoever brought it. Of a standing all learn,
//! whoever they are linked with. A motion is over where it is decided: only who brought it asks those again who have not
//! voted, and who cannot be reached from there, or was not before it fell silent, needs the certificate from the callers.
//!
//! Contract: after any `handle_…`, `propose` or `bind`, drain [`Council::poll_output`] to the end, then read
//! [`Council::poll_timeout`] anew. Time must not go backwards on the monotonic clock; the wall clock may jump.
//!
//! Invariants:
//! - A vote leaves only after it was persisted, and never both ways on one proposal, also across restarts.
//! - A certificate of a standing is committed to the roster and announced only after it was persisted. Those of motions
//!   are the caller's to keep.
//! - A voter that has sealed its epoch gives no more votes in it, also across restarts if its caller seals it again.
//! - A voter takes part in a proposal only within [`VOTING_WINDOW_MS`](crate::VOTING_WINDOW_MS) of its opening, by its
//!   own wall clock.
//! - An opened vote ends once: one [`Output::Decided`], after which no voter's repeating it opens it again. Only one that
//!   [expired](Decision::Expired) or [could not be made durable](Decision::NotDurable) may be opened again, and one that
//!   the caller proposes again.
//! - What is asked to be persisted never replaces a larger standing by a lesser one.
//! - Every queue is bounded: open matters, early votes, remembered votes (see [`Config`]), and the last vote that came to
//!   nothing of at most 256 nodes.
//!
//! Left out: who is asked to judge (a probe, a policy, a person) is the caller's.

mod ahead;
mod committing;
mod config;
mod deciding;
mod ends;
mod error;
mod explaining;
mod handing_over;
mod hearing;
mod matter;
mod opening;
mod output;
mod remembered;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

pub use config::{Config, ConfigError};
pub use error::ProposeError;
pub use output::{Decision, Durable, Message, Output, PersistId};

use crate::certificate::CertificateError;
use crate::electorate::{Electorate, ElectorateError};
use crate::explanation::{End, Withheld};
use crate::id::{NodeId, ProposalId};
use crate::named::Named;
use crate::proposal::{Motion, Proposal};
use crate::roster::{Proof, ProofError, Roster, Standing, StandingKey};
use crate::scheme::{Scheme, Signer};
use crate::small_map::SmallMap;
use crate::time::Now;
use crate::vote::{Choice, VerifiedVote, Vote};
use ahead::Ahead;
use committing::Committing;
use ends::Ends;
use matter::{Matter, Origin, Own};
use remembered::{Casting, Memory};

/// One voter of a fixed electorate. See the [module](self) for the contract.
#[derive(Debug)]
pub struct Council {
    signer: Arc<dyn Signer>,
    scheme: Arc<dyn Scheme>,
    electorate: Electorate,
    /// The voters met so far but this one.
    others: Vec<NodeId>,
    ahead: Box<Ahead>,
    config: Config,
    rng: ChaCha8Rng,
    roster: Roster,
    /// Boxed, as others come and go before them.
    matters: SmallMap<ProposalId, Box<Matter>>,
    /// Own votes and ends, kept past their matters so that a proposal that comes again meets the same vote.
    remembered: Memory,
    /// Votes that came to nothing, for explanations.
    ends: Ends,
    /// Votes that overtook their proposal.
    early: VecDeque<VerifiedVote>,
    committing: Committing,
    voting: SmallMap<PersistId, Casting>,
    abstain_until: Option<Instant>,
    /// Its electorate is followed by another: no more votes.
    sealed: bool,
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
            others: others(&electorate, signer.id()),
            signer,
            scheme,
            ahead: Box::new(Ahead::of(&electorate)),
            electorate,
            config,
            rng: ChaCha8Rng::seed_from_u64(seed),
            roster: Roster::new(),
            matters: SmallMap::new(),
            remembered: Memory::new(seed),
            ends: Ends::default(),
            early: VecDeque::new(),
            committing: Committing::default(),
            voting: SmallMap::new(),
            abstain_until: None,
            sealed: false,
            next_persist: 0,
            outputs: VecDeque::new(),
        })
    }

    /// Puts back a vote that was persisted before a restart. One given in an earlier epoch says nothing in this.
    pub fn restore_vote(&mut self, opened_ms: u64, vote: Vote) {
        let id = vote.proposal;
        if vote
            .clone()
            .verify(&self.electorate, &*self.scheme)
            .is_err()
        {
            return;
        }
        self.remembered.entry(id, opened_ms).vote = Some(Arc::new(vote));
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

    /// As [`restore_proof`](Self::restore_proof), for all of them; returns what was wrong with those that do not verify.
    pub fn restore_proofs(&mut self, proofs: Vec<Arc<Proof>>) -> Vec<ProofError> {
        let mut wrong = Vec::new();
        for proof in Proof::verify_all(proofs, &self.electorate, &*self.scheme) {
            match proof {
                Ok(proof) => drop(self.roster.merge(proof)),
                Err(error) => wrong.push(error),
            }
        }
        wrong
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
            .filter(move |matter| matter.proposal().subject() == *node && !matter.carried)
            .map(|matter| {
                (
                    &**matter.proposal(),
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
        self.matters.get(id).map(|matter| matter.proposal())
    }

    /// When a proposal that is open here will be given up, or closed if it was carried.
    pub fn open_until(&self, id: &ProposalId) -> Option<Instant> {
        self.matters.get(id).map(|matter| matter.deadline)
    }

    /// Whether a proposal that is open here was carried already, and further votes only widen its certificate.
    pub fn is_carried(&self, id: &ProposalId) -> bool {
        self.matters.get(id).is_some_and(|matter| matter.carried)
    }

    /// Learns who sits in a seat of the electorate; returns whether it was news.
    ///
    /// # Errors
    /// As [`Electorate::bind`].
    pub fn bind(&mut self, seat: usize, voter: NodeId) -> Result<bool, ElectorateError> {
        let is_news = self.electorate.bind(seat, voter)?;
        self.others = others(&self.electorate, self.signer.id());
        Ok(is_news)
    }

    /// Brings a proposal: a candidate's record, a report of a death, a motion. The same proposal brought twice, here or
    /// by two voters, is one proposal.
    ///
    /// # Errors
    /// Why it is not put to the vote; nothing changes then. [`ProposeError::Settled`] carries the proof of the standing
    /// that stands against it.
    pub fn propose(
        &mut self,
        proposal: impl Into<Named>,
        now: Now,
    ) -> Result<ProposalId, ProposeError> {
        self.bring(proposal.into(), Origin::Brought, now)
    }

    /// Brings a motion of this voter's own, opened now, and signs it.
    ///
    /// # Errors
    /// As [`propose`](Self::propose).
    pub fn propose_motion(
        &mut self,
        topic: impl Into<String>,
        body: impl Into<Vec<u8>>,
        attempt: u64,
        now: Now,
    ) -> Result<ProposalId, ProposeError> {
        let (begin, network) = (&mut self.ahead.motion(), self.electorate.network());
        let (topic, body, opened_ms) = (topic.into(), body.into(), now.unix_ms);
        let signer = &*self.signer;
        let (motion, hash) =
            Motion::sign_after(begin, signer, network, topic, body, attempt, opened_ms);
        self.bring(Named::motion(motion, hash), Origin::Signed, now)
    }

    fn bring(
        &mut self,
        named: Named,
        origin: Origin,
        now: Now,
    ) -> Result<ProposalId, ProposeError> {
        let id = named.id();
        if self.matters.contains_key(&id) {
            return Ok(id);
        }
        if self.sealed {
            return Err(ProposeError::Sealed);
        }
        self.open(named, origin, now)?;
        self.send_to_all(&id, now.instant);
        Ok(id)
    }

    /// The caller's answer to [`Output::Judge`]. The reason travels with the vote.
    pub fn handle_judgement(&mut self, id: ProposalId, choice: Choice, reason: &str, now: Now) {
        let abstains = self.abstains(now.instant);
        let Some(matter) = self.matters.get_mut(&id) else {
            return;
        };
        let opened_ms = matter.proposal().opened_ms();
        if !matches!(matter.own, Own::Judging) {
            return;
        }
        // The window is checked again: judging takes time, and the clock may have jumped.
        let is_late = !now.is_within_window(opened_ms);
        let withheld = abstains.or(is_late.then_some(Withheld::TooLate));
        if let Some(why) = withheld {
            matter.own = Own::Withheld(why);
            return;
        }
        matter.own = Own::Persisting;
        let statement = matter.statement(choice, &self.electorate);
        let vote = Vote::cast_as(&*self.signer, id, choice, reason, &statement);
        let vote = Arc::new(vote);
        let casting = Casting {
            opened_ms,
            vote: vote.clone(),
            since: now.instant,
        };
        let persist = self.persist(Durable::Vote { opened_ms, vote });
        if planted!(VoteBeforePersist) {
            self.vote_is_durable(casting);
        } else {
            self.voting.insert(persist, casting);
        }
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
            matter.own = Own::Withheld(Withheld::NotDurable);
        }
        if let Some(proof) = self.committing.remove(&persist) {
            let id = proof.proof().certificate().id();
            if let Some(matter) = self.matters.remove(&id).filter(|matter| !matter.announced) {
                self.decided(matter.proposal().clone(), Decision::NotDurable);
                self.ends.note(matter, End::NotDurable);
            }
        }
    }

    /// The link to a voter came up: it is sent what it may lack.
    pub fn handle_voter_up(&mut self, voter: NodeId) {
        let me = self.signer.id();
        for matter in self.matters.values() {
            if matter.tally.vote_of(&voter).is_none() {
                matter.send(voter, &me, &mut self.outputs);
            }
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
                #[cfg(feature = "planted")]
                if planted!(ElectorateByWhoIsUp) {
                    self.decide_without_the_silent(&id);
                }
                if let Some(matter) = self.matters.get_mut(&id)
                    && !matter.late.is_empty()
                {
                    // Somebody's vote may never come.
                    matter.tell_late(&self.others, &mut self.outputs);
                }
                self.send_to_all(&id, now.instant);
            }
        }
        self.remembered.forget(now);
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

    fn persist(&mut self, durable: Durable) -> PersistId {
        let id = PersistId(self.next_persist);
        self.next_persist += 1;
        self.outputs.push_back(Output::Persist { id, durable });
        id
    }

    fn send(&mut self, to: NodeId, message: Message) {
        self.outputs.push_back(Output::Send { to, message });
    }

    /// The proposal to every voter not heard on it, and when to do so again.
    fn send_to_all(&mut self, id: &ProposalId, now: Instant) {
        let me = self.signer.id();
        let Some(matter) = self.matters.get_mut(id) else {
            return;
        };
        for voter in &self.others {
            if matter.tally.vote_of(voter).is_none() {
                matter.send(*voter, &me, &mut self.outputs);
            }
        }
        matter.back_off(&self.config, &mut self.rng, now);
    }
}

fn others(electorate: &Electorate, me: NodeId) -> Vec<NodeId> {
    electorate.voters().filter(|voter| *voter != me).collect()
}

/// The standing that a proposal would make, whenever it is decided.
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
        decided: 0,
    })
}

/// Whether a proof is not false, only not judgeable until more voters are met.
pub fn is_undecided(error: &ProofError) -> bool {
    matches!(
        error,
        ProofError::Certificate(CertificateError::Undecided { .. })
    )
}
