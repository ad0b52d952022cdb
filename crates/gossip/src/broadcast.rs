//! Who is sent a broadcast unasked, and who is only told of it: the eager and the lazy links of
//! Plumtree [Leitão, Pereira and Rodrigues, SRDS 2007].
//!
//! Links start eager. One that brings what has come over another turns lazy, at both ends; one over
//! which a missing content had to be asked for turns eager again. What stays eager is about a tree,
//! and the announcements over the lazy links mend it where it breaks.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::id::MessageId;

/// The neighbours, by how they are told.
#[derive(Debug)]
pub(crate) struct Broadcast<P> {
    links: BTreeMap<P, Link>,
    /// When lazy neighbours are told what they have not been told yet.
    announce_at: Option<Instant>,
    announce_delay: Duration,
    prune_interval: Duration,
    untold_max: usize,
}

#[derive(Debug, Default)]
struct Link {
    /// Since when it is lazy, and its peer has been told so, if it is.
    lazy_since: Option<Instant>,
    /// What to announce, oldest first.
    untold: VecDeque<MessageId>,
}

impl<P: Copy + Ord> Broadcast<P> {
    /// `announce_delay` is how long announcements are gathered; one who sends on regardless of a
    /// `PRUNE` is told again after `prune_interval`. Of more than `untold_max` ids for one link the
    /// oldest are not announced.
    pub(crate) const fn new(
        announce_delay: Duration,
        prune_interval: Duration,
        untold_max: usize,
    ) -> Self {
        Self {
            links: BTreeMap::new(),
            announce_at: None,
            announce_delay,
            prune_interval,
            untold_max,
        }
    }

    pub(crate) fn insert(&mut self, peer: P) {
        self.links.insert(peer, Link::default());
    }

    pub(crate) fn remove(&mut self, peer: &P) -> bool {
        self.links.remove(peer).is_some()
    }

    pub(crate) fn is_neighbor(&self, peer: &P) -> bool {
        self.links.contains_key(peer)
    }

    pub(crate) fn neighbors(&self) -> impl Iterator<Item = P> {
        self.links.keys().copied()
    }

    pub(crate) fn eager_count(&self) -> usize {
        let links = self.links.values();
        links.filter(|link| link.lazy_since.is_none()).count()
    }

    /// The neighbours to push a content to, given those that have it; the lazy ones among the others
    /// will be told of it.
    pub(crate) fn push(&mut self, id: MessageId, holders: &BTreeSet<P>, now: Instant) -> Vec<P> {
        let mut eager = Vec::new();
        for (peer, link) in &mut self.links {
            if holders.contains(peer) {
                continue;
            }
            if link.lazy_since.is_none() {
                eager.push(*peer);
            } else {
                link.untold.push_back(id);
                if link.untold.len() > self.untold_max {
                    link.untold.pop_front();
                }
                self.announce_at.get_or_insert(now + self.announce_delay);
            }
        }
        eager
    }

    /// As [`push`](Self::push), for what begins here: where every link that could carry it is lazy, all
    /// of them turn eager. What is announced only comes late, or never if this node goes now.
    pub(crate) fn push_own(
        &mut self,
        id: MessageId,
        holders: &BTreeSet<P>,
        now: Instant,
    ) -> Vec<P> {
        let mut others = self
            .links
            .iter_mut()
            .filter(|(peer, _)| !holders.contains(peer));
        if others.all(|(_, link)| link.lazy_since.is_some()) {
            let links = self.links.values_mut();
            links.for_each(|link| link.lazy_since = None);
        }
        self.push(id, holders, now)
    }

    /// The neighbour pushed, or announced, what it need not be told of any more.
    pub(crate) fn on_holders(&mut self, peer: &P, ids: &BTreeSet<MessageId>) {
        if let Some(link) = self.links.get_mut(peer).filter(|_| !ids.is_empty()) {
            link.untold.retain(|untold| !ids.contains(untold));
        }
    }

    pub(crate) fn is_eager(&self, peer: &P) -> bool {
        let link = self.links.get(peer);
        link.is_some_and(|link| link.lazy_since.is_none())
    }

    /// The neighbour was asked for a content, or asks for one.
    pub(crate) fn make_eager(&mut self, peer: &P) {
        if let Some(link) = self.links.get_mut(peer) {
            link.lazy_since = None;
        }
    }

    /// The neighbour asks not to be sent broadcasts.
    pub(crate) fn on_prune(&mut self, peer: &P, now: Instant) {
        if let Some(link) = self.links.get_mut(peer) {
            link.lazy_since.get_or_insert(now);
        }
    }

    /// The neighbour sent what was here already. Whether it has to be asked not to: what was under
    /// way before it heard of that needs no second answer.
    pub(crate) fn on_duplicate(&mut self, peer: &P, now: Instant) -> bool {
        let Some(link) = self.links.get_mut(peer) else {
            return false;
        };
        let is_told = link
            .lazy_since
            .is_some_and(|since| now.saturating_duration_since(since) < self.prune_interval);
        if !is_told {
            link.lazy_since = Some(now);
        }
        !is_told
    }

    pub(crate) const fn next_deadline(&self) -> Option<Instant> {
        self.announce_at
    }

    /// Whom to announce what, if it is time.
    pub(crate) fn on_timeout(&mut self, now: Instant) -> Vec<(P, Vec<MessageId>)> {
        if self.announce_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.announce_at = None;
        let links = self.links.iter_mut();
        links
            .filter(|(_, link)| !link.untold.is_empty())
            .map(|(peer, link)| (*peer, std::mem::take(&mut link.untold).into()))
            .collect()
    }
}
