//! Branches, checks that end a script, lock times.

use super::Outcome;
use crate::{
    limits::MAX_LOCK_TIME_NUMBER_BYTES,
    ports::SignatureCheck,
    script::{fault::Fault, flags::Flags, machine::Machine, number},
};

/// BIP112: a sequence with this bit set asks for nothing.
const SEQUENCE_DISABLED: i64 = 1 << 31;

pub(in crate::script) const fn nop(_: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
    Ok(())
}

pub(in crate::script) const fn upgradable_nop(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
    if machine.flags.contains(Flags::DISCOURAGE_UPGRADABLE_NOPS) {
        return Err(Fault::UpgradableNop { opcode: machine.current });
    }
    Ok(())
}

pub(in crate::script) fn begin_if(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
    begin(machine, true)
}

pub(in crate::script) fn begin_notif(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
    begin(machine, false)
}

fn begin(machine: &mut Machine<'_>, taken_if: bool) -> Outcome {
    // Within a branch that is not taken no condition is there to be popped.
    let mut taken = false;
    if machine.conditions.all_true() {
        let condition = machine.stack.pop()?;
        if machine.flags.contains(Flags::MINIMALIF) && !matches!(condition.as_slice(), [] | [1]) {
            return Err(Fault::ConditionNotMinimal);
        }
        taken = number::is_true(&condition) == taken_if;
    }
    machine.conditions.push(taken);
    Ok(())
}

pub(in crate::script) fn otherwise(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
    machine.conditions.toggle()
}

pub(in crate::script) fn end_if(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
    machine.conditions.pop()
}

pub(in crate::script) fn verify(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
    machine.stack.need(1)?;
    if !machine.stack.top_is_true() {
        return Err(Fault::Verify);
    }
    machine.stack.drop_top(1)
}

pub(in crate::script) const fn fail(_: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
    Err(Fault::Returned)
}

pub(in crate::script) fn check_lock_time_verify(machine: &mut Machine<'_>, check: &mut dyn SignatureCheck) -> Outcome {
    if !machine.flags.contains(Flags::CHECKLOCKTIMEVERIFY) {
        return Ok(());
    }
    let lock_time = lock_time(machine)?;
    if check.check_lock_time(lock_time) { Ok(()) } else { Err(Fault::UnsatisfiedLockTime) }
}

pub(in crate::script) fn check_sequence_verify(machine: &mut Machine<'_>, check: &mut dyn SignatureCheck) -> Outcome {
    if !machine.flags.contains(Flags::CHECKSEQUENCEVERIFY) {
        return Ok(());
    }
    let sequence = lock_time(machine)?;
    if sequence & SEQUENCE_DISABLED != 0 || check.check_sequence(sequence) {
        return Ok(());
    }
    Err(Fault::UnsatisfiedLockTime)
}

/// The number on top, which stays there. Five bytes, because four end in the year 2038.
fn lock_time(machine: &Machine<'_>) -> Result<i64, Fault> {
    let lock_time = number::decode(machine.stack.at(0)?, machine.minimal(), MAX_LOCK_TIME_NUMBER_BYTES)?;
    if lock_time < 0 { Err(Fault::NegativeLockTime) } else { Ok(lock_time) }
}
