//! What is broadcast, its id and its bytes.

use bytes::{BufMut, Bytes, BytesMut};

use crate::error::ContentError;
use crate::hash::FieldHasher;
use crate::id::MessageId;
use crate::peer::PeerId;

/// The longest byte form of an origin's identity, in bytes.
pub const ORIGIN_LEN_MAX: usize = 255;

/// The longest signature, in bytes: room for today's post-quantum lattice schemes.
pub const SIGNATURE_LEN_MAX: usize = 8 * 1024;

/// What an encoded content can be longer than its payload, in bytes.
pub const CONTENT_OVERHEAD_MAX: usize = 1 + 4 + ORIGIN_LEN_MAX + 8 + 8 + 4 + 4 + SIGNATURE_LEN_MAX;

/// The longest encoded content whatever the configuration says, in bytes (16 MiB).
pub const CONTENT_LEN_MAX: usize = 16 * 1024 * 1024;

/// What is broadcast.
///
/// The encoded form is canonical: one content has one encoding and one encoding one content.
/// Numbers are big-endian, and every field of variable length is its 4-byte length followed by its
/// bytes.
///
/// | Application | bytes | | Proof | bytes |
/// |---|---|---|---|---|
/// | `0` | 1 | | `1` | 1 |
/// | origin | 4 + up to 255 | | kind | 1 |
/// | incarnation | 8 | | body | 4 + n |
/// | sequence | 8 | | | |
/// | payload | 4 + n | | | |
/// | signature | 4 + up to 8192 | | | |
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content<P> {
    /// Something one node says to all others, signed by it.
    Application {
        /// Who says it.
        origin: P,
        /// Which life of the origin says it; a higher one makes everything said in lower ones
        /// stale.
        incarnation: u64,
        /// The how-manieth broadcast of that incarnation this is, from 0.
        sequence: u64,
        /// What is said; opaque here.
        payload: Bytes,
        /// The origin's signature over the id; opaque here and no part of the id.
        signature: Bytes,
    },
    /// Something that proves itself, such as a certificate.
    ///
    /// It has no origin, so all who come to know it at the same time broadcast one message, not one
    /// each.
    Proof {
        /// What sort of proof; the driver's own numbering.
        kind: u8,
        /// The proof; opaque here.
        body: Bytes,
    },
}

impl<P: PeerId> Content<P> {
    /// The name of this content: a hash of everything but the signature.
    ///
    /// Leaving the signature out makes the id the thing to sign, and keeps a signature that can be
    /// bent into another valid one from turning one message into two.
    #[must_use]
    pub fn id(&self) -> MessageId {
        match self {
            Self::Application {
                origin,
                incarnation,
                sequence,
                payload,
                signature: _,
            } => application_id(origin, *incarnation, *sequence, payload),
            Self::Proof { kind, body } => proof_id(*kind, body),
        }
    }

    /// The byte form drawn above.
    ///
    /// Never fails. Contents with a field over its limit have an encoding too, one that
    /// [`decode`](Self::decode) refuses.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.payload().len() + 128);
        match self {
            Self::Application {
                origin,
                incarnation,
                sequence,
                payload,
                signature,
            } => {
                out.put_u8(APPLICATION);
                put_block(&mut out, origin.as_ref());
                out.put_u64(*incarnation);
                out.put_u64(*sequence);
                put_block(&mut out, payload);
                put_block(&mut out, signature);
            }
            Self::Proof { kind, body } => {
                out.put_u8(PROOF);
                out.put_u8(*kind);
                put_block(&mut out, body);
            }
        }
        out.freeze()
    }

    /// Reads a byte form back; payload, signature and body are slices of `bytes`, not copies.
    ///
    /// # Errors
    ///
    /// [`ContentError`] for input that is too short, too long, has a field over its limit, an
    /// unknown first byte, or an origin that is not the byte form of a `P`.
    pub fn decode(bytes: &Bytes) -> Result<Self, ContentError> {
        if bytes.len() > CONTENT_LEN_MAX {
            return Err(ContentError::TooLong {
                len: bytes.len(),
                max: CONTENT_LEN_MAX,
            });
        }
        let mut reader = Reader {
            rest: bytes.clone(),
        };
        let content = match reader.byte()? {
            APPLICATION => Self::Application {
                origin: reader.origin()?,
                incarnation: reader.number()?,
                sequence: reader.number()?,
                payload: reader.block(CONTENT_LEN_MAX)?,
                signature: reader.block(SIGNATURE_LEN_MAX)?,
            },
            PROOF => Self::Proof {
                kind: reader.byte()?,
                body: reader.block(CONTENT_LEN_MAX)?,
            },
            kind => return Err(ContentError::UnknownKind { kind }),
        };
        match reader.rest.len() {
            0 => Ok(content),
            len => Err(ContentError::Trailing { len }),
        }
    }

    /// The payload or body: the part whose length the configuration limits.
    #[must_use]
    pub const fn payload(&self) -> &Bytes {
        match self {
            Self::Application { payload, .. } => payload,
            Self::Proof { body, .. } => body,
        }
    }

    /// The signature; empty for a proof.
    pub(crate) fn signature(&self) -> &[u8] {
        match self {
            Self::Application { signature, .. } => signature,
            Self::Proof { .. } => &[],
        }
    }

    /// Who says it; nobody for a proof.
    pub(crate) const fn origin(&self) -> Option<P> {
        match self {
            Self::Application { origin, .. } => Some(*origin),
            Self::Proof { .. } => None,
        }
    }
}

/// The id of an application message, before there is a signature.
pub(crate) fn application_id<P: PeerId>(
    origin: &P,
    incarnation: u64,
    sequence: u64,
    payload: &[u8],
) -> MessageId {
    let hash = FieldHasher::new("quorate-gossip id: application, v1")
        .bytes(origin.as_ref())
        .number(incarnation)
        .number(sequence)
        .bytes(payload);
    MessageId::from_bytes(hash.finish())
}

fn proof_id(kind: u8, body: &[u8]) -> MessageId {
    let hash = FieldHasher::new("quorate-gossip id: proof, v1")
        .number(kind.into())
        .bytes(body);
    MessageId::from_bytes(hash.finish())
}

fn put_block(out: &mut BytesMut, block: &[u8]) {
    // A block over 4 GiB gets a length that does not match: decode refuses it by far smaller
    // limits.
    out.put_u32(u32::try_from(block.len()).unwrap_or(u32::MAX));
    out.put_slice(block);
}

/// Walks over a byte form from the front; every step checks before it takes.
struct Reader {
    rest: Bytes,
}

impl Reader {
    fn take(&mut self, len: usize) -> Result<Bytes, ContentError> {
        match len.checked_sub(self.rest.len()) {
            None | Some(0) => Ok(self.rest.split_to(len)),
            Some(missing) => Err(ContentError::Truncated { missing }),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ContentError> {
        let mut array = [0; N];
        array.copy_from_slice(&self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, ContentError> {
        self.array().map(u8::from_be_bytes)
    }

    fn number(&mut self) -> Result<u64, ContentError> {
        self.array().map(u64::from_be_bytes)
    }

    fn block(&mut self, max: usize) -> Result<Bytes, ContentError> {
        let len = u32::from_be_bytes(self.array()?);
        match usize::try_from(len) {
            Ok(len) if len <= max => self.take(len),
            _ => Err(ContentError::FieldTooLong { len, max }),
        }
    }

    fn origin<P: PeerId>(&mut self) -> Result<P, ContentError> {
        let bytes = self.block(ORIGIN_LEN_MAX)?;
        match P::try_from(&bytes) {
            // An identity that reads two byte forms as one value would give one content two
            // encodings.
            Ok(origin) if origin.as_ref() == bytes => Ok(origin),
            _ => Err(ContentError::Origin),
        }
    }
}

const APPLICATION: u8 = 0;
const PROOF: u8 = 1;
