//! Processes stand still while their sockets stay open, and go on as if nothing had been.

use std::time::Duration;

use super::{Remedy, Stage, seconds};
use crate::dice::Dice as _;

pub(super) fn strike(stage: &mut Stage<'_>) -> Option<(Duration, Remedy)> {
    let victim = stage.victim()?;
    stage.world.pause(victim);
    let span = if stage.rng.one_in(2) {
        seconds(2)
    } else {
        seconds(20)
    };
    Some((
        stage.rng.span(Duration::from_millis(100), span),
        Remedy::Resume(victim),
    ))
}
