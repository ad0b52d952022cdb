//! What is hashed and signed: a domain tag and length-prefixed fields.
//!
//! Statements are hashed field by field, never as the bytes of a serialisation format, so that the format on the
//! wire can change without touching a signature, and no two statements share their bytes: the tag names the kind of
//! statement, and each variable field is preceded by its length.

use sha2::block_api::compress256;

use crate::id::Digest;

/// A statement being hashed with SHA-256.
///
/// It is gathered and padded here, and nearly always hashed at once: statements are short, and field by field the buffering
/// would cost as much as the hashing.
#[derive(Debug, Clone)]
pub struct Transcript {
    state: [u32; 8],
    /// What is not hashed yet.
    pending: [u8; PENDING_MAX],
    len: usize,
    /// How many bytes were hashed before.
    hashed: u64,
}

/// What SHA-256 takes at once.
const BLOCK: usize = 64;
/// Whole blocks. Most motions and records fit.
const PENDING_MAX: usize = 4 * BLOCK;
/// A mark and the length in bits end what is hashed.
const PADDING_MIN: usize = 1 + LENGTH;
const LENGTH: usize = 8;

/// Where SHA-256 begins (FIPS 180-4, 5.3.3).
const BEGIN: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

impl Transcript {
    /// Starts the statement of the kind that `domain` names.
    #[inline]
    pub fn new(domain: &str) -> Self {
        let mut this = Self {
            state: BEGIN,
            pending: [0; PENDING_MAX],
            len: 0,
            hashed: 0,
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

    /// Adds a field of zeros that ends where a block of SHA-256 does.
    pub(crate) fn fill_block(&mut self) -> &mut Self {
        let end = self.len + LENGTH;
        let zeros = end.next_multiple_of(BLOCK) - end;
        self.bytes(&[0; BLOCK][..zeros])
    }

    /// The statement's digest. What is added from then on begins another, without a domain.
    pub fn finish(&mut self) -> Digest {
        let (mut state, last) = (self.state, &mut self.pending);
        let end = (self.len + PADDING_MIN).next_multiple_of(BLOCK);
        let bits = (self.hashed + self.len as u64) * 8;
        last[self.len] = 0x80;
        last[self.len + 1..end - LENGTH].fill(0);
        last[end - LENGTH..end].copy_from_slice(&bits.to_be_bytes());
        compress256(&mut state, last[..end].as_chunks().0);
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
            *bytes = word.to_be_bytes();
        }
        (self.state, self.len, self.hashed) = (BEGIN, 0, 0);
        Digest::new(digest)
    }

    /// Hashes what fills whole blocks already, so that copies need not.
    pub(crate) fn ahead(mut self) -> Self {
        self.hash_whole_blocks();
        self
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        let end = self.len.saturating_add(bytes.len());
        match self.pending.get_mut(self.len..end) {
            Some(room) if end <= PENDING_MAX - PADDING_MIN => {
                room.copy_from_slice(bytes);
                self.len = end;
            }
            _ => self.put_long(bytes),
        }
        self
    }

    /// Leaves less than a block pending.
    #[cold]
    fn put_long(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = &mut self.pending[self.len..];
            let (fitting, rest) = bytes.split_at(bytes.len().min(room.len()));
            room[..fitting.len()].copy_from_slice(fitting);
            self.len += fitting.len();
            self.hash_whole_blocks();
            bytes = rest;
        }
    }

    fn hash_whole_blocks(&mut self) {
        let (blocks, rest) = self.pending[..self.len].as_chunks();
        compress256(&mut self.state, blocks);
        let whole = self.len - rest.len();
        self.pending.copy_within(whole..self.len, 0);
        self.len -= whole;
        self.hashed += whole as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha256};

    proptest! {
        #[test]
        fn is_sha_256_of_length_prefixed_fields(
            fields in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..6),
            long in 0..2000usize,
            ahead in any::<bool>(),
        ) {
            let mut transcript = Transcript::new("domain");
            let mut whole = Sha256::new();
            let mut add = |field: &[u8]| {
                whole.update((field.len() as u64).to_be_bytes());
                whole.update(field);
            };
            add(b"domain");
            for field in fields.iter().chain([&vec![7; long]]) {
                transcript.bytes(field);
                add(field);
                if ahead {
                    transcript = transcript.ahead();
                }
            }
            let digest: [u8; 32] = whole.finalize().into();
            prop_assert_eq!(transcript.finish(), Digest::new(digest));
        }
    }

    #[test]
    fn a_filled_block_leaves_nothing_pending() {
        for len in 0..200 {
            let mut transcript = Transcript::new("test");
            transcript.bytes(&vec![7; len]).fill_block();
            let zeros = (BLOCK - (8 + 4 + 8 + len + 8) % BLOCK) % BLOCK;
            let written = [&4u64.to_be_bytes()[..], b"test"].concat();
            let written = [&written[..], &(len as u64).to_be_bytes(), &vec![7; len]].concat();
            let written = [&written[..], &(zeros as u64).to_be_bytes(), &vec![0; zeros]].concat();
            assert_eq!(transcript.clone().ahead().len, 0, "{len}");
            let digest: [u8; 32] = Sha256::digest(written).into();
            assert_eq!(transcript.finish(), Digest::new(digest), "{len}");
        }
    }

    #[test]
    fn every_length_is_padded_as_it_should_be() {
        for len in 0..600 {
            let field = vec![0x5a; len];
            let whole = [
                &4u64.to_be_bytes()[..],
                b"test",
                &(len as u64).to_be_bytes(),
                &field,
            ];
            let digest: [u8; 32] = Sha256::digest(whole.concat()).into();
            let transcript = Transcript::new("test").bytes(&field).finish();
            assert_eq!(transcript, Digest::new(digest), "{len}");
        }
    }
}
