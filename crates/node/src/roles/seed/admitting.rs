//! How a seed judges candidates: by its policy, by its operator where the policy wants that, and then by its own probe.
//!
//! ```text
//!  policy ──allow──> probe ──it answers──> policy ──allow──> yes, and the policy counts it
//!    │ │               │                      │
//!    │ └──ask──> held until the operator allows (back to the policy), denies, or the attempt is about to end
//!    └──deny──> no   silent: no              deny: no
//! ```
//!
//! Of many candidates at once, most wait for their probe. One whose turn does not come before the attempt is about to end
//! gets no vote of this seed: that it was not looked at says nothing of it.

use std::time::{Duration, Instant};

use quorate_consensus::{
    Choice, Council, Digest, NodeId, Now, ProposalId, Record, Scheme, Transcript, VOTING_WINDOW_MS,
};

use super::Seed;
use super::desk::Asked;
use crate::admission::{AdmissionPolicy, Candidate, Verdict};
use crate::event::Event;
use crate::roles::RequestError;
use crate::roles::probing::{ProbeId, Wanted};
use crate::store::SeedStored;

/// So long before its own deadline a seed gives up waiting for its operator, or for a candidate's turn to be probed, as a
/// part of the time it had: time for its vote to get to the others, who otherwise take it for silent.
const LAST_PART: u32 = 5;

/// And so long before its clock leaves the voting window.
const WINDOW_MARGIN: Duration = Duration::from_secs(1);

impl Seed {
    /// Judges candidates by this policy in place of allowing all. To be told before the seed is driven.
    #[must_use]
    pub fn admitting_by(mut self, policy: Box<dyn AdmissionPolicy>) -> Self {
        self.policy = policy;
        self
    }

    /// Starts what will answer whether a candidate is to be admitted.
    pub(super) fn judge_candidate(&mut self, id: ProposalId, record: &Record, now: Now) {
        match self.verdict_on(record, now) {
            Verdict::Allow => {
                let until = self.last_moment(id, record, now);
                let endpoints = record.endpoints.clone();
                let probe = self
                    .probes
                    .queue(record.node, endpoints, record.hash(), until);
                // One that waits for a vote that was since opened anew would answer for it too soon.
                self.judging.retain(|_, of| *of != id);
                self.judging.insert(probe, id);
            }
            Verdict::Deny(why) => self.council.handle_judgement(id, Choice::No, &why, now),
            Verdict::Ask => self.ask_operator(id, record, now),
        }
    }

    /// Probes candidates whose turn it is. Returns whether it did anything.
    pub(super) fn probe_candidates(&mut self, now: Now) -> bool {
        let (judging, council) = (&self.judging, &self.council);
        let wanted = |probe: ProbeId, _: NodeId| match judging.get(&probe) {
            Some(id) if council.is_carried(id) => Wanted::Spare,
            Some(id) if council.is_open(id) => Wanted::Now,
            _ => Wanted::No,
        };
        self.probes
            .start_waiting(wanted, &mut self.connections, now, &mut self.out)
    }

    /// A candidate that the policy allows answered at its address. Others may have come meanwhile, so the policy is asked
    /// again, and counts it only now.
    pub(super) fn judge_reachable(&mut self, id: ProposalId, record: &Record, now: Now) {
        match self.verdict_on(record, now) {
            Verdict::Allow => {
                let used_by = self.used_by(record);
                let candidate = candidate(record, &self.council, &*self.scheme, used_by);
                self.policy.note_yes(&candidate, now);
                let why = "it answered at its address";
                self.council.handle_judgement(id, Choice::Yes, why, now);
            }
            Verdict::Deny(why) => self.council.handle_judgement(id, Choice::No, &why, now),
            Verdict::Ask => self.ask_operator(id, record, now),
        }
    }

    /// What the policy says, and where it wants to ask, what the operator has said.
    fn verdict_on(&self, record: &Record, now: Now) -> Verdict {
        let used_by = self.used_by(record);
        let candidate = candidate(record, &self.council, &*self.scheme, used_by);
        let verdict = self.policy.judge(&candidate, now);
        let word = self.desk.word_on(&record.node, now);
        match (verdict, word.map(|word| &word.denied)) {
            (Verdict::Ask, Some(None)) => Verdict::Allow,
            (Verdict::Ask, Some(Some(why))) if why.is_empty() => {
                Verdict::Deny("its operator denies it".to_owned())
            }
            (Verdict::Ask, Some(Some(why))) => {
                Verdict::Deny(format!("its operator denies it: {why}"))
            }
            (verdict, _) => verdict,
        }
    }

    /// Who was first admitted by what a candidate shows.
    fn used_by(&self, record: &Record) -> Option<NodeId> {
        self.credentials.get(&digest(&record.credential)).copied()
    }

    /// Holds the vote back for the operator's word, for as long as others wait for it.
    fn ask_operator(&mut self, id: ProposalId, record: &Record, now: Now) {
        match self.desk.ask(record, now) {
            Asked::News => self.out.event(Event::JoinRequest {
                candidate: record.into(),
                record: Box::new(record.clone()),
            }),
            Asked::Known => {}
            Asked::Full => {
                let why = format!(
                    "too many candidates wait for the operator of seed {}",
                    self.address
                );
                self.council.handle_judgement(id, Choice::No, &why, now);
                return;
            }
        }
        self.held.insert(id, self.last_moment(id, record, now));
    }

    /// How long a vote may be held back, so that others still wait for it when it comes.
    fn last_moment(&self, id: ProposalId, record: &Record, now: Now) -> Instant {
        let deadline = self.options.council.deadline;
        let closes = self.council.open_until(&id).unwrap_or(now.instant);
        let left = closes.saturating_duration_since(now.instant);
        let left = left.saturating_sub(deadline / LAST_PART);
        let window_end_ms = record.opened_ms.saturating_add(VOTING_WINDOW_MS);
        let window = Duration::from_millis(window_end_ms.saturating_sub(now.unix_ms));
        now.instant + left.min(window.saturating_sub(WINDOW_MARGIN))
    }

    /// Attempts that have waited for the operator as long as they can, and candidates that have gone away.
    pub(super) fn stop_waiting(&mut self, now: Now) {
        let due = self.held.iter().filter(|(_, until)| now.instant >= **until);
        let due: Vec<ProposalId> = due.map(|(id, _)| *id).collect();
        for id in due {
            self.held.remove(&id);
            let why = format!("waiting for the operator of seed {}", self.address);
            self.council.handle_judgement(id, Choice::No, &why, now);
        }
        for candidate in self.desk.take_gone(now.instant) {
            self.out.event(Event::JoinWithdrawn { candidate });
        }
    }

    /// The operator's word on a node.
    pub(super) fn operator_says(
        &mut self,
        node: NodeId,
        denied: Option<&str>,
        now: Now,
    ) -> Result<(), RequestError> {
        let is_pending = self.desk.is_pending(&node);
        if !is_pending && !self.policy.asks() {
            return Err(RequestError::AsksNobody);
        }
        if !is_pending && self.council.roster().member(&node).is_some() {
            return Err(RequestError::AlreadyIn(node));
        }
        let answer = Some(self.desk.answer(node, denied, now));
        self.write(SeedStored::Answer { node, answer });
        let held: Vec<ProposalId> = self.held.keys().copied().collect();
        for id in held {
            let proposal = self.council.proposal(&id).cloned();
            if let Some(proposal) = proposal.filter(|proposal| proposal.subject() == node) {
                self.held.remove(&id);
                self.judge(id, &proposal, now);
            }
        }
        self.forget_words();
        Ok(())
    }

    /// A node is in: it has used what the operator said of it.
    pub(super) fn note_admitted(&mut self, node: &NodeId) {
        if let Some(candidate) = self.desk.admitted(node) {
            self.out.event(Event::JoinWithdrawn { candidate });
        }
        self.forget_words();
    }

    /// A node was admitted by this record, whatever has become of it: it has used what it showed.
    pub(super) fn note_credential(&mut self, record: &Record) {
        let credential = digest(&record.credential);
        if !record.credential.is_empty() && !self.credentials.contains_key(&credential) {
            let node = record.node;
            self.credentials.insert(credential, node);
            self.write(SeedStored::Credential { credential, node });
        }
    }

    /// Has the store forget what the desk has forgotten.
    pub(super) fn forget_words(&mut self) {
        for node in self.desk.take_outdated() {
            self.write(SeedStored::Answer { node, answer: None });
        }
    }
}

fn candidate<'a>(
    record: &'a Record,
    council: &'a Council,
    scheme: &'a dyn Scheme,
    credential_used_by: Option<NodeId>,
) -> Candidate<'a> {
    Candidate {
        credential_used_by,
        ..Candidate::new(record, council.roster(), council.electorate(), scheme)
    }
}

/// What a credential is remembered by.
fn digest(credential: &[u8]) -> Digest {
    Transcript::new("quorate/credential/1")
        .bytes(credential)
        .finish()
}
