//! What checkers and meters are told, and what they can look at.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quorate_consensus::{Electorate, Handover, NodeId, Scheme, Vote};
use quorate_node::roles::{Frame, Reply, Request};
use quorate_node::store::Stored;
use quorate_node::{Event, SeedLine, SeedList};

use crate::host::{Host, HostId};
use crate::network::Network;
use crate::planting;
use crate::reseating::Wish;

/// Something that happened, as one who sees everything knows it.
#[derive(Debug)]
pub enum Fact<'a> {
    /// A process started.
    Started(HostId),
    /// A process ended.
    Stopped {
        /// Which.
        host: HostId,
        /// Whether by itself, having left.
        by_itself: bool,
    },
    /// A node's disk was replaced by an empty one.
    DiskLost(HostId),
    /// A node told its application something.
    Told {
        /// Which.
        host: HostId,
        /// What.
        event: &'a Event,
    },
    /// An application asked something of its node.
    Asked {
        /// Which.
        host: HostId,
        /// What.
        request: &'a Request,
    },
    /// A node answered its application.
    Replied {
        /// Which.
        host: HostId,
        /// To what.
        request: &'a Request,
        /// What.
        reply: &'a Reply,
    },
    /// A node hands a frame over to be sent.
    Sent {
        /// Which.
        host: HostId,
        /// To whom.
        to: &'a [HostId],
        /// What.
        frame: &'a Frame,
        /// How long, in bytes, without its header.
        len: usize,
    },
    /// A frame arrived, and is about to be handled.
    Arrived {
        /// From whom.
        from: HostId,
        /// Where.
        to: HostId,
        /// On which connection, by its number in [`Network`].
        link: u64,
        /// What.
        frame: &'a Frame,
        /// How long, in bytes, without its header.
        len: usize,
    },
    /// Something is durable from now on.
    Durable {
        /// Where.
        host: HostId,
        /// What.
        stored: &'a Stored,
    },
    /// A write failed.
    NotDurable(HostId),
    /// A write was cut short, or failed: whether it is on the disk shows at the next start.
    MayBeDurable {
        /// Where.
        host: HostId,
        /// What.
        stored: &'a Stored,
    },
    /// A connection was made: TCP and TLS, nothing said yet.
    Connected {
        /// Who dialled.
        from: HostId,
        /// Who was dialled.
        to: HostId,
    },
    /// A connection is no more, in whatever way it ended.
    Disconnected {
        /// Who had dialled.
        from: HostId,
        /// Who had been dialled.
        to: HostId,
    },
    /// A connection was closed because the other end took too little.
    TooSlow {
        /// Who closed it.
        host: HostId,
        /// Who took too little.
        to: HostId,
    },
    /// A second has passed: a time to look at everything.
    Tick,
}

/// What is true of the network, whatever its nodes believe.
#[derive(Debug)]
pub struct Truth {
    /// The seeds, in a seeded network.
    pub seeds: Option<SeedList>,
    /// The first voters with their keys, in a seeded network.
    pub electorate: Option<Electorate>,
    /// Who voted in each later epoch, as handovers that were shown prove it.
    pub later: Vec<Electorate>,
    /// What persons want of the seeds' seats.
    pub wishes: Vec<Wish>,
    /// Checks signatures.
    pub scheme: Arc<dyn Scheme>,
    /// Whose key is whose. A host that became another node is here under both.
    pub by_id: BTreeMap<NodeId, HostId>,
    /// Which hosts are dead for good, once faults have stopped.
    pub gone: BTreeSet<HostId>,
    /// How many nodes lie in a way that may fork an open network.
    pub equivocators: usize,
    /// Somebody honest was shown two decisions of one epoch.
    pub fork_told: bool,
    /// Candidates that somebody denies, and who stay out.
    pub unwanted: BTreeSet<HostId>,
}

impl Truth {
    /// Who voted in an epoch, if there was one of that number.
    pub fn electorate_of(&self, epoch: u64) -> Option<&Electorate> {
        let all = self.electorate.iter().chain(&self.later);
        all.into_iter()
            .find(|electorate| electorate.epoch() == epoch)
    }

    /// Who votes now, as far as anybody was shown.
    pub fn last_electorate(&self) -> Option<&Electorate> {
        self.later.last().or(self.electorate.as_ref())
    }

    /// The seed list of now, as people hand it on. It names who sits where, but for that of the first seeds as long as each of
    /// them can still be asked: who has never met one that is dead for good cannot judge what it signed.
    pub fn list(&self) -> Option<SeedList> {
        let electorate = self.last_electorate()?;
        let pins = electorate.epoch() > 0 || self.wishes.iter().any(|wish| wish.dies);
        if !pins {
            return self.seeds.clone();
        }
        let lines = electorate.seats().iter().map(|seat| SeedLine {
            address: seat.name.clone(),
            pin: seat.voter,
        });
        let list = SeedList::new(lines).ok()?;
        if electorate.epoch() == 0 {
            return Some(list);
        }
        list.of_epoch(electorate.network(), electorate.epoch()).ok()
    }

    /// Goes on from the last electorate by a handover that proves the next.
    pub(crate) fn follow(&mut self, handover: &Handover) {
        let next = self.last_electorate().map(|last| {
            let scheme = &*self.scheme;
            planting::unplanted(|| handover.verify(last, scheme))
        });
        if let Some(Ok(next)) = next {
            self.later.push(next);
        }
    }
}

/// What checkers can look at: everything, and change nothing.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The time since the start of the run.
    pub now: Duration,
    /// All hosts; a [`HostId`] is a place in this list.
    pub hosts: &'a [Host],
    /// The wires.
    pub network: &'a Network,
    /// What is true.
    pub truth: &'a Truth,
}

impl<'a> View<'a> {
    /// A host.
    pub fn host(&self, id: HostId) -> &'a Host {
        &self.hosts[id.0]
    }

    /// The host whose key this is.
    pub fn host_of(&self, node: &NodeId) -> Option<HostId> {
        self.truth.by_id.get(node).copied()
    }

    /// All hosts with their names.
    pub fn all(&self) -> impl Iterator<Item = (HostId, &'a Host)> + use<'a> {
        self.hosts
            .iter()
            .enumerate()
            .map(|(index, host)| (HostId(index), host))
    }

    /// Since when whatever one host asked of the other was answered at once: both ran undisturbed, and so did the
    /// wires between them. `None` if something is amiss now.
    pub fn answers_since(&self, a: HostId, b: HostId) -> Option<Duration> {
        let hosts = self.host(a).well_since?.max(self.host(b).well_since?);
        Some(hosts.max(self.network.clear_since(a, b)?))
    }

    /// A host in words: its number, its address, whose key it has.
    pub fn name(&self, id: HostId) -> String {
        let host = self.host(id);
        let liar = host
            .setup
            .conduct
            .map(|conduct| format!(", {}", conduct.name()));
        format!(
            "{id} ({:?}{} {}, {})",
            host.setup.kind,
            liar.unwrap_or_default(),
            host.address,
            host.id().short()
        )
    }

    /// In which epoch a vote was given: the one whose electorate it was signed for.
    pub fn epoch_of(&self, vote: &Vote) -> Option<u64> {
        let truth = self.truth;
        let all = truth.later.iter().rev().chain(&truth.electorate);
        let is_its = |electorate: &&Electorate| {
            let verified = vote.clone().verify(electorate, &*truth.scheme);
            verified.is_ok()
        };
        all.into_iter().find(is_its).map(Electorate::epoch)
    }

    /// Whether a host has a seat among those who vote now.
    pub fn is_voter(&self, id: HostId) -> bool {
        let electorate = self.truth.last_electorate();
        electorate.is_some_and(|electorate| electorate.contains(&self.host(id).id()))
    }

    /// A node in words: its host, or its key where it has none.
    pub fn name_of(&self, node: &NodeId) -> String {
        match self.host_of(node) {
            Some(host) => self.name(host),
            None => node.to_string(),
        }
    }
}

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which checker saw it.
    pub checker: &'static str,
    /// When, since the start of the run.
    pub at: Duration,
    /// What was seen, at which nodes, and why that must not be.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} broken at {:.6} s: {}",
            self.checker,
            self.at.as_secs_f64(),
            self.what
        )
    }
}

impl std::error::Error for Violation {}
