//! How a seed makes up its mind: it judges candidates (`admitting`), and probes suspects itself.

use quorate_consensus::{
    Choice, DeadReport, Endorsement, NodeId, Now, Proposal, ProposalId, ProposeError,
};

use super::Seed;
use crate::event::{Event, Way};
use crate::protocol::{Message, Purpose};
use crate::roles::probing::Outcome;
use crate::roles::testifying::check_panel;

impl Seed {
    /// Starts what will answer the council's question.
    pub(super) fn judge(&mut self, id: ProposalId, proposal: &Proposal, now: Now) {
        let probe = match proposal {
            Proposal::Admit(record) => {
                self.judge_candidate(id, record, now);
                return;
            }
            Proposal::Evict(report) => {
                if let Err(why) = self.check_report(report) {
                    self.council.handle_judgement(id, Choice::No, &why, now);
                    return;
                }
                if planted!(EvictionWithoutProbe) {
                    let why = "it was reported";
                    self.council.handle_judgement(id, Choice::Yes, why, now);
                    return;
                }
                let member = self.council.roster().member(&report.suspect);
                let endpoints = member
                    .map(|record| record.endpoints.clone())
                    .unwrap_or_default();
                self.probes.start(
                    report.suspect,
                    endpoints,
                    None,
                    &mut self.connections,
                    now,
                    &mut self.out,
                )
            }
            // Seeds decide on members only; an application that votes on more runs a council of its own.
            Proposal::Motion(motion) => {
                let judged = Endorsement::of_motion(motion)
                    .ok_or_else(|| "seeds vote on members only".to_owned())
                    .and_then(|endorsement| self.judges_endorsement(&endorsement));
                let (choice, reason) = match judged {
                    Ok(()) => (Choice::Yes, String::new()),
                    Err(why) => (Choice::No, why),
                };
                self.council.handle_judgement(id, choice, &reason, now);
                return;
            }
        };
        self.judging.insert(probe, id);
    }

    /// The probe for a question ended.
    pub(super) fn judge_probed(&mut self, id: ProposalId, outcome: Outcome, now: Now) {
        let Some(proposal) = self.council.proposal(&id).cloned() else {
            return;
        };
        let (choice, reason) = match (&*proposal, outcome) {
            (Proposal::Admit(record), Outcome::Alive) => {
                self.judge_reachable(id, record, now);
                return;
            }
            (Proposal::Admit(_), Outcome::Silent(cause) | Outcome::Gone(cause)) => {
                (Choice::No, format!("cannot be reached: {cause}"))
            }
            (_, Outcome::Alive) => (Choice::No, "it answered this seed's probe".to_owned()),
            (_, Outcome::Silent(cause) | Outcome::Gone(cause)) => (
                Choice::Yes,
                format!("this seed's probe failed too: {cause}"),
            ),
            // A seed that could not look has no say.
            (_, Outcome::NotKnown(why)) => {
                let about = self.subject(&proposal);
                self.out.event(Event::Abstained { about, reason: why });
                return;
            }
        };
        self.council.handle_judgement(id, choice, &reason, now);
    }

    /// `DEAD_REPORT` from a member.
    pub(super) fn handle_report(&mut self, from: NodeId, report: DeadReport, now: Now) {
        let reporter = self.party(report.reporter);
        self.out.event(Event::DeadReport {
            report: Box::new(report.clone()),
            reporter,
            way: Way::Received,
        });
        if report.reporter != from {
            let why = format!(
                "a report of {} came from {}",
                report.reporter.short(),
                from.short()
            );
            self.refuse_report_to(from, &report, why);
            return;
        }
        if let Err(why) = self.check_report(&report) {
            self.refuse_report(&report, why);
            return;
        }
        self.report(report, now);
    }

    /// Puts a report, a member's or this seed's own, to the vote.
    pub(super) fn report(&mut self, report: DeadReport, now: Now) {
        let proposal = Proposal::Evict(report.clone());
        let is_news = !self.council.is_open(&proposal.id());
        let suspect = self.subject(&proposal);
        match self.council.propose(proposal, now) {
            Ok(_) if is_news => {
                let proposer = self.party(self.me);
                self.out.event(Event::DeadProposal { suspect, proposer });
            }
            Ok(_) => {}
            // Somebody else's report was faster: the reporter has, or gets, the certificate.
            Err(ProposeError::Settled(_)) => {}
            Err(error) => self.refuse_report(&report, error.to_string()),
        }
    }

    /// Tier one, recomputed: the right witnesses, and enough of them.
    fn check_report(&self, report: &DeadReport) -> Result<(), String> {
        let electorate = self.council.electorate();
        let is_present = |node: &NodeId| self.connections.find(*node, Purpose::Register).is_some();
        check_panel(
            report,
            self.council.roster(),
            electorate.voters(),
            is_present,
        )
    }

    pub(super) fn refuse_report(&mut self, report: &DeadReport, reason: String) {
        self.refuse_report_to(report.reporter, report, reason);
    }

    fn refuse_report_to(&mut self, to: NodeId, report: &DeadReport, reason: String) {
        let (suspect, reporter) = (self.party(report.suspect), self.party(to));
        self.out.event(Event::DeadReportRefused {
            suspect,
            reporter,
            reason: reason.clone(),
        });
        let sessions = self
            .connections
            .ready(Purpose::Register)
            .filter(|(_, node)| *node == to)
            .map(|(conn, _)| conn)
            .collect();
        self.out.send_all(
            sessions,
            Message::DeadReportRefused {
                suspect: report.suspect,
                attempt: report.attempt,
                reason,
            },
        );
    }
}
