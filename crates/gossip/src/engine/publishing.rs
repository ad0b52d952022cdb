//! The node's own broadcasts.

use std::collections::BTreeSet;
use std::time::Instant;

use bytes::Bytes;

use super::Gossip;
use crate::content::{Content, application_id};
use crate::error::BroadcastError;
use crate::id::MessageId;
use crate::message::Message;
use crate::peer::PeerId;
use crate::store::Stored;

/// An application message that lacks only its signature. Its sequence number is taken; dropping the
/// draft leaves a hole, which others report as a [`Gap`](crate::Gap).
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a draft does nothing until it is published"]
pub struct Draft<P> {
    id: MessageId,
    origin: P,
    incarnation: u64,
    sequence: u64,
    payload: Bytes,
}

impl<P: PeerId> Draft<P> {
    /// What is to be signed.
    #[must_use]
    pub const fn id(&self) -> MessageId {
        self.id
    }

    /// Who says it.
    #[must_use]
    pub const fn origin(&self) -> P {
        self.origin
    }

    /// The origin's incarnation when the draft was made.
    #[must_use]
    pub const fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// Its number within the incarnation.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What it says.
    #[must_use]
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }
}

/// What became of a broadcast of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its name.
    pub id: MessageId,
    /// To how many neighbours it was sent at once; others are told of it and may ask for it. With 0
    /// it waits in the store for a link.
    pub neighbors: usize,
}

/// What the application asks for.
impl<P: PeerId> Gossip<P> {
    /// Enters a higher incarnation; its sequence numbers start at 0. The same or a lower one
    /// changes nothing, because it would use numbers twice.
    pub const fn set_incarnation(&mut self, incarnation: u64) {
        if incarnation > self.incarnation {
            self.incarnation = incarnation;
            self.next_sequence = 0;
        }
    }

    /// Gives a payload the next sequence number, so that the caller can sign its id and
    /// [`publish`](Self::publish) it.
    ///
    /// # Errors
    ///
    /// [`BroadcastError`] for a payload over [`Config::payload_max`](crate::Config::payload_max),
    /// or when the incarnation has used up its numbers. No number is taken then.
    pub fn draft(&mut self, payload: Bytes) -> Result<Draft<P>, BroadcastError> {
        self.check_len(&payload)?;
        let (origin, incarnation, sequence) = (self.me, self.incarnation, self.next_sequence);
        self.next_sequence = sequence
            .checked_add(1)
            .ok_or(BroadcastError::SequenceExhausted)?;
        let id = application_id(&origin, incarnation, sequence, &payload);
        Ok(Draft {
            id,
            origin,
            incarnation,
            sequence,
            payload,
        })
    }

    /// Sends a signed draft of this engine to the eager neighbours, announces it to the lazy ones
    /// soon, and stores it for those who are not linked yet.
    ///
    /// Nobody can tell here whether the signature is good: a bad one, or one over
    /// [`SIGNATURE_LEN_MAX`](crate::SIGNATURE_LEN_MAX), is refused by every neighbour. A draft made
    /// before a higher incarnation was entered is stale for whoever has heard of that one.
    pub fn publish(&mut self, draft: Draft<P>, signature: Bytes, now: Instant) -> Published {
        self.on_call(now);
        let Draft {
            id,
            origin,
            incarnation,
            sequence,
            payload,
        } = draft;
        let content = Content::Application {
            origin,
            incarnation,
            sequence,
            payload,
            signature,
        };
        self.push(id, &content, now)
    }

    /// Sends a proof to the eager neighbours who are not known to hold it, and announces it to such
    /// lazy ones. `None` if it was seen before:
    /// others have broadcast it, and it needs no help. It counts as our own from now on and is not
    /// delivered when it comes back.
    ///
    /// # Errors
    ///
    /// [`BroadcastError::PayloadTooLarge`] for a body over
    /// [`Config::payload_max`](crate::Config::payload_max).
    pub fn publish_proof(
        &mut self,
        kind: u8,
        body: Bytes,
        now: Instant,
    ) -> Result<Option<Published>, BroadcastError> {
        self.check_len(&body)?;
        self.on_call(now);
        let content = Content::Proof { kind, body };
        let id = content.id();
        Ok((!self.seen.contains(&id)).then(|| self.push(id, &content, now)))
    }

    fn push(&mut self, id: MessageId, content: &Content<P>, now: Instant) -> Published {
        let mut holders: BTreeSet<P> = self.unchecked.holders(&id);
        holders.append(&mut self.settle(id));
        let raw = content.encode();
        self.store.insert(
            id,
            Stored {
                raw: raw.clone(),
                hop_count: 0,
                from: None,
                origin: content.origin(),
            },
        );
        self.counters.published += 1;
        let to = self.broadcast.push_own(id, &holders, now);
        let neighbors = to.len();
        self.send(
            to,
            Message::Gossip {
                hop_count: 1,
                content: raw,
            },
        );
        Published { id, neighbors }
    }

    const fn check_len(&self, payload: &Bytes) -> Result<(), BroadcastError> {
        let (len, max) = (payload.len(), self.config.payload_max);
        if len > max {
            Err(BroadcastError::PayloadTooLarge { len, max })
        } else {
            Ok(())
        }
    }
}
