//! A panelist's duty: when asked about a suspect, probe it and say what was found, signed.
//!
//! The answer is always from a fresh probe, never from a connection that was lost: a link that merely broke accuses
//! nobody.

use std::collections::{BTreeMap, BTreeSet};

use quorate_consensus::{DeadReport, Finding, Inquiry, NodeId, Roster, Testimony};
use quorate_gossip::Panel;

use super::ConnId;
use super::probing::{Outcome, ProbeId, Probed};
use super::suspicion::Surroundings;
use crate::event::{Event, Way};
use crate::protocol::Message;

/// How many questions of others may be waiting for a probe; more are not answered.
const QUESTIONS_MAX: usize = 1024;

/// The questions this node was asked and has not answered yet.
#[derive(Debug, Default)]
pub struct Testifying {
    waiting: BTreeMap<ProbeId, Vec<(ConnId, Inquiry)>>,
}

impl Testifying {
    /// Somebody asks this node about a suspect. The asker's membership was checked.
    ///
    /// # Errors
    /// Why it gets no answer.
    pub fn handle_request(
        &mut self,
        conn: ConnId,
        inquiry: Inquiry,
        with: &mut Surroundings<'_>,
    ) -> Result<(), &'static str> {
        let Some(record) = with.roster.member(&inquiry.suspect) else {
            return Err("the suspect is no member here");
        };
        if inquiry.network != with.electorate.network() || inquiry.incarnation != record.incarnation
        {
            return Err("the suspect is not known at that incarnation");
        }
        if inquiry.suspect == with.signer.id() {
            return Err("the suspect is this node");
        }
        if self.waiting.values().map(Vec::len).sum::<usize>() >= QUESTIONS_MAX {
            return Err("too many questions");
        }
        let Some(asker) = with.connections.get(conn).map(|conn| conn.remote) else {
            return Err("the asker is gone");
        };
        with.out.event(Event::SuspectRequest {
            suspect: with.party(inquiry.suspect),
            other: with.party(asker),
            way: Way::Received,
        });
        // Several askers about one suspect share a probe.
        let is_shared = |waiting: &&mut Vec<(ConnId, Inquiry)>| {
            waiting
                .first()
                .is_some_and(|(_, other)| other.suspect == inquiry.suspect)
        };
        if let Some(waiting) = self.waiting.values_mut().find(is_shared) {
            waiting.push((conn, inquiry));
            return Ok(());
        }
        let endpoints = record.endpoints.clone();
        let probe = with.probes.start(
            inquiry.suspect,
            endpoints,
            with.connections,
            with.now,
            with.out,
        );
        self.waiting.insert(probe, vec![(conn, inquiry)]);
        Ok(())
    }

    /// A probe ended; passes over those that were not for questions.
    pub fn handle_probed(&mut self, probed: &Probed, with: &mut Surroundings<'_>) {
        let waiting = self.waiting.remove(&probed.probe).unwrap_or_default();
        let (finding, cause) = match &probed.outcome {
            Outcome::Alive => (Finding::Alive, "it echoed a nonce"),
            Outcome::Silent(cause) | Outcome::Gone(cause) => (Finding::Unreachable, cause.as_str()),
            // Nothing to testify; the asker takes this panelist for silent and asks the next.
            Outcome::NotKnown(_) => return,
        };
        for (conn, inquiry) in waiting {
            let testimony = Testimony::sign(with.signer, inquiry, finding, cause);
            with.out.event(Event::SuspectResponse {
                suspect: with.party(inquiry.suspect),
                witness: with.party(with.signer.id()),
                finding,
                cause: cause.to_owned(),
                way: Way::Sent,
            });
            with.out.send(conn, Message::SuspectResponse(testimony));
        }
    }

    /// An asker is gone.
    pub fn handle_closed(&mut self, conn: ConnId) {
        for waiting in self.waiting.values_mut() {
            waiting.retain(|(asker, _)| *asker != conn);
        }
    }
}

/// Whether enough of a suspect's panel says so. `is_present` tells whether this node has a connection to a member: only
/// an absent one can have been silent. A witness that `is_doubted` is replaced as if it were silent.
///
/// # Errors
/// What is missing, for the reporter. That a majority is missing without the doubted ones must not refuse a report: its
/// reporter cannot know whom this node doubts, and did not ask those who would take their seats, so that an honest one
/// could never mend it; and one that falls silent on a small panel would have its seat filled by a seed. So the seed that
/// doubts fills the seat itself: it looks at the suspect before it takes the report up. It would have looked before its
/// vote in any case, hence nobody's eviction is made impossible; and nobody's is made easier, as the same report without
/// doubts must pass too.
pub fn check_panel(
    report: &DeadReport,
    roster: &Roster,
    seeds: impl IntoIterator<Item = NodeId>,
    is_present: impl Fn(&NodeId) -> bool,
    is_doubted: impl Fn(&NodeId) -> bool,
) -> Result<(), String> {
    let absent = report.silent.iter().filter(|node| !is_present(node));
    let witnesses = report.testimonies.iter();
    let doubted = witnesses
        .map(|testimony| &testimony.witness)
        .filter(|witness| is_doubted(witness));
    let silent: BTreeSet<NodeId> = absent.chain(doubted).copied().collect();
    let members = roster.members().map(|record| record.node);
    let panel = Panel::new(&report.suspect, report.incarnation, members, seeds, &silent);
    let witnesses = report
        .testimonies
        .iter()
        .filter(|testimony| {
            testimony.finding == Finding::Unreachable && panel.contains(&testimony.witness)
        })
        .count();
    if witnesses >= panel.threshold() {
        Ok(())
    } else {
        Err(format!(
            "expected testimonies of {} of its panel of {}, got {witnesses}",
            panel.threshold(),
            panel.iter().count()
        ))
    }
}
