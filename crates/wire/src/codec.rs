//! Bytes in, frames out.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::error::FrameError;

/// Cuts a byte stream into frames, and writes them.
///
/// A frame is a 4-byte big-endian length and then that many bytes of body. An empty body is a frame like any other;
/// whether it means anything is for its [`Format`](crate::Format) to say.
///
/// # Reading
///
/// - The limit is checked as soon as the header is there, before anything is reserved for the body. Below the limit,
///   room is asked for at most 64 KiB ahead of what has arrived (the buffer may double that when it grows), so memory
///   is had by sending, not by announcing.
/// - Bytes that make no whole frame yet are `Ok(None)` and stay in the buffer.
/// - The first error is final: the stream's framing is lost, so every later call returns the same error and takes
///   nothing from the buffer.
/// - A decoded frame is not copied but shares the read buffer. A small frame to be kept long should be copied out, or
///   it keeps its neighbours' memory too.
///
/// # Writing
///
/// A body over the limit is refused and nothing is written, so the stream outwards stays whole and the error is not
/// final.
#[derive(Clone, Debug)]
pub struct FrameCodec {
    max_frame_len: usize,
    fault: Option<Fault>,
}

impl FrameCodec {
    /// A codec that lets bodies of up to `max_frame_len` bytes through, both ways.
    ///
    /// A limit above `u32::MAX` is taken as `u32::MAX`, the most a header can say.
    #[must_use]
    pub fn new(max_frame_len: usize) -> Self {
        Self {
            max_frame_len: max_frame_len.min(HEADER_MAX),
            fault: None,
        }
    }

    /// The most bytes a frame's body may have.
    #[must_use]
    pub fn max_frame_len(&self) -> usize {
        self.max_frame_len
    }

    /// Changes the limit, as [`new`](Self::new) sets it: small for strangers, larger once the other end is known.
    ///
    /// It holds from the next call, also for a frame of which a part has already arrived. It does not mend a codec that
    /// has returned an error.
    pub fn set_max_frame_len(&mut self, max_frame_len: usize) {
        self.max_frame_len = max_frame_len.min(HEADER_MAX);
    }

    fn fail<T>(&mut self, fault: Fault) -> Result<T, FrameError> {
        self.fault = Some(fault);
        Err(fault.into())
    }
}

impl Default for FrameCodec {
    /// A codec with [`DEFAULT_MAX_FRAME_LEN`].
    fn default() -> Self {
        Self::new(DEFAULT_MAX_FRAME_LEN)
    }
}

impl Decoder for FrameCodec {
    type Item = Bytes;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        let Some(len) = announced_len(src) else {
            return Ok(None);
        };
        if len > self.max_frame_len {
            return self.fail(Fault::TooLong {
                len,
                max: self.max_frame_len,
            });
        }
        let missing = len.saturating_sub(src.len() - HEADER_LEN);
        if missing > 0 {
            src.reserve(missing.min(RESERVE_AHEAD_MAX));
            return Ok(None);
        }
        src.advance(HEADER_LEN);
        Ok(Some(src.split_to(len).freeze()))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        let frame = self.decode(src)?;
        if frame.is_some() || src.is_empty() {
            return Ok(frame);
        }
        let need = HEADER_LEN.saturating_add(announced_len(src).unwrap_or(0));
        self.fail(Fault::Truncated {
            have: src.len(),
            need,
        })
    }
}

impl Encoder<Bytes> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, body: Bytes, dst: &mut BytesMut) -> Result<(), FrameError> {
        let too_long = FrameError::TooLong {
            len: body.len(),
            max: self.max_frame_len,
        };
        if body.len() > self.max_frame_len {
            return Err(too_long);
        }
        // Never fails, as the limit is at most what a header can say.
        let header = u32::try_from(body.len()).map_err(|_| too_long)?;
        dst.reserve(HEADER_LEN + body.len());
        dst.put_u32(header);
        dst.put_slice(&body);
        Ok(())
    }
}

/// The body length in the header, once the header is whole.
fn announced_len(src: &BytesMut) -> Option<usize> {
    let header = src.first_chunk::<HEADER_LEN>()?;
    Some(u32::from_be_bytes(*header) as usize)
}

/// What ended the framing; kept apart from [`FrameError`], which cannot be cloned.
#[derive(Clone, Copy, Debug)]
enum Fault {
    TooLong { len: usize, max: usize },
    Truncated { have: usize, need: usize },
}

impl From<Fault> for FrameError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLong { len, max } => Self::TooLong { len, max },
            Fault::Truncated { have, need } => Self::Truncated { have, need },
        }
    }
}

/// Bytes before a frame's body: its length, big-endian.
pub const HEADER_LEN: usize = 4;

/// The limit of [`FrameCodec::default`]: 1 MiB.
pub const DEFAULT_MAX_FRAME_LEN: usize = 1024 * 1024;

/// The longest body a header can announce.
const HEADER_MAX: usize = u32::MAX as usize;

/// How far the reserved room may run ahead of what has arrived.
const RESERVE_AHEAD_MAX: usize = 64 * 1024;
