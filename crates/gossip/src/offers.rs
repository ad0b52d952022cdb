//! What neighbours are told of and not sent: the lazy half of Plumtree, for contents that others spread too.

use std::time::{Duration, Instant};

use crate::id::MessageId;

/// How long offers are collected: one message then names them all.
const COLLECTED: Duration = Duration::from_millis(200);

/// Ids that neighbours are told of next.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    ids: Vec<MessageId>,
    due: Option<Instant>,
}

impl Offers {
    /// Adds one. How many there can be is bounded by what the driver offers within [`COLLECTED`].
    pub(crate) fn push(&mut self, id: MessageId, now: Instant) {
        self.ids.push(id);
        self.due.get_or_insert(now + COLLECTED);
    }

    /// When neighbours are to be told.
    pub(crate) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// What to tell now, if it is time.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<MessageId> {
        if self.due.take_if(|due| *due <= now).is_none() {
            return Vec::new();
        }
        std::mem::take(&mut self.ids)
    }
}
