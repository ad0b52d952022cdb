//! Processes are killed, and start again after a while.

use std::time::Duration;

use super::{Remedy, Stage, seconds};
use crate::dice::Dice as _;
use crate::world::Death;

pub(super) fn strike(stage: &mut Stage<'_>) -> Option<(Duration, Remedy)> {
    let victim = stage.victim()?;
    stage.world.kill(victim, Death::Killed);
    let span = if stage.rng.one_in(2) {
        seconds(1)
    } else {
        seconds(15)
    };
    Some((
        stage.rng.span(Duration::from_millis(20), span),
        Remedy::Start(victim),
    ))
}
