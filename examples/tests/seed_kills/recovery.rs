//! How long recovery took, by how many seeds were killed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::round::Kill;

/// What one round took, from the moment at which the last seed that was killed was started again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recovery {
    /// Until every seed was linked with every other.
    pub(crate) linked: Duration,
    /// Until a peer was told of its admission.
    pub(crate) admitted: Duration,
    /// For how long no peer had been told of its admission by then.
    pub(crate) standstill: Duration,
    /// How many admissions peers had been told of when the first seed was killed.
    pub(crate) told_before: usize,
    /// How often peers were refused, and tried again.
    pub(crate) refused: usize,
}

impl fmt::Display for Recovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            linked,
            admitted,
            standstill,
            told_before,
            refused,
        } = self;
        write!(
            f,
            "killed after {told_before} admissions; linked after {linked:.0?}, an admission after {admitted:.0?}, \
             the first for {standstill:.0?}; {refused} refusals"
        )
    }
}

/// All rounds' recoveries.
#[derive(Debug, Default)]
pub(crate) struct Recoveries(BTreeMap<Kill, Vec<Recovery>>);

impl Recoveries {
    pub(crate) fn add(&mut self, kill: Kill, recovery: Recovery) {
        self.0.entry(kill).or_default().push(recovery);
    }
}

impl fmt::Display for Recoveries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<7} {:>6}  {:<28} {:<28} ms: min, median, max",
            "killed", "rounds", "all linked", "first admission"
        )?;
        for (kill, recoveries) in &self.0 {
            let of = |time: fn(&Recovery) -> Duration| {
                let mut times: Vec<u128> = recoveries
                    .iter()
                    .map(|recovery| time(recovery).as_millis())
                    .collect();
                times.sort_unstable();
                let (min, max) = (times[0], times[times.len() - 1]);
                format!("{min}, {}, {max}", times[times.len() / 2])
            };
            let (linked, admitted) = (of(|r| r.linked), of(|r| r.admitted));
            writeln!(
                f,
                "{kill:<7} {:>6}  {linked:<28} {admitted:<28}",
                recoveries.len()
            )?;
        }
        Ok(())
    }
}
