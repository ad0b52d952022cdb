//! The network is in two parts for a while.

use std::time::Duration;

use super::{Remedy, Stage, seconds};
use crate::dice::Dice as _;

pub(super) fn strike(stage: &mut Stage<'_>) -> Option<(Duration, Remedy)> {
    let part = stage.some();
    let rest = stage.others(&part);
    stage.world.tell(format!(
        "{} hosts are cut off from {}: {part:?}",
        part.len(),
        rest.len()
    ));
    stage.world.cut(part.clone(), rest.clone());
    stage.world.cut(rest, part);
    Some((stage.rng.span(seconds(1), seconds(25)), Remedy::Mend))
}
