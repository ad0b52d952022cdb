//! Who reported or witnessed deaths that this seed's own probes refuted.
//!
//! Safety needs none of this: a seed votes to evict only after its own probe failed. It keeps a member that reports the
//! living again and again from having all seeds probe and vote all the time, and it shows who does. So it is made to err
//! on the members' side:
//!
//! - A refutation is this seed's own finding: its probe was answered by the suspect of a report, or the report carried
//!   what nobody signed. What others say refutes nothing.
//! - Up to [`FREE`] are free. From then on a reporter is heard only after a pause, and a witness's testimony makes no
//!   majority without this seed's own look. Others who report the same suspect are heard as ever, and so is this seed
//!   itself, which misses members without a session: nobody's eviction waits for one reporter's pause.
//! - A partition makes honest members wrong. So what was refuted is forgiven with time, and it is taken back where it turns
//!   out to have been no lie: when the suspect is evicted after all, and once for each suspect when another member reports
//!   it too. Only once, or two that lie together would clear each other for ever.
//!
//! It is this seed's own, and forgotten when it restarts. Voters are not judged here: they are few, and were chosen.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use quorate_consensus::{DeadReport, Digest, Finding, NodeId};

/// How many refutations are without a consequence: a third has one.
pub const FREE: usize = 2;

/// The first and the longest pause before a reporter is heard again; it doubles in between.
pub const PAUSE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(3_600));

/// How long it takes until one refutation is forgiven.
pub const FORGIVEN_AFTER: Duration = Duration::from_secs(3_600);

/// How many refutations of each kind are remembered of a member: two more than the longest pause needs.
pub const REMEMBERED_MAX: usize = 12;

/// Of how many members anything is remembered. Of more, the one that has the least against it is forgotten.
pub const MEMBERS_MAX: usize = 1024;

/// One life of one suspect.
type Case = (NodeId, u64);

/// What is remembered of all members.
#[derive(Debug, Default)]
pub struct Reputation {
    members: BTreeMap<NodeId, Conduct>,
}

/// What speaks against one member.
#[derive(Debug, Default)]
struct Conduct {
    reports: Refuted,
    testimonies: Refuted,
    /// Cases in which another member said the same, once.
    excused: VecDeque<(Case, Instant)>,
}

/// Refuted reports, or testimonies, in order.
#[derive(Debug, Default)]
struct Refuted {
    /// Each with its hash, so that none counts twice: honest testimonies may come again in reports of others.
    cases: VecDeque<(Case, Digest)>,
    /// When the last came, and since when the first waits to be forgiven.
    times: Option<(Instant, Instant)>,
}

/// What is held against a member now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// How many of its last reports were refuted.
    pub reports: usize,
    /// How many of its last testimonies were.
    pub testimonies: usize,
    /// For how long its reports are not taken up.
    pub pause: Option<Duration>,
}

impl Reputation {
    /// This seed's probe was answered by the suspect of a report whose signatures were checked. Returns how many of the
    /// reporter's reports are refuted now; `None` when this one was counted before, or voters alone stand behind it.
    pub fn refuted(
        &mut self,
        report: &DeadReport,
        is_voter: impl Fn(&NodeId) -> bool,
        now: Instant,
    ) -> Option<usize> {
        let case = (report.suspect, report.incarnation);
        for testimony in &report.testimonies {
            if testimony.finding == Finding::Unreachable && !is_voter(&testimony.witness) {
                let conduct = self.conduct(testimony.witness, now);
                conduct.testimonies.add(case, testimony.hash(), now);
            }
        }
        (!is_voter(&report.reporter))
            .then(|| self.count_report(report, now))
            .flatten()
    }

    /// A report carries what its witnesses did not sign. Nobody honest makes such, and it says nothing of the witnesses.
    /// Returns as [`refuted`](Self::refuted).
    pub fn forged(&mut self, report: &DeadReport, now: Instant) -> Option<usize> {
        self.count_report(report, now)
    }

    fn count_report(&mut self, report: &DeadReport, now: Instant) -> Option<usize> {
        let case = (report.suspect, report.incarnation);
        let reports = &mut self.conduct(report.reporter, now).reports;
        reports
            .add(case, report.hash(), now)
            .then(|| reports.count(now))
    }

    /// A report was taken up: others who said the same of its suspect, and were refuted, may have been right.
    pub fn seconded(&mut self, report: &DeadReport, now: Instant) {
        let case = (report.suspect, report.incarnation);
        for (_, conduct) in self
            .members
            .iter_mut()
            .filter(|(node, _)| **node != report.reporter)
        {
            let is_against = conduct.reports.is_about(case) || conduct.testimonies.is_about(case);
            if is_against && conduct.excused.iter().all(|(excused, _)| *excused != case) {
                conduct.take_back(|of| of == case);
                conduct.excused.push_back((case, now));
                if conduct.excused.len() > REMEMBERED_MAX {
                    conduct.excused.pop_front();
                }
            }
        }
    }

    /// A suspect is dead after all, in this life: who said so was right.
    pub fn died(&mut self, suspect: &NodeId, incarnation: u64) {
        for conduct in self.members.values_mut() {
            conduct.take_back(|(node, life)| node == *suspect && life <= incarnation);
        }
    }

    /// Whether a witness's testimony makes no majority without this seed's own look.
    pub fn is_doubted(&self, witness: &NodeId, now: Instant) -> bool {
        let conduct = self.members.get(witness);
        conduct.is_some_and(|conduct| conduct.testimonies.count(now) > FREE)
    }

    /// What is held against a member now, if anything.
    pub fn held(&self, member: &NodeId, now: Instant) -> Option<Held> {
        let conduct = self.members.get(member)?;
        let held = Held {
            reports: conduct.reports.count(now),
            testimonies: conduct.testimonies.count(now),
            pause: conduct.reports.pause(now),
        };
        (held.reports + held.testimonies > 0).then_some(held)
    }

    /// What is remembered of a member, without what is forgiven; there is room for it.
    fn conduct(&mut self, member: NodeId, now: Instant) -> &mut Conduct {
        if !self.members.contains_key(&member) && self.members.len() >= MEMBERS_MAX {
            self.members.retain(|_, conduct| {
                conduct.forgive(now);
                !conduct.is_empty()
            });
            let weight =
                |conduct: &Conduct| conduct.reports.cases.len() + conduct.testimonies.cases.len();
            if self.members.len() >= MEMBERS_MAX
                && let Some(least) = self
                    .members
                    .iter()
                    .min_by_key(|(_, conduct)| weight(conduct))
            {
                let least = *least.0;
                self.members.remove(&least);
            }
        }
        let conduct = self.members.entry(member).or_default();
        conduct.forgive(now);
        conduct
    }
}

impl Conduct {
    fn take_back(&mut self, is_meant: impl Fn(Case) -> bool) {
        for refuted in [&mut self.reports, &mut self.testimonies] {
            refuted.cases.retain(|(case, _)| !is_meant(*case));
        }
    }

    fn forgive(&mut self, now: Instant) {
        self.reports.forgive(now);
        self.testimonies.forgive(now);
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < FORGIVEN_AFTER;
        self.excused.retain(|(_, at)| is_recent(at));
    }

    fn is_empty(&self) -> bool {
        self.reports.cases.is_empty()
            && self.testimonies.cases.is_empty()
            && self.excused.is_empty()
    }
}

impl Refuted {
    /// Returns whether it was not counted before.
    fn add(&mut self, case: Case, hash: Digest, now: Instant) -> bool {
        let entry = (case, hash);
        if self.cases.contains(&entry) {
            return false;
        }
        let since = match self.times {
            Some((_, since)) if !self.cases.is_empty() => since,
            _ => now,
        };
        self.times = Some((now, since));
        self.cases.push_back(entry);
        if self.cases.len() > REMEMBERED_MAX {
            self.cases.pop_front();
        }
        true
    }

    fn is_about(&self, case: Case) -> bool {
        self.cases.iter().any(|(of, _)| *of == case)
    }

    /// How many have been forgiven since the first.
    fn forgiven(&self, now: Instant) -> u32 {
        let since = self.times.map_or(Duration::ZERO, |(_, since)| {
            now.saturating_duration_since(since)
        });
        u32::try_from(since.as_secs() / FORGIVEN_AFTER.as_secs()).unwrap_or(u32::MAX)
    }

    fn forgive(&mut self, now: Instant) {
        let forgiven = self.forgiven(now);
        let count = usize::try_from(forgiven).unwrap_or(usize::MAX);
        self.cases.drain(..count.min(self.cases.len()));
        match &mut self.times {
            Some((_, since)) if !self.cases.is_empty() => *since += FORGIVEN_AFTER * forgiven,
            times => *times = None,
        }
    }

    fn count(&self, now: Instant) -> usize {
        let forgiven = usize::try_from(self.forgiven(now)).unwrap_or(usize::MAX);
        self.cases.len().saturating_sub(forgiven)
    }

    /// For how long its author is not heard, still.
    fn pause(&self, now: Instant) -> Option<Duration> {
        let beyond = self.count(now).checked_sub(FREE + 1)?;
        let doublings = u32::try_from(beyond).unwrap_or(u32::MAX).min(16);
        let pause = PAUSE.0.saturating_mul(1 << doublings).min(PAUSE.1);
        let (last, _) = self.times?;
        let left = pause.saturating_sub(now.saturating_duration_since(last));
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests;
