//! How many candidacies of one host are open at once.
//!
//! Keys cost nothing, so one host can be any number of candidates, each of whom has a vote opened and makes every seed dial.
//! The seed that is asked is the only one that sees where a candidate comes from: it takes so many of one host and refuses
//! more, who come back later. An IPv6 address stands for its /64, and nodes behind one NAT share an address.

use std::collections::BTreeMap;

use quorate_consensus::ProposalId;

use crate::admission::Host;

/// Votes on candidates that this seed opened, by the host that each came from: no more than there are open votes.
#[derive(Debug, Default)]
pub(super) struct Candidacies(BTreeMap<ProposalId, Host>);

impl Candidacies {
    /// How many are open of one host.
    pub(super) fn of(&mut self, host: &Host, is_open: impl Fn(&ProposalId) -> bool) -> usize {
        self.0.retain(|id, _| is_open(id));
        self.0.values().filter(|other| *other == host).count()
    }

    /// One was opened.
    pub(super) fn insert(&mut self, id: ProposalId, host: Host) {
        self.0.insert(id, host);
    }
}
