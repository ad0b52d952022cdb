//! What the engines ask of a node's identity.

use std::fmt::Debug;
use std::hash::Hash;

/// A node's identity: a small, ordered value with one byte form.
///
/// Implemented for everything that fits, so `[u8; 1]` serves in tests and a public key of another
/// crate serves in production. The bytes are hashed into message ids and written into
/// [`Content`](crate::Content); they must be the same on every machine, at most
/// [`ORIGIN_LEN_MAX`](crate::ORIGIN_LEN_MAX) long, and `try_from(id.as_ref())` must give `id` back.
pub trait PeerId: Copy + Ord + Hash + Debug + AsRef<[u8]> + for<'a> TryFrom<&'a [u8]> {}

impl<T> PeerId for T where T: Copy + Ord + Hash + Debug + AsRef<[u8]> + for<'a> TryFrom<&'a [u8]> {}
