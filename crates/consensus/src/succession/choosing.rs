//! Which valid change a member would have its epoch decide.

use std::collections::{BTreeMap, BTreeSet};

use super::Succession;
use super::change::{Change, allows_needed};
use super::opinion::Opinion;
use crate::id::{NodeId, Signature};
use crate::record::Record;
use crate::vote::Choice;

impl Succession {
    /// The change that this member would choose, were the choice free: the dead first, then those who leave, then the
    /// smallest candidate.
    pub fn choice(&self) -> Option<Change> {
        self.eviction()
            .or_else(|| {
                self.leaves
                    .values()
                    .next()
                    .map(|leave| Change::Leave(*leave))
            })
            .or_else(|| {
                self.candidates
                    .values()
                    .find_map(|record| self.admission(record))
            })
    }

    /// Whether this member has reason to lead a ballot: it knows a valid change, or has accepted one; or it has forgotten what it
    /// said, and can ask enough others to take part again.
    pub fn has_cause(&self) -> bool {
        if self.has_forgotten {
            return self.membership.member(&self.me).is_some() && self.can_ask();
        }
        self.membership.member(&self.me).is_some()
            && (self
                .acceptor
                .as_ref()
                .is_some_and(|acceptor| acceptor.accepted.is_some())
                || self.has_choice())
    }

    /// Whether there is a [`choice`](Self::choice), without making it: this is asked after every input.
    fn has_choice(&self) -> bool {
        !self.leaves.is_empty()
            || self.candidates.values().any(|record| {
                self.allows(record)
                    .is_some_and(|allows| allows.count() >= allows_needed(&self.membership))
            })
            || self.eviction().is_some()
    }

    /// The members that allow a record, with their signatures.
    fn allows(&self, record: &Record) -> Option<impl Iterator<Item = (NodeId, Signature)>> {
        let given = self.opinions.get(&record.hash())?;
        Some(self.membership.members().filter_map(|member| {
            let is_allow = |opinion: &&Opinion| {
                opinion.choice == Choice::Yes && opinion.incarnation == member.incarnation
            };
            let opinion = given.get(&member.node).filter(is_allow)?;
            Some((member.node, opinion.signature))
        }))
    }

    fn admission(&self, record: &Record) -> Option<Change> {
        let allows: BTreeMap<_, _> = self.allows(record)?.collect();
        (allows.len() >= allows_needed(&self.membership)).then(|| Change::Admit {
            record: record.clone(),
            allows,
        })
    }

    /// The largest set of members that all others accuse, each of each.
    fn eviction(&self) -> Option<Change> {
        if self.holds_evictions {
            return None;
        }
        let accuses = |by: &NodeId, suspect: &NodeId| {
            let of_suspect = self.accusations.get(suspect);
            of_suspect.is_some_and(|accusers| accusers.contains_key(by))
        };
        let mut suspects: BTreeSet<NodeId> = self
            .accused()
            .filter(|suspect| !self.present.contains(suspect))
            .collect();
        if suspects.is_empty() {
            return None;
        }
        // Whoever stays must accuse all who go; taking out whom one of them does not accuse makes one more who stays.
        loop {
            let before = suspects.len();
            for member in self.membership.members() {
                if !suspects.contains(&member.node) {
                    suspects.retain(|suspect| accuses(&member.node, suspect));
                }
            }
            if suspects.len() == before {
                break;
            }
        }
        let staying = self.membership.len() - suspects.len();
        if suspects.is_empty() || staying < self.membership.quorum() {
            return None;
        }
        let suspects = suspects
            .iter()
            .filter_map(|suspect| {
                let by = self.accusations.get(suspect)?.iter();
                let staying = by.filter(|(accuser, _)| !suspects.contains(*accuser));
                let signatures =
                    staying.map(|(accuser, accusation)| (*accuser, accusation.signature));
                Some((*suspect, signatures.collect()))
            })
            .collect();
        Some(Change::Evict { suspects })
    }
}
