//! Which lives can be entered in an epoch, so that no life is entered twice though ends are forgotten.
//!
//! What a node said in a life it can be held to: its messages are numbered within it, and whoever has counted those takes a
//! number that comes again for a replay. While an end is on the roster, it keeps its life closed. But rosters forget ends
//! after [`ENDS_KEPT`] further epochs, and then nobody knows which lives a node has had; it may not know itself.
//!
//! So each life belongs to an epoch, by its number, and can be entered in that epoch and as many after it as ends are kept.
//! A life of epoch r is entered in r + 2 at the latest, so it ends in an epoch whose ends are forgotten in r + 3 at the
//! earliest: by then it is closed for good, to everybody, and no memory is needed for it. How long a life that was entered
//! lasts is not limited.

use std::ops::Range;

use crate::endorsement::ENDS_KEPT;

/// How many lives belong to an epoch. A node that needed ten seconds for each would use them up in 300 years.
const LIVES: u64 = 1_000_000_000;

/// The first life of a node that begins in an epoch and knows of no life before.
pub const fn first_life(epoch: u64) -> u64 {
    epoch.saturating_mul(LIVES).saturating_add(1)
}

/// The lives that can be entered in an epoch.
pub(crate) const fn open_lives(epoch: u64) -> Range<u64> {
    let first = epoch.saturating_sub(ENDS_KEPT).saturating_mul(LIVES);
    first..epoch.saturating_add(1).saturating_mul(LIVES)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_forgotten_is_closed_and_what_begins_is_open(
            entered in 0_u64..1 << 30,
            lasts in 0_u64..10,
            offset in 0..3 * LIVES,
        ) {
            let open = open_lives(entered);
            let life = open.start + offset % (open.end - open.start);
            prop_assert!(open.contains(&life));
            // Whoever knows of the end takes the next, of its own epoch if that is later.
            let ended = entered + lasts;
            let next = (life + 1).max(first_life(ended));
            prop_assert!(open_lives(ended).contains(&next) || next == open_lives(ended).end);
            let forgotten = ended + ENDS_KEPT + 1;
            prop_assert!(!open_lives(forgotten).contains(&life));
            let begins = first_life(forgotten);
            prop_assert!(open_lives(forgotten).contains(&begins));
            // A candidate that has not heard of the last changes yet.
            prop_assert!(open_lives(forgotten + ENDS_KEPT).contains(&begins));
        }
    }

    #[test]
    fn the_last_epoch_does_not_wrap() {
        assert!(open_lives(u64::MAX).is_empty());
        assert_eq!(first_life(u64::MAX), u64::MAX);
        assert_eq!(first_life(0), 1);
        assert!(open_lives(0).contains(&0));
    }
}
