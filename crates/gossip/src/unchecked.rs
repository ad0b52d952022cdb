//! Contents that wait for the driver's check, within a budget of bytes.
//!
//! An id leaves the signature out, so somebody can send a genuine message with a wrong signature.
//! Copies are therefore told apart by id *and* signature: the bad copy fails its own check, and the
//! good one has its own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::content::Content;
use crate::hash::FieldHasher;
use crate::id::MessageId;
use crate::output::CheckId;
use crate::peer::PeerId;

/// What the upkeep of one waiting content is charged at, in bytes, so that tiny ones are not free.
pub(crate) const ENTRY_OVERHEAD: usize = 256;

/// The pool of waiting contents.
#[derive(Debug)]
pub(crate) struct Unchecked<P> {
    /// In order of arrival, because check ids count up.
    waiting: BTreeMap<CheckId, Waiting<P>>,
    by_copy: BTreeMap<(MessageId, SignatureHash), CheckId>,
    /// Bytes by the neighbour that brought them. A charge outlives the link: reconnecting buys no
    /// new share.
    charges: BTreeMap<P, usize>,
    bytes: usize,
    next_check: u64,
    bytes_max: usize,
    bytes_per_neighbor_max: usize,
    timeout: Duration,
}

/// One waiting content.
#[derive(Debug)]
pub(crate) struct Waiting<P> {
    pub(crate) id: MessageId,
    pub(crate) content: Content<P>,
    pub(crate) raw: Bytes,
    pub(crate) hop_count: u16,
    /// Who brought it first, and is charged for it.
    pub(crate) from: P,
    /// Who has it and need not be sent it.
    pub(crate) holders: BTreeSet<P>,
    signature: SignatureHash,
    deadline: Instant,
}

type SignatureHash = [u8; 32];

/// What became of an arrival.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It waits, and is to be checked under this id.
    Check(CheckId),
    /// The same copy waits already; the sender was noted.
    Known,
    /// There is no room for it.
    NoRoom,
}

impl<P: PeerId> Unchecked<P> {
    pub(crate) const fn new(
        bytes_max: usize,
        bytes_per_neighbor_max: usize,
        timeout: Duration,
    ) -> Self {
        Self {
            waiting: BTreeMap::new(),
            by_copy: BTreeMap::new(),
            charges: BTreeMap::new(),
            bytes: 0,
            next_check: 0,
            bytes_max,
            bytes_per_neighbor_max,
            timeout,
        }
    }

    pub(crate) fn admit(
        &mut self,
        from: P,
        hop_count: u16,
        id: MessageId,
        raw: Bytes,
        content: Content<P>,
        now: Instant,
    ) -> Admission {
        let signature = FieldHasher::new("quorate-gossip signature, v1")
            .bytes(content.signature())
            .finish();
        if let Some(check) = self.by_copy.get(&(id, signature)) {
            if let Some(waiting) = self.waiting.get_mut(check) {
                waiting.holders.insert(from);
            }
            return Admission::Known;
        }
        let cost = raw.len() + ENTRY_OVERHEAD;
        let charge = self.charges.get(&from).copied().unwrap_or(0) + cost;
        if self.bytes + cost > self.bytes_max || charge > self.bytes_per_neighbor_max {
            return Admission::NoRoom;
        }
        self.bytes += cost;
        self.charges.insert(from, charge);
        let check = CheckId(self.next_check);
        self.next_check += 1;
        self.by_copy.insert((id, signature), check);
        let deadline = now + self.timeout;
        let holders = BTreeSet::from([from]);
        self.waiting.insert(
            check,
            Waiting {
                id,
                content,
                raw,
                hop_count,
                from,
                holders,
                signature,
                deadline,
            },
        );
        Admission::Check(check)
    }

    /// The neighbour that brought the first of the waiting copies.
    pub(crate) fn bringer(&self, id: &MessageId) -> Option<P> {
        let checks = self.copies(id);
        let first = checks.filter_map(|check| self.waiting.get(&check)).next();
        first.map(|waiting| waiting.from)
    }

    /// Takes a content out; nothing if it is unknown, expired, or was dropped with another copy's
    /// acceptance.
    pub(crate) fn remove(&mut self, check: CheckId) -> Option<Waiting<P>> {
        let waiting = self.waiting.remove(&check)?;
        self.by_copy.remove(&(waiting.id, waiting.signature));
        let cost = waiting.raw.len() + ENTRY_OVERHEAD;
        self.bytes -= cost;
        if let Some(charge) = self.charges.get_mut(&waiting.from) {
            *charge -= cost;
            if *charge == 0 {
                self.charges.remove(&waiting.from);
            }
        }
        Some(waiting)
    }

    /// Drops every copy of an id that has been settled; returns how many.
    pub(crate) fn remove_id(&mut self, id: &MessageId) -> u64 {
        let checks: Vec<_> = self.copies(id).collect();
        checks
            .into_iter()
            .filter_map(|check| self.remove(check))
            .count() as u64
    }

    /// Who has sent some copy of an id.
    pub(crate) fn holders(&self, id: &MessageId) -> BTreeSet<P> {
        let waiting = self.copies(id).filter_map(|check| self.waiting.get(&check));
        waiting
            .flat_map(|waiting| waiting.holders.iter().copied())
            .collect()
    }

    pub(crate) fn contains_id(&self, id: &MessageId) -> bool {
        self.copies(id).next().is_some()
    }

    /// Drops what has waited for too long; returns how many.
    pub(crate) fn expire(&mut self, now: Instant) -> u64 {
        let mut expired = 0;
        while let Some((&check, _)) = self
            .waiting
            .first_key_value()
            .filter(|(_, waiting)| waiting.deadline <= now)
        {
            self.remove(check);
            expired += 1;
        }
        expired
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.waiting
            .first_key_value()
            .map(|(_, waiting)| waiting.deadline)
    }

    /// A neighbour that is gone holds nothing any more; were it to come back, it could have lost
    /// what it had.
    pub(crate) fn forget_holder(&mut self, peer: &P) {
        for waiting in self.waiting.values_mut() {
            waiting.holders.remove(peer);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    fn copies(&self, id: &MessageId) -> impl Iterator<Item = CheckId> {
        self.by_copy
            .range((*id, [0; 32])..=(*id, [0xff; 32]))
            .map(|(_, check)| *check)
    }
}
