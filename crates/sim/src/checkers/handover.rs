//! **Handover**: there is one history of who the seeds are, and nobody makes it but the persons at the seeds.
//!
//! - Each handover that somebody honest shows or goes by is proven by a quorum of the voters of the epoch that it ends, as this
//!   checker has followed them from the first, and there is one for each epoch: whoever honest runs has for the voters of its
//!   epoch those who are so.
//! - From one epoch to the next one change is made, and every honest voter's person whose word is needed had asked for that: all
//!   for a seat that is given; all others, who are a majority, for one that is taken, or for several that are taken together; the
//!   one who sits there for one that is given up.
//! - An honest seed that has sealed sends no vote of the epoch that ends but those that were on its disk before.
//!
//! Left out: the words of liars, which nobody asked for; a seal that was lost with its disk; what a process wrote while it died,
//! which counts as written.

use std::collections::{BTreeMap, BTreeSet};

use quorate_consensus::council::{self, Durable};
use quorate_consensus::{Electorate, Handover, NodeId, ProposalId, Signature, Vote, conclave};
use quorate_node::Event;
use quorate_node::protocol::Message;
use quorate_node::roles::{Frame, Request};
use quorate_node::store::{SeedStored, Stored};

use super::Checker;
use crate::fact::{Fact, View};
use crate::host::HostId;
use crate::process::Process;

/// What a person asked of the seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    Seat(NodeId),
    Unseat(NodeId),
    Resign,
}

/// Watches how the seeds hand over.
#[derive(Debug, Default)]
pub struct HandoverChecker {
    /// How many epochs were looked at.
    judged: usize,
    asked: BTreeSet<(HostId, Asked)>,
    /// Counts what was seen, so that one thing is before another.
    seen: u64,
    /// Votes on disks: what was voted on in one epoch may be voted on anew in the next.
    given: BTreeMap<(HostId, ProposalId, Signature), u64>,
    sealed: BTreeMap<(HostId, u64), u64>,
}

impl Checker for HandoverChecker {
    fn name(&self) -> &'static str {
        "handover"
    }

    fn see(&mut self, fact: &Fact<'_>, view: View<'_>) -> Result<(), String> {
        self.seen += 1;
        match fact {
            Fact::Asked { host, request } => {
                let asked = match request {
                    Request::Seat(node) => Asked::Seat(*node),
                    Request::Unseat(node) => Asked::Unseat(*node),
                    Request::Resign => Asked::Resign,
                    _ => return Ok(()),
                };
                self.asked.insert((*host, asked));
            }
            Fact::Durable {
                host,
                stored: Stored::Seed(SeedStored::Council(Durable::Vote { vote, .. })),
            }
            | Fact::MayBeDurable {
                host,
                stored: Stored::Seed(SeedStored::Council(Durable::Vote { vote, .. })),
            } => {
                self.given
                    .entry((*host, vote.proposal, vote.signature))
                    .or_insert(self.seen);
            }
            Fact::DiskLost(host) => self.sealed.retain(|(of, _), _| of != host),
            Fact::Sent { host, frame, .. } if view.host(*host).is_honest() => {
                let Frame::Message(message) = frame else {
                    return Ok(());
                };
                return self.sent(*host, message, view);
            }
            Fact::Told { host, event } if view.host(*host).is_honest() => match event {
                Event::ElectorateDecided { seats } => self.seal(*host, seats, view),
                Event::ElectorateChanged { .. } => {
                    self.judge(view)?;
                    return check_electorate(*host, view);
                }
                _ => {}
            },
            Fact::Tick => return self.look(view),
            _ => {}
        }
        Ok(())
    }

    fn settled(&mut self, view: View<'_>) -> Result<(), String> {
        self.look(view)
    }
}

impl HandoverChecker {
    fn look(&mut self, view: View<'_>) -> Result<(), String> {
        self.judge(view)?;
        view.all()
            .try_for_each(|(id, _)| check_electorate(id, view))
    }

    fn seal(&mut self, host: HostId, next: &[String], view: View<'_>) {
        if let Some(Process::Seed(seed)) = &view.host(host).process {
            let electorate = seed.conclave().electorate();
            // Its role may have gone on to the next epoch within the same moment.
            let names = electorate.seats().iter().map(|seat| &seat.name);
            let has_gone_on = u64::from(names.eq(next));
            let epoch = electorate.epoch().saturating_sub(has_gone_on);
            self.sealed.entry((host, epoch)).or_insert(self.seen);
        }
    }

    fn sent(&mut self, host: HostId, message: &Message, view: View<'_>) -> Result<(), String> {
        match message {
            Message::Electorate(conclave::Message::Handovers(handovers)) => handovers
                .iter()
                .try_for_each(|handover| check_handover(host, handover, view)),
            Message::Council(council::Message::Vote(vote))
                if vote.voter == view.host(host).id() =>
            {
                self.voted(host, vote, view)
            }
            _ => Ok(()),
        }
    }

    /// An honest seed sends its own vote.
    fn voted(&self, host: HostId, vote: &Vote, view: View<'_>) -> Result<(), String> {
        let given = self.given.get(&(host, vote.proposal, vote.signature));
        let seals = self.sealed.range((host, 0)..=(host, u64::MAX));
        for ((_, epoch), at) in seals {
            let is_before = given.is_some_and(|given| given < at);
            if !is_before && view.epoch_of(vote) == Some(*epoch) {
                return Err(format!(
                    "{} has sealed epoch {epoch} and votes in it on {}, which it had not voted on before",
                    view.name(host),
                    vote.proposal
                ));
            }
        }
        Ok(())
    }

    /// Looks at the epochs that have begun since this was done last: what changed, and who had asked for it.
    fn judge(&mut self, view: View<'_>) -> Result<(), String> {
        while let Some(next) = view.truth.later.get(self.judged) {
            self.judged += 1;
            let epoch = next.epoch();
            let Some(before) = view.truth.electorate_of(epoch - 1) else {
                return Err(format!("epoch {epoch} follows none"));
            };
            let came: Vec<NodeId> = next.voters().filter(|id| !before.contains(id)).collect();
            let went: Vec<NodeId> = before.voters().filter(|id| !next.contains(id)).collect();
            let lacking = match (&came[..], &went[..]) {
                ([one], []) => self.lacking(before, Asked::Seat(*one), &[], view),
                ([], [one]) if self.has_resigned(one, view) => Vec::new(),
                // Those who are unseated together have no say about each other; the others have to be a majority.
                ([], went) if !went.is_empty() && next.seats().len() >= before.quorum() => went
                    .iter()
                    .flat_map(|one| self.lacking(before, Asked::Unseat(*one), went, view))
                    .collect(),
                _ => {
                    return Err(format!(
                        "with epoch {epoch} {} seats are given and {} taken",
                        came.len(),
                        went.len()
                    ));
                }
            };
            if !lacking.is_empty() {
                let one = came.iter().chain(&went).map(|node| view.name_of(node));
                return Err(format!(
                    "the seat of {} changed with epoch {epoch}, and nobody had asked for that at {}",
                    one.collect::<Vec<_>>().join(", "),
                    lacking.join(", ")
                ));
            }
        }
        Ok(())
    }

    /// Whether a seed gave its seat up, or is one of whom nothing can be said.
    fn has_resigned(&self, seed: &NodeId, view: View<'_>) -> bool {
        view.host_of(seed).is_none_or(|host| {
            let has_asked = self.asked.contains(&(host, Asked::Resign));
            has_asked || !view.host(host).is_honest()
        })
    }

    /// The honest voters, but for some, whose persons have not asked for this.
    fn lacking(
        &self,
        of: &Electorate,
        asked: Asked,
        but: &[NodeId],
        view: View<'_>,
    ) -> Vec<String> {
        let needed = of.voters().filter(|voter| !but.contains(voter));
        let hosts = needed.filter_map(|voter| view.host_of(&voter));
        let lacks =
            |host: &HostId| view.host(*host).is_honest() && !self.asked.contains(&(*host, asked));
        hosts.filter(lacks).map(|host| view.name(host)).collect()
    }
}

/// Somebody honest shows a handover.
fn check_handover(host: HostId, handover: &Handover, view: View<'_>) -> Result<(), String> {
    let epoch = handover.epoch;
    let Some(before) = view.truth.electorate_of(epoch) else {
        return Err(format!(
            "{} shows a handover of epoch {epoch}, which nobody was shown the beginning of",
            view.name(host)
        ));
    };
    let next = handover
        .verify(before, &*view.truth.scheme)
        .map_err(|error| {
            format!(
                "{} shows a handover of epoch {epoch} that proves nothing: {error}",
                view.name(host)
            )
        })?;
    let known = view.truth.electorate_of(epoch + 1);
    if known.is_none_or(|known| !is_same(known, &next)) {
        return Err(format!(
            "{} shows that epoch {epoch} is followed by {}, and others that it is by {}",
            view.name(host),
            words(&next, view),
            known.map_or_else(|| "none".to_owned(), |known| words(known, view))
        ));
    }
    Ok(())
}

/// Whoever honest runs goes by the voters that are.
fn check_electorate(host: HostId, view: View<'_>) -> Result<(), String> {
    let process = view.host(host).process.as_ref();
    let Some(held) = process.and_then(Process::electorate) else {
        return Ok(());
    };
    let known = view.truth.electorate_of(held.epoch());
    let is_so = known.is_some_and(|known| {
        known.id() == held.id() && held.voters().all(|voter| known.contains(&voter))
    });
    if is_so {
        return Ok(());
    }
    Err(format!(
        "{} is in epoch {} with {}, and others with {}",
        view.name(host),
        held.epoch(),
        words(held, view),
        known.map_or_else(|| "none".to_owned(), |known| words(known, view))
    ))
}

fn is_same(one: &Electorate, other: &Electorate) -> bool {
    one.id() == other.id() && one.voters().eq(other.voters())
}

fn words(electorate: &Electorate, view: View<'_>) -> String {
    let voters = electorate.voters().map(|voter| view.name_of(&voter));
    voters.collect::<Vec<_>>().join(" and ")
}
