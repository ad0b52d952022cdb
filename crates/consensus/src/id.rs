//! Fixed-size names: nodes, networks, digests, signatures.
//!
//! All are plain bytes. They print as hexadecimal, and serialise as hexadecimal in formats made for people
//! (JSON) and as raw bytes elsewhere.

use std::cmp::Ordering;
use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of another length than the name has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} bytes, got {got}")]
pub struct LengthError {
    /// How many bytes the name has.
    pub expected: usize,
    /// How many bytes came.
    pub got: usize,
}

/// A text that is not the hexadecimal form of a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hexadecimal digits, got {got:?}")]
pub struct HexError {
    /// How many digits the name has.
    pub expected: usize,
    /// The text that came, cut to 80 characters.
    pub got: String,
}

fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let error = || HexError {
        expected: 2 * N,
        got: text.chars().take(80).collect(),
    };
    if text.len() != 2 * N || !text.is_ascii() {
        return Err(error());
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |c: u8| (c as char).to_digit(16).ok_or_else(error);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Ok(bytes)
}

struct BytesVisitor<const N: usize>;

impl<const N: usize> Visitor<'_> for BytesVisitor<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes or {} hexadecimal digits", 2 * N)
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        bytes
            .try_into()
            .map_err(|_| E::invalid_length(bytes.len(), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        parse_hex(text).map_err(E::custom)
    }
}

/// As bytes are compared, but eight at a time: the first nearly always tell, unless all are equal.
#[inline]
fn compare<const N: usize>(one: &[u8; N], other: &[u8; N]) -> Ordering {
    let first = |name: &[u8; N]| name.first_chunk().copied().map(u64::from_be_bytes);
    match first(one).cmp(&first(other)) {
        Ordering::Equal if one == other => Ordering::Equal,
        Ordering::Equal => rest(one, other),
        order => order,
    }
}

#[cold]
fn rest(one: &[u8], other: &[u8]) -> Ordering {
    one.cmp(other)
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $name([u8; $len]);

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                compare(&self.0, &other.0)
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl $name {
            /// The name with these bytes.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// Its bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = LengthError;

            fn try_from(bytes: &[u8]) -> Result<Self, LengthError> {
                let got = bytes.len();
                bytes
                    .try_into()
                    .map(Self)
                    .map_err(|_| LengthError { expected: $len, got })
            }
        }

        impl std::str::FromStr for $name {
            type Err = HexError;

            fn from_str(text: &str) -> Result<Self, HexError> {
                parse_hex(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({}…)"), Short(&self.0))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    deserializer.deserialize_str(BytesVisitor::<$len>).map(Self)
                } else {
                    deserializer.deserialize_bytes(BytesVisitor::<$len>).map(Self)
                }
            }
        }
    };
}

name!(
    /// A node: its public key under the network's [`Scheme`](crate::Scheme), 32 bytes.
    NodeId, 32
);
name!(
    /// A network: a hash of what founded it. Part of every signed statement, so that nothing signed in one
    /// network means anything in another.
    NetworkId, 32
);
name!(
    /// A SHA-256 digest.
    Digest, 32
);
name!(
    /// A proposal: the digest of everything it says.
    ProposalId, 32
);
name!(
    /// A signature under the network's [`Scheme`](crate::Scheme), 64 bytes.
    Signature, 64
);

impl NetworkId {
    /// No network: what a founding record names, and a node that has not found a network yet.
    pub const NONE: Self = Self([0; 32]);
}

impl NodeId {
    /// The first eight hexadecimal digits, for logs and tables.
    pub fn short(&self) -> impl fmt::Display + '_ {
        Short(&self.0)
    }
}

impl From<u64> for NodeId {
    /// A made-up node for tests and simulations: the number in the first eight bytes, so that order is kept.
    /// No Ed25519 key belongs to it.
    fn from(number: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Self(bytes)
    }
}

struct Short<'a>(&'a [u8]);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .take(4)
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_reads_back_and_bad_text_is_named() {
        let id = NodeId::from(0xdead_beef);
        assert_eq!(id.to_string().parse::<NodeId>().unwrap(), id);
        let error = "xyz".parse::<NodeId>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected 64 hexadecimal digits, got \"xyz\""
        );
        // 64 bytes, but not 64 characters: must not split a character.
        assert!("é".repeat(32).parse::<NodeId>().is_err());
    }

    #[test]
    fn json_is_hexadecimal() {
        let id = NodeId::from(7);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<NodeId>(&json).unwrap(), id);
        assert!(serde_json::from_str::<NodeId>("\"00\"").is_err());
    }
}
