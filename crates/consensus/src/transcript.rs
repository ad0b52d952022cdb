//! What is hashed and signed: a domain tag and length-prefixed fields.
//!
//! Statements are hashed field by field, never as the bytes of a serialisation format, so that the format on the
//! wire can change without touching a signature, and no two statements share their bytes: the tag names the kind of
//! statement, and each variable field is preceded by its length.

use sha2::{Digest as _, Sha256};

use crate::id::Digest;

/// A statement being hashed with SHA-256.
#[derive(Debug, Clone)]
pub struct Transcript(Sha256);

impl Transcript {
    /// Starts the statement of the kind that `domain` names.
    pub fn new(domain: &str) -> Self {
        Self(Sha256::new()).bytes(domain.as_bytes())
    }

    /// Adds a field of any length.
    #[must_use]
    pub fn bytes(self, field: &[u8]) -> Self {
        let mut this = self.u64(field.len() as u64);
        this.0.update(field);
        this
    }

    /// Adds a number.
    #[must_use]
    pub fn u64(mut self, number: u64) -> Self {
        self.0.update(number.to_be_bytes());
        self
    }

    /// Adds a list: its length, then each item as a field.
    #[must_use]
    pub fn list<T: AsRef<[u8]>>(self, items: impl ExactSizeIterator<Item = T>) -> Self {
        let this = self.u64(items.len() as u64);
        items.fold(this, |this, item| this.bytes(item.as_ref()))
    }

    /// The statement's digest.
    pub fn finish(self) -> Digest {
        Digest::new(self.0.finalize().into())
    }
}
