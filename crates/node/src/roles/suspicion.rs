//! Deaths, tier one: what a node does about a member it lost, and what it answers when others ask.
//!
//! Who notices probes first. Only when its own probe fails does it open an inquiry: it asks the suspect's panel, and a
//! majority of testimonies makes a report for the seeds. A suspicion that comes to nothing is taken up again after a
//! pause, as long as the roster has the member and it stays lost. Used alike by peers, who lose neighbours, and by seeds,
//! who miss members that nobody reports.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_consensus::explanation::Who;
use quorate_consensus::{
    DeadReport, Electorate, Finding, Inquiry as Question, NodeId, Now, Proof, Roster, SILENT_MAX,
    Scheme, Signer, Standing, Testimony,
};
use quorate_gossip as gossip;
use quorate_gossip::{Inquiry, InquiryConfig, InquiryError, InquiryOutput};

use super::connections::Connections;
use super::probing::{Outcome, ProbeId, Probed, Probes};
use super::{ConnId, DialId, Outbox, earlier};
use crate::event::{Event, Party, Way};
use crate::explanation::{self, Answer, Asked, until};
use crate::protocol::{Goodbye, Message, Purpose};

/// The first and the longest pause before a suspicion that came to nothing is taken up again.
const RETRY: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(60));

/// What a suspicion needs of the node around it.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// The node's key.
    pub signer: &'a dyn Signer,
    /// Checks testimonies.
    pub scheme: &'a dyn Scheme,
    /// The members.
    pub roster: &'a Roster,
    /// The network and its seeds, who fill in on small panels.
    pub electorate: &'a Electorate,
    /// The node's connections.
    pub connections: &'a mut Connections,
    /// The node's probes.
    pub probes: &'a mut Probes,
    /// Where effects go.
    pub out: &'a mut Outbox,
    /// The time.
    pub now: Now,
}

impl Surroundings<'_> {
    pub(super) fn party(&self, node: NodeId) -> Party {
        Party::of(node, self.roster, self.electorate)
    }
}

#[derive(Debug)]
struct Case {
    incarnation: u64,
    rank: usize,
    cause: String,
    tries: u32,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Probing(ProbeId),
    Inquiring {
        inquiry: Box<Inquiry<NodeId, Testimony>>,
        question: Question,
        /// To whom the question went, and whether an answer came: each gets it once, so no more than there are members
        /// and seeds.
        asked: BTreeMap<NodeId, bool>,
        opened_ms: u64,
        own_cause: String,
    },
    Waiting(Instant),
}

/// Connections opened to ask a panelist.
#[derive(Debug, Clone, Copy)]
struct Errand {
    suspect: NodeId,
    panelist: NodeId,
}

/// All suspicions of a node, and the questions it is asked.
#[derive(Debug)]
pub struct Suspicions {
    config: InquiryConfig,
    cases: BTreeMap<NodeId, Case>,
    dials: BTreeMap<DialId, Errand>,
    errands: BTreeMap<ConnId, Errand>,
    reports: Vec<DeadReport>,
}

impl Suspicions {
    /// None yet.
    pub const fn new(config: InquiryConfig) -> Self {
        Self {
            config,
            cases: BTreeMap::new(),
            dials: BTreeMap::new(),
            errands: BTreeMap::new(),
            reports: Vec::new(),
        }
    }

    /// A member seems lost. `rank` is this node's place among those who noticed: the first acts at once.
    pub fn notice(
        &mut self,
        suspect: NodeId,
        cause: &str,
        rank: usize,
        with: &mut Surroundings<'_>,
    ) {
        let Some(record) = with.roster.member(&suspect) else {
            return;
        };
        if self.cases.contains_key(&suspect) {
            return;
        }
        let incarnation = record.incarnation;
        let endpoints = record.endpoints.clone();
        let probe = with
            .probes
            .start(suspect, endpoints, with.connections, with.now, with.out);
        self.cases.insert(
            suspect,
            Case {
                incarnation,
                rank,
                cause: cause.to_owned(),
                tries: 0,
                stage: Stage::Probing(probe),
            },
        );
    }

    /// What is being done about a node, if anything.
    pub fn explain(
        &self,
        node: &NodeId,
        who: impl Fn(NodeId) -> Who,
        now: Instant,
    ) -> Option<explanation::Suspicion> {
        let case = self.cases.get(node)?;
        let stage = match &case.stage {
            Stage::Probing(_) => explanation::Stage::Probing,
            Stage::Waiting(at) => explanation::Stage::Waiting {
                again_in_ms: until(*at, now),
            },
            Stage::Inquiring {
                inquiry, own_cause, ..
            } => {
                let asked = inquiry.answers().map(|(panelist, answer)| Asked {
                    panelist: who(panelist),
                    answer: match answer {
                        gossip::Answer::Awaited => Answer::Awaited,
                        gossip::Answer::Found(gossip::Finding::Alive) => {
                            Answer::Found(Finding::Alive)
                        }
                        gossip::Answer::Found(gossip::Finding::Unreachable) => {
                            Answer::Found(Finding::Unreachable)
                        }
                        gossip::Answer::Silent => Answer::Silent,
                    },
                });
                explanation::Stage::Asking {
                    own_cause: own_cause.clone(),
                    asked: asked.collect(),
                    next_in_ms: inquiry.poll_timeout().map(|at| until(at, now)),
                    given_up_in_ms: inquiry.deadline().map(|at| until(at, now)),
                }
            }
        };
        Some(explanation::Suspicion {
            cause: case.cause.clone(),
            tries: case.tries,
            stage,
        })
    }

    /// A member has shown that it lives.
    pub fn handle_alive(&mut self, node: &NodeId) {
        self.cases.remove(node);
    }

    /// A standing changed: a suspicion of somebody who is no member any more is over.
    pub fn handle_standing(&mut self, node: &NodeId, roster: &Roster) {
        let still = |case: &Case| {
            let key = roster
                .get(node)
                .map(|entry| (entry.key.standing, entry.key.incarnation));
            key == Some((Standing::Admitted, case.incarnation))
        };
        if self.cases.get(node).is_some_and(|case| !still(case)) {
            self.cases.remove(node);
        }
    }

    /// A probe ended; passes over those that were not for suspicions.
    pub fn handle_probed(&mut self, probed: &Probed, with: &mut Surroundings<'_>) {
        let is_probing =
            |case: &Case| matches!(case.stage, Stage::Probing(probe) if probe == probed.probe);
        let Some(case) = self
            .cases
            .get_mut(&probed.target)
            .filter(|case| is_probing(case))
        else {
            return;
        };
        match &probed.outcome {
            Outcome::Alive => {
                self.cases.remove(&probed.target);
            }
            Outcome::NotKnown(_) => self.pause(probed.target, with.now.instant),
            Outcome::Silent(own_cause) | Outcome::Gone(own_cause) => {
                with.out.event(Event::Suspected {
                    suspect: with.party(probed.target),
                    cause: format!("{}; {own_cause}", case.cause),
                });
                let question = Question {
                    network: with.electorate.network(),
                    suspect: probed.target,
                    incarnation: case.incarnation,
                    attempt: with.connections.nonce(),
                };
                let inquiry = Inquiry::new(
                    with.signer.id(),
                    probed.target,
                    case.incarnation,
                    with.roster.members().map(|record| record.node),
                    with.electorate.voters(),
                    case.rank,
                    self.config.clone(),
                    with.now.instant,
                );
                case.stage = Stage::Inquiring {
                    inquiry: Box::new(inquiry),
                    question,
                    asked: BTreeMap::new(),
                    opened_ms: with.now.unix_ms,
                    own_cause: own_cause.clone(),
                };
                self.drive(probed.target, with);
            }
        }
    }

    /// A panelist's answer.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn handle_response(
        &mut self,
        conn: ConnId,
        from: NodeId,
        testimony: Testimony,
        with: &mut Surroundings<'_>,
    ) -> Result<(), String> {
        if self.errands.remove(&conn).is_some() {
            with.connections.close(conn, Goodbye::Done, with.out);
        }
        let suspect = testimony.suspect;
        let Some(Stage::Inquiring {
            inquiry,
            question,
            asked,
            ..
        }) = self.cases.get_mut(&suspect).map(|case| &mut case.stage)
        else {
            // The inquiry is over; late answers are no fault.
            return Ok(());
        };
        if testimony.inquiry() != *question {
            return Ok(());
        }
        if testimony.witness != from {
            return Err("a testimony must come from its witness".to_owned());
        }
        testimony
            .verify(with.scheme)
            .map_err(|error| error.to_string())?;
        let is_awaited = asked
            .get_mut(&from)
            .is_some_and(|has_answered| !std::mem::replace(has_answered, true));
        let (found, cause) = (testimony.finding, testimony.cause.clone());
        match inquiry.handle_testimony(from, finding(found), testimony, with.now.instant) {
            Ok(()) => with.out.event(Event::SuspectResponse {
                suspect: with.party(suspect),
                witness: with.party(from),
                finding: found,
                cause,
                way: Way::Received,
            }),
            // Silent for too long, it was replaced meanwhile: late, and no fault. Nobody else was told the question.
            Err(InquiryError::NotOnPanel) if is_awaited => return Ok(()),
            Err(error) => return Err(error.to_string()),
        }
        self.drive(suspect, with);
        Ok(())
    }

    /// Whether a dial was for an errand of ours; then the connection is remembered.
    pub fn handle_connected(&mut self, conn: ConnId, dial: DialId) {
        if let Some(errand) = self.dials.remove(&dial) {
            self.errands.insert(conn, errand);
        }
    }

    /// A dial failed.
    pub fn handle_dial_failed(&mut self, dial: DialId, with: &mut Surroundings<'_>) {
        if let Some(errand) = self.dials.remove(&dial) {
            self.unavailable(errand, with);
        }
    }

    /// A connection for an errand is ready.
    pub fn handle_ready(&mut self, conn: ConnId, with: &mut Surroundings<'_>) {
        if let Some(errand) = self.errands.get(&conn).copied() {
            self.ask(conn, errand, with);
        }
    }

    /// A connection is gone.
    pub fn handle_closed(&mut self, conn: ConnId, with: &mut Surroundings<'_>) {
        if let Some(errand) = self.errands.remove(&conn) {
            self.unavailable(errand, with);
        }
    }

    /// Inquiries and pauses that are due.
    pub fn handle_timeout(&mut self, with: &mut Surroundings<'_>) {
        let suspects: Vec<NodeId> = self.cases.keys().copied().collect();
        for suspect in suspects {
            let Some(case) = self.cases.get_mut(&suspect) else {
                continue;
            };
            match &mut case.stage {
                Stage::Probing(_) => {}
                Stage::Inquiring { inquiry, .. } => {
                    inquiry.handle_timeout(with.now.instant);
                    self.drive(suspect, with);
                }
                Stage::Waiting(until) if with.now.instant >= *until => {
                    let endpoints = with
                        .roster
                        .member(&suspect)
                        .map(|record| record.endpoints.clone());
                    let probe = with.probes.start(
                        suspect,
                        endpoints.unwrap_or_default(),
                        with.connections,
                        with.now,
                        with.out,
                    );
                    case.stage = Stage::Probing(probe);
                }
                Stage::Waiting(_) => {}
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.cases.values().fold(None, |least, case| {
            let own = match &case.stage {
                Stage::Probing(_) => None,
                Stage::Inquiring { inquiry, .. } => inquiry.poll_timeout(),
                Stage::Waiting(until) => Some(*until),
            };
            earlier(least, own)
        })
    }

    /// Takes a finished report, signed by this node, for the seeds.
    pub fn poll_report(&mut self) -> Option<DeadReport> {
        self.reports.pop()
    }

    /// Carries out what an inquiry wants.
    fn drive(&mut self, suspect: NodeId, with: &mut Surroundings<'_>) {
        while let Some(case) = self.cases.get_mut(&suspect)
            && let Stage::Inquiring {
                inquiry,
                question,
                opened_ms,
                own_cause,
                ..
            } = &mut case.stage
            && let Some(output) = inquiry.poll_output()
        {
            match output {
                InquiryOutput::Ask(panelist) if panelist == with.signer.id() => {
                    let testimony =
                        Testimony::sign(with.signer, *question, Finding::Unreachable, own_cause);
                    // Its own answer to its own question, asked this moment.
                    let _counted = inquiry.handle_testimony(
                        panelist,
                        gossip::Finding::Unreachable,
                        testimony,
                        with.now.instant,
                    );
                }
                InquiryOutput::Ask(panelist) => self.send_out(Errand { suspect, panelist }, with),
                InquiryOutput::Report {
                    testimonies,
                    mut silent,
                } => {
                    silent.truncate(SILENT_MAX);
                    let endpoint = with
                        .roster
                        .member(&suspect)
                        .and_then(|record| record.endpoints.first());
                    let report = DeadReport::sign(
                        with.signer,
                        *question,
                        endpoint.cloned().unwrap_or_default(),
                        *opened_ms,
                        testimonies,
                        silent,
                    );
                    self.reports.push(report);
                    self.pause(suspect, with.now.instant);
                }
                InquiryOutput::Dismissed { alive } => {
                    let names: Vec<_> = alive
                        .iter()
                        .map(|node| with.party(*node).to_string())
                        .collect();
                    self.drop_for_now(
                        suspect,
                        format!("found alive by {}", names.join(", ")),
                        with,
                    );
                }
                InquiryOutput::Failed { silent } => {
                    let names: Vec<_> = silent
                        .iter()
                        .map(|node| with.party(*node).to_string())
                        .collect();
                    self.drop_for_now(
                        suspect,
                        format!("no majority of its panel; silent: {}", names.join(", ")),
                        with,
                    );
                }
            }
        }
    }

    fn drop_for_now(&mut self, suspect: NodeId, reason: String, with: &mut Surroundings<'_>) {
        let suspect_party = with.party(suspect);
        with.out.event(Event::SuspicionDropped {
            suspect: suspect_party,
            reason,
        });
        self.pause(suspect, with.now.instant);
    }

    fn pause(&mut self, suspect: NodeId, now: Instant) {
        if let Some(case) = self.cases.get_mut(&suspect) {
            let pause = RETRY.0.saturating_mul(1 << case.tries.min(16)).min(RETRY.1);
            case.tries = case.tries.saturating_add(1);
            case.stage = Stage::Waiting(now + pause);
        }
    }

    /// Asks a panelist over whatever connection there is, or a new one.
    fn send_out(&mut self, errand: Errand, with: &mut Surroundings<'_>) {
        let existing = [Purpose::Link, Purpose::Register]
            .into_iter()
            .find_map(|purpose| with.connections.find(errand.panelist, purpose));
        if let Some(conn) = existing {
            self.ask(conn, errand, with);
        } else if let Some(record) = with.roster.member(&errand.panelist) {
            let endpoints = record.endpoints.clone();
            let dial =
                with.connections
                    .dial(Purpose::Testify, endpoints, Some(errand.panelist), with.out);
            self.dials.insert(dial, errand);
        } else {
            self.unavailable(errand, with);
        }
    }

    fn ask(&mut self, conn: ConnId, errand: Errand, with: &mut Surroundings<'_>) {
        let Some(Stage::Inquiring {
            question,
            asked,
            inquiry,
            ..
        }) = self
            .cases
            .get_mut(&errand.suspect)
            .map(|case| &mut case.stage)
        else {
            return;
        };
        let proof_of = |node: NodeId| with.roster.get(&node).map(|entry| entry.proof.clone());
        let Some(suspect) = proof_of(errand.suspect) else {
            return;
        };
        // A connection that was dialled for an earlier inquiry may be ready after this one has asked on another, or for
        // somebody whose turn has not come in this one.
        if !inquiry.panel().contains(&errand.panelist) {
            return;
        }
        let Entry::Vacant(unasked) = asked.entry(errand.panelist) else {
            return;
        };
        unasked.insert(false);
        let is_stranger = with
            .connections
            .get(conn)
            .is_some_and(|conn| conn.purpose == Some(Purpose::Testify));
        let asker: Option<Arc<Proof>> = is_stranger.then(|| proof_of(with.signer.id())).flatten();
        with.out.event(Event::SuspectRequest {
            suspect: with.party(errand.suspect),
            other: with.party(errand.panelist),
            way: Way::Sent,
        });
        let inquiry = *question;
        with.out.send(
            conn,
            Message::SuspectRequest {
                inquiry,
                suspect,
                asker,
            },
        );
    }

    fn unavailable(&mut self, errand: Errand, with: &mut Surroundings<'_>) {
        if let Some(Stage::Inquiring { inquiry, .. }) = self
            .cases
            .get_mut(&errand.suspect)
            .map(|case| &mut case.stage)
        {
            inquiry.handle_unavailable(errand.panelist, with.now.instant);
            self.drive(errand.suspect, with);
        }
    }
}

const fn finding(finding: Finding) -> gossip::Finding {
    match finding {
        Finding::Unreachable => gossip::Finding::Unreachable,
        Finding::Alive => gossip::Finding::Alive,
    }
}

#[cfg(test)]
mod tests;
