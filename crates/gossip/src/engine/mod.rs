//! The engine: its state, its inputs and its outputs.
//!
//! ```text
//! handle_link_up, handle_message, handle_checked, handle_timeout    draft, publish, publish_proof
//!        |                                                                    |
//!        v                                                                    v
//! +----------------------------------------------------------------------------------------------+
//! |  arrivals:  new?  ->  unchecked  ->  Check, Accept  ->  seen, window, store  ->  broadcast   |
//! |  broadcast: Gossip to eager links, IHave to lazy ones, Prune                                 |
//! |  repair:    IHave, Graft                               publishing: our own words             |
//! |  detector:  Ping, Pong, silence                                                              |
//! +----------------------------------------------------------------------------------------------+
//!        |                                                                    |
//!        v                                                                    v
//! poll_output: Send, Check, Deliver, Gap, Silent                         poll_timeout
//! ```

mod arrivals;
mod publishing;

use std::collections::VecDeque;
use std::time::Instant;

use crate::broadcast::Broadcast;
use crate::config::Config;
use crate::content::ORIGIN_LEN_MAX;
use crate::counters::{Counters, Usage};
use crate::detector::{Beat, Detector};
use crate::error::{ConfigError, MessageError};
use crate::gap::Gap;
use crate::id::MessageId;
use crate::message::{IDS_PER_MESSAGE_MAX, Message};
use crate::output::{CheckId, Output, Verdict};
use crate::peer::PeerId;
use crate::repair::Repair;
use crate::seen::SeenIds;
use crate::store::Store;
use crate::unchecked::Unchecked;
use crate::window::Origins;

pub use publishing::{Draft, Published};

/// One node's part in the gossip.
///
/// # Contract
///
/// After any call that takes `&mut self`, drain [`poll_output`](Self::poll_output), carry the
/// outputs out in order, and read [`poll_timeout`](Self::poll_timeout) anew. `now` comes from one
/// clock that does not go backwards. Drive it in real time: an engine called much later than it
/// asked for concludes that its process stood still, and gives all neighbours that time.
///
/// # Invariants
///
/// - A content is neither delivered nor forwarded before it was accepted, and is delivered once: an
///   application message for as long as its origin's window is kept, a proof for as long as its id
///   is in the message list, and after that if the driver knows it again.
/// - No id that has been seen is waiting for a check.
/// - Only accepted contents are stored, and only they move a sequence window.
/// - Everything held is within [`Config`]; what grows with the number of links (wanted ids,
///   ids to be announced, heartbeats) is bounded for each link, and how many links there are is the driver's decision.
#[derive(Debug)]
pub struct Gossip<P> {
    me: P,
    config: Config,
    incarnation: u64,
    next_sequence: u64,
    broadcast: Broadcast<P>,
    seen: SeenIds,
    origins: Origins<P>,
    unchecked: Unchecked<P>,
    store: Store<P>,
    repair: Repair<P>,
    detector: Detector<P>,
    counters: Counters,
    outbox: VecDeque<Output<P>>,
    last_call: Instant,
}

/// What the world tells the engine.
impl<P: PeerId> Gossip<P> {
    /// Makes an engine without links, at incarnation 0. `seed` decides when pings are sent and what
    /// their nonces are.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for a configuration that cannot work, or an identity over [`ORIGIN_LEN_MAX`]
    /// bytes.
    pub fn new(me: P, config: Config, seed: u64, now: Instant) -> Result<Self, ConfigError> {
        config.validate()?;
        let len = me.as_ref().len();
        if len > ORIGIN_LEN_MAX {
            return Err(ConfigError::PeerIdTooLong {
                len,
                max: ORIGIN_LEN_MAX,
            });
        }
        Ok(Self {
            me,
            incarnation: 0,
            next_sequence: 0,
            broadcast: Broadcast::new(
                config.announce_delay,
                config.graft_timeout,
                config.store_count_max,
            ),
            seen: SeenIds::new(config.seen_max),
            origins: Origins::new(config.origins_max, config.gap_timeout),
            unchecked: Unchecked::new(
                config.unchecked_bytes_max,
                config.unchecked_bytes_per_neighbor_max,
                config.check_timeout,
            ),
            store: Store::new(config.store_count_max, config.store_bytes_max),
            repair: Repair::new(config.graft_timeout, config.wanted_per_neighbor_max),
            detector: Detector::new(&config, seed),
            counters: Counters::default(),
            outbox: VecDeque::new(),
            last_call: now,
            config,
        })
    }

    /// A link to a neighbour is up: its heartbeats start, and it is told what is in the store. To
    /// be called before any message of that link is handed in. For a link that is up already, this
    /// is the same as down and up.
    pub fn handle_link_up(&mut self, peer: P, now: Instant) {
        self.on_call(now);
        if peer == self.me {
            return;
        }
        self.drop_link(&peer, now);
        self.broadcast.insert(peer);
        self.detector.insert(peer, now);
        if planted!(RepairOff) {
            return;
        }
        self.announce(peer, &self.store.ids());
    }

    /// A link is down: everything about it is forgotten, and what its peer was asked for is asked
    /// of others. Harmless if it was not up. What the peer brought for checking stays, and stays
    /// charged to it.
    pub fn handle_link_down(&mut self, peer: P, now: Instant) {
        self.on_call(now);
        self.drop_link(&peer, now);
    }

    /// A message came from a neighbour.
    ///
    /// # Errors
    ///
    /// [`MessageError`] for a message of no neighbour, over a limit or not readable. Nothing has
    /// changed then but [`Counters::refused`].
    pub fn handle_message(
        &mut self,
        from: P,
        message: Message,
        now: Instant,
    ) -> Result<(), MessageError> {
        let examined = self
            .examine(&from, message)
            .inspect_err(|_| self.counters.refused += 1)?;
        self.on_call(now);
        self.detector.on_arrival(&from, now);
        self.on_examined(from, examined, now);
        Ok(())
    }

    /// The driver has checked a content. An unknown or expired `check` is ignored, and so is one
    /// whose id has been settled meanwhile by another copy.
    pub fn handle_checked(&mut self, check: CheckId, verdict: Verdict, now: Instant) {
        self.on_call(now);
        if let Some(waiting) = self.unchecked.remove(check) {
            self.on_checked(waiting, verdict, now);
        }
    }

    /// The instant that [`poll_timeout`](Self::poll_timeout) named has come. Harmless at any other
    /// time.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.on_call(now);
        for beat in self.detector.on_timeout(now) {
            match beat {
                Beat::Ping { peer, nonce } => self.send(vec![peer], Message::Ping { nonce }),
                Beat::Silent { peer, silence } => {
                    self.counters.silences += 1;
                    self.outbox.push_back(Output::Silent { peer, silence });
                }
            }
        }
        self.counters.expired += self.unchecked.expire(now);
        let asks = self
            .repair
            .on_timeout(now, |id| self.unchecked.contains_id(id));
        for (holder, ids) in asks {
            self.graft(holder, &ids);
        }
        let gaps = self.origins.on_timeout(now);
        self.tell_gaps(gaps);
        for (peer, mut ids) in self.broadcast.on_timeout(now) {
            ids.retain(|id| self.store.get(id).is_some());
            self.announce(peer, &ids);
        }
    }

    /// An origin will not be heard again, for instance because it has been evicted: its window
    /// goes, and its stored contents are no longer offered for repair.
    ///
    /// From now on only the message list and the driver's own check keep out what it once said; and
    /// should it be heard again, numbers that came before this may be told as a [`Gap`].
    pub fn forget_origin(&mut self, origin: &P) {
        self.origins.forget(origin);
        self.store.forget_origin(origin);
    }
}

/// What the engine asks of the world, and what can be read.
impl<P: PeerId> Gossip<P> {
    /// The next thing to do, in the order in which they are to be done.
    pub fn poll_output(&mut self) -> Option<Output<P>> {
        self.outbox.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next; `None` if nothing is
    /// due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadlines = [
            self.detector.next_deadline(),
            self.unchecked.next_deadline(),
            self.repair.next_deadline(),
            self.broadcast.next_deadline(),
            self.origins.next_deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// What has happened so far.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How full the bounded memory is.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage {
            neighbors: self.broadcast.neighbors().count(),
            eager: self.broadcast.eager_count(),
            seen: self.seen.len(),
            origins: self.origins.len(),
            stored: self.store.len(),
            stored_bytes: self.store.bytes(),
            unchecked: self.unchecked.len(),
            unchecked_bytes: self.unchecked.bytes(),
            wanted: self.repair.len(),
        }
    }

    /// The neighbours, in order.
    pub fn neighbors(&self) -> impl Iterator<Item = P> {
        self.broadcast.neighbors()
    }

    /// Whether an id is in the message list.
    #[must_use]
    pub fn has_seen(&self, id: &MessageId) -> bool {
        self.seen.contains(id)
    }
}

impl<P: PeerId> Gossip<P> {
    /// Every input passes here first, to find out whether the process stood still before it.
    ///
    /// It did if this call comes long after the announced deadline. Only the time since the last
    /// call can have been lost, so a driver that keeps calling but is slow with `handle_timeout` is
    /// not taken for a paused one.
    fn on_call(&mut self, now: Instant) {
        if let Some(deadline) = self.poll_timeout() {
            let lateness = now.saturating_duration_since(deadline.max(self.last_call));
            if lateness > self.config.late_tolerance {
                self.detector.on_late(lateness, now);
                self.counters.late_wakeups += 1;
            }
        }
        self.last_call = self.last_call.max(now);
    }

    fn drop_link(&mut self, peer: &P, now: Instant) {
        if self.broadcast.remove(peer) {
            self.detector.remove(peer);
            self.unchecked.forget_holder(peer);
            self.repair.on_link_down(peer, now);
        }
    }

    fn send(&mut self, to: Vec<P>, message: Message) {
        if !to.is_empty() {
            self.outbox.push_back(Output::Send { to, message });
        }
    }

    fn tell_gaps(&mut self, gaps: Vec<Gap<P>>) {
        for gap in gaps {
            let missing = gap.sequences.end() - gap.sequences.start() + 1;
            self.counters.missing = self.counters.missing.saturating_add(missing);
            self.outbox.push_back(Output::Gap(gap));
        }
    }

    fn announce(&mut self, peer: P, ids: &[MessageId]) {
        for ids in ids.chunks(IDS_PER_MESSAGE_MAX) {
            self.send(vec![peer], Message::IHave { ids: ids.to_vec() });
        }
    }

    fn graft(&mut self, holder: P, ids: &[MessageId]) {
        if ids.is_empty() {
            return;
        }
        self.broadcast.make_eager(&holder);
        for ids in ids.chunks(IDS_PER_MESSAGE_MAX) {
            self.counters.grafts_sent += ids.len() as u64;
            self.send(vec![holder], Message::Graft { ids: ids.to_vec() });
        }
    }
}
