//! How a seed makes up its mind: it judges candidates (`admitting`), probes suspects itself, and remembers whose reports its
//! probes refuted.

use quorate_consensus::explanation::Span;
use quorate_consensus::{
    Choice, DeadReport, Endorsement, NodeId, Now, Proposal, ProposalError, ProposalId,
    ProposeError, ReportError,
};

use super::Seed;
use crate::event::{Event, Way};
use crate::protocol::{Message, Purpose};
use crate::roles::probing::Outcome;
use crate::roles::testifying::check_panel;

/// How many reports may wait for this seed's own look; more are refused.
const LOOKING_MAX: usize = 64;

impl Seed {
    /// Starts what will answer the council's question.
    pub(super) fn judge(&mut self, id: ProposalId, proposal: &Proposal, now: Now) {
        let probe = match proposal {
            Proposal::Admit(record) => {
                self.judge_candidate(id, record, now);
                return;
            }
            Proposal::Evict(report) => {
                if let Err(why) = self.check_report(report, |_| false) {
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
        if let (Proposal::Evict(report), Outcome::Alive) = (&*proposal, &outcome) {
            self.note_refuted(report, now);
        }
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
                self.council.handle_no_judgement(id, &why);
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
        if let Some(held) = self.reputation.held(&from, now.instant)
            && let Some(pause) = held.pause
        {
            let left = Span(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
            let why = format!(
                "its last {} reports were refuted by this seed, which hears it again in {left}",
                held.reports
            );
            self.refuse_report(&report, why);
            return;
        }
        if let Err(why) = self.check_report(&report, |_| false) {
            self.refuse_report(&report, why);
            return;
        }
        let is_doubted = |node: &NodeId| self.reputation.is_doubted(node, now.instant);
        if self.check_report(&report, is_doubted).is_err() {
            self.look_first(report, now);
        } else {
            self.report(report, now);
        }
    }

    /// A report has a majority of the panel only with witnesses whose word was refuted too often: this seed takes their
    /// place, and takes the report up unless the suspect answers it. See [`check_panel`].
    fn look_first(&mut self, report: DeadReport, now: Now) {
        if let Err(error) = report.verify(&*self.scheme) {
            self.note_forged(&report, now);
            self.refuse_report(&report, error.to_string());
            return;
        }
        let member = self.council.roster().member(&report.suspect);
        let Some(endpoints) = member.map(|record| record.endpoints.clone()) else {
            self.report(report, now);
            return;
        };
        if self.looking.len() >= LOOKING_MAX {
            self.refuse_report(&report, "too many reports; try again later".to_owned());
            return;
        }
        let probe = self.probes.start(
            report.suspect,
            endpoints,
            &mut self.connections,
            now,
            &mut self.out,
        );
        self.looking.insert(probe, report);
    }

    /// The probe for [`look_first`](Self::look_first) ended.
    pub(super) fn looked(&mut self, report: DeadReport, outcome: &Outcome, now: Now) {
        if *outcome != Outcome::Alive {
            self.report(report, now);
            return;
        }
        self.note_refuted(&report, now);
        let why = "it answered this seed's probe, and its panel has no majority without witnesses \
                   whose last testimonies were refuted";
        self.refuse_report(&report, why.to_owned());
    }

    /// This seed's own probe was answered by the suspect of a report, whose signatures were checked.
    fn note_refuted(&mut self, report: &DeadReport, now: Now) {
        let electorate = self.council.electorate();
        let is_voter = |node: &NodeId| electorate.contains(node);
        let count = self.reputation.refuted(report, is_voter, now.instant);
        self.tell_false_report(report, count);
    }

    /// A report carries what nobody signed.
    fn note_forged(&mut self, report: &DeadReport, now: Now) {
        let count = self.reputation.forged(report, now.instant);
        self.tell_false_report(report, count);
    }

    fn tell_false_report(&mut self, report: &DeadReport, count: Option<usize>) {
        if let Some(count) = count {
            let (reporter, suspect) = (self.party(report.reporter), self.party(report.suspect));
            self.out.event(Event::FalseReport {
                reporter,
                suspect,
                count,
            });
        }
    }

    /// Puts a report, a member's or this seed's own, to the vote.
    pub(super) fn report(&mut self, report: DeadReport, now: Now) {
        let proposal = Proposal::Evict(report.clone());
        let is_news = !self.council.is_open(&proposal.id());
        let suspect = self.subject(&proposal);
        match self.council.propose(proposal, now) {
            Ok(_) => {
                self.reputation.seconded(&report, now.instant);
                if is_news {
                    let proposer = self.party(self.me);
                    self.out.event(Event::DeadProposal { suspect, proposer });
                }
            }
            // Somebody else's report was faster: the reporter has, or gets, the certificate.
            Err(ProposeError::Settled(_)) => {}
            Err(error) => {
                let is_forged = matches!(
                    &error,
                    ProposeError::Content(ProposalError::Report(ReportError::Signature { .. }))
                );
                if is_forged && report.reporter != self.me {
                    self.note_forged(&report, now);
                }
                self.refuse_report(&report, error.to_string());
            }
        }
    }

    /// Tier one, recomputed: the right witnesses, and enough of them, also without those who are doubted.
    fn check_report(
        &self,
        report: &DeadReport,
        is_doubted: impl Fn(&NodeId) -> bool,
    ) -> Result<(), String> {
        let electorate = self.council.electorate();
        let is_present = |node: &NodeId| self.connections.find(*node, Purpose::Register).is_some();
        check_panel(
            report,
            self.council.roster(),
            electorate.voters(),
            is_present,
            is_doubted,
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
