//! What seeds must not undo.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use quorate_consensus::council::{self, Durable};
use quorate_consensus::{
    Choice, Electorate, NodeId, Proof, ProposalId, Signature, Standing, StandingKey, Vote,
};
use quorate_node::Event;
use quorate_node::protocol::{Goodbye, Message, Refusal, RosterMessage};
use quorate_node::roles::Frame;
use quorate_node::store::{SeedStored, Stored};

use crate::fact::{Fact, View};
use crate::host::{HostId, Kind};
use crate::process::Process;

/// By so much a wall clock has jumped.
const JUMP_MS: u64 = 1_000;

/// What one seed's disk holds.
#[derive(Debug, Default)]
struct Disk {
    votes: BTreeSet<(ProposalId, Signature)>,
    standings: BTreeMap<NodeId, StandingKey>,
    /// In which epoch the proof of each was signed.
    signed: BTreeMap<NodeId, u64>,
}

/// What one seed once said on a proposal.
#[derive(Debug, Clone, Copy)]
struct Said {
    choice: Choice,
    /// By how much its wall clock was ahead of its other one.
    ahead_ms: u64,
    /// How many disks it had lost.
    disks_lost: u32,
}

/// For so many epochs after that in which it was decided an end is kept.
const ENDS_KEPT: u64 = 2;

/// Whether nothing is left in this epoch that could bring back whom this end ended.
fn may_be_forgotten(key: &StandingKey, epoch: u64) -> bool {
    key.standing != Standing::Admitted && key.decided + ENDS_KEPT < epoch
}

fn epoch_of(view: View<'_>) -> u64 {
    view.truth.last_electorate().map_or(0, Electorate::epoch)
}

#[derive(Debug, Default)]
pub(super) struct Seeds {
    disks: BTreeMap<HostId, Disk>,
    /// By epoch, too: what is open when one ends is put to the vote anew in the next.
    said: BTreeMap<(HostId, Option<u64>, ProposalId), Said>,
    disks_lost: BTreeMap<HostId, u32>,
    /// What instants are counted from.
    epoch: Option<Instant>,
}

impl Seeds {
    pub(super) fn see(
        &mut self,
        host: HostId,
        fact: &Fact<'_>,
        view: View<'_>,
    ) -> Result<(), String> {
        if view.host(host).setup.kind != Kind::Seed {
            return Ok(());
        }
        match fact {
            Fact::Started(_) => self.started(host, view),
            Fact::DiskLost(_) => {
                self.disks.remove(&host);
                *self.disks_lost.entry(host).or_default() += 1;
                Ok(())
            }
            Fact::Durable { stored, .. } => self.durable(host, stored, view),
            Fact::MayBeDurable {
                stored: Stored::Seed(SeedStored::Council(Durable::Vote { vote, .. })),
                ..
            } => {
                self.disk(host)
                    .votes
                    .insert((vote.proposal, vote.signature));
                Ok(())
            }
            Fact::Sent {
                frame: Frame::Message(message),
                ..
            } => self.sent(host, message, view),
            Fact::Told { event, .. } => self.told(host, event, view),
            _ => Ok(()),
        }
    }

    /// Every roster holds at least what was ever committed by a seed that runs and kept its disk.
    pub(super) fn settled(&self, view: View<'_>) -> Result<(), String> {
        let mut largest: BTreeMap<NodeId, (StandingKey, HostId)> = BTreeMap::new();
        for (seed, disk) in &self.disks {
            if !view.host(*seed).is_running() || !view.is_voter(*seed) {
                continue;
            }
            for (node, key) in &disk.standings {
                let known = largest.entry(*node).or_insert((*key, *seed));
                *known = (*known).max((*key, *seed));
            }
        }
        let epoch = epoch_of(view);
        for (id, host) in view.all() {
            let roster = host.process.as_ref().and_then(Process::roster);
            let Some(roster) = roster.filter(|roster| {
                host.is_running()
                    && match host.setup.kind {
                        Kind::Seed => view.is_voter(id),
                        _ => roster.member(&host.id()).is_some(),
                    }
            }) else {
                continue;
            };
            for (node, (key, seed)) in &largest {
                let held = roster.get(node).map(|entry| entry.key);
                let is_forgotten = held.is_none() && may_be_forgotten(key, epoch);
                if held < Some(*key) && !is_forgotten {
                    return Err(format!(
                        "{} holds {} as {held:?}, and {} has committed {key:?}",
                        view.name(id),
                        view.name_of(node),
                        view.name(*seed)
                    ));
                }
            }
        }
        Ok(())
    }

    fn disk(&mut self, host: HostId) -> &mut Disk {
        self.disks.entry(host).or_default()
    }

    fn started(&mut self, host: HostId, view: View<'_>) -> Result<(), String> {
        let Some(roster) = view.host(host).process.as_ref().and_then(Process::roster) else {
            return Ok(());
        };
        let disk = self.disk(host);
        for (node, key) in &disk.standings {
            let held = roster.get(node).map(|entry| entry.key);
            if held < Some(*key) {
                return Err(format!(
                    "{} is back with {} as {held:?}, and had {key:?} on its disk",
                    view.name(host),
                    view.name_of(node)
                ));
            }
        }
        // Also what its last process did not live to hear of.
        disk.signed = roster
            .iter()
            .map(|(node, entry)| (*node, entry.proof.certificate().epoch))
            .collect();
        disk.standings = roster
            .iter()
            .map(|(node, entry)| (*node, entry.key))
            .collect();
        Ok(())
    }

    fn durable(&mut self, host: HostId, stored: &Stored, view: View<'_>) -> Result<(), String> {
        match stored {
            Stored::Seed(SeedStored::Council(Durable::Vote { vote, .. })) => {
                self.disk(host)
                    .votes
                    .insert((vote.proposal, vote.signature));
                self.said(host, vote, view)
            }
            Stored::Seed(SeedStored::Council(Durable::Proof(proof))) => {
                let Some((node, key)) = proof.claims() else {
                    return Err(format!("{} stores what proves nothing", view.name(host)));
                };
                let disk = self.disk(host);
                disk.signed.insert(node, proof.certificate().epoch);
                let before = disk.standings.insert(node, key);
                match before.filter(|before| *before > key) {
                    None => Ok(()),
                    Some(before) => Err(format!(
                        "{} replaces {} as {before:?} by {key:?} on its disk",
                        view.name(host),
                        view.name_of(&node)
                    )),
                }
            }
            Stored::Seed(SeedStored::Council(Durable::Forgotten(node))) => {
                let epoch = epoch_of(view);
                let disk = self.disk(host);
                let known = disk.standings.remove(node);
                let signed = disk.signed.remove(node).unwrap_or_default();
                // What neither the seeds of now nor those before them signed nobody believes.
                let is_believed =
                    |key: &StandingKey| signed + 1 >= epoch && !may_be_forgotten(key, epoch);
                match known.filter(is_believed) {
                    None => Ok(()),
                    Some(known) => Err(format!(
                        "{} forgets {} as {known:?} in epoch {}",
                        view.name(host),
                        view.name_of(node),
                        epoch_of(view)
                    )),
                }
            }
            _ => Ok(()),
        }
    }

    fn sent(&mut self, host: HostId, message: &Message, view: View<'_>) -> Result<(), String> {
        match message {
            Message::Roster(RosterMessage::Proofs(proofs)) => proofs
                .iter()
                .try_for_each(|proof| self.shown(host, proof, view)),
            Message::Council(council::Message::Proof(proof))
            | Message::RegisterRefused(Refusal::Settled(proof))
            | Message::Goodbye(Goodbye::NotAMember(proof))
            | Message::SuspectRequest { suspect: proof, .. } => self.shown(host, proof, view),
            Message::Council(message) => {
                let me = view.host(host).id();
                let mut own = message.votes().iter().filter(|vote| vote.voter == me);
                own.try_for_each(|vote| {
                    let given = (vote.proposal, vote.signature);
                    if !self.disk(host).votes.contains(&given) {
                        return Err(format!(
                            "{} sends its vote on {} before it is on its disk",
                            view.name(host),
                            vote.proposal
                        ));
                    }
                    self.said(host, vote, view)
                })
            }
            _ => Ok(()),
        }
    }

    /// A proof that a seed shows is on its disk, or a larger one.
    fn shown(&mut self, host: HostId, proof: &Arc<Proof>, view: View<'_>) -> Result<(), String> {
        let Some((node, key)) = proof.claims() else {
            return Err(format!("{} shows what proves nothing", view.name(host)));
        };
        let stored = self.disk(host).standings.get(&node).copied();
        if stored < Some(key) {
            return Err(format!(
                "{} shows {} as {key:?} and has {stored:?} on its disk",
                view.name(host),
                view.name_of(&node)
            ));
        }
        Ok(())
    }

    fn told(&mut self, host: HostId, event: &Event, view: View<'_>) -> Result<(), String> {
        let (node, life, standing) = match event {
            Event::Admitted {
                member,
                incarnation,
                ..
            } => (member.id, *incarnation, Standing::Admitted),
            Event::DeadConfirmed {
                member,
                incarnation,
                ..
            } => (member.id, *incarnation, Standing::Evicted),
            Event::Left(member) => (member.id, 0, Standing::Left),
            _ => return Ok(()),
        };
        let stored = self.disk(host).standings.get(&node).copied();
        let is_stored = stored.is_some_and(|key| {
            (key.incarnation, key.standing) >= (life, standing) && key.standing >= standing
                || key.incarnation > life && life > 0
        });
        if is_stored {
            return Ok(());
        }
        Err(format!(
            "{} tells that {} is {standing:?} in life {life} and has {stored:?} on its disk",
            view.name(host),
            view.name_of(&node)
        ))
    }

    /// Notes a vote; it must be the same as before.
    fn said(&mut self, host: HostId, vote: &Vote, view: View<'_>) -> Result<(), String> {
        let now = view.host(host).clock.now(view.now);
        let epoch = *self.epoch.get_or_insert(now.instant);
        // Before the first instant seen, a slower clock may show an earlier one.
        let since = now.instant.saturating_duration_since(epoch).as_millis();
        let said = Said {
            choice: vote.choice,
            ahead_ms: now
                .unix_ms
                .saturating_sub(u64::try_from(since).unwrap_or(u64::MAX)),
            disks_lost: self.disks_lost.get(&host).copied().unwrap_or(0),
        };
        let first = *self
            .said
            .entry((host, view.epoch_of(vote), vote.proposal))
            .or_insert(said);
        let has_forgotten =
            first.disks_lost != said.disks_lost && first.ahead_ms.abs_diff(said.ahead_ms) > JUMP_MS;
        if first.choice == said.choice || has_forgotten {
            return Ok(());
        }
        Err(format!(
            "{} votes {} on {}, and has voted {} on it",
            view.name(host),
            said.choice,
            vote.proposal,
            first.choice
        ))
    }
}
