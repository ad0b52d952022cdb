//! What comes from neighbours: examined, checked, and only then passed on.

use std::collections::BTreeSet;
use std::time::Instant;

use bytes::Bytes;

use super::Gossip;
use crate::content::Content;
use crate::error::MessageError;
use crate::id::MessageId;
use crate::message::{IDS_PER_MESSAGE_MAX, Message};
use crate::output::{Output, Verdict};
use crate::peer::PeerId;
use crate::repair::Announcement;
use crate::store::Stored;
use crate::unchecked::{Admission, Waiting};

/// A message that keeps to all limits.
pub(super) enum Examined<P> {
    Gossip {
        hop_count: u16,
        raw: Bytes,
        content: Content<P>,
    },
    IHave {
        ids: Vec<MessageId>,
    },
    Graft {
        ids: Vec<MessageId>,
    },
    Ping {
        nonce: u64,
    },
    Pong,
    Prune,
}

impl<P: PeerId> Gossip<P> {
    /// Everything that can be wrong with a message is found here, before anything has changed.
    pub(super) fn examine(&self, from: &P, message: Message) -> Result<Examined<P>, MessageError> {
        if !self.broadcast.is_neighbor(from) {
            return Err(MessageError::NotANeighbor);
        }
        Ok(match message {
            Message::Gossip {
                hop_count,
                content: raw,
            } => {
                within(raw.len(), self.config.content_max())?;
                let content = Content::decode(&raw)?;
                within(content.payload().len(), self.config.payload_max)?;
                Examined::Gossip {
                    hop_count,
                    raw,
                    content,
                }
            }
            Message::IHave { ids } => Examined::IHave {
                ids: within_limit(ids)?,
            },
            Message::Graft { ids } => Examined::Graft {
                ids: within_limit(ids)?,
            },
            Message::Ping { nonce } => Examined::Ping { nonce },
            Message::Pong { .. } => Examined::Pong,
            Message::Prune => Examined::Prune,
        })
    }

    pub(super) fn on_examined(&mut self, from: P, examined: Examined<P>, now: Instant) {
        match examined {
            Examined::Gossip {
                hop_count,
                raw,
                content,
            } => self.on_gossip(from, hop_count, raw, content, now),
            Examined::IHave { ids } => self.on_ihave(from, &ids, now),
            Examined::Graft { ids } => self.on_graft(from, &ids),
            Examined::Prune => self.broadcast.on_prune(&from, now),
            Examined::Ping { nonce } => {
                self.detector.on_ping(&from, now);
                self.send(vec![from], Message::Pong { nonce });
            }
            // Its arrival, already noted, is all it has to say.
            Examined::Pong => {}
        }
    }

    pub(super) fn on_checked(&mut self, waiting: Waiting<P>, verdict: Verdict, now: Instant) {
        match verdict {
            Verdict::Accept => self.on_accepted(waiting, now),
            Verdict::Ignore => {
                self.counters.ignored += 1;
                self.settle(waiting.id);
            }
            Verdict::Reject => {
                self.counters.rejected += 1;
                for holder in &waiting.holders {
                    self.repair.on_bad_copy(&waiting.id, holder, now);
                }
            }
        }
    }

    /// The id is decided: it is seen, nobody needs to be asked for it, and other copies need no
    /// check. Returns who is known to hold it from having announced it.
    pub(super) fn settle(&mut self, id: MessageId) -> BTreeSet<P> {
        self.seen.insert(id);
        self.counters.superseded += self.unchecked.remove_id(&id);
        self.repair.settle(&id)
    }

    fn on_gossip(
        &mut self,
        from: P,
        hop_count: u16,
        raw: Bytes,
        content: Content<P>,
        now: Instant,
    ) {
        self.counters.received += 1;
        let id = content.id();
        if self.seen.contains(&id) || content.origin() == Some(self.me) {
            self.on_duplicate(from, &id, now);
            self.repair.settle(&id);
            let is_own = content.origin() == Some(self.me);
            if planted!(MessageListForgets) && !is_own && self.store.get(&id).is_some() {
                self.outbox.push_back(Output::Deliver {
                    from,
                    id,
                    content,
                    hop_count,
                });
            }
            return;
        }
        if let Content::Application {
            origin,
            incarnation,
            sequence,
            ..
        } = &content
            && !self.origins.is_fresh(origin, *incarnation, *sequence)
        {
            // Not marked as seen: it has not been checked, and made-up ids must not push real ones
            // off the list.
            self.counters.stale += 1;
            self.repair.settle(&id);
            return;
        }
        match self
            .unchecked
            .admit(from, hop_count, id, raw, content.clone(), now)
        {
            Admission::Check(check) => self.outbox.push_back(Output::Check {
                check,
                from,
                id,
                content,
            }),
            Admission::Known => self.on_duplicate(from, &id, now),
            Admission::NoRoom => {
                self.counters.dropped_unchecked += 1;
                // The sender has it; there may be room when it is asked again.
                self.note_announcement(id, from, true, now);
            }
        }
    }

    /// A copy came of what is here. A link is needless only if another one brings the same: what was
    /// told to all by somebody else, or was our own, came over no link before, and were it a reason,
    /// a proof that everybody publishes at once would leave nobody an eager link.
    fn on_duplicate(&mut self, from: P, id: &MessageId, now: Instant) {
        self.counters.duplicates += 1;
        self.broadcast.on_holders(&from, &BTreeSet::from([*id]));
        let bringer = match self.store.get(id) {
            Some(stored) => stored.from,
            None => self.unchecked.bringer(id),
        };
        let is_needless =
            bringer.is_some_and(|other| other != from && self.broadcast.is_eager(&other));
        if is_needless && self.broadcast.on_duplicate(&from, now) {
            self.counters.prunes_sent += 1;
            self.send(vec![from], Message::Prune);
        }
    }

    fn on_accepted(&mut self, waiting: Waiting<P>, now: Instant) {
        let Waiting {
            id,
            content,
            raw,
            hop_count,
            from,
            mut holders,
            ..
        } = waiting;
        holders.append(&mut self.settle(id));
        let origin = content.origin();
        if let Content::Application {
            origin,
            incarnation,
            sequence,
            ..
        } = &content
        {
            let accepted = self.origins.accept(*origin, *incarnation, *sequence, now);
            let Some(gaps) = accepted else {
                // Its number was used up while it waited: by another content of a dishonest origin,
                // or by a leap ahead.
                self.counters.stale += 1;
                return;
            };
            self.tell_gaps(gaps);
        }
        self.store.insert(
            id,
            Stored {
                raw: raw.clone(),
                hop_count,
                from: Some(from),
                origin,
            },
        );
        let to = if planted!(ForwardingOff) {
            Vec::new()
        } else {
            self.broadcast.push(id, &holders, now)
        };
        self.counters.forwarded += to.len() as u64;
        self.send(
            to,
            Message::Gossip {
                hop_count: hop_count.saturating_add(1),
                content: raw,
            },
        );
        self.counters.delivered += 1;
        self.outbox.push_back(Output::Deliver {
            from,
            id,
            content,
            hop_count,
        });
    }

    fn on_ihave(&mut self, from: P, ids: &[MessageId], now: Instant) {
        let mut asks = Vec::new();
        let mut known = BTreeSet::new();
        for id in ids {
            if self.seen.contains(id) {
                known.insert(*id);
                continue;
            }
            let wait = self.unchecked.contains_id(id);
            if self.note_announcement(*id, from, wait, now) == Announcement::Ask {
                asks.push(*id);
            }
        }
        self.broadcast.on_holders(&from, &known);
        self.graft(from, &asks);
    }

    fn note_announcement(
        &mut self,
        id: MessageId,
        from: P,
        wait: bool,
        now: Instant,
    ) -> Announcement {
        let announcement = self.repair.on_announced(id, from, wait, now);
        self.counters.announcements_dropped += u64::from(announcement == Announcement::OverLimit);
        announcement
    }

    fn on_graft(&mut self, from: P, ids: &[MessageId]) {
        self.broadcast.make_eager(&from);
        let mut answered = BTreeSet::new();
        for id in ids {
            // An id repeated within one request must not multiply the answer.
            if let Some(stored) = self.store.get(id)
                && answered.insert(id)
            {
                let (hop_count, content) = (stored.hop_count.saturating_add(1), stored.raw.clone());
                self.counters.grafts_answered += 1;
                self.send(vec![from], Message::Gossip { hop_count, content });
            }
        }
    }
}

fn within(len: usize, max: usize) -> Result<(), MessageError> {
    if len > max {
        Err(MessageError::ContentTooLong { len, max })
    } else {
        Ok(())
    }
}

fn within_limit(ids: Vec<MessageId>) -> Result<Vec<MessageId>, MessageError> {
    let (count, max) = (ids.len(), IDS_PER_MESSAGE_MAX);
    if count > max {
        Err(MessageError::TooManyIds { count, max })
    } else {
        Ok(ids)
    }
}
