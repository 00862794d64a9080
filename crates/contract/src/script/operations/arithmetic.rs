//! Numbers of up to four bytes. A result may be longer, and can then be pushed about but not computed with.

use super::Outcome;
use crate::{
    ports::SignatureCheck,
    script::{fault::Fault, machine::Machine},
};

macro_rules! unary_operations {
    ($($name:ident = |$number:ident| $result:expr;)*) => {
        $(pub(in crate::script) fn $name(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
            let $number = machine.stack.number(0, machine.minimal())?;
            replace(machine, 1, $result)
        })*
    };
}

macro_rules! binary_operations {
    ($($name:ident = |$left:ident, $right:ident| $result:expr;)*) => {
        $(pub(in crate::script) fn $name(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
            let ($left, $right) = operands(machine)?;
            replace(machine, 2, $result)
        })*
    };
}

unary_operations! {
    add1 = |number| number + 1;
    sub1 = |number| number - 1;
    negate = |number| -number;
    abs = |number| number.abs();
    not = |number| i64::from(number == 0);
    not_equal0 = |number| i64::from(number != 0);
}

binary_operations! {
    add = |left, right| left + right;
    sub = |left, right| left - right;
    bool_and = |left, right| i64::from(left != 0 && right != 0);
    bool_or = |left, right| i64::from(left != 0 || right != 0);
    num_equal = |left, right| i64::from(left == right);
    num_not_equal = |left, right| i64::from(left != right);
    less_than = |left, right| i64::from(left < right);
    greater_than = |left, right| i64::from(left > right);
    less_than_or_equal = |left, right| i64::from(left <= right);
    greater_than_or_equal = |left, right| i64::from(left >= right);
    min = |left, right| left.min(right);
    max = |left, right| left.max(right);
}

pub(in crate::script) fn num_equal_verify(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
    let (left, right) = operands(machine)?;
    if left != right {
        return Err(Fault::NumEqualVerify);
    }
    machine.stack.drop_top(2)
}

pub(in crate::script) fn within(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
    machine.stack.need(3)?;
    let minimal = machine.minimal();
    let number = machine.stack.number(2, minimal)?;
    let range = machine.stack.number(1, minimal)?..machine.stack.number(0, minimal)?;
    replace(machine, 3, i64::from(range.contains(&number)))
}

fn operands(machine: &Machine<'_>) -> Result<(i64, i64), Fault> {
    machine.stack.need(2)?;
    let minimal = machine.minimal();
    Ok((machine.stack.number(1, minimal)?, machine.stack.number(0, minimal)?))
}

/// Puts `result` where the uppermost `count` items were. Operands have 31 bits, so no result here overflows.
fn replace(machine: &mut Machine<'_>, count: usize, result: i64) -> Outcome {
    machine.stack.drop_top(count)?;
    machine.stack.push_number(result);
    Ok(())
}
