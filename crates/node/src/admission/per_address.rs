//! A limit for each address.

use std::collections::{BTreeMap, BTreeSet};

use quorate_consensus::{NodeId, Now, Record};

use super::reservations::Reservations;
use super::{AdmissionPolicy, Candidate, Host, Verdict};

/// Allows so many nodes at one address: members, and candidates that this seed has just voted for.
///
/// Every seed judges by the same thing, the endpoints of the records; a node counts at each host it names. An IPv6 address
/// stands for its /64. Names are not resolved: whoever has a domain has as many as it likes, unless
/// [`addresses_only`](Self::addresses_only) keeps names out. Nodes behind one NAT share an address.
///
/// It looks at every member for each candidate, which takes about a millisecond with ten thousand of them.
#[derive(Debug)]
pub struct PerAddress {
    max: usize,
    takes_names: bool,
    reserved: Reservations<NodeId, BTreeSet<Host>>,
}

impl PerAddress {
    /// At most so many nodes at one address.
    pub const fn new(max: usize) -> Self {
        Self {
            max,
            takes_names: true,
            reserved: Reservations::new(),
        }
    }

    /// Denies whoever names a host by something else than its address.
    #[must_use]
    pub const fn addresses_only(mut self) -> Self {
        self.takes_names = false;
        self
    }

    fn hosts(&self, record: &Record) -> Result<BTreeSet<Host>, String> {
        let host = |endpoint: &String| match Host::of(endpoint) {
            Some(Host::Name(_)) if !self.takes_names => {
                Err(format!("expected endpoints by address, got {endpoint}"))
            }
            Some(host) => Ok(host),
            None => Err(format!(
                "expected endpoints by address or name, got {endpoint}"
            )),
        };
        record.endpoints.iter().map(host).collect()
    }
}

impl AdmissionPolicy for PerAddress {
    fn judge(&self, candidate: &Candidate<'_>, now: Now) -> Verdict {
        let me = candidate.record.node;
        let hosts = match self.hosts(candidate.record) {
            Ok(hosts) => hosts,
            Err(why) => return Verdict::Deny(why),
        };
        if self.reserved.is_full(now) && self.reserved.get(&me, now).is_none() {
            return Verdict::Deny("too many candidates at once".to_owned());
        }
        let mut counts: BTreeMap<&Host, usize> = hosts.iter().map(|host| (host, 0)).collect();
        let mut count = |taken: &BTreeSet<Host>| {
            for host in taken {
                if let Some(count) = counts.get_mut(host) {
                    *count += 1;
                }
            }
        };
        for record in candidate
            .roster
            .members()
            .filter(|record| record.node != me)
        {
            let taken = record.endpoints.iter().filter_map(|at| Host::of(at));
            count(&taken.collect());
        }
        let is_other = |node: &NodeId| *node != me && candidate.roster.member(node).is_none();
        for (_, taken) in self.reserved.iter(now).filter(|(node, _)| is_other(node)) {
            count(taken);
        }
        let full = counts.into_iter().find(|(_, count)| *count >= self.max);
        full.map_or(Verdict::Allow, |(host, count)| {
            Verdict::Deny(format!(
                "expected at most {} nodes at {host}, where {count} are",
                self.max
            ))
        })
    }

    fn note_yes(&mut self, candidate: &Candidate<'_>, now: Now) {
        if let Ok(hosts) = self.hosts(candidate.record) {
            self.reserved.reserve(candidate.record.node, hosts, now);
        }
    }
}
