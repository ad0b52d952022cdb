//! Ed25519 (RFC 8032), the built-in scheme.

use std::collections::HashMap;
use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey, Verifier as _, VerifyingKey};

use crate::id::{Digest, NodeId, Signature};
use crate::scheme::{Scheme, Signed, Signer};

/// Checks Ed25519 signatures, one by one and without cofactors: weak keys, and signatures that are not encoded canonically,
/// are refused.
///
/// It does not refuse a signature whose own point is weak, which only a signer that gives away its key can make: everybody
/// judges it alike, and to look would cost as much as reading the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ed25519;

impl Scheme for Ed25519 {
    fn verify(&self, signer: &NodeId, statement: &Digest, signature: &Signature) -> bool {
        key_of(signer).is_some_and(|key| holds(&key, statement, signature))
    }

    /// Reads each signer's key once: that is nearly a fifth of the work, and a few voters sign most of what is read together.
    fn verify_each(&self, signed: &[Signed]) -> Vec<bool> {
        let mut keys = HashMap::new();
        let verify = |one: &Signed| {
            let key = keys.entry(one.signer).or_insert_with_key(key_of);
            let key = key.as_ref();
            key.is_some_and(|key| holds(key, &one.statement, &one.signature))
        };
        signed.iter().map(verify).collect()
    }
}

/// The key that a node is, if it is one, and not one of the few that anybody can sign for.
fn key_of(node: &NodeId) -> Option<VerifyingKey> {
    let key = VerifyingKey::from_bytes(node.as_bytes()).ok()?;
    (!key.is_weak()).then_some(key)
}

fn holds(key: &VerifyingKey, statement: &Digest, signature: &Signature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
    key.verify(statement.as_bytes(), &signature).is_ok()
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
    use proptest::prelude::*;

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
    fn nobody_signs_for_weak_keys() {
        let statement = Transcript::new("x").finish();
        // The neutral element, and the point of order two: a signature of zeros would hold for both, or half the time.
        let (mut neutral, mut of_order_two) = ([0; 32], [0xff; 32]);
        neutral[0] = 1;
        (of_order_two[0], of_order_two[31]) = (0xec, 0x7f);
        for key in [neutral, of_order_two] {
            for point in [neutral, of_order_two] {
                let signature = [point, [0; 32]].concat();
                let signature = Signature::new(signature.try_into().unwrap());
                assert!(!Ed25519.verify(&NodeId::new(key), &statement, &signature));
            }
        }
    }

    #[test]
    fn nobody_can_write_a_signature_in_another_way() {
        // The order of the group (RFC 8032, 5.1), the smallest byte first.
        const ORDER: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9,
            0xde, 0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let key = Ed25519Key::from_secret(&[1; 32]);
        let statement = Transcript::new("x").finish();
        let mut bytes = *key.sign(&statement).as_bytes();
        let mut carry = 0;
        for (byte, order) in bytes[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        assert!(!Ed25519.verify(&key.id(), &statement, &Signature::new(bytes)));
    }

    proptest! {
        #[test]
        fn many_are_judged_as_each_alone(
            signed in proptest::collection::vec((1..4u8, 0..3u64, 0..5u64, any::<bool>()), 0..12),
        ) {
            let signed: Vec<Signed> = signed
                .into_iter()
                .map(|(secret, signed, shown, is_point)| {
                    let key = Ed25519Key::from_secret(&[secret; 32]);
                    let statement = |number| Transcript::new("x").u64(number).finish();
                    Signed {
                        signer: if is_point { key.id() } else { NodeId::new([secret; 32]) },
                        statement: statement(shown),
                        signature: key.sign(&statement(signed)),
                    }
                })
                .collect();
            let alone = |one: &Signed| Ed25519.verify(&one.signer, &one.statement, &one.signature);
            let alone: Vec<bool> = signed.iter().map(alone).collect();
            prop_assert_eq!(Ed25519.verify_each(&signed), alone);
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = Ed25519Key::from_secret(&[0x5a; 32]);
        assert!(!format!("{key:?}").contains("5a5a"));
    }
}
