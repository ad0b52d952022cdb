//! What two neighbours say to each other.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::id::MessageId;

/// The most ids an [`IHave`](Message::IHave) or a [`Graft`](Message::Graft) may carry.
pub const IDS_PER_MESSAGE_MAX: usize = 1024;

/// One message between two neighbours; the words are Plumtree's [Leitão, Pereira and Rodrigues,
/// SRDS 2007].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// A broadcast on its way. The receiver has it checked if it is new, and then delivers it and
    /// passes it on.
    Gossip {
        /// How many links the content has crossed once it arrives: 1 when it comes from its
        /// publisher. Hearsay, for statistics only; it stops at its maximum. Plumtree's *round*.
        hop_count: u16,
        /// [`Content::encode`](crate::Content::encode), forwarded as the bytes that came.
        ///
        /// The engine keeps these bytes and counts their length; a driver that passes a slice of a
        /// larger buffer keeps that buffer alive.
        content: Bytes,
    },
    /// "I hold these." The receiver asks for those it lacks. Sent when a link comes up, and for new
    /// broadcasts over links that bring duplicates.
    IHave {
        /// At most [`IDS_PER_MESSAGE_MAX`], oldest first.
        ids: Vec<MessageId>,
    },
    /// "Send me these." The receiver answers with a `Gossip` for each that it still stores and
    /// skips the others, and sends new broadcasts unasked from now on.
    Graft {
        /// At most [`IDS_PER_MESSAGE_MAX`].
        ids: Vec<MessageId>,
    },
    /// "Are you there?" The receiver answers with a [`Pong`](Self::Pong).
    Ping {
        /// Comes back in the answer.
        nonce: u64,
    },
    /// The answer to a [`Ping`](Self::Ping). As with any arrival, the receiver knows that the link
    /// lives.
    Pong {
        /// That of the ping.
        nonce: u64,
    },
    /// "I had that already." The receiver sends no broadcasts unasked from now on, but announces
    /// them.
    Prune,
}
