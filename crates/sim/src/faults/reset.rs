//! Connections are reset: some at once, then now and then for a while.

use std::time::Duration;

use rand::RngExt as _;

use super::{Remedy, Stage, seconds};
use crate::dice::Dice as _;

pub(super) fn strike(stage: &mut Stage<'_>) -> Option<(Duration, Remedy)> {
    let one_in = stage.rng.random_range(2..40);
    let mut all = stage.world.connections();
    all.retain(|_| stage.rng.one_in(one_in));
    stage
        .world
        .tell(format!("{} connections are reset", all.len()));
    all.into_iter().for_each(|number| stage.world.reset(number));
    stage.world.weather_mut().reset_one_in = *stage.rng.pick(&[0, 500, 5_000])?;
    Some((stage.rng.span(seconds(1), seconds(10)), Remedy::Weather))
}
