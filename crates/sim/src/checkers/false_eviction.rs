//! **No false eviction**: who answers is not thrown out.
//!
//! Of a seeded network: no honest seed votes yes on the eviction of an honest member that has been answering it for all the
//! time in which the seed can have made up its mind. And what follows from it: no eviction is certified of an honest member
//! that answered so many honest seeds, from well before the first of its votes on, that the others are no quorum.
//!
//! Of an open network: no honest member accuses another that has been answering it for so long that the two must have met
//! again, whatever was so before.
//!
//! *Answers* means that both processes have been running undisturbed, and the wires between them too
//! ([`View::answers_since`]), since before the window; that the member was told of its membership in that life before the
//! window, and is still in it; and that it has had a session with the seed for all that time: a question takes two frames
//! then, neither of them late. Members of an open network have to dial each other first, so there the weather has to be
//! such that nothing is late.
//!
//! Left out, so that nothing is reported that may be so: votes within a window after any disturbance of either end or of
//! the wire between them, or without such a session; votes on lives that the member does not know to be in; accusations in
//! bad weather; and votes on proposals that nobody ever sent, which no certificate can come of unless seeds vote alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorate_consensus::council::{self, Durable};
use quorate_consensus::succession;
use quorate_consensus::{Certificate, Choice, NodeId, Proof, Proposal, ProposalId, Vote};
use quorate_node::Event;
use quorate_node::protocol::Message;
use quorate_node::roles::Frame;
use quorate_node::store::{MemberStored, SeedStored, Stored};

use super::Checker;
use super::lives::Lives;
use crate::fact::{Fact, View};
use crate::host::HostId;
use crate::process::Process;

/// How long before a seed's vote is written everything must have been well, beside what the disk takes: its probe takes the
/// probe's time by its own clock, and nothing is done before or after it. Twice that, and a little, leaves room.
const LITTLE: Duration = Duration::from_secs(2);

/// For how long a disk that was slow may still be busy.
const DISK_BUSY: Duration = Duration::from_secs(30);

/// How long before the first vote, for a certificate: longer than a proposal is open.
const ATTEMPT_WINDOW: Duration = Duration::from_secs(35);

/// How long before an accusation: who was lost has to be dialled, linked and met again.
const ACCUSE_WINDOW: Duration = Duration::from_secs(20);

/// How many writes may be done before one that was asked for.
const WRITES_BEFORE: u32 = 3;

/// What a frame may take in weather in which nothing is late.
const LATE: Duration = Duration::from_millis(250);

/// Below this many bytes in a second, what is sent waits for its turn.
const BANDWIDTH_MIN: u64 = 10_000_000;

/// Watches that nobody is thrown out who answers.
#[derive(Debug, Default)]
pub struct FalseEviction {
    lives: Lives,
    /// Since when members have had their sessions with seeds, as they told it.
    sessions: BTreeMap<(HostId, NodeId), Duration>,
    /// What proposals of evictions are about: whom, in which life.
    reports: BTreeMap<ProposalId, (NodeId, u64)>,
    /// When honest seeds voted yes on evictions.
    voted: BTreeMap<(HostId, ProposalId), Duration>,
    /// Certificates that were looked at.
    certified: BTreeSet<ProposalId>,
    /// How long a write took at most on disks that are slow, or were so until lately, and when that was.
    slow: BTreeMap<HostId, (Duration, Duration)>,
}

impl Checker for FalseEviction {
    fn name(&self) -> &'static str {
        "no false eviction"
    }

    fn see(&mut self, fact: &Fact<'_>, view: View<'_>) -> Result<(), String> {
        match fact {
            Fact::Sent { host, frame, .. } => match frame {
                Frame::Message(Message::Council(council::Message::Proposal(proposal))) => {
                    self.note(proposal);
                }
                Frame::Message(Message::Council(message)) => {
                    let me = view.host(*host).id();
                    let mut own = message.votes().iter().filter(|vote| vote.voter == me);
                    return own.try_for_each(|vote| self.judge(*host, vote, view));
                }
                _ => {}
            },
            Fact::Durable { host, stored } if view.host(*host).is_honest() => match stored {
                Stored::Seed(SeedStored::Council(Durable::Vote { vote, .. })) => {
                    return self.judge(*host, vote, view);
                }
                Stored::Seed(SeedStored::Council(Durable::Proof(proof))) => {
                    if let Proof::Eviction(certificate) = &**proof {
                        return self.certificate(certificate, view);
                    }
                }
                Stored::Member(MemberStored::Said(succession::Durable::Accusation(accusation))) => {
                    return self.accusation(*host, accusation, view);
                }
                _ => {}
            },
            Fact::MayBeDurable {
                host,
                stored: Stored::Seed(SeedStored::Council(Durable::Vote { vote, .. })),
            } => {
                // It comes again when its process does, and says nothing of that time.
                self.voted.entry((*host, vote.proposal)).or_insert(view.now);
            }
            Fact::Tick => {
                for (id, host) in view.all() {
                    let (max, at) = self.slow.entry(id).or_default();
                    if host.disk_max >= *max || *at + DISK_BUSY < view.now {
                        (*max, *at) = (host.disk_max, view.now);
                    }
                }
            }
            fact => {
                self.lives.see(fact, view);
                self.session(fact, view);
            }
        }
        Ok(())
    }
}

impl FalseEviction {
    fn session(&mut self, fact: &Fact<'_>, view: View<'_>) {
        match fact {
            Fact::Told {
                host,
                event: Event::SeedConnected(seed),
            } => {
                self.sessions.insert((*host, seed.id), view.now);
            }
            Fact::Told {
                host,
                event: Event::SeedLost { seed, .. },
            } => {
                self.sessions.remove(&(*host, seed.id));
            }
            Fact::Started(host) | Fact::Stopped { host, .. } => {
                let ended = view.host(*host).id();
                self.sessions
                    .retain(|(member, seed), _| member != host && *seed != ended);
            }
            _ => {}
        }
    }

    /// How long a write may take that began lately.
    fn disk(&self, host: HostId, view: View<'_>) -> Duration {
        let lately = self.slow.get(&host).map_or(Duration::ZERO, |slow| slow.0);
        lately.max(view.host(host).disk_max)
    }

    fn note(&mut self, proposal: &Proposal) {
        if let Proposal::Evict(report) = proposal {
            self.reports
                .insert(proposal.id(), (report.suspect, report.incarnation));
        }
    }

    /// A seed's own vote, when it is first seen.
    fn judge(&mut self, seed: HostId, vote: &Vote, view: View<'_>) -> Result<(), String> {
        let is_news = vote.choice == Choice::Yes
            && view.host(seed).is_honest()
            && !self.voted.contains_key(&(seed, vote.proposal));
        if !is_news {
            return Ok(());
        }
        if !self.reports.contains_key(&vote.proposal)
            && let Some(Process::Seed(role)) = &view.host(seed).process
            && let Some(proposal) = role.council().proposal(&vote.proposal)
        {
            self.note(proposal);
        }
        let Some((suspect, incarnation)) = self.reports.get(&vote.proposal).copied() else {
            return Ok(());
        };
        self.voted.insert((seed, vote.proposal), view.now);
        let probe = view.host(seed).setup.options.probe_timeout;
        let window = probe * 2 + LITTLE + self.disk(seed, view) * WRITES_BEFORE;
        let Some(begin) = view.now.checked_sub(window) else {
            return Ok(());
        };
        match self.answered(seed, suspect, incarnation, begin, view) {
            None => Ok(()),
            Some(since) => Err(format!(
                "{} voted to throw out {} in its life {incarnation} ({:?}), which has been answering it since {:.3} s",
                view.name(seed),
                view.name_of(&suspect),
                vote.reason,
                since.as_secs_f64()
            )),
        }
    }

    fn certificate(&mut self, certificate: &Certificate, view: View<'_>) -> Result<(), String> {
        let electorate = view.truth.electorate_of(certificate.epoch);
        let (Proposal::Evict(report), Some(electorate)) = (&*certificate.proposal, electorate)
        else {
            return Ok(());
        };
        let id = certificate.id();
        if !self.certified.insert(id) {
            return Ok(());
        }
        let honest = |voter: &NodeId| {
            let seed = view.host_of(voter)?;
            view.host(seed).is_honest().then_some(seed)
        };
        let votes = certificate.votes.keys().filter_map(honest);
        let first = votes
            .filter_map(|seed| self.voted.get(&(seed, id)).copied())
            .fold(view.now, Duration::min);
        let Some(begin) = first.checked_sub(ATTEMPT_WINDOW) else {
            return Ok(());
        };
        let is_answered = |seed: &HostId| {
            let answered = self.answered(*seed, report.suspect, report.incarnation, begin, view);
            answered.is_some()
        };
        let voters: Vec<HostId> = electorate
            .voters()
            .filter_map(|voter| honest(&voter))
            .collect();
        let answered: Vec<HostId> = voters.into_iter().filter(is_answered).collect();
        let others = electorate.seats().len().saturating_sub(answered.len());
        if others < electorate.quorum() {
            let answered: Vec<String> = answered.iter().map(|seed| view.name(*seed)).collect();
            return Err(format!(
                "{} was thrown out of its life {}, though it answered {} all the time, and {others} others are no quorum",
                view.name_of(&report.suspect),
                report.incarnation,
                answered.join(" and ")
            ));
        }
        Ok(())
    }

    fn accusation(
        &self,
        accuser: HostId,
        accusation: &succession::Accusation,
        view: View<'_>,
    ) -> Result<(), String> {
        let network = |host: HostId| {
            let assembly = view.host(host).process.as_ref()?.assembly()?;
            Some(assembly.membership().network())
        };
        let Some(suspect) = view.host_of(&accusation.suspect) else {
            return Ok(());
        };
        let window = ACCUSE_WINDOW + self.disk(accuser, view) * WRITES_BEFORE;
        let begin = view.now.checked_sub(window);
        let was_in = |begin: &Duration| {
            let life = self.lives.of(accuser);
            life.is_some_and(|life| life.since <= *begin)
        };
        let Some(begin) = begin.filter(was_in) else {
            return Ok(());
        };
        if network(accuser).is_none() || network(accuser) != network(suspect) || !is_calm(view) {
            return Ok(());
        }
        let (node, incarnation) = (accusation.suspect, accusation.incarnation);
        let since = self.undisturbed(accuser, suspect, node, incarnation, view);
        match since.filter(|since| *since <= begin) {
            None => Ok(()),
            Some(since) => Err(format!(
                "{} accuses {} in its life {incarnation}, which has been answering it since {:.3} s",
                view.name(accuser),
                view.name(suspect),
                since.as_secs_f64()
            )),
        }
    }

    /// Since when a member has been answering a seed, if that is since `begin` or longer.
    fn answered(
        &self,
        seed: HostId,
        member: NodeId,
        incarnation: u64,
        begin: Duration,
        view: View<'_>,
    ) -> Option<Duration> {
        let host = view.host_of(&member)?;
        let session = self.sessions.get(&(host, view.host(seed).id()))?;
        let since = self.undisturbed(seed, host, member, incarnation, view)?;
        let since = since.max(*session);
        (since <= begin).then_some(since)
    }

    /// Since when an honest member has been in this life, without any disturbance between it and another node.
    fn undisturbed(
        &self,
        by: HostId,
        host: HostId,
        member: NodeId,
        incarnation: u64,
        view: View<'_>,
    ) -> Option<Duration> {
        let is_there = view.host(host).is_honest()
            && view.host(host).is_running()
            && view.host(host).id() == member
            && view.network.weather.bandwidth >= BANDWIDTH_MIN;
        let life = self.lives.of(host)?;
        let since = view.answers_since(by, host)?.max(life.since);
        (is_there && life.incarnation == incarnation).then_some(since)
    }
}

/// Whether nothing is late when nothing is amiss: a few frames take ten times the usual jitter.
fn is_calm(view: View<'_>) -> bool {
    let weather = view.network.weather;
    weather.latency.1 * (100 + weather.jitter_percent * 10) / 100 <= LATE
}
