//! **Evidence**: a seed that votes both ways on one proposal is told of, with both votes, by every honest seed that counts
//! one and is shown the other.
//!
//! Watched is what a seed is told within a moment, so that the proposal cannot have been closed and opened again in between:
//! two contradicting votes of one voter, each validly signed, that arrive while their proposal is open. Then the seed tells
//! its application of the second before anything else arrives anywhere.
//!
//! Left out: votes that come further apart, or before their proposal, or by way of others; the same voter's double vote on
//! the same proposal told again; contradictions of members of an open network, but for
//! forks, which are `succession`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorate_consensus::council;
use quorate_consensus::{Choice, NodeId, ProposalId, Vote};
use quorate_node::Event;
use quorate_node::protocol::Message;
use quorate_node::roles::Frame;

use super::Checker;
use crate::fact::{Fact, View};
use crate::host::HostId;
use crate::process::Process;

/// How far apart the two may come.
const MOMENT: Duration = Duration::from_millis(100);

/// Where a vote was counted: by whom, on what, whose, and in which epoch. What is open when one ends is put to the vote anew in
/// the next.
type Place = (HostId, ProposalId, NodeId, u64);

/// Watches that double votes are told of.
#[derive(Debug, Default)]
pub struct EvidenceChecker {
    counted: BTreeMap<Place, (Choice, Duration)>,
    /// What has to be told now, and what was ever told.
    due: Option<Place>,
    told: BTreeSet<Place>,
}

impl Checker for EvidenceChecker {
    fn name(&self) -> &'static str {
        "evidence"
    }

    fn see(&mut self, fact: &Fact<'_>, view: View<'_>) -> Result<(), String> {
        match fact {
            Fact::Told {
                host,
                event: Event::Equivocation(evidence),
            } => {
                let vote = &evidence.first;
                let epoch = view.epoch_of(vote).unwrap_or_default();
                let told = (*host, vote.proposal, vote.voter, epoch);
                self.told.insert(told);
                self.due.take_if(|due| *due == told);
                Ok(())
            }
            Fact::Arrived {
                from, to, frame, ..
            } => {
                self.overdue(view)?;
                // What others than the voter pass on may come on a connection on which nobody listens to votes.
                if let Frame::Message(Message::Council(council::Message::Vote(vote))) = frame
                    && vote.voter == view.host(*from).id()
                {
                    self.arrived(*to, vote, view);
                }
                Ok(())
            }
            Fact::Tick => {
                self.counted.retain(|_, (_, at)| *at + MOMENT >= view.now);
                self.overdue(view)
            }
            _ => Ok(()),
        }
    }
}

impl EvidenceChecker {
    fn overdue(&mut self, view: View<'_>) -> Result<(), String> {
        match self.due.take() {
            None => Ok(()),
            Some((host, proposal, voter, _)) => Err(format!(
                "{} was shown two contradicting votes of {} on {proposal}, and says nothing",
                view.name(host),
                view.name_of(&voter)
            )),
        }
    }

    /// A vote that is about to be counted.
    fn arrived(&mut self, host: HostId, vote: &Vote, view: View<'_>) {
        let Some(Process::Seed(seed)) = &view.host(host).process else {
            return;
        };
        let council = seed.council();
        let is_counted = council.is_open(&vote.proposal)
            && vote
                .clone()
                .verify(council.electorate(), &*view.truth.scheme)
                .is_ok();
        if !is_counted {
            return;
        }
        let epoch = council.electorate().epoch();
        let place = (host, vote.proposal, vote.voter, epoch);
        if self.told.contains(&place) {
            return;
        }
        match self.counted.get(&place) {
            Some((choice, at)) if *choice != vote.choice && *at + MOMENT >= view.now => {
                self.due = Some(place);
            }
            Some(_) => {}
            None => {
                self.counted.insert(place, (vote.choice, view.now));
            }
        }
    }
}
