//! A disk fails every write, until it works again and the process is started anew.

use std::time::Duration;

use super::{Remedy, Stage, seconds};
use crate::dice::Dice as _;

pub(super) fn strike(stage: &mut Stage<'_>) -> Option<(Duration, Remedy)> {
    let victim = stage.victim()?;
    stage.world.tell(format!("the disk of {victim} fails"));
    stage.world.host_mut(victim).disk.set_failing(true);
    Some((
        stage.rng.span(seconds(1), seconds(20)),
        Remedy::Repair(victim),
    ))
}
