//! What can go wrong, one type per boundary.

use std::time::Duration;

use thiserror::Error;

/// A configuration that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A limit or an interval is zero.
    #[error("`{field}` must not be zero")]
    Zero {
        /// Which.
        field: &'static str,
    },
    /// A duration is so long that it can only be a mistake.
    #[error("`{field}` must not be over {max:?}")]
    DurationTooLong {
        /// Which.
        field: &'static str,
        /// The longest accepted.
        max: Duration,
    },
    /// One setting has to be at least as large as something else.
    #[error("`{field}` must be at least {bound}")]
    TooSmall {
        /// Which.
        field: &'static str,
        /// What it is measured against.
        bound: &'static str,
    },
    /// Payloads of this length could not be encoded.
    #[error("`payload_max` is {value} bytes, over the limit of {max}")]
    PayloadMaxTooLarge {
        /// What was asked for, in bytes.
        value: usize,
        /// The most that is possible, in bytes.
        max: usize,
    },
    /// The node's own identity is too long to travel.
    #[error("an identity has {len} bytes, over the limit of {max}")]
    PeerIdTooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
}

/// A neighbour's message that was refused. The engine's state is as if it had never come.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MessageError {
    /// No link to the sender is up.
    #[error("no link to the sender is up")]
    NotANeighbor,
    /// A broadcast is over the limit.
    #[error("a broadcast of {len} bytes is over the limit of {max}")]
    ContentTooLong {
        /// Its length in bytes: of the payload or of the whole, whichever is over.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// A broadcast cannot be read.
    #[error("a broadcast cannot be read: {0}")]
    Content(#[from] ContentError),
    /// An `IHave` or a `Graft` names too many ids.
    #[error("{count} ids in one message are over the limit of {max}")]
    TooManyIds {
        /// How many came.
        count: usize,
        /// The limit.
        max: usize,
    },
}

/// Bytes that are not the byte form of a content.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ContentError {
    /// The input ends inside a field.
    #[error("{missing} bytes are missing")]
    Truncated {
        /// How many bytes the field still needs.
        missing: usize,
    },
    /// Something follows the last field.
    #[error("{len} bytes follow the end")]
    Trailing {
        /// How many bytes.
        len: usize,
    },
    /// The whole input is over the limit.
    #[error("{len} bytes are over the limit of {max}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// One field says it is longer than it may be.
    #[error("a field of {len} bytes is over the limit of {max}")]
    FieldTooLong {
        /// What it says, in bytes.
        len: u32,
        /// The limit in bytes.
        max: usize,
    },
    /// The first byte names no kind of content.
    #[error("there is no content of kind {kind}")]
    UnknownKind {
        /// The first byte.
        kind: u8,
    },
    /// The origin is not the byte form of an identity.
    #[error("the origin is not an identity")]
    Origin,
}

/// A broadcast that the caller cannot make. No sequence number has been used up.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BroadcastError {
    /// The payload is over [`Config::payload_max`](crate::Config::payload_max).
    #[error("a payload of {len} bytes is over the limit of {max}")]
    PayloadTooLarge {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// This incarnation has used up all sequence numbers; only a higher one can go on.
    #[error("this incarnation has used up all sequence numbers")]
    SequenceExhausted,
}

/// A testimony that an inquiry did not take. Its state is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InquiryError {
    /// Nobody has been asked yet.
    #[error("nobody has been asked yet")]
    NotStarted,
    /// The inquiry has ended.
    #[error("the inquiry has ended")]
    Ended,
    /// The witness is not on the panel, or no longer, having been silent for too long.
    #[error("the witness is not on the panel")]
    NotOnPanel,
    /// The witness has testified before.
    #[error("the witness has testified before")]
    Duplicate,
}

/// Text that is not a message id.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ParseIdError {
    /// It does not have 64 characters.
    #[error("a message id has 64 hexadecimal digits, not {len} bytes of text")]
    Length {
        /// How many bytes it has.
        len: usize,
    },
    /// One of its bytes is not a hexadecimal digit.
    #[error("byte {byte:#04x} is not a hexadecimal digit")]
    Digit {
        /// The first such byte.
        byte: u8,
    },
}
