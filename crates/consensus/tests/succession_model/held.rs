//! Values that are kept once each, with their hash: a state of the whole is then a handful of pointers, cheap to copy, to
//! compare and to hash.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Mutex;

/// A value that its [`Pool`] keeps for as long as the test runs.
#[derive(Debug)]
pub(crate) struct Held<T: 'static>(&'static Kept<T>);

#[derive(Debug)]
struct Kept<T> {
    value: T,
    /// Of the value alone: the same in every run.
    hash: u64,
    /// In order of appearance: not the same in every run.
    index: u32,
}

impl<T> Held<T> {
    /// For as long as the test runs.
    pub(crate) const fn value(self) -> &'static T {
        &self.0.value
    }

    pub(crate) const fn index(self) -> u32 {
        self.0.index
    }

    pub(crate) const fn hash_of_value(self) -> u64 {
        self.0.hash
    }
}

impl<T> Clone for Held<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Held<T> {}

impl<T> Deref for Held<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T> PartialEq for Held<T> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl<T> Eq for Held<T> {}

impl<T> Hash for Held<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.hash);
    }
}

#[derive(Debug)]
pub(crate) struct Pool<T: 'static>(Mutex<Shelf<T>>);

#[derive(Debug)]
struct Shelf<T: 'static> {
    by_hash: HashMap<u64, Vec<Held<T>>>,
    len: u32,
}

impl<T: Hash + Eq> Pool<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Shelf {
            by_hash: HashMap::new(),
            len: 0,
        }))
    }

    pub(crate) fn hold(&self, value: T) -> Held<T> {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let hash = hasher.finish();
        let mut shelf = self.0.lock().unwrap();
        let index = shelf.len;
        let same_hash = shelf.by_hash.entry(hash).or_default();
        if let Some(held) = same_hash.iter().find(|held| held.0.value == value) {
            return *held;
        }
        let held = Held(Box::leak(Box::new(Kept { value, hash, index })));
        same_hash.push(held);
        shelf.len += 1;
        held
    }

    pub(crate) fn len(&self) -> u32 {
        self.0.lock().unwrap().len
    }
}

/// A set of held values, in an order that is the same in every run.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct HeldSet<T: 'static>(pub(crate) Vec<Held<T>>);

impl<T> HeldSet<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Held<T>> {
        self.0.iter().copied()
    }

    /// Returns whether it is new.
    pub(crate) fn insert(&mut self, value: Held<T>) -> bool {
        match self.search(value) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, value);
                true
            }
        }
    }

    pub(crate) fn contains(&self, value: Held<T>) -> bool {
        self.search(value).is_ok()
    }

    fn search(&self, value: Held<T>) -> Result<usize, usize> {
        let key = value.hash_of_value();
        self.0
            .binary_search_by_key(&key, |held| held.hash_of_value())
    }
}

impl<T> Clone for HeldSet<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
