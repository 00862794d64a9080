//! The machine against the plain interpreter.

use super::{Outcome, compare::agree, input::Input};

/// A byte of rules, a script behind its length, a stack: both interpreters leave the same, or stop for the same reason.
pub fn script_differential(data: &[u8]) -> Outcome {
    let mut input = Input::new(data);
    let (bits, script) = (input.byte(), input.prefixed());
    agree(script, input.stack(), bits).map_or_else(|reason| reason, |_| "OK")
}
