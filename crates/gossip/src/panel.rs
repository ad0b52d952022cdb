//! Who is asked about a suspect: a panel that nobody chooses.
//!
//! The members are put in an order that depends on the suspect, its incarnation and nothing else,
//! by the lowest hash first (rendezvous hashing: Thaler and Ravishankar, 1998). Everybody who knows
//! the members computes the same panel, so an accuser cannot pick its witnesses, and a new
//! incarnation meets other ones.
//!
//! Left out: judging whether those said to be silent really were. A verifier that believes a long
//! list of silent members lets the accuser walk down the order to its friends, and so has to bound
//! it or to probe for itself.

use std::collections::BTreeSet;

use crate::hash::FieldHasher;
use crate::peer::PeerId;

/// How many members are asked, when there are that many.
pub const PANEL_SIZE: usize = 8;

/// Below this many members, fillers are asked as well.
pub const PANEL_MIN: usize = 3;

/// All members but the suspect, each once, in the order in which they are called to the panel.
pub fn panel_order<P: PeerId>(
    suspect: &P,
    incarnation: u64,
    members: impl IntoIterator<Item = P>,
) -> Vec<P> {
    let rank = |member: P| {
        let hasher = FieldHasher::new("quorate-gossip panel, v1").bytes(suspect.as_ref());
        let hash = hasher.number(incarnation).bytes(member.as_ref()).finish();
        (hash, member)
    };
    let others = members.into_iter().filter(|member| member != suspect);
    let ranked: BTreeSet<_> = others.map(rank).collect();
    ranked.into_iter().map(|(_, member)| member).collect()
}

/// Those who are asked about one suspect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panel<P> {
    panelists: Vec<P>,
}

impl<P: PeerId> Panel<P> {
    /// The first [`PANEL_SIZE`] in the [`panel_order`] of the members who are not silent. If these
    /// are fewer than [`PANEL_MIN`], they are filled up to that number from `fillers` (the seeds),
    /// in the fillers' own panel order.
    pub fn new(
        suspect: &P,
        incarnation: u64,
        members: impl IntoIterator<Item = P>,
        fillers: impl IntoIterator<Item = P>,
        silent: &BTreeSet<P>,
    ) -> Self {
        let members = panel_order(suspect, incarnation, members);
        let fillers = panel_order(suspect, incarnation, fillers);
        Self::select(&members, &fillers, silent)
    }

    /// The same, from orders that are known already.
    pub(crate) fn select(members: &[P], fillers: &[P], silent: &BTreeSet<P>) -> Self {
        let answering = |candidate: &&P| !silent.contains(candidate);
        let mut panelists: Vec<P> = members
            .iter()
            .filter(answering)
            .take(PANEL_SIZE)
            .copied()
            .collect();
        for filler in fillers.iter().filter(answering) {
            if panelists.len() >= PANEL_MIN {
                break;
            }
            if !panelists.contains(filler) {
                panelists.push(*filler);
            }
        }
        Self { panelists }
    }

    /// How many of the panel have to find the suspect unreachable: a majority, which is both where
    /// there are two.
    ///
    /// It is 1 for an empty panel, which is thereby a panel that can never confirm anything.
    #[must_use]
    pub const fn threshold(&self) -> usize {
        self.panelists.len() / 2 + 1
    }

    /// Whether somebody is on the panel.
    #[must_use]
    pub fn contains(&self, peer: &P) -> bool {
        self.panelists.contains(peer)
    }

    /// The panelists, in the order in which they were called.
    pub fn iter(&self) -> impl Iterator<Item = P> {
        self.panelists.iter().copied()
    }

    /// How many they are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.panelists.len()
    }

    /// Whether there is nobody to ask.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.panelists.is_empty()
    }
}
