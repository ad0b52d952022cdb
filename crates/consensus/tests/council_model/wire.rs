//! What is under way: a set of all that was ever sent. Each may arrive once, often, late or never.

use std::sync::Arc;

use quorate_consensus::{Proof, Vote};

use crate::cast::{Cast, Sealed};
use crate::held::HeldSet;

/// Something for one seed to take.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Envelope {
    pub(crate) to: usize,
    pub(crate) content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Content {
    /// Whoever sent it: all that hangs on that is who gets an answer, and every other seed does.
    Proposal(usize),
    Vote(Vote),
    Proof(Arc<Proof>, Sealed),
    /// A certificate that proves nothing.
    Forged(Arc<Proof>),
}

pub(crate) type Wire = HeldSet<Envelope>;

impl Content {
    pub(crate) fn proof(cast: &Cast, proof: Arc<Proof>) -> Self {
        let sealed = cast.sealed(&proof);
        Self::Proof(proof, sealed)
    }
}
