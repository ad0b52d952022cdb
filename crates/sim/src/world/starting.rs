//! How a process starts: with what its disk holds, or as one that lost it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use quorate_consensus::conclave::Step;
use quorate_consensus::{NetworkId, NodeId, Signer};
use quorate_node::SeedList;
use quorate_node::roles::seed::ABSTAIN;
use quorate_node::roles::{Bootstrap, Member, Peer, Role, Seed};
use quorate_node::store::{Held, Kind as StoreKind, Restored, RestoredMember, Store};
use rand::RngExt as _;

use super::World;
use crate::applicant::Applicant;
use crate::dishonest::Means;
use crate::fact::Fact;
use crate::host::{HostId, Kind};
use crate::process::Process;

impl World {
    /// Starts a process where none runs.
    pub fn start(&mut self, id: HostId) {
        if self.hosts[id.0].is_up() {
            return;
        }
        if self.hosts[id.0].disk.is_failing() {
            self.tell(format!(
                "{} cannot start: its disk fails",
                self.view().name(id)
            ));
            return;
        }
        let seed: u64 = self.rng.random();
        let made = catch_unwind(AssertUnwindSafe(|| self.make(id, seed)));
        let process = match made {
            Ok(Ok(Some(process))) => process,
            Ok(Ok(None)) => return self.has_no_seat(id),
            Ok(Err(error)) => return self.cannot_start(id, &error),
            Err(_) => return self.cannot_start(id, "it panicked"),
        };
        let now = self.now;
        let host = &mut self.hosts[id.0];
        host.has_power = true;
        host.life += 1;
        host.starts += 1;
        host.has_lost_disk = false;
        host.process = Some(process);
        host.well_since = host.reads.is_none().then_some(now);
        self.tell(format!("{} starts", self.view().name(id)));
        self.observe(&Fact::Started(id));
        self.drain(id);
        self.flow();
    }

    /// A member that lost its disk has a new key from now on.
    pub fn rekey(&mut self, id: HostId, signer: Arc<dyn Signer>) {
        self.hosts[id.0].lost = Some(self.hosts[id.0].id());
        self.truth.by_id.insert(signer.id(), id);
        self.hosts[id.0].signer = signer;
    }

    /// A seed finds that it has no seat any more: its person leaves it at that.
    fn has_no_seat(&mut self, id: HostId) {
        let host = &mut self.hosts[id.0];
        host.store = None;
        host.disk.close();
        self.tell(format!("{} has no seat any more", self.view().name(id)));
    }

    /// The seed list that a node is started with: whoever keeps nothing, has lost what it kept, or asks for a seat for the first
    /// time, is given that of now.
    fn list(&mut self, id: HostId) -> Result<SeedList, String> {
        let host = &self.hosts[id.0];
        let first = self.truth.seeds.as_ref();
        let is_first = first.is_some_and(|seeds| seeds.position(&host.address).is_some());
        let is_new = !is_first && !self.lists.contains_key(&id);
        if host.has_lost_disk || host.setup.kind == Kind::Peer || is_new {
            let list = self.truth.list().ok_or("no seed list")?;
            self.lists.insert(id, list);
        }
        let list = self.lists.get(&id).or(self.truth.seeds.as_ref());
        list.cloned().ok_or_else(|| "no seed list".to_owned())
    }

    fn cannot_start(&mut self, id: HostId, why: &str) {
        let what = format!("{} cannot start: {why}", self.view().name(id));
        self.fail("durability", what);
    }

    /// What runs on this host; nothing, if it was a seed and has no seat any more.
    fn make(&mut self, id: HostId, seed: u64) -> Result<Option<Process>, String> {
        let list = self.list(id);
        let host = &mut self.hosts[id.0];
        let (now, setup) = (host.clock.now(self.now), host.setup.clone());
        let (signer, scheme) = (host.signer.clone(), self.truth.scheme.clone());
        let (address, options) = (host.address.clone(), setup.options.clone());
        let process = match setup.kind {
            Kind::Seed => {
                let seeds = list.clone()?;
                // An empty disk under a key that was used before.
                let abstain_until_ms = if host.has_lost_disk {
                    now.after(ABSTAIN).unix_ms
                } else {
                    0
                };
                let kind = StoreKind::Seed(seeds.network());
                let (store, held) = Store::open_on(host.disk.open(), kind, abstain_until_ms)
                    .map_err(|error| error.to_string())?;
                host.store = Some(store);
                let restored = match held {
                    Held::Seed(restored) => restored,
                    Held::Member(_) => Restored::default(),
                };
                if !has_seat(signer.id(), &address, &seeds, &restored) {
                    if seeds.position(&address).is_some() {
                        return Ok(None);
                    }
                    let applicant =
                        Applicant::new(signer, scheme, address, seeds, &restored, seed, now)?;
                    return Ok(Some(Process::Applicant(Box::new(applicant))));
                }
                let seed = Seed::new(
                    signer, scheme, &address, &seeds, options, restored, seed, now,
                );
                Process::Seed(Box::new(seed.map_err(|error| error.to_string())?))
            }
            Kind::Peer => {
                let peer = Peer::new(
                    signer,
                    scheme,
                    vec![address],
                    &list.clone()?,
                    options,
                    seed,
                    now,
                );
                Process::Peer(Box::new(peer.map_err(|error| error.to_string())?))
            }
            Kind::Member => {
                let (store, held) =
                    Store::open_on(host.disk.open(), StoreKind::Member(host.signer.id()), 0)
                        .map_err(|error| error.to_string())?;
                host.store = Some(store);
                let mut restored = match held {
                    Held::Member(restored) => *restored,
                    Held::Seed(_) => RestoredMember::default(),
                };
                restored.lost = host.lost.take();
                let member = Member::new(
                    signer,
                    scheme,
                    vec![address],
                    setup.discovery,
                    setup.admission,
                    options,
                    restored,
                    seed,
                    now,
                );
                Process::Member(Box::new(member.map_err(|error| error.to_string())?))
            }
            Kind::Bootstrap => {
                Process::Bootstrap(Box::new(Bootstrap::new(signer.id(), &options, seed, now)))
            }
        };
        let Some(conduct) = setup.conduct else {
            return Ok(Some(process));
        };
        let honest: Box<dyn Role> = match process {
            Process::Seed(role) => role,
            Process::Peer(role) => role,
            Process::Member(role) => role,
            Process::Bootstrap(role) => role,
            Process::Applicant(role) => role,
            Process::Liar(role) => role,
        };
        let host = &self.hosts[id.0];
        let means = Means {
            signer: host.signer.clone(),
            address: host.address.clone(),
            network: list.as_ref().map_or(NetworkId::NONE, SeedList::network),
            seeds: list.as_ref().map(SeedList::addresses).unwrap_or_default(),
            format: self.format,
            foreign: self.foreign.get(&id).cloned(),
            seed,
            until: host.clock.now(self.attacks_until).instant,
        };
        Ok(Some(Process::Liar(conduct.corrupt(honest, means, now))))
    }
}

/// Whether a node has a seat, as far as its store and its list say.
fn has_seat(me: NodeId, line: &str, list: &SeedList, restored: &Restored) -> bool {
    if let Some(Step::HandedOver(handover)) = restored.steps.last() {
        return handover.next.seats.values().any(|voter| *voter == me);
    }
    let is_pinned = list.lines().iter().any(|line| line.pin == Some(me));
    let is_first = list.electorate().is_ok_and(|first| first.epoch() == 0);
    is_pinned || (is_first && list.position(line).is_some())
}
