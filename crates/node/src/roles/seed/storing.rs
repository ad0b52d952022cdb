//! Whether the disk takes what this seed writes: told when that changes, and without a flood.

use std::time::{Duration, Instant};

use super::Seed;
use crate::event::Event;

/// How long the same failure is not told again.
const TOLD_AGAIN: Duration = Duration::from_secs(10);

/// Of how many failures it is remembered when they were told.
const TOLD_MAX: usize = 16;

/// What is known of the disk.
#[derive(Debug, Default)]
pub(super) struct Storing {
    fails: bool,
    told: Vec<(String, Instant)>,
}

impl Seed {
    pub(super) fn write_failed(&mut self, why: String, now: Instant) {
        let storing = &mut self.storing;
        storing
            .told
            .retain(|(_, at)| now.saturating_duration_since(*at) < TOLD_AGAIN);
        let is_told = storing.told.iter().any(|(told, _)| *told == why);
        if !is_told && storing.told.len() < TOLD_MAX {
            storing.told.push((why.clone(), now));
            self.out.event(Event::StoreFailed(why));
        }
        if !std::mem::replace(&mut storing.fails, true) {
            self.out.event(Event::VotingStopped);
        }
    }

    pub(super) fn write_succeeded(&mut self) {
        if std::mem::replace(&mut self.storing.fails, false) {
            self.out.event(Event::VotingResumed);
        }
    }
}
