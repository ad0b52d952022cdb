//! What a seed does with each message, by who sent it and on what connection.

use std::sync::Arc;

use quorate_consensus::{Inquiry, NodeId, Now, Proof, Proposal, StandingKey, Testimony, council};

use super::Seed;
use crate::event::Event;
use crate::protocol::{Goodbye, Message, Purpose, RosterMessage};
use crate::roles::fetching::Step;
use crate::roles::{ConnId, roster_sync};

impl Seed {
    pub(super) fn handle_message(
        &mut self,
        conn: ConnId,
        from: NodeId,
        purpose: Purpose,
        message: Message,
        now: Now,
    ) {
        match (purpose, message) {
            (_, Message::Goodbye(_)) => {}
            (_, Message::Echo { nonce, record }) => {
                self.probes
                    .handle_echo(conn, nonce, record, &mut self.connections, &mut self.out);
            }
            (Purpose::Link, Message::Electorate(message)) => {
                // Who has no vote may follow and ask, but not have signatures checked without end.
                let is_voter = self.council.electorate().contains(&from);
                if is_voter || self.connections.may_ask(conn, now, &mut self.out) {
                    self.handle_electorate(conn, from, message, now);
                }
            }
            (Purpose::Register, Message::Electorate(message)) => {
                if self.connections.may_ask(conn, now, &mut self.out) {
                    self.handle_follower(conn, &message);
                }
            }
            // Until this seed's own dial has met the voter, its word counts for nothing; it sends again.
            (Purpose::Link, _) if !self.council.electorate().contains(&from) => {}
            (Purpose::Link, Message::Council(message)) => self.handle_council(from, message, now),
            (Purpose::Link, Message::Endorsed(certificate)) => {
                self.handle_endorsed(certificate, now);
            }
            (Purpose::Link, Message::Roster(message)) => self.handle_roster(conn, message),
            (Purpose::Register, Message::RegisterRequest(record)) => {
                self.handle_register(conn, from, record, now)
            }
            (Purpose::Register, Message::Passport(proof)) => {
                self.handle_passport(conn, from, proof)
            }
            (Purpose::Register, Message::Departure(departure)) => {
                self.handle_proof(conn, Arc::new(Proof::Departure(departure)));
            }
            (Purpose::Register, message) if self.council.roster().member(&from).is_some() => {
                self.handle_member(conn, from, message, now);
            }
            (
                Purpose::Link | Purpose::Testify,
                Message::SuspectRequest {
                    inquiry,
                    suspect,
                    asker,
                },
            ) => {
                for proof in asker.into_iter().chain([suspect]) {
                    self.handle_proof(conn, proof);
                }
                self.handle_suspect_request(conn, from, inquiry, now);
            }
            (_, Message::SuspectResponse(testimony)) => {
                self.handle_testimony(conn, from, testimony, now)
            }
            // Members whose session outlived their membership, or began before this seed knew of it: no fault.
            (Purpose::Register, Message::Roster(_) | Message::LinkCount(_)) => {}
            (Purpose::Register, Message::DeadReport(report)) => {
                if !self.connections.may_ask(conn, now, &mut self.out) {
                    return;
                }
                let reason = format!("{} is no member", from.short());
                self.refuse_report(&report, reason);
            }
            (_, message) => {
                let what = format!(
                    "a seed does not take {} on a connection for {purpose:?}",
                    message.name()
                );
                self.connections.misbehaved(conn, what, &mut self.out);
            }
        }
    }

    /// From a member, on its session.
    pub(super) fn handle_member(&mut self, conn: ConnId, from: NodeId, message: Message, now: Now) {
        match message {
            Message::Roster(message) => self.handle_roster(conn, message),
            Message::LinkCount(count) => {
                self.link_counts.insert(from, count);
            }
            Message::DeadReport(report) => {
                if self.connections.may_ask(conn, now, &mut self.out) {
                    self.handle_report(from, report, now);
                }
            }
            Message::SuspectRequest {
                inquiry, suspect, ..
            } => {
                self.handle_proof(conn, suspect);
                self.handle_suspect_request(conn, from, inquiry, now);
            }
            Message::SuspectResponse(testimony) => {
                self.handle_testimony(conn, from, testimony, now)
            }
            message => {
                let what = format!("a seed does not take {} from a member", message.name());
                self.connections.misbehaved(conn, what, &mut self.out);
            }
        }
    }

    pub(super) fn handle_council(&mut self, from: NodeId, message: council::Message, now: Now) {
        match message {
            council::Message::Proposal(proposal) => {
                let is_news = !self.council.is_open(&proposal.id());
                let (subject, proposer) = (self.subject(&proposal), self.party(from));
                let event = match &*proposal {
                    Proposal::Admit(_) => Some(Event::RegisterProposal {
                        candidate: subject,
                        proposer,
                    }),
                    Proposal::Evict(_) => Some(Event::DeadProposal {
                        suspect: subject,
                        proposer,
                    }),
                    Proposal::Motion(_) => None,
                };
                // What is not acceptable here gets no vote; the proposer's deadline names this seed as silent, and
                // a standing that settles it was sent back.
                if self.council.handle_proposal(from, proposal, now).is_ok()
                    && is_news
                    && let Some(event) = event
                {
                    self.out.event(event);
                }
            }
            // A vote that does not hold counts for nothing; evidence of a double vote is an output.
            council::Message::Vote(vote) => drop(self.council.handle_vote(vote)),
            council::Message::Proof(proof) => drop(self.council.handle_settled(from, proof)),
            council::Message::Votes(votes) => drop(self.council.handle_votes(&votes)),
        }
    }

    pub(super) fn handle_roster(&mut self, conn: ConnId, message: RosterMessage) {
        match roster_sync::answer(self.council.roster(), message) {
            Ok(answer) => {
                let say = answer.say.into_iter();
                say.for_each(|message| self.out.send(conn, Message::Roster(message)));
                for proof in &answer.proofs {
                    if let Some((node, _)) = proof.claims() {
                        self.fetching.arrived(conn, &node, self.now);
                    }
                }
                if !answer.want.is_empty() {
                    self.fetching
                        .want(conn, answer.want, answer.again, self.now);
                }
                // Asked before what came is checked: the next is on its way meanwhile.
                self.fetch(conn);
                self.handle_proofs(conn, answer.proofs);
            }
            Err(what) => self.connections.misbehaved(conn, what, &mut self.out),
        }
    }

    /// Asks for the next part of what the other end knows better.
    fn fetch(&mut self, conn: ConnId) {
        let council = &self.council;
        let seats = council.electorate().seats().len();
        let holds = |node: &NodeId, key: &StandingKey| council.holds(node, key);
        for step in self.fetching.next(conn, seats, holds, self.now) {
            let message = match step {
                Step::Want(nodes) => RosterMessage::Want(nodes),
                Step::Compare => roster_sync::begin(council.roster()),
            };
            self.out.send(conn, Message::Roster(message));
        }
    }

    fn handle_proofs(&mut self, conn: ConnId, proofs: Vec<Arc<Proof>>) {
        let wrong = self.council.handle_proofs(proofs);
        if let Some(error) = wrong.iter().find(|error| error.is_forgery()) {
            let what = format!("a proof that proves nothing: {error}");
            self.connections.misbehaved(conn, what, &mut self.out);
        }
    }

    /// A proof from anybody: worth what it proves. One that cannot be judged yet comes again by comparison.
    pub(super) fn handle_proof(&mut self, conn: ConnId, proof: Arc<Proof>) {
        self.handle_proofs(conn, vec![proof]);
    }

    pub(super) fn handle_suspect_request(
        &mut self,
        conn: ConnId,
        from: NodeId,
        inquiry: Inquiry,
        now: Now,
    ) {
        if !self.connections.may_ask(conn, now, &mut self.out) {
            return;
        }
        if self.council.roster().member(&from).is_none()
            && !self.council.electorate().contains(&from)
        {
            let goodbye = Goodbye::NoPassport("only members ask about members".to_owned());
            self.connections.refuse(conn, goodbye, &mut self.out);
            return;
        }
        // Without an answer the asker takes this panelist for silent and asks the next: nothing to say here.
        let _answered = self.with_surroundings(now, |_, testifying, with| {
            testifying.handle_request(conn, inquiry, with)
        });
    }

    pub(super) fn handle_testimony(
        &mut self,
        conn: ConnId,
        from: NodeId,
        testimony: Testimony,
        now: Now,
    ) {
        let counted = self.with_suspicions(now, |suspicions, with| {
            suspicions.handle_response(conn, from, testimony, with)
        });
        if let Err(what) = counted {
            self.connections.misbehaved(conn, what, &mut self.out);
        }
    }
}
