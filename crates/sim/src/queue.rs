//! What is going to happen, in order of time; what is due at one moment happens in the order in which it was put in.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Duration;

/// A queue of events in virtual time.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    heap: BinaryHeap<Entry<T>>,
    next: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: Duration,
    number: u64,
    item: T,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            next: 0,
        }
    }
}

impl<T> Queue<T> {
    /// Puts something in.
    pub(crate) fn push(&mut self, at: Duration, item: T) {
        let number = self.next;
        self.next += 1;
        self.heap.push(Entry { at, number, item });
    }

    /// When the next is due.
    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.heap.peek().map(|entry| entry.at)
    }

    /// Takes the next, if it is due by `end`.
    pub(crate) fn pop_by(&mut self, end: Duration) -> Option<(Duration, T)> {
        if self.next_at()? > end {
            return None;
        }
        self.heap.pop().map(|entry| (entry.at, entry.item))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    /// The heap hands out the largest: the earliest is that.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_equals_keep_their_order() {
        let mut queue = Queue::default();
        for (at, item) in [(3, 'd'), (1, 'a'), (2, 'b'), (2, 'c')] {
            queue.push(Duration::from_secs(at), item);
        }
        let end = Duration::from_secs(2);
        let popped: String = std::iter::from_fn(|| queue.pop_by(end))
            .map(|(_, item)| item)
            .collect();
        assert_eq!(popped, "abc");
        assert_eq!(queue.next_at(), Some(Duration::from_secs(3)));
    }
}
