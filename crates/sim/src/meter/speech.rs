//! What members tell all others: who should hear it, who has, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use quorate_consensus::NodeId;
use quorate_gossip::{self as gossip, Content, MessageId};
use quorate_node::protocol::Message;
use quorate_node::roles::{Frame, Reply, Request};
use quorate_node::{Delivery, Event};

use super::lives::Lives;
use super::metrics::Gossip;
use super::spread::{Hops, Spread, micros};
use crate::fact::View;
use crate::host::HostId;

/// All broadcasts of a run.
#[derive(Debug, Default)]
pub(super) struct Speech {
    broadcasts: Vec<Broadcast>,
    by_id: BTreeMap<MessageId, usize>,
    deliveries: u64,
    heard: u64,
    latencies_us: Vec<u64>,
    copies: u64,
    gaps: u64,
}

#[derive(Debug)]
struct Broadcast {
    at: Duration,
    /// Who is to hear it and has not.
    due: HostSet,
    last_hop: Option<u16>,
}

/// A set of hosts, a bit each: there is one for every broadcast.
#[derive(Debug, Default)]
struct HostSet(Vec<u64>);

impl Speech {
    pub(super) fn replied(
        &mut self,
        origin: HostId,
        request: &Request,
        reply: &Reply,
        lives: &Lives,
        now: Duration,
    ) {
        let (Request::Broadcast(_), Reply::Broadcast(Ok(published))) = (request, reply) else {
            return;
        };
        let mut due = HostSet::default();
        lives
            .members()
            .filter(|host| *host != origin)
            .for_each(|host| due.insert(host));
        self.by_id.insert(published.id, self.broadcasts.len());
        self.broadcasts.push(Broadcast {
            at: now,
            due,
            last_hop: None,
        });
    }

    pub(super) fn told(&mut self, host: HostId, event: &Event, view: View<'_>) {
        match event {
            Event::Message(delivery) => self.delivered(host, delivery, view.now),
            Event::Gap { first, last, .. } if view.host(host).is_honest() => {
                self.gaps = self.gaps.saturating_add((last - first).saturating_add(1));
            }
            Event::Evicted { .. } => self.gone(host),
            _ => {}
        }
    }

    fn delivered(&mut self, host: HostId, delivery: &Delivery, now: Duration) {
        // Others are by liars.
        let Some(index) = self.by_id.get(&delivery.id) else {
            return;
        };
        self.deliveries += 1;
        let broadcast = &mut self.broadcasts[*index];
        if broadcast.due.remove(host) {
            self.heard += 1;
            self.latencies_us
                .push(micros(now.saturating_sub(broadcast.at)));
            broadcast.last_hop = broadcast.last_hop.max(Some(delivery.hop_count));
        }
    }

    /// A host's process has ended or is out: nothing is due to it any more.
    pub(super) fn gone(&mut self, host: HostId) {
        for broadcast in &mut self.broadcasts {
            broadcast.due.remove(host);
        }
    }

    pub(super) fn arrived(&mut self, frame: &Frame, view: View<'_>) {
        let Frame::Message(Message::Gossip(gossip::Message::Gossip { content, .. })) = frame else {
            return;
        };
        if let Ok(Content::<NodeId>::Application { origin, .. }) = Content::decode(content)
            && let Some(host) = view.host_of(&origin)
            && view.host(host).is_honest()
        {
            self.copies += 1;
        }
    }

    pub(super) fn gossip(&self) -> Gossip {
        let missing = self.broadcasts.iter().map(|said| said.due.len()).sum();
        let hops = self.broadcasts.iter().filter_map(|said| said.last_hop);
        Gossip {
            broadcasts: self.broadcasts.len() as u64,
            deliveries: self.deliveries,
            expected: self.heard + missing,
            missing,
            gaps: self.gaps,
            latency: Spread::of(self.latencies_us.clone()),
            last_hop: Hops::of(hops.map(u64::from).collect()),
            copies: self.copies,
            redundancy_permille: (self.copies * 1_000)
                .checked_div(self.deliveries)
                .unwrap_or_default()
                .saturating_sub(1_000),
        }
    }
}

impl HostSet {
    fn insert(&mut self, host: HostId) {
        let word = host.0 / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (host.0 % 64);
    }

    /// Whether it was there.
    fn remove(&mut self, host: HostId) -> bool {
        let bit = 1 << (host.0 % 64);
        self.0.get_mut(host.0 / 64).is_some_and(|word| {
            let was_there = *word & bit != 0;
            *word &= !bit;
            was_there
        })
    }

    fn len(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}
