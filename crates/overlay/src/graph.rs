//! A whole overlay in one value, for tests, simulations and study.
//!
//! It draws, attaches and repairs with the code that [`Neighborhood`](crate::Neighborhood) uses, but sees everything and
//! loses nothing: what it shows is the overlay of a network in which news travels at once. One difference is left: only
//! the newcomer opens links when it joins, whereas in a live network early members may go on opening links to newcomers
//! until they have the number they drew.

use std::collections::{BTreeMap, BTreeSet};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use thiserror::Error;

use crate::attachment::{self, Demand};
use crate::config::{Config, ConfigError};
use crate::degree::LinkCounts;
use crate::repair::repair_links;

/// An overlay of members `P`, changed by joins and departures.
///
/// After every change the invariants of [`check`](Self::check) hold. Memory grows with members and links; a join takes
/// time proportional to the members, a departure to the members times the survivors that must open new links.
///
/// ```
/// use quorate_overlay::{Config, Graph};
///
/// let mut graph = Graph::new(Config::default(), 7)?;
/// for member in 0..100_u32 {
///     graph.attach(member);
/// }
/// let hub = graph.members().max_by_key(|&member| graph.degree(member)).unwrap_or(0);
/// graph.detach(hub);
/// assert!(graph.is_connected());
/// # Ok::<(), quorate_overlay::ConfigError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Graph<P> {
    config: Config,
    law: LinkCounts,
    rng: ChaCha8Rng,
    members: BTreeMap<P, Member<P>>,
}

#[derive(Debug, Clone)]
struct Member<P> {
    /// Links it aims at, as drawn when it joined.
    drawn: usize,
    links: BTreeSet<P>,
}

impl<P: Copy + Ord> Graph<P> {
    /// An empty overlay. Equal `config`, `seed` and later calls give equal overlays.
    ///
    /// # Errors
    ///
    /// If the configuration is not valid.
    pub fn new(config: Config, seed: u64) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            config,
            law: LinkCounts::new(&config),
            rng: ChaCha8Rng::seed_from_u64(seed),
            members: BTreeMap::new(),
        })
    }

    /// Lets `newcomer` join; returns the members it linked to. A member that is in already changes nothing.
    pub fn attach(&mut self, newcomer: P) -> Vec<P> {
        if self.members.contains_key(&newcomer) {
            return Vec::new();
        }
        let drawn = self.law.draw(&mut self.rng);
        self.members.insert(
            newcomer,
            Member {
                drawn,
                links: BTreeSet::new(),
            },
        );
        self.fill(newcomer)
    }

    /// Takes `departed` out; returns the links opened in its place as pairs (who opened, to whom): first those among
    /// its former neighbors ([`repair_links`]), then those by which neighbors with too few links got back to the number
    /// they aim at. Who is no member changes nothing.
    pub fn detach(&mut self, departed: P) -> Vec<(P, P)> {
        let Some(gone) = self.members.remove(&departed) else {
            return Vec::new();
        };
        let mut survivors = BTreeMap::new();
        for &survivor in &gone.links {
            if let Some(member) = self.members.get_mut(&survivor) {
                member.links.remove(&departed);
                survivors.insert(survivor, member.links.len());
            }
        }
        let mut opened = repair_links(&survivors, self.config.degree_cutoff, |a, b| {
            self.linked(a, b)
        });
        for &(a, b) in &opened {
            self.link(a, b);
        }
        for &survivor in survivors.keys() {
            let ends = self.fill(survivor);
            opened.extend(ends.into_iter().map(|end| (survivor, end)));
        }
        opened
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody is in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// All members, in order.
    pub fn members(&self) -> impl Iterator<Item = P> + '_ {
        self.members.keys().copied()
    }

    /// The neighbors of `member`, in order; none if it is not in.
    pub fn neighbors(&self, member: P) -> impl Iterator<Item = P> + '_ {
        self.members
            .get(&member)
            .into_iter()
            .flat_map(|member| member.links.iter().copied())
    }

    /// How many links `member` has; 0 if it is not in.
    #[must_use]
    pub fn degree(&self, member: P) -> usize {
        self.members
            .get(&member)
            .map_or(0, |member| member.links.len())
    }

    /// Whether `a` and `b` are linked.
    #[must_use]
    pub fn linked(&self, a: P, b: P) -> bool {
        self.members
            .get(&a)
            .is_some_and(|member| member.links.contains(&b))
    }

    /// Every link once, smaller end first, in order.
    pub fn edges(&self) -> impl Iterator<Item = (P, P)> + '_ {
        self.members
            .iter()
            .flat_map(|(&a, member)| member.links.iter().map(move |&b| (a, b)))
            .filter(|(a, b)| a < b)
    }

    /// Into how many pieces the overlay falls; 0 if it is empty.
    #[must_use]
    pub fn components(&self) -> usize {
        let mut unseen: BTreeSet<P> = self.members().collect();
        let mut count = 0;
        while let Some(start) = unseen.pop_first() {
            count += 1;
            let mut frontier = vec![start];
            while let Some(member) = frontier.pop() {
                frontier.extend(
                    self.neighbors(member)
                        .filter(|neighbor| unseen.remove(neighbor)),
                );
            }
        }
        count
    }

    /// Whether every member can be reached from every other. An empty overlay is connected.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.components() <= 1
    }

    /// Checks what must hold between any two calls. Takes time proportional to members and links.
    ///
    /// # Errors
    ///
    /// The first invariant found broken.
    pub fn check(&self) -> Result<(), Violation<P>> {
        let least = self.config.min_degree.min(self.len().saturating_sub(1));
        let limit = self.config.degree_limit();
        for (&member, Member { links, .. }) in &self.members {
            if let Some(&neighbor) = links
                .iter()
                .find(|&&end| end == member || !self.linked(end, member))
            {
                return Err(Violation::OneSided { member, neighbor });
            }
            let degree = links.len();
            if degree < least {
                return Err(Violation::TooFewLinks {
                    member,
                    degree,
                    least,
                });
            }
            if degree > limit {
                return Err(Violation::TooManyLinks {
                    member,
                    degree,
                    limit,
                });
            }
        }
        let components = self.components();
        if components > 1 {
            return Err(Violation::Disconnected { components });
        }
        Ok(())
    }

    /// Opens the links `member` lacks towards what it aims at; returns the ends.
    fn fill(&mut self, member: P) -> Vec<P> {
        let Some(Member { drawn, links }) = self.members.get(&member) else {
            return Vec::new();
        };
        let others = self.members.len() - 1;
        let demand = Demand {
            count: (*drawn).min(others).saturating_sub(links.len()),
            at_least: self
                .config
                .min_degree
                .min(others)
                .saturating_sub(links.len()),
            degree_cutoff: self.config.degree_cutoff,
        };
        let candidates = self
            .members
            .iter()
            .filter(|(id, _)| **id != member && !links.contains(id))
            .map(|(&id, candidate)| (id, candidate.links.len()));
        let ends = attachment::choose(&mut self.rng, candidates, demand);
        for &end in &ends {
            self.link(member, end);
        }
        ends
    }

    fn link(&mut self, a: P, b: P) {
        for (from, to) in [(a, b), (b, a)] {
            if let Some(member) = self.members.get_mut(&from) {
                member.links.insert(to);
            }
        }
    }
}

/// An invariant of [`Graph`] that does not hold: a bug in this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation<P> {
    /// A link is known at one end only, or leads back to where it starts.
    #[error("{member:?} has a link to {neighbor:?}, which has none back")]
    OneSided {
        /// Who has the link.
        member: P,
        /// Where it leads.
        neighbor: P,
    },
    /// A member has fewer than `min_degree` links, and fewer than there are other members.
    #[error("{member:?} has {degree} links, at least {least} are due")]
    TooFewLinks {
        /// Who.
        member: P,
        /// Its links.
        degree: usize,
        /// The links it must have.
        least: usize,
    },
    /// A member has more than [`Config::degree_limit`] links.
    #[error("{member:?} has {degree} links, over the limit of {limit}")]
    TooManyLinks {
        /// Who.
        member: P,
        /// Its links.
        degree: usize,
        /// The limit.
        limit: usize,
    },
    /// Not everyone can be reached from everyone.
    #[error("the overlay is in {components} pieces")]
    Disconnected {
        /// How many pieces.
        components: usize,
    },
}
