//! How a process starts: with what its disk holds, or as one that lost it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use quorate_consensus::{NetworkId, Signer};
use quorate_node::roles::seed::ABSTAIN;
use quorate_node::roles::{Bootstrap, Member, Peer, Role, Seed};
use quorate_node::store::{Held, Kind as StoreKind, Restored, RestoredMember, Store};
use rand::RngExt as _;

use super::World;
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
            Ok(Ok(process)) => process,
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

    fn cannot_start(&mut self, id: HostId, why: &str) {
        let what = format!("{} cannot start: {why}", self.view().name(id));
        self.fail("durability", what);
    }

    fn make(&mut self, id: HostId, seed: u64) -> Result<Process, String> {
        let host = &mut self.hosts[id.0];
        let (now, setup) = (host.clock.now(self.now), host.setup.clone());
        let (signer, scheme) = (host.signer.clone(), self.truth.scheme.clone());
        let (address, options) = (host.address.clone(), setup.options.clone());
        let seeds = self.truth.seeds.clone();
        let seeded = || seeds.clone().ok_or_else(|| "no seed list".to_owned());
        let process = match setup.kind {
            Kind::Seed => {
                let seeds = seeded()?;
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
                    &seeded()?,
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
            return Ok(process);
        };
        let honest: Box<dyn Role> = match process {
            Process::Seed(role) => role,
            Process::Peer(role) => role,
            Process::Member(role) => role,
            Process::Bootstrap(role) => role,
            Process::Liar(role) => role,
        };
        let host = &self.hosts[id.0];
        let means = Means {
            signer: host.signer.clone(),
            address: host.address.clone(),
            network: seeds
                .as_ref()
                .map_or(NetworkId::NONE, quorate_node::SeedList::network),
            seeds: seeds
                .as_ref()
                .map(quorate_node::SeedList::addresses)
                .unwrap_or_default(),
            format: self.format,
            foreign: self.foreign.get(&id).cloned(),
            seed,
            until: host.clock.now(self.attacks_until).instant,
        };
        Ok(Process::Liar(conduct.corrupt(honest, means, now)))
    }
}
