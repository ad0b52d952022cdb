//! The promises, watched all the time.

use crate::fact::{Fact, View};

/// Watches one promise.
pub trait Checker: Send {
    /// The promise's name.
    fn name(&self) -> &'static str;

    /// Something happened.
    ///
    /// # Errors
    /// How it breaks the promise: which nodes, and why that must not be.
    fn see(&mut self, fact: &Fact<'_>, view: View<'_>) -> Result<(), String>;

    /// Whether all is as it must be once faults have stopped and some time has passed.
    ///
    /// # Errors
    /// What is not yet so. It is a broken promise when the time for it is over.
    fn settled(&mut self, view: View<'_>) -> Result<(), String> {
        let _ = view;
        Ok(())
    }
}
