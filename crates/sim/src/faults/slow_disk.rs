//! A disk takes long for every write.

use std::time::Duration;

use super::{Remedy, Stage, seconds};
use crate::dice::Dice as _;

pub(super) fn strike(stage: &mut Stage<'_>) -> Option<(Duration, Remedy)> {
    let victim = stage.victim()?;
    let max = *stage
        .rng
        .pick(&[Duration::from_millis(100), seconds(1), seconds(4)])?;
    stage
        .world
        .tell(format!("the disk of {victim} takes up to {max:?}"));
    stage.world.host_mut(victim).disk_max = max;
    Some((
        stage.rng.span(seconds(1), seconds(20)),
        Remedy::Disk(victim),
    ))
}
