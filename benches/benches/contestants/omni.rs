//! omnipaxos with its storage in memory.

use std::collections::VecDeque;

use omnipaxos::messages::Message;
use omnipaxos::storage::{Entry, NoSnapshot};
use omnipaxos::util::LogEntry;
use omnipaxos::{ClusterConfig, OmniPaxos, ServerConfig};
use omnipaxos_storage::memory_storage::MemoryStorage;

use super::{Contestant, command, number_of};

/// Until a leader is there.
const TICKS: usize = 20;

#[derive(Clone, Debug)]
struct Command([u8; 64]);

impl Entry for Command {
    type Snapshot = NoSnapshot;
}

pub(crate) struct Cluster {
    servers: Vec<OmniPaxos<Command, MemoryStorage<Command>>>,
    wire: VecDeque<Message<Command>>,
    outgoing: Vec<Message<Command>>,
    leader: usize,
    count: u64,
}

impl Cluster {
    pub(crate) fn new(servers: usize) -> Self {
        let nodes: Vec<u64> = (1..=servers as u64).collect();
        let server = |pid: &u64| {
            let cluster = ClusterConfig {
                configuration_id: 1,
                nodes: nodes.clone(),
                flexible_quorum: None,
            };
            let server = ServerConfig {
                pid: *pid,
                election_tick_timeout: 1,
                ..ServerConfig::default()
            };
            cluster
                .build_for_server(server, MemoryStorage::default())
                .unwrap()
        };
        let mut this = Self {
            servers: nodes.iter().map(server).collect(),
            wire: VecDeque::new(),
            outgoing: Vec::new(),
            leader: 0,
            count: 0,
        };
        for _ in 0..TICKS {
            this.servers.iter_mut().for_each(OmniPaxos::tick);
            this.carry();
        }
        let (leader, is_accepting) = this.servers[0].get_current_leader().unwrap();
        assert!(is_accepting);
        this.leader = leader as usize - 1;
        this
    }

    fn carry(&mut self) {
        loop {
            for server in &mut self.servers {
                server.take_outgoing_messages(&mut self.outgoing);
            }
            self.wire.extend(self.outgoing.drain(..));
            if self.wire.is_empty() {
                return;
            }
            while let Some(message) = self.wire.pop_front() {
                let to = message.get_receiver() as usize - 1;
                self.servers[to].handle_incoming(message);
            }
        }
    }
}

impl Contestant for Cluster {
    fn decide(&mut self) {
        let number = self.count;
        let leader = &mut self.servers[self.leader];
        leader.append(Command(command(number))).unwrap();
        self.carry();
        for server in &self.servers {
            let decided = server.read_decided_suffix(number as usize).unwrap();
            let [LogEntry::Decided(Command(command))] = &decided[..] else {
                unreachable!("one command is decided, not {decided:?}");
            };
            assert_eq!(number_of(command), number);
        }
        self.count += 1;
    }
}
