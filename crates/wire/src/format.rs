//! How a value becomes the bytes of a body, and back.

use std::any::type_name;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{DecodeError, EncodeError, Reason, UnknownFormat};
use crate::{bincode_format, json_format};

/// How values are written.
///
/// # Choosing types
///
/// Bincode writes no names and no types, so both ends must agree on the Rust type, and serde attributes that make the
/// layout depend on the value do not work: `flatten`, `untagged`, `tag`, `skip_serializing_if`. JSON has its own gap:
/// the keys of a map must be strings, numbers or unit variants.
///
/// # What a stranger's body can cost
///
/// Bincode bodies are read by a decoder that believes no length in them: see the bounds on [`decode`](Self::decode).
/// JSON has no lengths to believe, and `serde_json` stops at 128 nested arrays and objects. What remains in the
/// caller's hand is the choice of types: a list costs up to its element's size in memory per byte of body.
///
/// # Not canonical
///
/// Different bytes can decode to equal values (a bincode integer may be written longer than needed, JSON has
/// whitespace). Whoever signs or hashes a value must keep the bytes that came, not encode it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Compact and fast: bincode 2, little-endian, with variable-length integers.
    #[default]
    Bincode,
    /// Readable: what a person at a terminal or a program in another language can follow.
    Json,
}

impl Format {
    /// Writes `value` as one body.
    ///
    /// # Errors
    ///
    /// [`EncodeError::Unsupported`] if the format cannot express the value.
    pub fn encode<T: Serialize + ?Sized>(self, value: &T) -> Result<Bytes, EncodeError> {
        let body = match self {
            Self::Bincode => bincode_format::encode(value),
            Self::Json => json_format::encode(value),
        };
        body.map(Bytes::from)
            .map_err(|reason| EncodeError::Unsupported {
                value: type_name::<T>(),
                format: self,
                reason,
            })
    }

    /// Reads the one value that `body` holds.
    ///
    /// In bincode, values nest at most 128 deep, where each struct, tuple, enum, option, list and map is a level; and
    /// all lists, sets and maps together hold at most one element per byte of the body. Only elements that are written
    /// as no bytes at all, as in `Vec<()>`, meet the second bound: a few bytes could claim billions of them.
    ///
    /// An empty body holds a value only in bincode, and only one that takes no bytes, such as `()`.
    ///
    /// # Errors
    ///
    /// - [`DecodeError::UnexpectedEnd`] if the body ends inside the value, also when a length in it claims too much.
    /// - [`DecodeError::Malformed`] if the bytes spell no `T`, or a bound above is exceeded.
    /// - [`DecodeError::TrailingBytes`] if bytes follow the value. After JSON, whitespace may follow; a byte glued
    ///   to a bare number or word, as in `12x`, spoils the value itself and is `Malformed`, and so is a JSON body
    ///   that ends inside a number, after its `-` or `.`.
    pub fn decode<T: DeserializeOwned>(self, body: &[u8]) -> Result<T, DecodeError> {
        let decoded = match self {
            Self::Bincode => bincode_format::decode(body),
            Self::Json => json_format::decode(body),
        };
        let expected = type_name::<T>();
        let body_len = body.len();
        let Decoded {
            value,
            len,
            trailing,
        } = decoded.map_err(|failure| match failure {
            Failure::UnexpectedEnd => DecodeError::UnexpectedEnd {
                expected,
                format: self,
                body_len,
            },
            Failure::Malformed(reason) => DecodeError::Malformed {
                expected,
                format: self,
                body_len,
                reason,
            },
        })?;
        if trailing {
            return Err(DecodeError::TrailingBytes {
                decoded: len,
                trailing: body_len - len,
            });
        }
        Ok(value)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bincode => "bincode",
            Self::Json => "json",
        })
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        match word {
            "bincode" => Ok(Self::Bincode),
            "json" => Ok(Self::Json),
            found => Err(UnknownFormat {
                found: found.to_owned(),
            }),
        }
    }
}

/// A value read from the front of a body. Each format answers with this, and knows itself what counts as trailing.
pub(crate) struct Decoded<T> {
    pub(crate) value: T,
    /// Bytes the value took.
    pub(crate) len: usize,
    /// Whether anything that matters comes after them.
    pub(crate) trailing: bool,
}

/// Why a format read no value.
pub(crate) enum Failure {
    UnexpectedEnd,
    Malformed(Reason),
}
