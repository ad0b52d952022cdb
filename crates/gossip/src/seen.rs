//! The message list: which ids have been seen, as far back as its limit allows.
//!
//! What has fallen out is kept away by [`Origins`](crate::window::Origins) if it was an application
//! message. A forgotten proof is checked again, and the driver, which knows it by its content,
//! answers [`Verdict::Ignore`](crate::Verdict::Ignore).

use std::collections::{BTreeSet, VecDeque};

use crate::id::MessageId;

/// A set of ids that forgets its oldest member when it is full.
#[derive(Debug)]
pub(crate) struct SeenIds {
    ids: BTreeSet<MessageId>,
    by_age: VecDeque<MessageId>,
    max: usize,
}

impl SeenIds {
    pub(crate) const fn new(max: usize) -> Self {
        Self {
            ids: BTreeSet::new(),
            by_age: VecDeque::new(),
            max,
        }
    }

    pub(crate) fn contains(&self, id: &MessageId) -> bool {
        self.ids.contains(id)
    }

    /// Adds an id; one that is there already does not become younger.
    pub(crate) fn insert(&mut self, id: MessageId) {
        if !self.ids.insert(id) {
            return;
        }
        self.by_age.push_back(id);
        if self.by_age.len() > self.max
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }
}
