//! What is hashed and signed: a domain tag and length-prefixed fields.
//!
//! Statements are hashed field by field, never as the bytes of a serialisation format, so that the format on the
//! wire can change without touching a signature, and no two statements share their bytes: the tag names the kind of
//! statement, and each variable field is preceded by its length.

use sha2::{Digest as _, Sha256};

use crate::id::Digest;

/// A statement being hashed with SHA-256.
#[derive(Debug, Clone)]
pub struct Transcript {
    hash: Sha256,
    /// What is not hashed yet. Nearly all statements fit, and are hashed at once, which is far faster than field by field.
    pending: [u8; PENDING_MAX],
    len: usize,
}

const PENDING_MAX: usize = 256;
/// What SHA-256 takes at once.
const BLOCK: usize = 64;

impl Transcript {
    /// Starts the statement of the kind that `domain` names.
    #[inline]
    pub fn new(domain: &str) -> Self {
        let mut this = Self {
            hash: Sha256::new(),
            pending: [0; PENDING_MAX],
            len: 0,
        };
        this.bytes(domain.as_bytes());
        this
    }

    /// Adds a field of any length.
    #[inline]
    pub fn bytes(&mut self, field: &[u8]) -> &mut Self {
        self.u64(field.len() as u64).put(field)
    }

    /// Adds a number.
    #[inline]
    pub fn u64(&mut self, number: u64) -> &mut Self {
        self.put(&number.to_be_bytes())
    }

    /// Adds a list: its length, then each item as a field.
    pub fn list<T: AsRef<[u8]>>(&mut self, items: impl ExactSizeIterator<Item = T>) -> &mut Self {
        self.u64(items.len() as u64);
        items.fold(self, |this, item| this.bytes(item.as_ref()))
    }

    /// The statement's digest. What is added from then on begins another.
    pub fn finish(&mut self) -> Digest {
        self.hash.update(&self.pending[..self.len]);
        self.len = 0;
        Digest::new(self.hash.finalize_reset().into())
    }

    /// Hashes what fills whole blocks already, so that copies need not.
    pub(crate) fn ahead(mut self) -> Self {
        let whole = self.len - self.len % BLOCK;
        self.hash.update(&self.pending[..whole]);
        self.pending.copy_within(whole..self.len, 0);
        self.len -= whole;
        self
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.len.saturating_add(bytes.len());
        if let Some(room) = self.pending.get_mut(self.len..end) {
            room.copy_from_slice(bytes);
            self.len = end;
        } else {
            self.spill(bytes);
        }
        self
    }

    #[cold]
    fn spill(&mut self, bytes: &[u8]) {
        self.hash.update(&self.pending[..self.len]);
        self.hash.update(bytes);
        self.len = 0;
    }
}
