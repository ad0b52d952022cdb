//! The last vote about each node that came to nothing, for whoever asks why.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::explanation::End;
use crate::id::NodeId;
use crate::proposal::Proposal;
use crate::tally::Tally;

use super::matter::Matter;

/// About how many nodes; the one that was noted longest ago goes first.
const ENDS_MAX: usize = 256;

/// A vote that came to nothing.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) proposal: Arc<Proposal>,
    pub(super) tally: Tally,
    pub(super) end: End,
    /// Larger than that of all noted before.
    number: u64,
}

/// One for each node. What was carried is not among them: the standing shows it.
#[derive(Debug, Default)]
pub(super) struct Ends {
    by_subject: BTreeMap<NodeId, Ended>,
    next: u64,
}

impl Ends {
    pub(super) fn note(&mut self, matter: Box<Matter>, end: End) {
        let subject = matter.proposal().subject();
        let oldest = || {
            let ends = self.by_subject.iter();
            ends.min_by_key(|(_, ended)| ended.number)
                .map(|(node, _)| *node)
        };
        if self.by_subject.len() >= ENDS_MAX
            && !self.by_subject.contains_key(&subject)
            && let Some(oldest) = oldest()
        {
            self.by_subject.remove(&oldest);
        }
        let ended = Ended {
            proposal: matter.proposal().clone(),
            tally: matter.tally,
            end,
            number: self.next,
        };
        self.next += 1;
        self.by_subject.insert(subject, ended);
    }

    pub(super) fn of(&self, node: &NodeId) -> Option<&Ended> {
        self.by_subject.get(node)
    }
}
