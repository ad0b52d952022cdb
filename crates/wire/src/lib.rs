//! Length-prefixed frames and the formats of their bodies.
//!
//! Two ideas, usable apart:
//!
//! - [`Format`] turns a value into bytes and back, as compact bincode or as readable JSON.
//! - [`FrameCodec`] cuts a byte stream into frames: a 4-byte big-endian length, then the body.
//!
//! # Invariants
//!
//! Both face bytes written by a stranger, so:
//!
//! - no input makes them panic, hang or recurse without end;
//! - memory follows what has *arrived*, never what a length field *claims*;
//! - a body holds exactly one value: bytes after it are refused;
//! - every refusal is a typed error that says what was expected and what came.
//!
//! # Left out
//!
//! Sockets, tasks, and any knowledge of a protocol: versions, message kinds and signatures belong to the caller.
//!
//! # Example
//!
//! ```
//! use bytes::BytesMut;
//! use quorate_wire::{Format, FrameCodec};
//! use serde::{Deserialize, Serialize};
//! use tokio_util::codec::{Decoder, Encoder};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Greeting {
//!     name: String,
//!     seen: u32,
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let greeting = Greeting { name: "ada".into(), seen: 300 };
//!
//! let mut codec = FrameCodec::new(64 * 1024);
//! let mut stream = BytesMut::new();
//! codec.encode(Format::Bincode.encode(&greeting)?, &mut stream)?;
//! assert_eq!(&stream[..], b"\0\0\0\x07\x03ada\xfb\x2c\x01");
//!
//! // Half a frame is not an error: there is just no frame yet.
//! let mut received = stream.split_to(5);
//! assert_eq!(codec.decode(&mut received)?, None);
//!
//! received.extend_from_slice(&stream);
//! let body = codec.decode(&mut received)?.ok_or("a whole frame has arrived")?;
//! assert_eq!(Format::Bincode.decode::<Greeting>(&body)?, greeting);
//! # Ok(())
//! # }
//! ```

mod bincode_format;
mod bounds;
mod codec;
mod error;
mod format;
mod json_format;

pub use codec::{DEFAULT_MAX_FRAME_LEN, FrameCodec, HEADER_LEN};
pub use error::{DecodeError, EncodeError, FrameError, UnknownFormat};
pub use format::Format;

/// The README's example, compiled as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
