//! Ed25519 (RFC 8032), the built-in scheme.

use std::collections::HashMap;
use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use ed25519_zebra::{VerificationKey, batch};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

use crate::id::{Digest, NodeId, Signature};
use crate::scheme::{Scheme, Signed, Signer};
use crate::transcript::Transcript;

/// How many signatures one equation checks. More save nothing; and one that does not hold has all of them checked again.
const BATCH: usize = 1024;

/// Checks Ed25519 signatures by the equation with the cofactor, as ZIP 215 says, and refuses weak keys besides.
///
/// With that equation many signatures checked together are judged exactly as each alone, which is not so with the one
/// without the cofactor (Chalkias, Garillot, Nikolaenko: *Taming the many EdDSAs*, 2020). So what a voter counted by
/// itself, no reader of a certificate judges otherwise. Checked by the thousand, a signature costs a quarter of what it
/// costs alone. Nobody but its signer can write a signature in another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ed25519;

impl Scheme for Ed25519 {
    fn verify(&self, signer: &NodeId, statement: &Digest, signature: &Signature) -> bool {
        is_strong(signer)
            && VerificationKey::try_from(*signer.as_bytes())
                .is_ok_and(|key| key.verify(&read(signature), statement.as_bytes()).is_ok())
    }

    fn verify_each(&self, signed: &[Signed]) -> Vec<bool> {
        if let [one] = signed {
            return vec![self.verify(&one.signer, &one.statement, &one.signature)];
        }
        let mut strong = HashMap::new();
        let mut is_strong = |signer| *strong.entry(signer).or_insert_with_key(is_strong);
        let mut held = Vec::with_capacity(signed.len());
        for some in signed.chunks(BATCH) {
            let of_strong: Vec<bool> = some.iter().map(|one| is_strong(one.signer)).collect();
            let candidates = || some.iter().zip(&of_strong).filter(|(_, strong)| **strong);
            if do_all_hold(candidates().map(|(one, _)| one)) {
                held.extend(of_strong);
            } else {
                // Which does not, the equation does not say.
                held.extend(some.iter().zip(of_strong).map(|(one, strong)| {
                    strong && self.verify(&one.signer, &one.statement, &one.signature)
                }));
            }
        }
        held
    }
}

/// Whether a node is a key, and not one of the few that anybody can sign for.
fn is_strong(node: &NodeId) -> bool {
    VerifyingKey::from_bytes(node.as_bytes()).is_ok_and(|key| !key.is_weak())
}

fn read(signature: &Signature) -> ed25519_zebra::Signature {
    ed25519_zebra::Signature::from_bytes(signature.as_bytes())
}

/// Checks a random combination of all. What is random in it follows from all that is checked, so that who signs cannot
/// know it before, and the same signatures are always judged alike.
fn do_all_hold<'a>(signed: impl Iterator<Item = &'a Signed> + Clone) -> bool {
    let mut transcript = Transcript::new("batch");
    let mut verifier = batch::Verifier::new();
    for one in signed {
        let Signed {
            signer,
            statement,
            signature,
        } = one;
        transcript.bytes(signer.as_ref());
        transcript.bytes(statement.as_ref());
        transcript.bytes(signature.as_bytes());
        verifier.queue((
            (*signer.as_bytes()).into(),
            read(signature),
            statement.as_bytes(),
        ));
    }
    let seed = transcript.finish();
    verifier
        .verify(ChaCha20Rng::from_seed(*seed.as_bytes()))
        .is_ok()
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
    use curve25519_dalek::constants::EIGHT_TORSION;
    use curve25519_dalek::{EdwardsPoint, Scalar};
    use proptest::prelude::*;
    use sha2::{Digest as _, Sha512};

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

    /// A signature by somebody who knows the key, with parts of small order in the key and in the signature's own point.
    fn signed_with_torsion(of_key: usize, of_point: usize, number: u64) -> Signed {
        let scalar = |number: u64| Scalar::from(number + 2);
        let key = EdwardsPoint::mul_base(&scalar(7)) + EIGHT_TORSION[of_key];
        let point = EdwardsPoint::mul_base(&scalar(number)) + EIGHT_TORSION[of_point];
        let (key, point) = (key.compress(), point.compress());
        let statement = Transcript::new("x").u64(number).finish();
        let challenge = Sha512::new()
            .chain_update(point.as_bytes())
            .chain_update(key.as_bytes())
            .chain_update(statement.as_bytes());
        let challenge = Scalar::from_bytes_mod_order_wide(&challenge.finalize().into());
        let answer = scalar(number) + challenge * scalar(7);
        let signature = [*point.as_bytes(), *answer.as_bytes()].concat();
        Signed {
            signer: NodeId::new(*key.as_bytes()),
            statement,
            signature: Signature::new(signature.try_into().unwrap()),
        }
    }

    #[test]
    fn parts_of_small_order_make_no_difference_alone_or_among_others() {
        let pairs = (0..8).flat_map(|of_key| (0..8).map(move |of_point| (of_key, of_point)));
        let signed: Vec<Signed> = (1..)
            .zip(pairs)
            .map(|(number, (of_key, of_point))| signed_with_torsion(of_key, of_point, number))
            .collect();
        for one in &signed {
            assert!(
                Ed25519.verify(&one.signer, &one.statement, &one.signature),
                "{one:?}"
            );
        }
        assert_eq!(Ed25519.verify_each(&signed), vec![true; signed.len()]);
        for pair in signed.windows(2) {
            assert_eq!(Ed25519.verify_each(pair), [true, true]);
        }
    }

    #[test]
    fn among_thousands_those_that_do_not_hold_are_found() {
        let key = Ed25519Key::from_secret(&[1; 32]);
        let weak = NodeId::new(*EIGHT_TORSION[1].compress().as_bytes());
        let signed: Vec<Signed> = (0..2 * BATCH as u64 + 3)
            .map(|number| {
                let statement = Transcript::new("x").u64(number).finish();
                let over = if number % 900 == 5 {
                    Digest::new([9; 32])
                } else {
                    statement
                };
                let signer = if number % 1000 == 7 { weak } else { key.id() };
                Signed {
                    signer,
                    statement,
                    signature: key.sign(&over),
                }
            })
            .collect();
        let expected = (0..signed.len()).map(|number| number % 900 != 5 && number % 1000 != 7);
        assert_eq!(
            Ed25519.verify_each(&signed),
            expected.collect::<Vec<bool>>()
        );
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
