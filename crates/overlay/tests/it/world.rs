//! Many [`Neighborhood`]s and a hand that dials between them.

use std::collections::{BTreeMap, BTreeSet};

use quorate_overlay::{Config, Neighborhood};

/// Members, the dead that are not evicted yet, and who is in back-off for whom.
pub(crate) struct World {
    config: Config,
    pub(crate) views: BTreeMap<u32, Neighborhood<u32>>,
    dead: BTreeSet<u32>,
    resting: BTreeMap<u32, BTreeSet<u32>>,
    /// Pairs (lesser, greater) that cannot reach each other.
    cut: BTreeSet<(u32, u32)>,
}

impl World {
    /// Members join one after the other, each when the network has become quiet.
    pub(crate) fn grown(config: Config, ids: impl IntoIterator<Item = u32>) -> Self {
        let mut world = Self {
            config,
            views: BTreeMap::new(),
            dead: BTreeSet::new(),
            resting: BTreeMap::new(),
            cut: BTreeSet::new(),
        };
        for id in ids {
            world.join(id);
            world.settle();
        }
        world
    }

    pub(crate) fn join(&mut self, id: u32) {
        let mut view = Neighborhood::new(id, self.config, u64::from(id)).unwrap();
        for (&other, other_view) in &mut self.views {
            other_view.insert_member(id);
            view.insert_member(other);
            view.set_degree(other, other_view.degree());
        }
        self.views.insert(id, view);
    }

    /// These die at once: their links break, and nobody reaches them any more.
    pub(crate) fn kill(&mut self, victims: &BTreeSet<u32>) {
        self.views.retain(|id, _| !victims.contains(id));
        self.dead.extend(victims);
        for view in self.views.values_mut() {
            for &victim in victims {
                view.link_lost(victim);
            }
        }
    }

    /// Everyone learns of the dead, half of the members in the one order and half in the other.
    pub(crate) fn evict_dead(&mut self) {
        let dead = std::mem::take(&mut self.dead);
        for (&id, view) in &mut self.views {
            if id % 2 == 0 {
                dead.iter().for_each(|&victim| view.remove_member(victim));
            } else {
                dead.iter()
                    .rev()
                    .for_each(|&victim| view.remove_member(victim));
            }
        }
    }

    /// Those that `side` holds for and the others lose sight of each other.
    pub(crate) fn partition(&mut self, side: impl Fn(u32) -> bool) {
        let ids: Vec<u32> = self.views.keys().copied().collect();
        for &a in &ids {
            for &b in ids.iter().filter(|&&b| side(a) && !side(b)) {
                self.cut.insert((a.min(b), a.max(b)));
                for (from, to) in [(a, b), (b, a)] {
                    if let Some(view) = self.views.get_mut(&from) {
                        view.link_lost(to);
                    }
                }
            }
        }
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
    }

    /// Lets everyone dial, and tell what it has, until nobody has anybody left to dial but those that cannot be reached.
    pub(crate) fn settle(&mut self) {
        self.tell();
        for _ in 0..100 {
            // The end of all back-offs.
            self.resting.clear();
            let links_before = self.links();
            // Until a round of dials is over, nobody hears of the others' links.
            let mut rounds = 0;
            while self.dial() {
                self.tell();
                rounds += 1;
                assert!(rounds < 100, "members dial without end");
            }
            if self.links() == links_before {
                return;
            }
        }
        panic!("the network does not become quiet");
    }

    /// Everyone dials once whom it wants; says whether anybody wanted anybody.
    fn dial(&mut self) -> bool {
        let mut dialled = false;
        let ids: Vec<u32> = self.views.keys().copied().collect();
        let none = BTreeSet::new();
        for id in ids {
            let resting = self.resting.entry(id).or_default();
            let wanted = self.views.get_mut(&id).unwrap().wanted(&none, resting);
            for peer in wanted {
                dialled = true;
                let answers = self.reaches(id, peer);
                if answers && self.views[&peer].accepts(id, &none) {
                    self.views.get_mut(&id).unwrap().link_up(peer);
                    self.views.get_mut(&peer).unwrap().link_up(id);
                } else {
                    self.resting.entry(id).or_default().insert(peer);
                    if answers {
                        self.views.get_mut(&id).unwrap().link_refused(peer);
                    }
                }
            }
        }
        dialled
    }

    fn links(&self) -> usize {
        self.views.values().map(Neighborhood::degree).sum()
    }

    fn reaches(&self, a: u32, b: u32) -> bool {
        self.views.contains_key(&b) && !self.cut.contains(&(a.min(b), a.max(b)))
    }

    /// Everyone reports its neighbors to them, and its degree to all.
    fn tell(&mut self) {
        let reports: Vec<(u32, Vec<u32>)> = self
            .views
            .iter()
            .map(|(&id, view)| (id, view.neighbors().collect()))
            .collect();
        for (id, neighbors) in &reports {
            for (&other, view) in &mut self.views {
                if self.cut.contains(&(other.min(*id), other.max(*id))) {
                    continue;
                }
                view.set_degree(*id, neighbors.len());
                if neighbors.contains(&other) {
                    view.set_neighbors_of(*id, neighbors.iter().copied());
                }
            }
        }
    }

    pub(crate) fn biggest(&self, count: usize) -> BTreeSet<u32> {
        let mut ids: Vec<u32> = self.views.keys().copied().collect();
        ids.sort_by_key(|id| std::cmp::Reverse(self.views[id].degree()));
        ids.into_iter().take(count).collect()
    }

    /// In how many pieces the living are.
    pub(crate) fn pieces(&self) -> usize {
        let mut unseen: BTreeSet<u32> = self.views.keys().copied().collect();
        let mut count = 0;
        while let Some(start) = unseen.pop_first() {
            count += 1;
            let mut frontier = vec![start];
            while let Some(id) = frontier.pop() {
                let neighbors = self
                    .views
                    .get(&id)
                    .into_iter()
                    .flat_map(Neighborhood::neighbors);
                frontier.extend(neighbors.filter(|neighbor| unseen.remove(neighbor)));
            }
        }
        count
    }

    /// One piece, links known at both ends, and degrees between the minimum and the limit.
    pub(crate) fn check(&self) -> Result<(), String> {
        let least = self
            .config
            .min_degree
            .min(self.views.len().saturating_sub(1));
        for (id, view) in &self.views {
            for neighbor in view.neighbors() {
                if !self
                    .views
                    .get(&neighbor)
                    .is_some_and(|other| other.neighbors().any(|end| end == *id))
                {
                    return Err(format!("{id} has a one-sided link to {neighbor}"));
                }
            }
            if !(least..=self.config.degree_limit()).contains(&view.degree()) {
                return Err(format!("{id} has {} links", view.degree()));
            }
        }
        match self.pieces() {
            0 | 1 => Ok(()),
            pieces => Err(format!("{pieces} pieces")),
        }
    }
}
