//! Moving items about.

use super::Outcome;
use crate::{
    ports::SignatureCheck,
    script::{fault::Fault, machine::Machine},
};

macro_rules! stack_operations {
    ($($name:ident = |$stack:ident| $body:expr;)*) => {
        $(pub(in crate::script) fn $name(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
            let $stack = &mut machine.stack;
            $body
        })*
    };
}

stack_operations! {
    drop = |stack| stack.drop_top(1);
    drop2 = |stack| stack.drop_top(2);
    dup = |stack| stack.copy(0);
    dup2 = |stack| { stack.need(2)?; stack.copy(1)?; stack.copy(1) };
    dup3 = |stack| { stack.need(3)?; stack.copy(2)?; stack.copy(2)?; stack.copy(2) };
    over = |stack| stack.copy(1);
    over2 = |stack| { stack.need(4)?; stack.copy(3)?; stack.copy(3) };
    rot = |stack| stack.raise(2);
    rot2 = |stack| { stack.need(6)?; stack.raise(5)?; stack.raise(5) };
    swap = |stack| stack.raise(1);
    swap2 = |stack| { stack.need(4)?; stack.raise(3)?; stack.raise(3) };
    nip = |stack| { stack.raise(1)?; stack.drop_top(1) };
    tuck = |stack| { stack.raise(1)?; stack.copy(1) };
    dup_if_true = |stack| { stack.need(1)?; if stack.top_is_true() { stack.copy(0) } else { Ok(()) } };
    depth = |stack| { stack.push_number(stack.len() as i64); Ok(()) };
    size = |stack| { let bytes = stack.at(0)?.len(); stack.push_number(bytes as i64); Ok(()) };
    equal = |stack| { stack.need(2)?; let equal = stack.pop()? == stack.pop()?; stack.push_bool(equal); Ok(()) };
}

pub(in crate::script) fn equal_verify(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
    machine.stack.need(2)?;
    if machine.stack.pop()? == machine.stack.pop()? { Ok(()) } else { Err(Fault::EqualVerify) }
}

pub(in crate::script) fn to_alternate(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
    let item = machine.stack.pop()?;
    machine.alternate.push(item);
    Ok(())
}

pub(in crate::script) fn from_alternate(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
    let item = machine.alternate.pop().map_err(|_| Fault::AlternateStackUnderflow)?;
    machine.stack.push(item);
    Ok(())
}

pub(in crate::script) fn pick(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
    let depth = pop_depth(machine)?;
    machine.stack.copy(depth)
}

pub(in crate::script) fn roll(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
    let depth = pop_depth(machine)?;
    machine.stack.raise(depth)
}

/// Takes a depth off the stack, and makes sure that something stands there.
fn pop_depth(machine: &mut Machine<'_>) -> Result<usize, Fault> {
    machine.stack.need(2)?;
    let depth = machine.stack.number(0, machine.minimal())?;
    machine.stack.drop_top(1)?;
    let depth = usize::try_from(depth).map_err(|_| Fault::StackUnderflow)?;
    if depth < machine.stack.len() { Ok(depth) } else { Err(Fault::StackUnderflow) }
}
