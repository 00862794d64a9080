//! The weight of a branch: a 256-bit sum, so that no amount of work overflows it in practice.

/// A 256-bit unsigned number, most significant word first, so that the derived order is the numeric one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Weight([u64; 4]);
