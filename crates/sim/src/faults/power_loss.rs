//! Hosts lose power: nobody is told, and what was not synced is lost or torn.

use std::time::Duration;

use super::{Remedy, Stage};
use crate::world::Death;

pub(super) fn strike(stage: &mut Stage<'_>) -> Option<(Duration, Remedy)> {
    stage.end_one(Death::PowerLost)
}
