//! What the instructions do, one function each; [`super::opcode`] lists them.

pub(super) mod arithmetic;
pub(super) mod control;
pub(super) mod crypto;
pub(super) mod stack;

use super::{fault::Fault, machine::Machine};
use crate::ports::SignatureCheck;

/// Runs one instruction.
pub(super) type Operation = for<'s> fn(&mut Machine<'s>, &mut dyn SignatureCheck) -> Outcome;

/// Nothing, or the rule broken.
pub(super) type Outcome = Result<(), Fault>;
