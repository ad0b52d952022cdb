//! The promises, watched all the time: one file each.
//!
//! A checker is told everything that happens and sees everything there is. It keeps what it needs of the past in its own
//! words, so that what it says does not rest on what the nodes believe, and verifies signatures with the product's own code.

mod agreement;
mod bounds;
mod delivery;
mod durability;
mod evidence;
mod false_eviction;
mod handover;
mod lives;
mod progress;
mod proof;
mod succession;

pub use agreement::Agreement;
pub use bounds::{AMISS_MAX, Bounds, FRAMES_MAX, QUESTIONS_MAX, QUESTIONS_SPAN, WRITES_MAX};
pub use delivery::DeliveryChecker;
pub use durability::Durability;
pub use evidence::EvidenceChecker;
pub use false_eviction::FalseEviction;
pub use handover::HandoverChecker;
pub use progress::ProgressChecker;
pub use proof::ProofChecker;
pub use succession::SuccessionChecker;

use crate::fact::{Fact, View};
use crate::options::NetworkKind;

/// All that are of use in a network of this kind.
pub fn all(network: NetworkKind) -> Vec<Box<dyn Checker>> {
    let mut all: Vec<Box<dyn Checker>> = vec![
        Box::<FalseEviction>::default(),
        Box::<Durability>::default(),
        Box::<DeliveryChecker>::default(),
        Box::<Bounds>::default(),
        Box::<ProgressChecker>::default(),
        Box::<Agreement>::default(),
    ];
    match network {
        NetworkKind::Seeded => {
            all.push(Box::<ProofChecker>::default());
            all.push(Box::<EvidenceChecker>::default());
            all.push(Box::<HandoverChecker>::default());
        }
        NetworkKind::Open => all.push(Box::<SuccessionChecker>::default()),
    }
    all
}

/// Watches one promise.
pub trait Checker: Send {
    /// The promise's name.
    fn name(&self) -> &'static str;

    /// Something happened.
    ///
    /// # Errors
    /// How it breaks the promise: which nodes, and why that must not be.
    fn see(&mut self, fact: &Fact<'_>, view: View<'_>) -> Result<(), String>;

    /// Whether all is as it must be once faults have stopped and some time has passed. Asked again and again until it is, or
    /// the time for it is over.
    ///
    /// # Errors
    /// What is not yet so. It is a broken promise when the time for it is over.
    fn settled(&mut self, view: View<'_>) -> Result<(), String> {
        let _ = view;
        Ok(())
    }
}
