//! raft-rs with its storage in memory, driven as its documentation says.

use std::collections::VecDeque;

use raft::eraftpb::{ConfState, Entry, Message};
use raft::storage::MemStorage;
use raft::{Config, RawNode, StateRole};

use super::{Contestant, command, number_of};

pub(crate) struct Cluster {
    nodes: Vec<RawNode<MemStorage>>,
    wire: VecDeque<Message>,
    /// How many commands each node has applied.
    applied: Vec<u64>,
    count: u64,
}

impl Cluster {
    pub(crate) fn new(nodes: usize) -> Self {
        let ids: Vec<u64> = (1..=nodes as u64).collect();
        let log = slog::Logger::root(slog::Discard, slog::o!());
        let node = |id: &u64| {
            let everybody = ConfState::from((ids.clone(), Vec::new()));
            let config = Config {
                id: *id,
                max_inflight_msgs: 256,
                max_size_per_msg: 1 << 20,
                ..Config::default()
            };
            RawNode::new(&config, MemStorage::new_with_conf_state(everybody), &log).unwrap()
        };
        let mut this = Self {
            nodes: ids.iter().map(node).collect(),
            wire: VecDeque::new(),
            applied: vec![0; nodes],
            count: 0,
        };
        this.nodes[0].campaign().unwrap();
        this.carry();
        assert_eq!(this.nodes[0].raft.state, StateRole::Leader);
        this
    }

    fn carry(&mut self) {
        loop {
            let mut is_idle = true;
            for place in 0..self.nodes.len() {
                if self.nodes[place].has_ready() {
                    self.make_ready(place);
                    is_idle = false;
                }
            }
            while let Some(message) = self.wire.pop_front() {
                let to = message.to as usize - 1;
                self.nodes[to].step(message).unwrap();
                is_idle = false;
            }
            if is_idle {
                return;
            }
        }
    }

    fn make_ready(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        let store = node.raft.raft_log.store.clone();
        let mut ready = node.ready();
        self.wire.extend(ready.take_messages());
        let mut committed = ready.take_committed_entries();
        store.wl().append(ready.entries()).unwrap();
        if let Some(state) = ready.hs() {
            store.wl().set_hardstate(state.clone());
        }
        self.wire.extend(ready.take_persisted_messages());
        let mut light = node.advance(ready);
        if let Some(commit) = light.commit_index() {
            store.wl().mut_hard_state().set_commit(commit);
        }
        self.wire.extend(light.take_messages());
        committed.extend(light.take_committed_entries());
        node.advance_apply();
        // A new leader's first entry is empty.
        let is_command = |entry: &&Entry| !entry.data.is_empty();
        for entry in committed.iter().filter(is_command) {
            assert_eq!(number_of(&entry.data), self.applied[place]);
            self.applied[place] += 1;
        }
    }
}

impl Contestant for Cluster {
    fn decide(&mut self) {
        let command = command(self.count).to_vec();
        self.nodes[0].propose(Vec::new(), command).unwrap();
        self.count += 1;
        self.carry();
        assert!(self.applied.iter().all(|applied| *applied == self.count));
    }
}
