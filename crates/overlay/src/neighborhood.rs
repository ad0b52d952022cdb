//! One member's view of the overlay: what a network node embeds.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::attachment::{self, Demand};
use crate::config::{Config, ConfigError};
use crate::degree::LinkCounts;
use crate::repair::repair_links;
use crate::vacancy::Vacancies;

/// One member's links, and what it knows about the others: which of them are in, how many links they have, and who its
/// neighbors are linked to.
///
/// It has no clock and does nothing by itself. The caller reports what happens and, after each report and whenever a
/// dial or a back-off ends, asks [`wanted`](Self::wanted) whom to dial and [`accepts`](Self::accepts) whom to let in.
/// Each member should tell its neighbors its [`neighbors`](Self::neighbors) when they change, and everyone its
/// [`degree`](Self::degree) now and then; a stale degree costs balance, a stale list of neighbors may cost a repair.
///
/// Invariants: links and lost links are with members other than this one, and no member is both. Equal arguments to
/// [`new`](Self::new) and equal later calls give equal answers.
///
/// When a neighbor departs, its other neighbors link among themselves ([`repair_links`]) without asking anybody. Two
/// linked members that depart before anything is repaired may split the overlay in spite of that, since who was behind
/// the one is unknown to who was behind the other; then the links that members open to get back to their number lead
/// anywhere and close the gap with high probability, not with certainty.
///
/// Bounds: links are capped (see [`accepts`](Self::accepts)); per neighbor, the `degree_cutoff` greatest ids of its
/// list are kept, which are those that repair goes to; at most 32 departures are remembered.
#[derive(Debug, Clone)]
pub struct Neighborhood<P> {
    me: P,
    config: Config,
    rng: ChaCha8Rng,
    /// Links aimed at, where there are so many members.
    drawn: usize,
    /// All members but me, each with its last reported degree.
    members: BTreeMap<P, usize>,
    linked: BTreeSet<P>,
    /// Former links to members that have not departed.
    lost: BTreeSet<P>,
    /// For members linked or lost: who else they are linked to.
    lists: BTreeMap<P, BTreeSet<P>>,
    vacancies: Vacancies<P>,
}

impl<P: Copy + Ord> Neighborhood<P> {
    /// The view of `me`, alone, who has drawn how many links to aim at.
    ///
    /// # Errors
    ///
    /// If the configuration is not valid.
    pub fn new(me: P, config: Config, seed: u64) -> Result<Self, ConfigError> {
        config.validate()?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let drawn = LinkCounts::new(&config).draw(&mut rng);
        Ok(Self {
            me,
            config,
            rng,
            drawn,
            members: BTreeMap::new(),
            linked: BTreeSet::new(),
            lost: BTreeSet::new(),
            lists: BTreeMap::new(),
            vacancies: Vacancies::new(),
        })
    }

    /// `peer` is a member, with no links that we know of. Changes nothing if it was one already, or is me.
    pub fn insert_member(&mut self, peer: P) {
        if peer != self.me {
            self.members.entry(peer).or_insert(0);
        }
    }

    /// `peer` was evicted or left: forgets it. If it was a neighbor, [`wanted`](Self::wanted) now repairs what it held
    /// together.
    pub fn remove_member(&mut self, peer: P) {
        self.members.remove(&peer);
        self.linked.remove(&peer);
        self.lost.remove(&peer);
        self.vacancies.forget(peer);
        if let Some(survivors) = self.lists.remove(&peer) {
            self.vacancies.open(survivors);
        }
    }

    /// `peer` reports that it has `degree` links. Ignored unless it is a member.
    pub fn set_degree(&mut self, peer: P, degree: usize) {
        if let Some(known) = self.members.get_mut(&peer) {
            *known = degree;
        }
    }

    /// A link with `peer` is up, whoever dialled. Ignored unless it is a member: insert it first.
    pub fn link_up(&mut self, peer: P) {
        if self.members.contains_key(&peer) {
            self.lost.remove(&peer);
            self.linked.insert(peer);
            self.settle();
        }
    }

    /// The link with `peer` broke. Unreachable is not departed: `peer` will be dialled again until it is removed or
    /// refuses, its place among our links is kept free, and what it told of its neighbors stays known.
    pub fn link_lost(&mut self, peer: P) {
        if self.linked.remove(&peer) {
            self.lost.insert(peer);
        }
    }

    /// `peer` was reached and did not accept the link: its hub cap, say. It is taken for full until it next reports its
    /// degree, and is not dialled as a lost link any more. Ignored if it is linked meanwhile.
    pub fn link_refused(&mut self, peer: P) {
        if self.linked.contains(&peer) {
            return;
        }
        if self.lost.remove(&peer) {
            self.lists.remove(&peer);
        }
        if let Some(degree) = self.members.get_mut(&peer) {
            *degree = (*degree).max(self.config.degree_cutoff);
        }
    }

    /// `peer` reports to whom it is linked, which replaces its last report. Ids that are not (yet) members are kept and
    /// count from when they are; of more than `degree_cutoff` ids the smallest are dropped. Ignored unless we are, or
    /// were, linked to it.
    pub fn set_neighbors_of(&mut self, peer: P, neighbors: impl IntoIterator<Item = P>) {
        if !self.linked.contains(&peer) && !self.lost.contains(&peer) {
            return;
        }
        let mut list = BTreeSet::new();
        for neighbor in neighbors {
            if neighbor != self.me && neighbor != peer {
                list.insert(neighbor);
            }
            if list.len() > self.config.degree_cutoff {
                list.pop_first();
            }
        }
        self.lists.insert(peer, list);
        self.settle();
    }

    /// Members to dial now, without repetition; none of them is linked, dialled, resting or me.
    ///
    /// `dialing` are those a dial to is under way: they count as links to come. `resting` are those in back-off after a
    /// failure: they do not count, so whoever cannot be reached is replaced meanwhile. The two may overlap with anything.
    ///
    /// First come repair links, then lost links, both however many links there are. Then preferential attachment among
    /// members below the cutoff, as many as are missing to [`target_degree`](Self::target_degree). Lost links keep their
    /// places: no more links are opened than the cutoff allows with all of them back, but for `min_degree` links that a
    /// member is never without, for which it also dials full members if there are no others.
    pub fn wanted(&mut self, dialing: &BTreeSet<P>, resting: &BTreeSet<P>) -> Vec<P> {
        let mut coming: BTreeSet<P> = dialing
            .iter()
            .copied()
            .filter(|&peer| self.is_stranger(peer))
            .collect();
        let mut dials = self.owed_repairs(&mut coming, resting);
        for &peer in self.lost.difference(resting) {
            if coming.insert(peer) {
                dials.push(peer);
            }
        }

        let degree_to_come = self.linked.len() + coming.len();
        let starving = self.floor().saturating_sub(degree_to_come);
        let places = self
            .config
            .degree_cutoff
            .saturating_sub(self.places_taken(&coming));
        let missing = self.target_degree().saturating_sub(degree_to_come);
        let demand = Demand {
            count: missing.min(places.max(starving)),
            at_least: starving,
            degree_cutoff: self.config.degree_cutoff,
        };
        let candidates = self
            .members
            .iter()
            .map(|(&peer, &degree)| (peer, degree))
            .filter(|(peer, _)| {
                !self.linked.contains(peer)
                    && !self.lost.contains(peer)
                    && !coming.contains(peer)
                    && !resting.contains(peer)
            });
        dials.extend(attachment::choose(&mut self.rng, candidates, demand));
        dials
    }

    /// Whether to let `peer` link to us, given to whom dials are under way.
    ///
    /// - Never a stranger: only members, and not me.
    /// - Always one that is linked, lost or being dialled (it has its place), and one that lost a neighbor we lost
    ///   lately (the link is a repair, and without it the overlay may be split).
    /// - Below the cutoff, everyone. Links, lost links and dials under way count.
    /// - At the cutoff and up to `min_degree` above it, one that last reported fewer than `min_degree` links, or has not
    ///   reported: a hub is full for who can go elsewhere.
    /// - Anyone while we have fewer than `min_degree` links ourselves, all others being lost or not up yet.
    #[must_use]
    pub fn accepts(&self, peer: P, dialing: &BTreeSet<P>) -> bool {
        let Some(&degree) = self.members.get(&peer) else {
            return false;
        };
        if self.linked.contains(&peer)
            || self.lost.contains(&peer)
            || dialing.contains(&peer)
            || self.vacancies.concern(peer)
        {
            return true;
        }
        let coming = dialing
            .iter()
            .copied()
            .filter(|&peer| self.is_stranger(peer))
            .collect();
        let taken = self.places_taken(&coming);
        let peer_starves = degree < self.floor();
        taken < self.config.degree_cutoff
            || (peer_starves && taken < self.config.starving_limit())
            || self.linked.len() < self.floor()
    }

    /// Who this is the view of.
    #[must_use]
    pub fn me(&self) -> P {
        self.me
    }

    /// The members we are linked to, in order.
    pub fn neighbors(&self) -> impl Iterator<Item = P> + '_ {
        self.linked.iter().copied()
    }

    /// The members that `peer`, linked or lost, is linked to besides us, in order, as far as it told.
    pub fn neighbors_of(&self, peer: P) -> impl Iterator<Item = P> + '_ {
        let list = self.lists.get(&peer).into_iter().flatten().copied();
        list.filter(|neighbor| self.members.contains_key(neighbor))
    }

    /// How many links are up: what to report to others.
    #[must_use]
    pub fn degree(&self) -> usize {
        self.linked.len()
    }

    /// How many links to have at least: the number drawn at construction, or all other members if they are fewer.
    #[must_use]
    pub fn target_degree(&self) -> usize {
        self.drawn.min(self.members.len())
    }

    /// The links below which a member starves: `min_degree`, or all other members if they are fewer.
    fn floor(&self) -> usize {
        self.config.min_degree.min(self.members.len())
    }

    fn is_stranger(&self, peer: P) -> bool {
        self.members.contains_key(&peer) && !self.linked.contains(&peer)
    }

    /// Links up, lost and coming.
    fn places_taken(&self, coming: &BTreeSet<P>) -> usize {
        self.linked.len() + self.lost.union(coming).count()
    }

    /// One link to a greater survivor for each vacancy that has none, up or coming. Adds them to `coming`.
    fn owed_repairs(&self, coming: &mut BTreeSet<P>, resting: &BTreeSet<P>) -> Vec<P> {
        let mut owed = Vec::new();
        for vacancy in self.vacancies.unsettled() {
            let greater = vacancy.range((Excluded(self.me), Unbounded));
            if greater
                .into_iter()
                .any(|peer| self.linked.contains(peer) || coming.contains(peer))
            {
                continue;
            }
            let mut survivors: BTreeMap<P, usize> = vacancy
                .difference(resting)
                .filter_map(|peer| self.members.get_key_value(peer))
                .map(|(&peer, &degree)| (peer, degree))
                .collect();
            survivors.insert(self.me, self.linked.len());
            let links = repair_links(&survivors, self.config.degree_cutoff, |a, b| {
                self.know_link(a, b)
            });
            let mine = links.into_iter().find(|&(opener, _)| opener == self.me);
            if let Some((_, peer)) = mine {
                coming.insert(peer);
                owed.push(peer);
            }
        }
        owed
    }

    /// Whether we know that `a` and `b` are linked.
    fn know_link(&self, a: P, b: P) -> bool {
        let told = |from: P, to: P| self.lists.get(&from).is_some_and(|list| list.contains(&to));
        if a == self.me {
            self.linked.contains(&b)
        } else if b == self.me {
            self.linked.contains(&a)
        } else {
            told(a, b) || told(b, a)
        }
    }

    /// A vacancy is settled when a greater survivor we are linked to is the greatest or told that it has gone one
    /// further itself. Should it depart now, its own vacancy includes whom it went to.
    fn settle(&mut self) {
        let Self {
            me,
            members,
            linked,
            lists,
            vacancies,
            ..
        } = self;
        vacancies.settle(|survivors| {
            let among_greater = |than: P| {
                survivors
                    .range((Excluded(than), Unbounded))
                    .filter(|peer| members.contains_key(peer))
            };
            among_greater(*me)
                .filter(|peer| linked.contains(peer))
                .any(|&peer| {
                    let told = lists.get(&peer);
                    among_greater(peer).next().is_none()
                        || among_greater(peer)
                            .any(|next| told.is_some_and(|list| list.contains(next)))
                })
        });
    }
}
