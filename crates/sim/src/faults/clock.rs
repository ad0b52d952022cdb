//! Clocks drift, and wall clocks jump.

use std::time::Duration;

use rand::RngExt as _;

use super::{Remedy, Stage, seconds};
use crate::clock::DRIFT_MAX;
use crate::dice::Dice as _;

pub(super) fn strike(stage: &mut Stage<'_>) -> Option<(Duration, Remedy)> {
    let victim = stage.victim()?;
    let now = stage.world.now();
    // A minute forward or back is less than what lets an old attempt be voted on again.
    let (ppm, jump_ms) = (
        stage.rng.random_range(-DRIFT_MAX..=DRIFT_MAX),
        stage.rng.random_range(-60_000..=60_000),
    );
    let clock = &mut stage.world.host_mut(victim).clock;
    clock.drift(now, ppm);
    if stage.rng.one_in(2) {
        clock.jump(jump_ms);
    }
    stage.world.tell(format!(
        "the clock of {victim} runs wrong: {ppm} ppm, {jump_ms} ms at most"
    ));
    Some((
        stage.rng.span(seconds(5), seconds(40)),
        Remedy::Clock(victim),
    ))
}
