//! What a member does about candidates: it shows them the chain, sees that they can be reached, asks its person or its
//! policy, and tells them its opinion.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::assembly::{self, Asked};
use quorate_consensus::succession::{Link, Opinion};
use quorate_consensus::{Choice, NodeId, Now, Record};

use super::Member;
use crate::admission::PendingCandidate;
use crate::event::{Event, Party};
use crate::protocol::{Goodbye, JoinMessage, Message, Purpose};
use crate::roles::connections::Ready;
use crate::roles::probing::{Outcome, ProbeId, Probed, Wanted};
use crate::roles::{ConnId, RequestError};

/// How long a candidate may be away whose connection broke, before a question about it is withdrawn. Meanwhile it is not
/// let in, but whoever was asked may answer.
const AWAY_MAX: Duration = Duration::from_secs(2);

/// How long a candidate's turn to be probed may take. It stays connected meanwhile, and others take longer to answer it.
const TURN_MAX: Duration = Duration::from_secs(30);

/// A candidate that is here, or was a moment ago.
#[derive(Debug)]
pub(super) struct Candidate {
    conn: ConnId,
    record: Arc<Record>,
    stage: Stage,
    /// Its connection broke; until when it is waited for.
    away_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Is it where it says?
    Probing(ProbeId),
    /// The application was asked.
    Asked,
    /// This member's opinion is given.
    Answered,
}

impl Candidate {
    fn is_answered(&self) -> bool {
        self.stage == Stage::Answered
    }

    pub(super) fn party(&self) -> Party {
        Party::from(&*self.record)
    }
}

impl Member {
    /// Whom the application was asked about and has not answered, by when they asked.
    pub(super) fn pending(&self) -> Vec<PendingCandidate> {
        let asked = self.candidates.values();
        let asked = asked.filter(|candidate| candidate.stage == Stage::Asked);
        let info = |candidate: &Candidate| PendingCandidate {
            candidate: candidate.party(),
            record: Box::new((*candidate.record).clone()),
            since_ms: candidate.record.opened_ms,
        };
        let mut pending: Vec<PendingCandidate> = asked.map(info).collect();
        pending.sort_by_key(|pending| pending.since_ms);
        pending
    }

    pub(super) fn guest_is_ready(&mut self, ready: &Ready) {
        match &self.assembly {
            Some(assembly) => {
                if let Some(founding) = assembly.chain().founding().cloned() {
                    let founded = Message::Join(JoinMessage::Founded(founding));
                    self.out.send(ready.conn, founded);
                }
            }
            None => {
                let why = "this node is no member itself (yet)".to_owned();
                self.connections
                    .close(ready.conn, Goodbye::NoPassport(why), &mut self.out);
            }
        }
    }

    /// What a candidate says to this member.
    pub(super) fn handle_guest(&mut self, conn: ConnId, from: NodeId, message: Message, now: Now) {
        match (message, &mut self.assembly) {
            (_, None) => {
                let why = "this node is no member any more".to_owned();
                self.connections
                    .close(conn, Goodbye::NoPassport(why), &mut self.out);
            }
            (Message::Assembly(assembly::Message::Fetch { epoch }), Some(assembly)) => {
                let links = assembly.links_from(epoch);
                if self.connections.may_ask(conn, now, &mut self.out) {
                    let links = Message::Assembly(assembly::Message::Links(links));
                    self.out.send(conn, links);
                }
            }
            (Message::Join(JoinMessage::Request(record)), Some(_)) => {
                if self.connections.may_ask(conn, now, &mut self.out) {
                    self.handle_join_request(conn, from, record, now);
                }
            }
            (message, Some(_)) => {
                let what = format!("a member does not take {} of a candidate", message.name());
                self.connections.misbehaved(conn, what, &mut self.out);
            }
        }
    }

    fn handle_join_request(&mut self, conn: ConnId, from: NodeId, record: Record, now: Now) {
        if record.node != from {
            let what = "a request must come from its candidate".to_owned();
            self.connections.misbehaved(conn, what, &mut self.out);
            return;
        }
        let record = Arc::new(record);
        // What a connection brings that is dead already may be read after what its successor brought.
        let is_late =
            |known: &Candidate| conn < known.conn && self.connections.get(known.conn).is_some();
        let is_late = self.candidates.get(&from).is_some_and(is_late);
        let is_same = |candidate: &Candidate| candidate.record.hash() == record.hash();
        if let Some(candidate) = self
            .candidates
            .get_mut(&from)
            .filter(|known| is_same(known))
        {
            // The same question on another connection, or again: it is answered again.
            if !is_late {
                candidate.conn = conn;
            }
            if candidate.away_until.is_some()
                && let Some(assembly) = &mut self.assembly
            {
                if let Err(error) = assembly.handle_candidate(record.clone(), now) {
                    self.refuse_guest(conn, error.to_string());
                    return;
                }
                candidate.away_until = None;
            }
            if self
                .candidates
                .get(&from)
                .is_some_and(Candidate::is_answered)
            {
                self.tell_opinion_to(from, &record);
            }
            return;
        }
        if is_late {
            return;
        }
        self.candidate_is_gone(&from, now);
        let Some(assembly) = &mut self.assembly else {
            return;
        };
        let stage = match assembly.handle_candidate(record.clone(), now) {
            Err(error) => {
                self.refuse_guest(conn, error.to_string());
                return;
            }
            Ok(Asked::Answered(_)) => Stage::Answered,
            Ok(Asked::Ask) => {
                // The one by which people know it: an address of somebody else must not stand there.
                let endpoints = record.endpoints.first().cloned().into_iter().collect();
                let until = now.instant + TURN_MAX;
                let probe = self.probes.queue(from, endpoints, record.hash(), until);
                Stage::Probing(probe)
            }
        };
        let candidate = Candidate {
            conn,
            record: record.clone(),
            stage,
            away_until: None,
        };
        self.candidates.insert(from, candidate);
        if stage == Stage::Answered {
            self.tell_opinion_to(from, &record);
            let assembly = self.assembly.as_ref();
            let own = assembly.and_then(|assembly| assembly.own_opinion(&record.hash()));
            if own.is_some_and(|own| own.choice == Choice::No) {
                self.candidate_is_gone(&from, now);
            }
        }
    }

    fn refuse_guest(&mut self, conn: ConnId, reason: String) {
        let refused = Message::Join(JoinMessage::Refused(reason));
        self.out.send(conn, refused);
    }

    /// Probes candidates whose turn it is. Returns whether it did anything.
    pub(super) fn probe_candidates(&mut self, now: Now) -> bool {
        let candidates = &self.candidates;
        let wanted = |probe: ProbeId, node: NodeId| match candidates.get(&node) {
            Some(candidate) if candidate.stage == Stage::Probing(probe) => Wanted::Now,
            _ => Wanted::No,
        };
        self.probes
            .start_waiting(wanted, &mut self.connections, now, &mut self.out)
    }

    /// A candidate was probed; passes over other probes.
    pub(super) fn guest_was_probed(&mut self, probed: &Probed, now: Now) {
        let node = probed.target;
        let Some(candidate) = self
            .candidates
            .get_mut(&node)
            .filter(|candidate| candidate.stage == Stage::Probing(probed.probe))
        else {
            return;
        };
        let (conn, record) = (candidate.conn, candidate.record.clone());
        let refusal = match &probed.outcome {
            Outcome::Alive => {
                candidate.stage = Stage::Asked;
                self.judge(&record, now);
                return;
            }
            Outcome::Silent(cause) | Outcome::Gone(cause) => {
                let at = record.endpoints.join(", ");
                format!("this member cannot reach it at {at}: {cause}")
            }
            Outcome::NotKnown(why) => why.clone(),
        };
        self.candidate_is_gone(&node, now);
        self.refuse_guest(conn, refusal);
    }

    /// What the policy says of a candidate; if nothing, the application is asked.
    fn judge(&mut self, record: &Arc<Record>, now: Now) {
        let node = record.node;
        let Some(assembly) = &self.assembly else {
            return;
        };
        let was_member = assembly.membership().last_life(&node).is_some();
        match self.admission.judge(&node, was_member) {
            Some((choice, reason)) => {
                // It is here, and was not answered before: nothing stands against it.
                let _given = self.give_opinion(node, choice, reason, now);
            }
            None => self.out.event(Event::JoinRequest {
                candidate: Party::from(&**record),
                record: Box::new((**record).clone()),
            }),
        }
    }

    /// The application's answer.
    pub(super) fn answer(
        &mut self,
        node: NodeId,
        is_allowed: bool,
        reason: &str,
        now: Now,
    ) -> Result<(), RequestError> {
        let choice = if is_allowed { Choice::Yes } else { Choice::No };
        let away = self
            .candidates
            .get(&node)
            .filter(|candidate| candidate.away_until.is_some())
            .map(|candidate| candidate.record.clone());
        let Some(record) = away else {
            return self.give_opinion(node, choice, reason, now);
        };
        // The answer is given for when the candidate is back.
        if let Some(assembly) = &mut self.assembly {
            // It was acceptable when the question was put; if it is no more, there is nothing to answer.
            let _asked = assembly.handle_candidate(record, now);
        }
        let given = self.give_opinion(node, choice, reason, now);
        if let Some(assembly) = &mut self.assembly {
            assembly.handle_candidate_gone(&node, now);
        }
        given
    }

    /// The opinion of this member's person, or policy.
    fn give_opinion(
        &mut self,
        node: NodeId,
        choice: Choice,
        reason: &str,
        now: Now,
    ) -> Result<(), RequestError> {
        let assembly = self.assembly.as_mut().ok_or(RequestError::NotInAssembly)?;
        assembly.give_opinion(node, choice, reason, now)?;
        if let Some(candidate) = self.candidates.get_mut(&node) {
            candidate.stage = Stage::Answered;
        }
        Ok(())
    }

    /// An opinion was counted, and is durable if it is this member's own.
    pub(super) fn opinion_is_counted(&mut self, opinion: Opinion, now: Now) {
        let about = self
            .candidates
            .values()
            .find(|candidate| candidate.record.hash() == opinion.record);
        let Some(candidate) = about else {
            return;
        };
        let (conn, node) = (candidate.conn, candidate.record.node);
        let (party, voter) = (candidate.party(), self.party(opinion.voter));
        self.out.event(Event::Opinion {
            candidate: party,
            voter,
            choice: opinion.choice,
            reason: opinion.reason.clone(),
        });
        let is_against = self.is_against(&opinion);
        if opinion.voter == self.me {
            let opinion = Message::Join(JoinMessage::Opinion(opinion));
            self.out.send(conn, opinion);
        }
        // It takes up no room that others need, also if it stays.
        if is_against {
            self.candidate_is_gone(&node, now);
        }
    }

    /// Whether an opinion ends its candidate's attempt.
    fn is_against(&self, opinion: &Opinion) -> bool {
        let assembly = self.assembly.as_ref();
        let voter = assembly.and_then(|assembly| assembly.membership().member(&opinion.voter));
        opinion.choice == Choice::No
            && voter.is_some_and(|voter| voter.incarnation == opinion.incarnation)
    }

    fn tell_opinion_to(&mut self, node: NodeId, record: &Record) {
        let Some(assembly) = &self.assembly else {
            return;
        };
        if let (Some(opinion), Some(candidate)) = (
            assembly.own_opinion(&record.hash()),
            self.candidates.get(&node),
        ) {
            let opinion = Message::Join(JoinMessage::Opinion(opinion.clone()));
            self.out.send(candidate.conn, opinion);
        }
    }

    /// A decision is told to all candidates.
    pub(super) fn tell_guests(&mut self, link: &Arc<Link>) {
        let guests: Vec<ConnId> = self
            .connections
            .ready(Purpose::Join)
            .map(|(conn, _)| conn)
            .collect();
        let links = assembly::Message::Links(vec![link.clone()]);
        self.out.send_all(guests, Message::Assembly(links));
    }

    /// A candidate's connection is gone: for good if it said so, otherwise it may be back in a moment.
    pub(super) fn guest_is_lost(&mut self, conn: ConnId, said_goodbye: bool, now: Now) {
        let found = self
            .candidates
            .iter_mut()
            .find(|(_, candidate)| candidate.conn == conn);
        let Some((&node, candidate)) = found else {
            return;
        };
        if said_goodbye || candidate.stage != Stage::Asked {
            self.candidate_is_gone(&node, now);
            return;
        }
        candidate.away_until.get_or_insert(now.instant + AWAY_MAX);
        if let Some(assembly) = &mut self.assembly {
            assembly.handle_candidate_gone(&node, now);
        }
    }

    /// Questions about candidates that stayed away are withdrawn.
    pub(super) fn withdraw_questions(&mut self, now: Now) {
        let is_gone = |candidate: &Candidate| {
            candidate
                .away_until
                .is_some_and(|until| now.instant >= until)
        };
        let gone: Vec<NodeId> = self
            .candidates
            .iter()
            .filter(|(_, candidate)| is_gone(candidate))
            .map(|(node, _)| *node)
            .collect();
        gone.iter()
            .for_each(|node| self.candidate_is_gone(node, now));
    }

    /// When the next of them has been away for long enough.
    pub(super) fn guests_timeout(&self) -> Option<Instant> {
        let away = self.candidates.values();
        away.filter_map(|candidate| candidate.away_until).min()
    }

    /// A candidate has gone away, or asks anew.
    pub(super) fn candidate_is_gone(&mut self, node: &NodeId, now: Now) {
        let Some(candidate) = self.candidates.remove(node) else {
            return;
        };
        if candidate.stage == Stage::Asked {
            let candidate = Party::from(&*candidate.record);
            self.out.event(Event::JoinWithdrawn { candidate });
        }
        if let Some(assembly) = &mut self.assembly {
            assembly.handle_candidate_gone(node, now);
        }
    }

    /// A candidate is in by this record: there is nothing more to ask. A node that asks in a later life already, while this
    /// member catches up with what became of an earlier one, is told to ask again.
    pub(super) fn candidate_is_in(&mut self, record: &Record, now: Now) {
        let is_later = |known: &Candidate| known.record.incarnation > record.incarnation;
        match self.candidates.get(&record.node) {
            Some(candidate) if is_later(candidate) => {
                let conn = candidate.conn;
                self.refuse_guest(conn, "an earlier life of it is being told of".to_owned());
                self.candidate_is_gone(&record.node, now);
            }
            _ => {
                self.candidates.remove(&record.node);
            }
        }
    }
}
