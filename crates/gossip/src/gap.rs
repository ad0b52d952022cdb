//! Messages that have not come.

use std::ops::RangeInclusive;

/// Messages of one origin that have not come, though later ones of it have.
///
/// Told one to two times [`Config::gap_timeout`](crate::Config::gap_timeout) after the first later one
/// came, or as soon as they cannot come any more. They were lost, or never said: an honest origin that dropped a
/// [`Draft`](crate::Draft) leaves such a hole too. What comes after this was told, while the origin's window
/// still reaches back, is delivered all the same.
///
/// Nothing tells of messages that no later one followed, or that were said before the first that this
/// engine has heard of the origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap<P> {
    /// Who said them, if anybody did.
    pub origin: P,
    /// In which incarnation.
    pub incarnation: u64,
    /// Their numbers, from the first to the last.
    pub sequences: RangeInclusive<u64>,
}
