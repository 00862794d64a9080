//! The stack: items of bytes, read as numbers or truth values where an instruction asks.

use alloc::vec::Vec;

use super::{fault::Fault, number};
use crate::limits::MAX_NUMBER_BYTES;

/// One item.
pub(super) type Item = Vec<u8>;

/// Items, the top last. Depth 0 is the top.
#[derive(Debug, Clone, Default)]
pub(super) struct Stack(pub(super) Vec<Item>);

impl Stack {
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn push(&mut self, item: Item) {
        self.0.push(item);
    }

    pub(super) fn push_number(&mut self, number: i64) {
        self.push(number::encode(number));
    }

    pub(super) fn push_bool(&mut self, value: bool) {
        self.push_number(i64::from(value));
    }

    pub(super) fn pop(&mut self) -> Result<Item, Fault> {
        self.0.pop().ok_or(Fault::StackUnderflow)
    }

    /// Makes sure that `count` items are there.
    pub(super) const fn need(&self, count: usize) -> Result<(), Fault> {
        if self.0.len() < count { Err(Fault::StackUnderflow) } else { Ok(()) }
    }

    /// Where the item at `depth` stands.
    pub(super) fn index(&self, depth: usize) -> Result<usize, Fault> {
        self.len().checked_sub(depth + 1).ok_or(Fault::StackUnderflow)
    }

    pub(super) fn at(&self, depth: usize) -> Result<&Item, Fault> {
        Ok(&self.0[self.index(depth)?])
    }

    /// The number at `depth`, of at most four bytes.
    pub(super) fn number(&self, depth: usize, minimal: bool) -> Result<i64, Fault> {
        number::decode(self.at(depth)?, minimal, MAX_NUMBER_BYTES)
    }

    /// Pushes a copy of the item at `depth`.
    pub(super) fn copy(&mut self, depth: usize) -> Result<(), Fault> {
        let item = self.at(depth)?.clone();
        self.push(item);
        Ok(())
    }

    /// Moves the item at `depth` to the top.
    pub(super) fn raise(&mut self, depth: usize) -> Result<(), Fault> {
        let index = self.index(depth)?;
        self.0[index..].rotate_left(1);
        Ok(())
    }

    pub(super) fn drop_top(&mut self, count: usize) -> Result<(), Fault> {
        self.need(count)?;
        self.0.truncate(self.len() - count);
        Ok(())
    }

    /// Whether the top counts as true; an empty stack doesn't.
    pub(super) fn top_is_true(&self) -> bool {
        self.0.last().is_some_and(|item| number::is_true(item))
    }
}
