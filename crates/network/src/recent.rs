//! A set that forgets: the newest entries, in bounded memory.

use alloc::collections::BTreeSet;
use core::mem;

/// Remembers at least the last half of `capacity` different entries, and never more than `capacity`.
#[derive(Debug, Clone)]
pub(crate) struct RecentSet<T> {
    capacity: usize,
    newer: BTreeSet<T>,
    older: BTreeSet<T>,
}

impl<T: Ord> RecentSet<T> {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { capacity, newer: BTreeSet::new(), older: BTreeSet::new() }
    }

    pub(crate) fn contains(&self, entry: &T) -> bool {
        self.newer.contains(entry) || self.older.contains(entry)
    }

    /// Whether the entry was not there yet.
    pub(crate) fn insert(&mut self, entry: T) -> bool {
        if self.contains(&entry) {
            return false;
        }
        if self.newer.len() >= self.capacity / 2 {
            self.older = mem::take(&mut self.newer);
        }
        self.newer.insert(entry)
    }

    /// Forgets what was there already when this was called last.
    pub(crate) fn forget_older(&mut self) {
        self.older = mem::take(&mut self.newer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_the_newest_and_stays_bounded() {
        let mut set = RecentSet::new(10);
        for entry in 0..100 {
            assert!(set.insert(entry));
            assert!(!set.insert(entry));
            assert!(set.newer.len() + set.older.len() <= 10);
        }
        assert!((95..100).all(|entry| set.contains(&entry)));
        assert!(!set.contains(&50));
        set.forget_older();
        assert!(set.contains(&99) && set.insert(100));
        set.forget_older();
        assert!(!set.contains(&99) && set.contains(&100));
    }
}
