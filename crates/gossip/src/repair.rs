//! Which ids neighbours hold and we lack, and whom to ask for them: the missing-message timers of
//! Plumtree.
//!
//! An id leaves this table when its content has been accepted, when nobody is left to ask, or after
//! [`ASKS_MIN`] questions and one to each of its announcers. A content that has merely arrived does not settle it: the copy may be a
//! bad one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::id::MessageId;
use crate::peer::PeerId;

/// How often one id is asked for, where fewer have announced it; otherwise everybody is asked once.
const ASKS_MIN: usize = 5;

/// The ids we lack.
#[derive(Debug)]
pub(crate) struct Repair<P> {
    wants: BTreeMap<MessageId, Want<P>>,
    due: BTreeMap<Due, MessageId>,
    /// For which ids each neighbour is among the holders; its size is bounded.
    offers: BTreeMap<P, BTreeSet<MessageId>>,
    next_order: u64,
    graft_timeout: Duration,
    wanted_per_neighbor_max: usize,
}

#[derive(Debug)]
struct Want<P> {
    /// The next to ask is in front, unless it was the last asked: that one goes to the back first.
    holders: VecDeque<P>,
    asked: Option<P>,
    asks: usize,
    due: Due,
}

/// When to ask again, and among those of one instant the order in which the ids were announced:
/// neighbours announce their oldest first, and so each origin's messages come in sequence again.
type Due = (Instant, u64);

/// What to do about an announced id.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Announcement {
    /// Ask the announcer at once.
    Ask,
    /// Noted, for when the content does not come from where it was asked or is being checked.
    Noted,
    /// The announcer has too many ids to its name already.
    OverLimit,
}

impl<P: PeerId> Repair<P> {
    pub(crate) const fn new(graft_timeout: Duration, wanted_per_neighbor_max: usize) -> Self {
        Self {
            wants: BTreeMap::new(),
            due: BTreeMap::new(),
            offers: BTreeMap::new(),
            next_order: 0,
            graft_timeout,
            wanted_per_neighbor_max,
        }
    }

    /// A neighbour holds an id that we have not accepted. `wait` if a copy of it may already be
    /// here.
    pub(crate) fn on_announced(
        &mut self,
        id: MessageId,
        holder: P,
        wait: bool,
        now: Instant,
    ) -> Announcement {
        let offered = self.offers.entry(holder).or_default();
        if offered.contains(&id) {
            return Announcement::Noted;
        }
        if offered.len() >= self.wanted_per_neighbor_max {
            return Announcement::OverLimit;
        }
        if let Some(want) = self.wants.get_mut(&id) {
            want.holders.push_front(holder);
            offered.insert(id);
            return Announcement::Noted;
        }
        offered.insert(id);
        let due = (now + self.graft_timeout, self.next_order);
        self.next_order += 1;
        self.due.insert(due, id);
        let (asked, asks) = if wait { (None, 0) } else { (Some(holder), 1) };
        self.wants.insert(
            id,
            Want {
                holders: VecDeque::from([holder]),
                asked,
                asks,
                due,
            },
        );
        if wait {
            Announcement::Noted
        } else {
            Announcement::Ask
        }
    }

    /// The id needs no asking any more; returns those known to hold it.
    pub(crate) fn settle(&mut self, id: &MessageId) -> BTreeSet<P> {
        let Some(want) = self.wants.remove(id) else {
            return BTreeSet::new();
        };
        self.due.remove(&want.due);
        for holder in &want.holders {
            self.forget_offer(holder, id);
        }
        want.holders.into_iter().collect()
    }

    /// What this neighbour sent for the id was bad: it is not asked for it again.
    pub(crate) fn on_bad_copy(&mut self, id: &MessageId, holder: &P, now: Instant) {
        if self
            .offers
            .get(holder)
            .is_some_and(|offered| offered.contains(id))
        {
            self.forget_offer(holder, id);
            self.drop_holder(id, holder, now);
        }
    }

    /// The neighbour is gone; what it was asked for is due at once from the others.
    pub(crate) fn on_link_down(&mut self, peer: &P, now: Instant) {
        for id in self.offers.remove(peer).unwrap_or_default() {
            self.drop_holder(&id, peer, now);
        }
    }

    /// Whom to ask for what, in the order of announcement. An id of which a copy `is_here` and is
    /// being checked only waits for longer.
    pub(crate) fn on_timeout(
        &mut self,
        now: Instant,
        is_here: impl Fn(&MessageId) -> bool,
    ) -> BTreeMap<P, Vec<MessageId>> {
        let mut asks: BTreeMap<P, Vec<MessageId>> = BTreeMap::new();
        while let Some((&(due_at, order), _)) =
            self.due.first_key_value().filter(|((at, _), _)| *at <= now)
        {
            let Some(id) = self.due.remove(&(due_at, order)) else {
                break;
            };
            let Some(want) = self.wants.get_mut(&id) else {
                continue;
            };
            if !is_here(&id) {
                if want.asks >= ASKS_MIN.max(want.holders.len()) {
                    self.settle(&id);
                    continue;
                }
                want.asks += 1;
                want.holders
                    .rotate_left(usize::from(want.asked == want.holders.front().copied()));
                want.asked = want.holders.front().copied();
                if let Some(holder) = want.asked {
                    asks.entry(holder).or_default().push(id);
                }
            }
            want.due = (now + self.graft_timeout, order);
            self.due.insert(want.due, id);
        }
        asks
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    pub(crate) fn len(&self) -> usize {
        self.wants.len()
    }

    fn forget_offer(&mut self, holder: &P, id: &MessageId) {
        if let Some(offered) = self.offers.get_mut(holder) {
            offered.remove(id);
            if offered.is_empty() {
                self.offers.remove(holder);
            }
        }
    }

    fn drop_holder(&mut self, id: &MessageId, holder: &P, now: Instant) {
        let Some(want) = self.wants.get_mut(id) else {
            return;
        };
        want.holders.retain(|other| other != holder);
        if want.holders.is_empty() {
            self.settle(id);
        } else if want.asked == Some(*holder) {
            self.due.remove(&want.due);
            want.asked = None;
            want.due.0 = now;
            self.due.insert(want.due, *id);
        }
    }
}
