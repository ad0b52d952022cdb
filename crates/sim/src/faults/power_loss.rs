//! Hosts lose power: nobody is told, and what was not synced is lost or torn.

use std::time::Duration;

use super::{Remedy, Stage, seconds};
use crate::dice::Dice as _;
use crate::world::Death;

pub(super) fn strike(stage: &mut Stage<'_>) -> Option<(Duration, Remedy)> {
    let victim = stage.victim()?;
    stage.world.kill(victim, Death::PowerLost);
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
