//! How statements are signed and checked.

use std::fmt::Debug;

use crate::id::{Digest, NodeId, Signature};

/// Checks signatures. Stateless and cheap to share.
///
/// Implementations must reject malleable variants: for one signer and statement, an outsider must not be able to
/// turn one accepted signature into another.
pub trait Scheme: Debug + Send + Sync {
    /// Whether `signature` is `signer`'s over `statement`.
    fn verify(&self, signer: &NodeId, statement: &Digest, signature: &Signature) -> bool;

    /// Whether each of many signatures holds, in their order: what [`verify`](Self::verify) says of each. A scheme that can
    /// check many by one equation, or use several processors, does so here.
    fn verify_each(&self, signed: &[Signed]) -> Vec<bool> {
        let verify = |one: &Signed| self.verify(&one.signer, &one.statement, &one.signature);
        signed.iter().map(verify).collect()
    }
}

/// A signature to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signed {
    /// Who is said to have signed.
    pub signer: NodeId,
    /// What.
    pub statement: Digest,
    /// With which signature.
    pub signature: Signature,
}

/// A secret key that signs as one node.
pub trait Signer: Debug + Send + Sync {
    /// The node whose key this is.
    fn id(&self) -> NodeId;

    /// Signs a statement.
    fn sign(&self, statement: &Digest) -> Signature;
}

/// A scheme that proves nothing, for simulations and tests: anybody can compute anybody's signature.
///
/// It still tells apart signers and statements, so protocol faults show; only forgery is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Unproven;

impl Unproven {
    /// A signer that claims to be `id`.
    pub const fn signer(id: NodeId) -> UnprovenSigner {
        UnprovenSigner(id)
    }
}

impl Scheme for Unproven {
    fn verify(&self, signer: &NodeId, statement: &Digest, signature: &Signature) -> bool {
        matches!(signature.as_bytes().as_chunks().0, [of, over] if of == signer.as_bytes() && over == statement.as_bytes())
    }
}

/// A signer of the [`Unproven`] scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnprovenSigner(NodeId);

impl Signer for UnprovenSigner {
    fn id(&self) -> NodeId {
        self.0
    }

    fn sign(&self, statement: &Digest) -> Signature {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(self.0.as_bytes());
        bytes[32..].copy_from_slice(statement.as_bytes());
        Signature::new(bytes)
    }
}
