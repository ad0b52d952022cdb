//! Places that departed neighbors left, until the links around them are repaired.
//!
//! A repair is not done when the link is up: if its other end departs in the same moment, the survivor must find another
//! one. So a vacancy keeps asking for a link to a greater survivor until the caller *settles* it. Settled ones are kept
//! for a while too, because they justify the repair links of others.

use std::collections::{BTreeSet, VecDeque};

/// The last few vacancies around one member.
#[derive(Debug, Clone)]
pub(crate) struct Vacancies<P> {
    /// Oldest first, at most [`VACANCIES_MAX`].
    list: VecDeque<Vacancy<P>>,
}

#[derive(Debug, Clone)]
struct Vacancy<P> {
    /// The departed member's other neighbors, but for those that departed since.
    survivors: BTreeSet<P>,
    settled: bool,
}

impl<P: Copy + Ord> Vacancies<P> {
    pub(crate) fn new() -> Self {
        Self {
            list: VecDeque::new(),
        }
    }

    /// A neighbor departed and left `survivors`. Over the maximum, the oldest vacancy is dropped.
    pub(crate) fn open(&mut self, survivors: BTreeSet<P>) {
        if survivors.is_empty() {
            return;
        }
        if self.list.len() == VACANCIES_MAX {
            self.list.pop_front();
        }
        self.list.push_back(Vacancy {
            survivors,
            settled: false,
        });
    }

    /// `departed` is no survivor any more.
    pub(crate) fn forget(&mut self, departed: P) {
        for vacancy in &mut self.list {
            vacancy.survivors.remove(&departed);
        }
        self.list.retain(|vacancy| !vacancy.survivors.is_empty());
    }

    /// Whether `peer` lost a neighbor that we lost too.
    pub(crate) fn concern(&self, peer: P) -> bool {
        self.list
            .iter()
            .any(|vacancy| vacancy.survivors.contains(&peer))
    }

    /// The survivors of each vacancy that is not settled.
    pub(crate) fn unsettled(&self) -> impl Iterator<Item = &BTreeSet<P>> {
        self.list
            .iter()
            .filter(|vacancy| !vacancy.settled)
            .map(|vacancy| &vacancy.survivors)
    }

    /// Settles those whose survivors `is_settled` approves.
    pub(crate) fn settle(&mut self, is_settled: impl Fn(&BTreeSet<P>) -> bool) {
        for vacancy in self.list.iter_mut().filter(|vacancy| !vacancy.settled) {
            vacancy.settled = is_settled(&vacancy.survivors);
        }
    }
}

/// Far more neighbors than depart before the first repairs are done, and still little memory: each vacancy holds at most
/// `degree_cutoff` ids.
const VACANCIES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_the_maximum_the_oldest_is_dropped() {
        let mut vacancies = Vacancies::new();
        for survivor in 0..=VACANCIES_MAX {
            vacancies.open(BTreeSet::from([survivor]));
        }
        assert!(!vacancies.concern(0));
        assert!(vacancies.concern(1) && vacancies.concern(VACANCIES_MAX));
    }
}
