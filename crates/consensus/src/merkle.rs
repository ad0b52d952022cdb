//! One digest over many leaves, and short paths that show a leaf is among them (a Merkle tree, in the shape of RFC 6962
//! section 2.1).

use crate::id::Digest;
use crate::transcript::Transcript;

/// How long a path may be: trees of more than 2^64 leaves there are none.
const PATH_LEN_MAX: usize = 64;

/// All levels of a tree, from the leaves up.
#[derive(Debug)]
pub(crate) struct Tree(Vec<Vec<Digest>>);

impl Tree {
    /// The tree over these leaves, in this order.
    pub(crate) fn of(leaves: Vec<Digest>) -> Self {
        let mut levels = vec![leaves];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let above = level.chunks(2).map(|pair| match pair {
                [left, right] => branch(left, right),
                // The odd one goes up as it is.
                odd => odd[0],
            });
            let above = above.collect();
            levels.push(above);
        }
        Self(levels)
    }

    /// The digest of all; that of no leaves is a constant of its own.
    pub(crate) fn root(&self) -> Digest {
        let top = self.0.last().and_then(|level| level.first());
        top.copied()
            .unwrap_or_else(|| Transcript::new("quorate/no-leaves/1").finish())
    }

    /// What shows that the leaf of this index is in the tree: the other half at each level, from below.
    pub(crate) fn path(&self, mut index: usize) -> Vec<Digest> {
        let mut path = Vec::new();
        for level in &self.0 {
            path.extend(level.get(index ^ 1));
            index /= 2;
        }
        path
    }
}

/// The root of a tree of `count` leaves in which `leaf` has this index and path; `None` when the path does not fit.
pub(crate) fn root_of(leaf: Digest, index: u64, count: u64, path: &[Digest]) -> Option<Digest> {
    if index >= count || path.len() > PATH_LEN_MAX {
        return None;
    }
    let (mut index, mut width, mut at) = (index, count, leaf);
    let mut path = path.iter();
    while width > 1 {
        if index % 2 == 1 {
            at = branch(path.next()?, &at);
        } else if index + 1 < width {
            at = branch(&at, path.next()?);
        }
        index /= 2;
        width = width.div_ceil(2);
    }
    path.next().is_none().then_some(at)
}

fn branch(left: &Digest, right: &Digest) -> Digest {
    Transcript::new("quorate/branch/1")
        .bytes(left.as_ref())
        .bytes(right.as_ref())
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaves(count: usize) -> Vec<Digest> {
        let leaf = |number: usize| Transcript::new("leaf").u64(number as u64).finish();
        (0..count).map(leaf).collect()
    }

    proptest! {
        #[test]
        fn each_leaf_is_shown_to_be_in_its_place_and_in_no_other(
            count in 1_usize..70,
            index in any::<prop::sample::Index>(),
            wrong in any::<prop::sample::Index>(),
        ) {
            let leaves = leaves(count);
            let tree = Tree::of(leaves.clone());
            let (index, wrong) = (index.index(count), wrong.index(count));
            let path = tree.path(index);
            let shown = |leaf, at: usize, of: usize| root_of(leaf, at as u64, of as u64, &path);
            prop_assert_eq!(shown(leaves[index], index, count), Some(tree.root()));
            if wrong != index {
                prop_assert_ne!(shown(leaves[wrong], index, count), Some(tree.root()));
                prop_assert_ne!(shown(leaves[index], wrong, count), Some(tree.root()));
            }
            prop_assert_eq!(shown(leaves[index], count, count), None);
            let longer: Vec<_> = path.iter().copied().chain([leaves[0]]).collect();
            prop_assert_eq!(root_of(leaves[index], index as u64, count as u64, &longer), None);
            if let Some((_, shorter)) = path.split_last() {
                prop_assert_eq!(root_of(leaves[index], index as u64, count as u64, shorter), None);
            }
        }
    }

    #[test]
    fn every_leaf_and_their_order_count() {
        let all = leaves(5);
        let root = |leaves: &[Digest]| Tree::of(leaves.to_vec()).root();
        let swapped = [all[1], all[0], all[2], all[3], all[4]];
        let roots = [
            root(&all),
            root(&all[..4]),
            root(&swapped),
            root(&[]),
            root(&all[..1]),
        ];
        let different: std::collections::BTreeSet<_> = roots.iter().collect();
        assert_eq!(different.len(), roots.len());
    }
}
