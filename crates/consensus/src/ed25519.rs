//! Ed25519 (RFC 8032), the built-in scheme.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

use crate::id::{Digest, NodeId, Signature};
use crate::scheme::{Scheme, Signer};

/// Checks Ed25519 signatures strictly: weak keys and non-canonical encodings are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ed25519;

impl Scheme for Ed25519 {
    fn verify(&self, signer: &NodeId, statement: &Digest, signature: &Signature) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(signer.as_bytes()) else {
            return false;
        };
        let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
        key.verify_strict(statement.as_bytes(), &signature).is_ok()
    }
}

/// An Ed25519 secret key. Wiped from memory when dropped; never printed.
#[derive(Clone)]
pub struct Ed25519Key(SigningKey);

impl Ed25519Key {
    /// The key with these 32 secret bytes (RFC 8032's private key). They must come from a cryptographic generator.
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// The 32 secret bytes, for storing the key.
    pub fn secret(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl Signer for Ed25519Key {
    fn id(&self) -> NodeId {
        NodeId::new(self.0.verifying_key().to_bytes())
    }

    fn sign(&self, statement: &Digest) -> Signature {
        Signature::new(self.0.sign(statement.as_bytes()).to_bytes())
    }
}

impl fmt::Debug for Ed25519Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ed25519Key({:?})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transcript::Transcript;

    #[test]
    fn a_signature_holds_for_its_signer_and_statement_only() {
        let (a, b) = (
            Ed25519Key::from_secret(&[1; 32]),
            Ed25519Key::from_secret(&[2; 32]),
        );
        let statement = Transcript::new("x").finish();
        let signature = a.sign(&statement);
        assert!(Ed25519.verify(&a.id(), &statement, &signature));
        assert!(!Ed25519.verify(&b.id(), &statement, &signature));
        assert!(!Ed25519.verify(&a.id(), &Transcript::new("y").finish(), &signature));
    }

    #[test]
    fn a_key_that_is_no_curve_point_verifies_nothing() {
        let statement = Transcript::new("x").finish();
        let signature = Ed25519Key::from_secret(&[1; 32]).sign(&statement);
        for byte in 0..=255 {
            assert!(!Ed25519.verify(&NodeId::new([byte; 32]), &statement, &signature));
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = Ed25519Key::from_secret(&[0x5a; 32]);
        assert!(!format!("{key:?}").contains("5a5a"));
    }
}
