//! Processes are killed, and start again after a while.

use std::time::Duration;

use super::{Remedy, Stage};
use crate::world::Death;

pub(super) fn strike(stage: &mut Stage<'_>) -> Option<(Duration, Remedy)> {
    stage.end_one(Death::Killed)
}
