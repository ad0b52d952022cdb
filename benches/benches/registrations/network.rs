//! Three seeds, and peers that register.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quorate_node::{Event, Node, Options, SeedLine, SeedList};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Where the seeds keep what must be durable.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stores {
    /// Where the system keeps temporary files.
    Disk,
    /// In another directory.
    In(&'static Path),
    /// Nowhere.
    None,
}

impl fmt::Display for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk => write!(f, "{}", std::env::temp_dir().display()),
            Self::In(directory) => write!(f, "{}", directory.display()),
            Self::None => f.write_str("none"),
        }
    }
}

/// A running network.
pub(crate) struct Network {
    list: SeedList,
    seeds: Vec<Node>,
    _directory: Option<tempfile::TempDir>,
}

impl Network {
    /// Starts three seeds, and waits until all are linked.
    pub(crate) async fn start(stores: Stores) -> Self {
        let directory = match stores {
            Stores::Disk => Some(tempfile::tempdir().expect("a directory")),
            Stores::In(parent) => Some(tempfile::tempdir_in(parent).expect("a directory")),
            Stores::None => None,
        };
        let listener = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let listeners: Vec<TcpListener> = (0..3).map(listener).collect();
        let address = |listener: &TcpListener| listener.local_addr().expect("it is bound");
        let lines = listeners.iter().map(|listener| SeedLine {
            address: address(listener).to_string(),
            pin: None,
        });
        let list = SeedList::new(lines).expect("a list");
        let mut seeds = Vec::new();
        for (number, listener) in listeners.into_iter().enumerate() {
            let options = Options {
                // Nobody looks after those who are gone.
                orphan_after: Duration::from_secs(3600),
                ..Options::default()
            };
            let builder = Node::seed(address(&listener), list.clone()).listener(listener);
            let mut builder = builder.options(options);
            if let Some(directory) = &directory {
                builder = builder.data(directory.path().join(number.to_string()));
            }
            seeds.push(builder.spawn().await.expect("a seed"));
        }
        for seed in &seeds {
            let mut events = seed.events();
            let mut linked = 0;
            while linked < 2 {
                let event = events.next().await.expect("it runs");
                linked += usize::from(matches!(event, Event::SeedConnected(_)));
            }
        }
        Self {
            list,
            seeds,
            _directory: directory,
        }
    }

    /// How long each of so many registrations takes, and how often it was refused before, as who is probed too late is. A peer that is in is ended at once: what members do is not
    /// measured here.
    pub(crate) async fn register(&self, count: usize, at_once: usize) -> Vec<(Duration, usize)> {
        let turns = Arc::new(Semaphore::new(at_once));
        let mut registering = JoinSet::new();
        for _ in 0..count {
            let turn = turns.clone().acquire_owned().await.expect("it stays open");
            let list = self.list.clone();
            registering.spawn(async move {
                let begun = Instant::now();
                let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let node = Node::peer(listen, list).spawn().await.expect("a peer");
                let mut events = node.events();
                let mut refused = 0;
                loop {
                    match events.next().await.expect("it runs") {
                        Event::Joined { .. } => break,
                        Event::RegisterRefused { .. } => refused += 1,
                        _ => {}
                    }
                }
                let time = begun.elapsed();
                node.abort();
                drop(turn);
                (time, refused)
            });
        }
        registering.join_all().await
    }

    /// Ends all, as a crash would.
    pub(crate) fn stop(self) {
        self.seeds.iter().for_each(Node::abort);
    }
}
