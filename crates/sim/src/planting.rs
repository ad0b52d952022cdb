//! Products that are broken on purpose, in builds that can break them (the feature `planted`).

#[cfg(feature = "planted")]
pub(crate) use quorate_planted::{Fault, with};

/// Runs a check on a product that is not broken: checkers verify with the product's own code.
#[cfg(feature = "planted")]
pub(crate) fn unplanted<T>(check: impl FnOnce() -> T) -> T {
    with(None, check)
}

/// The fault of that name.
#[cfg(feature = "planted")]
pub(crate) fn find(name: &str) -> Result<Fault, String> {
    name.parse()
        .map_err(|error: quorate_planted::UnknownFault| error.to_string())
}

/// What could be planted: nothing.
#[cfg(not(feature = "planted"))]
pub(crate) enum Fault {}

#[cfg(not(feature = "planted"))]
pub(crate) fn with<T>(_: Option<Fault>, act: impl FnOnce() -> T) -> T {
    act()
}

#[cfg(not(feature = "planted"))]
pub(crate) fn unplanted<T>(check: impl FnOnce() -> T) -> T {
    check()
}

#[cfg(not(feature = "planted"))]
pub(crate) fn find(name: &str) -> Result<Fault, String> {
    Err(format!(
        "nothing can be planted in this build, not even {name}: build with --features planted"
    ))
}
