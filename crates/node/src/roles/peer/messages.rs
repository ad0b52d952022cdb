//! What a peer does with each message, by who sent it and on what connection.

use std::sync::Arc;

use quorate_consensus::{DeadReport, Inquiry, NodeId, Now, Proof, conclave};

use super::Peer;
use crate::event::{Event, Way};
use crate::protocol::{Goodbye, LIST_MAX, Message, Purpose};
use crate::roles::{ConnId, roster_sync};

impl Peer {
    pub(super) fn handle_message(
        &mut self,
        conn: ConnId,
        from: NodeId,
        purpose: Purpose,
        message: Message,
        now: Now,
    ) {
        let is_seed = purpose == Purpose::Register && self.electorate.contains(&from);
        match (purpose, message) {
            (_, Message::Goodbye(Goodbye::NotAMember(proof))) => {
                self.take_in(conn, vec![proof], from, now)
            }
            (_, Message::Goodbye(_)) => {}
            (_, Message::Echo { nonce, record }) => {
                self.probes
                    .handle_echo(conn, nonce, record, &mut self.connections, &mut self.out);
            }
            (Purpose::Link, Message::Welcome) => self.handle_welcome(conn, from, now),
            (Purpose::Link, Message::Passport(proof)) => {
                self.handle_passport(conn, from, proof, now)
            }
            (Purpose::Link, message) if !self.is_up(from, conn) => {
                let what = format!(
                    "expected an admission certificate first, got {}",
                    message.name()
                );
                self.drop_link(conn, from, Goodbye::NoPassport(what), now);
            }
            (Purpose::Link, Message::Neighbors(neighbors)) if neighbors.len() <= LIST_MAX => {
                self.overlay.set_degree(from, neighbors.len());
                self.overlay.set_neighbors_of(from, neighbors);
                self.wishes_changed = true;
            }
            (Purpose::Link, Message::Gossip(message)) => {
                if let Err(error) = self.gossip.handle_message(from, message, now.instant) {
                    self.drop_link(conn, from, Goodbye::Misbehaved(error.to_string()), now);
                }
            }
            (_, Message::Roster(message)) if purpose == Purpose::Link || is_seed => {
                match roster_sync::answer(&self.roster, message) {
                    Ok(answer) => {
                        self.fetch(conn, &answer, now);
                        let say = answer.say.into_iter();
                        say.for_each(|message| self.out.send(conn, Message::Roster(message)));
                        self.take_in(conn, answer.proofs, from, now);
                    }
                    Err(what) => self.connections.misbehaved(conn, what, &mut self.out),
                }
            }
            (
                _,
                Message::SuspectRequest {
                    inquiry,
                    suspect,
                    asker,
                },
            ) => {
                self.handle_suspect_request(conn, from, inquiry, suspect, asker, now);
            }
            (_, Message::SuspectResponse(testimony)) => {
                let counted = self.with_suspicions(now, |suspicions, with| {
                    suspicions.handle_response(conn, from, testimony, with)
                });
                if let Err(what) = counted {
                    self.connections.misbehaved(conn, what, &mut self.out);
                }
            }
            (Purpose::Register, Message::Electorate(conclave::Message::Handovers(handovers))) => {
                self.follow(conn, &handovers, now);
            }
            (Purpose::Register, Message::Electorate(conclave::Message::Epoch(_))) => {}
            (Purpose::Register, Message::Endorsed(certificate)) => {
                self.handle_endorsed(certificate, now);
            }
            (_, Message::RegisterRefused(refusal)) if is_seed => {
                self.handle_refusal(from, refusal, now)
            }
            (_, Message::LinkCounts(counts)) if is_seed && counts.len() <= LIST_MAX => {
                self.wishes_changed = true;
                for (member, degree) in counts {
                    self.overlay
                        .set_degree(member, usize::try_from(degree).unwrap_or(usize::MAX));
                }
            }
            (
                _,
                Message::DeadReportRefused {
                    suspect, reason, ..
                },
            ) if is_seed => {
                let (suspect, reporter) = (self.party(suspect), self.party(self.me));
                let reason = format!("seed {}: {reason}", self.party(from));
                self.out.event(Event::DeadReportRefused {
                    suspect,
                    reporter,
                    reason,
                });
            }
            (_, message) => {
                let what = format!(
                    "a peer does not take {} on a connection for {purpose:?}",
                    message.name()
                );
                self.connections.misbehaved(conn, what, &mut self.out);
            }
        }
    }

    pub(super) fn handle_suspect_request(
        &mut self,
        conn: ConnId,
        from: NodeId,
        inquiry: Inquiry,
        suspect: Arc<Proof>,
        asker: Option<Arc<Proof>>,
        now: Now,
    ) {
        if !self.connections.may_ask(conn, now, &mut self.out) {
            return;
        }
        self.take_in(
            conn,
            asker.into_iter().chain([suspect]).collect(),
            from,
            now,
        );
        if !self.electorate.contains(&from) && self.roster.member(&from).is_none() {
            let goodbye = Goodbye::NoPassport("only members ask about members".to_owned());
            self.connections.refuse(conn, goodbye, &mut self.out);
            return;
        }
        // Without an answer the asker takes this panelist for silent and asks the next: nothing to say here.
        let _answered = self.with_surroundings(now, |_, testifying, with| {
            testifying.handle_request(conn, inquiry, with)
        });
    }

    pub(super) fn send_report(&mut self, report: DeadReport) {
        self.out.event(Event::DeadReport {
            report: Box::new(report.clone()),
            reporter: self.party(self.me),
            way: Way::Sent,
        });
        let sessions = self.seed_sessions();
        self.out.send_all(sessions, Message::DeadReport(report));
    }
}
