//! What a seed says of a node when asked why it is in, out or pending.

use quorate_consensus::{NodeId, Now};

use super::Seed;
use crate::explanation::{Decided, Explanation, Refuted, millis, until};

impl Seed {
    pub(super) fn explain(&self, node: &NodeId, now: Now) -> Explanation {
        let decided = self.council.explain(node, now);
        let is_missed = self.orphans.get(node);
        let held = self.reputation.held(node, now.instant);
        Explanation {
            connections: self.connections.purposes(*node),
            missed_for_ms: is_missed.map(|at| until(*at, now.instant)),
            suspicion: self
                .suspicions
                .explain(node, |node| self.party(node).into(), now.instant),
            refuted: held.map(|held| Refuted {
                reports: held.reports,
                testimonies: held.testimonies,
                pause_ms: held.pause.map(millis),
            }),
            ..Explanation::of(Decided::BySeeds(Box::new(decided)))
        }
    }
}
