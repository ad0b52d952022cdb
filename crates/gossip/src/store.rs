//! Recently accepted contents, kept to fill neighbours' gaps.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::id::MessageId;

/// Contents by id, bounded in number and in bytes; the oldest go first.
#[derive(Debug)]
pub(crate) struct Store<P> {
    by_id: BTreeMap<MessageId, (u64, Stored<P>)>,
    by_age: BTreeMap<u64, MessageId>,
    next_age: u64,
    bytes: usize,
    count_max: usize,
    bytes_max: usize,
}

/// One content as it came.
#[derive(Clone, Debug)]
pub(crate) struct Stored<P> {
    /// The encoded content.
    pub(crate) raw: Bytes,
    /// How many links it had crossed on its way here; 0 for our own.
    pub(crate) hop_count: u16,
    /// The neighbour that brought it; nobody for our own.
    pub(crate) from: Option<P>,
    /// Who said it; nobody for a proof.
    pub(crate) origin: Option<P>,
}

impl<P: Copy + Ord> Store<P> {
    pub(crate) const fn new(count_max: usize, bytes_max: usize) -> Self {
        Self {
            by_id: BTreeMap::new(),
            by_age: BTreeMap::new(),
            next_age: 0,
            bytes: 0,
            count_max,
            bytes_max,
        }
    }

    /// Adds a content and drops the oldest while there is too much. One that is there already stays
    /// as it is.
    pub(crate) fn insert(&mut self, id: MessageId, stored: Stored<P>) {
        if self.by_id.contains_key(&id) {
            return;
        }
        self.bytes += stored.raw.len();
        self.by_age.insert(self.next_age, id);
        self.by_id.insert(id, (self.next_age, stored));
        self.next_age += 1;
        while self.by_id.len() > self.count_max || self.bytes > self.bytes_max {
            let Some((_, oldest)) = self.by_age.pop_first() else {
                break;
            };
            self.remove(&oldest);
        }
    }

    pub(crate) fn get(&self, id: &MessageId) -> Option<&Stored<P>> {
        self.by_id.get(id).map(|(_, stored)| stored)
    }

    /// All ids, oldest first: a neighbour that asks in this order gets each origin's messages in
    /// sequence.
    pub(crate) fn ids(&self) -> Vec<MessageId> {
        self.by_age.values().copied().collect()
    }

    pub(crate) fn forget_origin(&mut self, origin: &P) {
        let of_origin = |stored: &Stored<P>| stored.origin.as_ref() == Some(origin);
        let ids: Vec<_> = self
            .by_id
            .iter()
            .filter(|(_, (_, stored))| of_origin(stored))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.remove(&id);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    fn remove(&mut self, id: &MessageId) {
        if let Some((age, stored)) = self.by_id.remove(id) {
            self.by_age.remove(&age);
            self.bytes -= stored.raw.len();
        }
    }
}
