//! How many decisions are written down: each is kept for good.

use std::collections::BTreeMap;

use health_chain_data::Millis;

use crate::limits::DECISIONS_MILLIS;

/// Decisions that were written down of late, for each of those who asked.
#[derive(Debug)]
pub(super) struct Rate<Who> {
    max_each: usize,
    max_all: usize,
    since: Millis,
    count: usize,
    each: BTreeMap<Who, usize>,
}

impl<Who: Ord + Copy> Rate<Who> {
    /// At most so many in [`DECISIONS_MILLIS`], for each and for all together.
    pub(super) const fn new(max_each: usize, max_all: usize) -> Self {
        Self { max_each, max_all, since: Millis::ZERO, count: 0, each: BTreeMap::new() }
    }

    /// Whether one more of `who`'s may be written down now; it is counted then.
    pub(super) fn take_place(&mut self, now: Millis, who: &Who) -> bool {
        if now < self.since || now.saturating_sub(self.since.0).0 >= DECISIONS_MILLIS {
            *self = Self { since: now, ..Self::new(self.max_each, self.max_all) };
        }
        let of_one = self.each.get(who).copied().unwrap_or(0);
        if self.count >= self.max_all || of_one >= self.max_each {
            return false;
        }
        self.count += 1;
        self.each.insert(*who, of_one + 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_EACH: usize = 6;
    const MAX_ALL: usize = 60;

    #[test]
    fn each_has_some_and_all_together_have_more() {
        let mut rate = Rate::new(MAX_EACH, MAX_ALL);
        let start = Millis(1_000_000_000);
        for number in 0..MAX_ALL {
            assert!(rate.take_place(start, &(number / MAX_EACH)));
        }
        assert!(!rate.take_place(start, &usize::MAX), "as many as are kept in the time");
        let next = start.saturating_add(DECISIONS_MILLIS);
        for number in 0..2 * MAX_EACH {
            assert_eq!(rate.take_place(next, &0), number < MAX_EACH);
        }
        assert!(rate.take_place(next, &1), "another one's");
        assert!(rate.take_place(start, &0), "the clock was set back");
    }
}
