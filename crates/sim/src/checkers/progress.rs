//! **Progress**: when faults have stopped, everybody is where he belongs.
//!
//! Seeded, if enough seeds are left to decide: every honest peer that runs is a member by its own word, and in the rosters of
//! all honest seeds that run, in that life; what all persons at seeds want of the seats has come to be, and everybody who runs
//! knows who votes now and holds their word for every standing. Seeds that have no seat any more are asked for nothing but to
//! know that. Open: every honest node that runs is a member by its own chain and by those of
//! all honest members that run, and no candidate waits, but for those whom somebody denies for good. Everywhere: who is gone
//! for good, has left, or has become another node by losing its disk, is no member any more in the eyes of anybody honest.
//!
//! Where liars are members of an open network, they can keep everybody out, and the dead in: every member's word is needed.
//! Then only this is asked of a node that is not in: that it waits for a liar, or for one who is gone, or was denied by a
//! liar. Nothing is asked of an open network that was forked, nor of one in which so many are gone that the rest decide
//! nothing: people have to found anew.
//!
//! Whatever is not so names who waits, and for whom, as far as the nodes themselves say.

use std::collections::BTreeMap;

use quorate_consensus::{Assembly, Electorate, NodeId};
use quorate_node::Event;
use quorate_node::Party;

use super::Checker;
use super::agreement::is_forked;
use super::lives::Lives;
use crate::fact::{Fact, View};
use crate::host::{Host, HostId, Kind};
use crate::process::Process;

/// What a node that is not in said last about that.
#[derive(Debug)]
struct Plight {
    words: String,
    /// On whom it depends.
    on: Vec<NodeId>,
}

/// Watches that everybody gets where he belongs.
#[derive(Debug, Default)]
pub struct ProgressChecker {
    lives: Lives,
    plights: BTreeMap<HostId, Plight>,
    left: BTreeMap<HostId, NodeId>,
}

impl Checker for ProgressChecker {
    fn name(&self) -> &'static str {
        "progress"
    }

    fn see(&mut self, fact: &Fact<'_>, view: View<'_>) -> Result<(), String> {
        match fact {
            Fact::Sent { .. } | Fact::Arrived { .. } | Fact::Durable { .. } | Fact::Tick => {
                return Ok(());
            }
            Fact::Told { host, event } => self.told(*host, event),
            Fact::Started(host) => {
                self.plights.remove(host);
                self.left.remove(host);
            }
            Fact::Stopped {
                host,
                by_itself: true,
            } => {
                self.left.insert(*host, view.host(*host).id());
            }
            _ => {}
        }
        self.lives.see(fact, view);
        Ok(())
    }

    fn settled(&mut self, view: View<'_>) -> Result<(), String> {
        self.seeded(view)?;
        self.open(view)
    }
}

impl ProgressChecker {
    fn told(&mut self, host: HostId, event: &Event) {
        let ids = |parties: &[Party]| parties.iter().map(|party| party.id).collect();
        let on = match event {
            Event::Joined { .. } => {
                self.plights.remove(&host);
                return;
            }
            Event::JoinStatus { waiting, .. } => ids(waiting),
            Event::JoinHindered { member, .. } => vec![member.id],
            Event::JoinRefused { denied } => denied.iter().map(|(party, _)| party.id).collect(),
            Event::NoWayIn { .. }
            | Event::RegisterRefused { .. }
            | Event::Evicted { .. }
            | Event::SeedIdentityChanged { .. } => Vec::new(),
            _ => return,
        };
        let words = event.to_string();
        self.plights.insert(host, Plight { words, on });
    }

    fn plight(&self, host: HostId) -> &str {
        let plight = self.plights.get(&host);
        plight.map_or("it has not said why", |plight| plight.words.as_str())
    }

    /// Keys of nodes that are not there any more, and why.
    fn departed(&self, view: View<'_>) -> Vec<(NodeId, HostId, &'static str)> {
        let gone = view.truth.gone.iter();
        let gone = gone.map(|host| (view.host(*host).id(), *host, "is gone for good"));
        let left = self.left.iter().map(|(host, id)| (*id, *host, "has left"));
        let other = view
            .truth
            .by_id
            .iter()
            .filter(|(id, host)| view.host(**host).id() != **id)
            .map(|(id, host)| (*id, *host, "has become another node"));
        gone.chain(left).chain(other).collect()
    }

    fn seeded(&self, view: View<'_>) -> Result<(), String> {
        let Some(electorate) = view.truth.last_electorate() else {
            return Ok(());
        };
        let of_kind = |kind: Kind| {
            let of_kind = view.all().filter(move |(_, host)| host.setup.kind == kind);
            of_kind.filter(move |(id, _)| kind != Kind::Seed || view.is_voter(*id))
        };
        let is_left = |(id, _): &(HostId, &Host)| !view.truth.gone.contains(id);
        if of_kind(Kind::Seed).filter(is_left).count() < electorate.quorum() {
            return Ok(());
        }
        reseated(view)?;
        self.has_followed(electorate, view)?;
        let honest =
            |kind: Kind| of_kind(kind).filter(|(_, host)| host.is_honest() && host.is_running());
        for (id, host) in honest(Kind::Peer) {
            let Some(life) = self.lives.of(id) else {
                return Err(format!(
                    "{} is no member: {}; {}",
                    view.name(id),
                    self.plight(id),
                    pending(&host.id(), view)
                ));
            };
            for (seed, process) in
                honest(Kind::Seed).filter_map(|(seed, host)| Some((seed, host.process.as_ref()?)))
            {
                let record = process
                    .roster()
                    .and_then(|roster| roster.member(&host.id()));
                let held = record.map(|record| record.incarnation);
                if held != Some(life.incarnation) {
                    return Err(format!(
                        "{} is a member in life {}, by its own word, and in {held:?} by {}",
                        view.name(id),
                        life.incarnation,
                        view.name(seed)
                    ));
                }
            }
        }
        let departed = self.departed(view);
        for (id, host) in view.all().filter(|(_, host)| host.is_running()) {
            let Some(roster) = host.process.as_ref().and_then(Process::roster) else {
                continue;
            };
            let is_asked = match host.setup.kind {
                Kind::Seed => view.is_voter(id),
                _ => self.lives.of(id).is_some(),
            };
            if !is_asked {
                continue;
            }
            for (node, other, why) in &departed {
                if roster.member(node).is_some() {
                    return Err(format!(
                        "{} {why} and is still a member by {}; {}",
                        view.name(*other),
                        view.name(id),
                        pending(node, view)
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whoever runs and is a seed or a member knows who votes now, and their word for everything.
    fn has_followed(&self, electorate: &Electorate, view: View<'_>) -> Result<(), String> {
        let epoch = electorate.epoch();
        for (id, host) in view.all().filter(|(_, host)| host.is_running()) {
            let is_in = match host.setup.kind {
                Kind::Seed => view.is_voter(id),
                _ => self.lives.of(id).is_some(),
            };
            let Some(process) = host.process.as_ref() else {
                continue;
            };
            let (Some(held), Some(roster)) = (process.electorate(), process.roster()) else {
                continue;
            };
            if held.epoch() != epoch {
                return Err(format!(
                    "{} is in epoch {}, and others are in {epoch}",
                    view.name(id),
                    held.epoch()
                ));
            }
            if let Process::Seed(seed) = process
                && seed.council().is_sealed()
                && is_in
            {
                return Err(format!(
                    "{} has sealed epoch {epoch}, and no other begins",
                    view.name(id)
                ));
            }
            let mut old = roster
                .iter()
                .filter(|(_, entry)| entry.proof.certificate().epoch != epoch);
            if let Some((node, entry)) = old.next().filter(|_| is_in) {
                return Err(format!(
                    "{} holds {} as {:?} by the word of the seeds of epoch {}, in epoch {epoch}",
                    view.name(id),
                    view.name_of(node),
                    entry.key,
                    entry.proof.certificate().epoch
                ));
            }
        }
        Ok(())
    }

    fn open(&self, view: View<'_>) -> Result<(), String> {
        let nodes: Vec<(HostId, &Host)> = view
            .all()
            .filter(|(_, host)| host.setup.kind == Kind::Member)
            .collect();
        let running = || {
            let running = nodes.iter().copied();
            running.filter(|(_, host)| host.is_honest() && host.is_running())
        };
        let assemblies: Vec<(HostId, &Assembly)> = running()
            .filter_map(|(id, host)| Some((id, host.process.as_ref()?.assembly()?)))
            .collect();
        if is_forked(view) {
            return Ok(());
        }
        let is_lost = |node: &NodeId| {
            let host = view.host_of(node).map(|id| view.host(id));
            host.is_none_or(|host| host.id() != *node || !host.is_up() || !host.is_honest())
        };
        for (id, assembly) in &assemblies {
            if let Some(stuck) = assembly.stuck() {
                if stuck.silent.iter().all(is_lost) {
                    return Ok(());
                }
                let silent: Vec<String> = stuck.silent.iter().map(|n| view.name_of(n)).collect();
                return Err(format!(
                    "{} decides nothing: {} do not answer, of {} members {} are needed",
                    view.name(*id),
                    silent.join(", "),
                    stuck.members,
                    stuck.quorum
                ));
            }
        }
        let has_liars = nodes.iter().any(|(_, host)| !host.is_honest());
        if has_liars && assemblies.is_empty() {
            // Its only members left are liars.
            return Ok(());
        }
        for (id, host) in running() {
            let is_in = host
                .process
                .as_ref()
                .and_then(|process| process.assembly())
                .is_some();
            let plight = self.plights.get(&id);
            let is_hindered =
                has_liars && plight.is_some_and(|plight| plight.on.iter().any(is_lost));
            let is_unwanted = view.truth.unwanted.contains(&id);
            if !is_in && !is_hindered && !is_unwanted {
                return Err(format!(
                    "{} is no member: {}",
                    view.name(id),
                    self.plight(id)
                ));
            }
            for (other, assembly) in assemblies.iter().filter(|_| is_in) {
                if assembly.membership().member(&host.id()).is_none() {
                    return Err(format!(
                        "{} is a member by its own chain, and not by that of {}",
                        view.name(id),
                        view.name(*other)
                    ));
                }
            }
        }
        if has_liars {
            return Ok(());
        }
        let departed = self.departed(view);
        for (id, assembly) in &assemblies {
            for (node, other, why) in &departed {
                if assembly.membership().member(node).is_some() {
                    return Err(format!(
                        "{} {why} and is still a member by {}",
                        view.name(*other),
                        view.name(*id)
                    ));
                }
            }
            let is_wanted = |node: &NodeId| {
                let host = view.host_of(node);
                host.is_none_or(|host| !view.truth.unwanted.contains(&host))
            };
            let mut waiting = assembly
                .candidates()
                .filter(|record| is_wanted(&record.node));
            if let Some(record) = waiting.next() {
                let on = assembly.waiting_for(&record.hash());
                let on: Vec<String> = on.iter().map(|node| view.name_of(node)).collect();
                return Err(format!(
                    "{} waits at {} for {}",
                    view.name_of(&record.node),
                    view.name(*id),
                    on.join(", ")
                ));
            }
        }
        Ok(())
    }
}

/// What all want of the seats has come to be.
fn reseated(view: View<'_>) -> Result<(), String> {
    let wanted = view.truth.wishes.iter().filter(|wish| wish.but.is_none());
    let mut open = wanted.filter(|wish| !wish.change.has_come_to_be(view.truth, view.hosts));
    let Some(wish) = open.next() else {
        return Ok(());
    };
    let mut words = Vec::new();
    for (id, host) in view.all() {
        if let Some(Process::Seed(seed)) = &host.process {
            let conclave = seed.conclave();
            for (record, waiting) in conclave.nominations() {
                let waiting: Vec<String> = waiting.iter().map(|id| view.name_of(id)).collect();
                words.push(format!(
                    "{} in epoch {} waits with {} (attempt {}) for {}",
                    view.name(id),
                    conclave.electorate().epoch(),
                    view.name_of(&record.node),
                    record.attempt,
                    waiting.join(", ")
                ));
            }
        }
    }
    Err(format!(
        "all want {}, and it has not come to be; {}",
        wish.change,
        words.join("; ")
    ))
}

/// What the honest seeds have open about a node, and whom they wait for.
fn pending(node: &NodeId, view: View<'_>) -> String {
    let mut words = Vec::new();
    for (id, host) in view.all().filter(|(_, host)| host.setup.kind == Kind::Seed) {
        if !host.is_up() {
            words.push(format!("{} does not run", view.name(id)));
        }
        if let Some(Process::Seed(seed)) = &host.process {
            for (proposal, silent) in seed.council().pending(node) {
                let silent = silent.join(", ");
                words.push(format!(
                    "{} has not heard of {silent} on {proposal}",
                    view.name(id)
                ));
            }
        }
    }
    if words.is_empty() {
        "no seed has anything open about it".to_owned()
    } else {
        words.join("; ")
    }
}
