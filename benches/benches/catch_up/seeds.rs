//! Two seeds that know everybody, and a third that does not.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use quorate_consensus::council::Durable;
use quorate_node::store::{Kind, SeedStored, Store, Stored};
use quorate_node::{Event, Identity, Node, Options, SeedLine, SeedList};

use crate::cpu::cpu_time;
use crate::roster::Population;

const SEEDS: usize = 3;

/// Where ports are taken from: below those that Linux gives to outgoing connections, which the seeds make all the time.
const PORTS: std::ops::Range<u16> = 21_000..32_000;

/// The seeds' addresses, keys and directories, and those that run.
pub(crate) struct Seeds {
    dir: tempfile::TempDir,
    addresses: Vec<SocketAddr>,
    pub(crate) keys: Vec<Identity>,
    pub(crate) list: SeedList,
    running: Vec<Node>,
}

impl Seeds {
    pub(crate) fn plan() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
        let ports = PORTS.filter(is_free);
        let addresses: Vec<SocketAddr> = ports
            .take(SEEDS)
            .map(|port| (Ipv4Addr::LOCALHOST, port).into())
            .collect();
        let keys: Vec<Identity> = (0..SEEDS)
            .map(|_| Identity::generate().expect("randomness"))
            .collect();
        let lines = addresses.iter().zip(&keys).map(|(address, key)| SeedLine {
            address: address.to_string(),
            pin: Some(key.id()),
        });
        Self {
            list: SeedList::new(lines).expect("a list"),
            dir,
            addresses,
            keys,
            running: Vec::new(),
        }
    }

    /// Starts all but the last, with everybody in their stores.
    pub(crate) async fn start(mut self, population: &Population) -> Self {
        for seed in 0..SEEDS - 1 {
            let data = self.dir.path().join(format!("seed-{seed}"));
            self.store(&data, population, population.proofs.len());
            let node = self.spawn(seed, data).await;
            self.running.push(node);
        }
        self
    }

    /// How long the last seed takes to know everybody, when its store has only so many; and how much of processors that is.
    pub(crate) async fn catch_up(
        &self,
        population: &Population,
        known: usize,
    ) -> (Duration, Duration) {
        let everybody = population.proofs.len();
        let run = tempfile::tempdir_in(self.dir.path()).expect("a directory");
        self.store(run.path(), population, known);
        let node = self.spawn(SEEDS - 1, run.path().to_owned()).await;
        let mut events = node.events();
        let (mut linked, mut missing) = (None, everybody - known);
        while missing > 0 {
            match events.next().await.expect("it runs") {
                Event::SeedConnected(_) => {
                    linked.get_or_insert_with(|| (Instant::now(), cpu_time()));
                }
                Event::Admitted { .. } => missing -= 1,
                // While it catches up there are hardly any other events.
                Event::Lagged(count) => {
                    missing = missing.saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
                }
                event @ (Event::SeedLost { .. } | Event::StoreFailed(_)) => panic!("{event}"),
                _ => {}
            }
        }
        let (linked, cpu) = linked.expect("a link came up");
        let time = (linked.elapsed(), cpu_time().saturating_sub(cpu));
        assert_eq!(node.members().await, self.running[0].members().await);
        assert_eq!(node.members().await.len(), everybody);
        node.leave().await;
        time
    }

    /// A store that holds the first so many; without any, there is none.
    fn store(&self, data: &Path, population: &Population, known: usize) {
        if known == 0 {
            return;
        }
        let path = data.join("store.redb");
        let (store, _) = Store::open(&path, Kind::Seed(self.list.network())).expect("a store");
        let proofs = population.proofs[..known].iter().cloned();
        let stored = proofs.map(|proof| Stored::Seed(SeedStored::Council(Durable::Proof(proof))));
        let stored: Vec<Stored> = stored.collect();
        store.write(stored.iter()).expect("it is written");
    }

    async fn spawn(&self, seed: usize, data: PathBuf) -> Node {
        let options = Options {
            // Nobody of the population is there.
            orphan_after: Duration::from_secs(3600),
            ..Options::default()
        };
        let builder = Node::seed(self.addresses[seed], self.list.clone()).data(data);
        let builder = builder.identity(self.keys[seed].clone()).options(options);
        builder.spawn().await.expect("a seed")
    }
}
