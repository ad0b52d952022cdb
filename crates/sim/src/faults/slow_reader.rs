//! A host reads more slowly than others send.

use std::time::Duration;

use super::{Remedy, Stage, seconds};
use crate::dice::Dice as _;

pub(super) fn strike(stage: &mut Stage<'_>) -> Option<(Duration, Remedy)> {
    let victim = stage.victim()?;
    let rate = *stage.rng.pick(&[300, 3_000, 30_000])?;
    stage
        .world
        .tell(format!("{victim} reads {rate} bytes in a second"));
    stage.world.set_reading(victim, Some(rate));
    Some((
        stage.rng.span(seconds(1), seconds(20)),
        Remedy::Read(victim),
    ))
}
