//! Members that there is no link to: they are probed until they are back, or dead as far as this member can tell.
//!
//! A host that refuses connections says that the process is gone; it is believed after a moment, which a restart may take.
//! Silence says less: a process may be stopped, or a network interrupted, so it is waited for much longer. A member that
//! is linked is never accused, however long its person takes to answer.

use std::time::{Duration, Instant};

use quorate_consensus::{Assembly, NodeId, Now};

use super::Member;
use crate::event::Event;
use crate::roles::probing::{Outcome, ProbeId, Probed};

/// How often a member is probed that refuses connections, and one that is silent.
const PROBE_GONE: Duration = Duration::from_millis(250);
const PROBE_SILENT: Duration = Duration::from_secs(2);

/// For how long after its start a node takes nobody for gone that it has not met yet: after an outage, all start at
/// different moments.
const START_GRACE: Duration = Duration::from_secs(5);

/// So much later than it asked for, this node itself stood still, and knows nothing of the others' silence.
const LATE: Duration = Duration::from_secs(1);

/// A member that is not linked.
#[derive(Debug)]
pub(super) struct Watch {
    /// When it last gave a sign of life.
    pub(super) heard: Instant,
    /// Since when its host refuses connections.
    pub(super) refused_since: Option<Instant>,
    probe: Option<ProbeId>,
    next: Option<Instant>,
    /// There was a link, in this process's time.
    was_met: bool,
}

impl Watch {
    pub(super) fn new(was_met: bool, heard: Instant, now: Now) -> Self {
        Self {
            heard,
            refused_since: None,
            probe: None,
            // A link that merely broke is up again before that.
            next: Some(now.instant + PROBE_GONE),
            was_met,
        }
    }
}

impl Member {
    /// Watches every member that is not linked, and no others.
    /// Returns whether a probe was started.
    pub(super) fn watch_members(&mut self, now: Now) -> bool {
        if self.assembly.is_none() || self.ending.is_some() {
            self.watches.clear();
            return false;
        }
        self.find_unmet();
        let mut started = false;
        for node in &self.unmet.nodes {
            let fresh = || Watch::new(false, now.instant, now);
            let watch = self.watches.entry(*node).or_insert_with(fresh);
            let is_due =
                watch.probe.is_none() && watch.next.is_some_and(|next| now.instant >= next);
            let membership = self.assembly.as_ref().map(Assembly::membership);
            if let Some(record) = membership.and_then(|membership| membership.member(node))
                && is_due
            {
                watch.next = None;
                started = true;
                watch.probe = Some(self.probes.start(
                    *node,
                    record.endpoints.clone(),
                    &mut self.connections,
                    now,
                    &mut self.out,
                ));
            }
        }
        started
    }

    /// A probe ended; passes over those that were not of this watch.
    pub(super) fn watched_was_probed(&mut self, probed: &Probed, now: Now) {
        let node = probed.target;
        let Some(watch) = self
            .watches
            .get_mut(&node)
            .filter(|watch| watch.probe == Some(probed.probe))
        else {
            return;
        };
        watch.probe = None;
        let (cause, is_dead) = match &probed.outcome {
            Outcome::Alive => {
                watch.heard = now.instant;
                watch.refused_since = None;
                watch.next = Some(now.instant + PROBE_SILENT);
                return;
            }
            Outcome::NotKnown(_) => {
                watch.next = Some(now.instant + PROBE_GONE);
                return;
            }
            Outcome::Gone(cause) => {
                let since = *watch.refused_since.get_or_insert(now.instant);
                watch.next = Some(now.instant + PROBE_GONE);
                let span = now.instant.saturating_duration_since(since);
                let is_young =
                    self.was_restored && !watch.was_met && now.instant < self.started + START_GRACE;
                (cause, span >= self.options.gone_after && !is_young)
            }
            Outcome::Silent(cause) => {
                watch.refused_since = None;
                watch.next = Some(now.instant + PROBE_SILENT);
                let span = now.instant.saturating_duration_since(watch.heard);
                (cause, span >= self.options.silent_after)
            }
        };
        if !is_dead {
            return;
        }
        // Dialling goes on, and ends the accusation when it is answered.
        watch.next = None;
        let cause = cause.clone();
        let suspect = self.party(node);
        self.out.event(Event::Suspected { suspect, cause });
        if let Some(assembly) = &mut self.assembly {
            assembly.handle_dead(node, now);
        }
        self.tell_stuck();
    }

    /// A node that was itself stopped has not been listening.
    pub(super) fn forgive_own_lateness(&mut self, now: Now) {
        let late = self.due.map_or(Duration::ZERO, |due| {
            now.instant.saturating_duration_since(due)
        });
        if late > LATE {
            for watch in self.watches.values_mut() {
                watch.heard = now.instant;
                watch.refused_since = None;
            }
        }
    }

    /// Says so when too many do not answer for anything to be decided.
    pub(super) fn tell_stuck(&mut self) {
        let stuck = self.assembly.as_ref().and_then(|assembly| assembly.stuck());
        let silent: Vec<NodeId> = stuck
            .as_ref()
            .map(|stuck| stuck.silent.clone())
            .unwrap_or_default();
        if silent == self.told_stuck {
            return;
        }
        self.told_stuck.clone_from(&silent);
        if let Some(stuck) = stuck {
            let event = Event::Stuck {
                silent: silent.iter().map(|node| self.party(*node)).collect(),
                members: stuck.members,
                quorum: stuck.quorum,
            };
            self.out.event(event);
        }
    }

    pub(super) fn watches_timeout(&self) -> Option<Instant> {
        self.watches
            .values()
            .filter(|watch| watch.probe.is_none())
            .filter_map(|watch| watch.next)
            .min()
    }
}
