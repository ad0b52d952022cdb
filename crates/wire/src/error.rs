//! What can go wrong between a value, its bytes and the stream: one type per boundary.

use std::io;

use crate::Format;

/// The words of the library underneath, kept opaque so that it can be swapped without breaking callers.
pub(crate) type Reason = Box<dyn std::error::Error + Send + Sync>;

/// A value has no representation in the format asked for: the caller's mistake, never a peer's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The format cannot express the value, such as a JSON object whose keys are structs.
    #[error("a {value} cannot be written as {format}: {reason}")]
    Unsupported {
        /// The Rust type of the value.
        value: &'static str,
        /// The format it should have been written in.
        format: Format,
        /// What the format objected to.
        reason: Reason,
    },
}

/// A body is not one value of the expected type.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The body ends inside the value: it was cut, or a length inside it claims more than is there.
    #[error(
        "expected a whole {expected}, but the {format} body ends inside it, after {body_len} bytes"
    )]
    UnexpectedEnd {
        /// The Rust type the body should hold.
        expected: &'static str,
        /// The format the body was read in.
        format: Format,
        /// Bytes in the body.
        body_len: usize,
    },

    /// The bytes do not spell a value of the type, or exceed a bound on what is read from strangers.
    #[error("expected a {expected}, but {body_len} bytes of {format} are not one: {reason}")]
    Malformed {
        /// The Rust type the body should hold.
        expected: &'static str,
        /// The format the body was read in.
        format: Format,
        /// Bytes in the body.
        body_len: usize,
        /// What the format objected to.
        reason: Reason,
    },

    /// A whole value was read and more followed; `decoded + trailing` is the length of the body.
    #[error(
        "expected the body to end with its value after {decoded} bytes, but {trailing} more came"
    )]
    TrailingBytes {
        /// Bytes the value took.
        decoded: usize,
        /// Bytes after it.
        trailing: usize,
    },
}

/// A byte stream is not a sequence of acceptable frames.
///
/// `TooLong` and `Truncated` from a decoder are final: see [`FrameCodec`](crate::FrameCodec).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A frame's body is over the limit, received or to be sent. Nothing was reserved or written for it.
    #[error("expected a frame of at most {max} bytes, but its body has {len}")]
    TooLong {
        /// Bytes in the body: as its header says, or as it was handed to the encoder.
        len: usize,
        /// The limit in force.
        max: usize,
    },

    /// The stream ended inside a frame. Both counts include the header.
    #[error("expected a frame of {need} bytes, but the stream ended after {have} of them")]
    Truncated {
        /// Bytes of the frame that came.
        have: usize,
        /// Bytes the whole frame takes; only the header's, if not even that arrived.
        need: usize,
    },

    /// The transport failed. The codec itself never makes this one; `tokio_util`'s `Framed` does.
    #[error("the stream failed: {0}")]
    Io(#[from] io::Error),
}

/// A word that names no [`Format`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the format \"bincode\" or \"json\", but found {found:?}")]
pub struct UnknownFormat {
    /// What was found instead.
    pub found: String,
}
