//! Some hosts hear the others but are not heard, or the other way round.

use std::time::Duration;

use super::{Remedy, Stage, seconds};
use crate::dice::Dice as _;

pub(super) fn strike(stage: &mut Stage<'_>) -> Option<(Duration, Remedy)> {
    let part = stage.some();
    let rest = stage.others(&part);
    let (from, to) = if stage.rng.one_in(2) {
        (part, rest)
    } else {
        (rest, part)
    };
    stage.world.tell(format!(
        "{} hosts are not heard by {}: {from:?}",
        from.len(),
        to.len()
    ));
    stage.world.cut(from, to);
    Some((stage.rng.span(seconds(1), seconds(20)), Remedy::Mend))
}
