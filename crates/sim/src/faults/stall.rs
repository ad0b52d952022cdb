//! Segments are lost for a while, so that streams stand still until they are sent again.

use std::time::Duration;

use super::{Remedy, Stage, seconds};
use crate::dice::Dice as _;

pub(super) fn strike(stage: &mut Stage<'_>) -> Option<(Duration, Remedy)> {
    let one_in = *stage.rng.pick(&[4, 20, 100])?;
    stage
        .world
        .tell(format!("one in {one_in} frames has a segment lost"));
    stage.world.weather_mut().stall_one_in = one_in;
    Some((stage.rng.span(seconds(1), seconds(15)), Remedy::Weather))
}
