//! Which links to open when a member is gone, so that what it held together stays together.
//!
//! The survivors are the departed member's former neighbors; they know one another from its last report. Each must be
//! linked to *some survivor of a greater id*, except the greatest. Following such links leads everyone to the greatest,
//! so the survivors are connected.
//!
//! The order is by id and by nothing else, because ids are what survivors are sure to agree on. Degrees and lists of
//! neighbors may be a moment old at some of them, and then every member still has a greater survivor to go to: a
//! different idea of degrees changes which one is taken, never whether the result is connected. (An order that puts the
//! hubs at the ends of a path, the first idea here, can come apart in two pieces when two survivors disagree who the
//! hubs are.)
//!
//! Degrees decide *which* greater survivor. Without full members the links form a path through the survivors: each lost
//! one link and gains at most two, so it grows by at most one. Members at the cutoff are passed over: they open one link
//! for the one they lost and do not grow, unless the survivors of greater id are all full.

use std::collections::BTreeMap;

/// The links to open among `survivors` (each with its degree after the loss), as pairs (who opens, to whom).
///
/// `linked` says whether two survivors are linked already, as far as the caller knows; who has a link to a greater
/// survivor opens none. With `linked` true to the facts, the survivors are connected afterwards. Takes the square of
/// the number of survivors in time.
pub fn repair_links<P: Copy + Ord>(
    survivors: &BTreeMap<P, usize>,
    degree_cutoff: usize,
    linked: impl Fn(P, P) -> bool,
) -> Vec<(P, P)> {
    let mut greater: Vec<Planned<P>> = Vec::with_capacity(survivors.len());
    let mut links = Vec::new();
    for (&survivor, &degree) in survivors.iter().rev() {
        let mut planned = Planned {
            id: survivor,
            degree,
            taken: 0,
        };
        if !greater.iter().any(|other| linked(survivor, other.id)) {
            // Reversed, so that the nearest id wins among equals.
            let end = greater
                .iter_mut()
                .rev()
                .min_by_key(|other| other.burden(degree_cutoff));
            if let Some(end) = end {
                end.degree += 1;
                end.taken += 1;
                planned.degree += 1;
                links.push((survivor, end.id));
            }
        }
        greater.push(planned);
    }
    links
}

/// A survivor as the plan has it so far.
struct Planned<P> {
    id: P,
    degree: usize,
    /// Repair links opened to it.
    taken: usize,
}

impl<P> Planned<P> {
    /// What one more link would cost here, to be compared: first how far it goes over the cutoff, then whether others
    /// have taken less of this repair.
    fn burden(&self, degree_cutoff: usize) -> (usize, usize) {
        ((self.degree + 1).saturating_sub(degree_cutoff), self.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(survivors: &[(u32, usize)], linked: &[(u32, u32)]) -> Vec<(u32, u32)> {
        repair_links(&survivors.iter().copied().collect(), 10, |a, b| {
            linked.contains(&(a, b)) || linked.contains(&(b, a))
        })
    }

    #[test]
    fn strangers_form_a_path_in_order_of_id() {
        assert_eq!(plan(&[], &[]), []);
        assert_eq!(plan(&[(1, 2)], &[]), []);
        assert_eq!(
            plan(&[(3, 2), (1, 2), (4, 2), (2, 2)], &[]),
            [(3, 4), (2, 3), (1, 2)]
        );
    }

    #[test]
    fn who_has_a_link_to_a_greater_survivor_opens_none() {
        assert_eq!(plan(&[(1, 2), (2, 2), (3, 2)], &[(1, 3)]), [(2, 3)]);
        assert_eq!(plan(&[(1, 2), (2, 2), (3, 2)], &[(1, 3), (2, 3)]), []);
    }

    #[test]
    fn among_equals_the_nearest_id_takes_the_link() {
        assert_eq!(
            plan(&[(1, 2), (2, 2), (3, 2), (4, 2)], &[(3, 4)]),
            [(2, 3), (1, 2)]
        );
    }

    #[test]
    fn full_members_take_no_link_while_another_can() {
        // 3 had 10 links, the cutoff; it lost one and may open one, but 2 and 1 go past it.
        assert_eq!(
            plan(&[(1, 2), (2, 2), (3, 9), (4, 2)], &[]),
            [(3, 4), (2, 4), (1, 2)]
        );
    }

    #[test]
    fn what_full_members_do_not_take_is_shared_among_the_others() {
        assert_eq!(
            plan(&[(3, 9), (4, 9), (5, 9), (6, 2), (7, 2)], &[]),
            [(6, 7), (5, 6), (4, 6), (3, 7)]
        );
    }

    #[test]
    fn where_all_are_full_the_least_loaded_takes_the_link() {
        assert_eq!(
            plan(&[(1, 9), (2, 11), (3, 9), (4, 12)], &[]),
            [(3, 4), (2, 3), (1, 3)]
        );
    }
}
