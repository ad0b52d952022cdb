//! The one way this crate hashes: a domain tag, then fields that cannot run into each other.

use sha2::{Digest, Sha256};

/// SHA-256 over a tag and a list of fields.
///
/// Numbers take eight bytes and byte strings carry their length, so two different lists never feed
/// the same bytes to the hash.
pub(crate) struct FieldHasher(Sha256);

impl FieldHasher {
    /// `tag` says what is being hashed, so that no hash can be taken for one made for another
    /// purpose.
    pub(crate) fn new(tag: &'static str) -> Self {
        Self(Sha256::new()).bytes(tag.as_bytes())
    }

    pub(crate) fn number(mut self, number: u64) -> Self {
        self.0.update(number.to_be_bytes());
        self
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        // usize is at most 64 bits on every platform Rust supports.
        let mut hasher = self.number(bytes.len() as u64);
        hasher.0.update(bytes);
        hasher
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
