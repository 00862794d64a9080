//! Whether something unlocks a lock: the unlocking part, the lock, and the script that a script hash stands for.

use alloc::vec::Vec;

use super::{
    fault::Fault,
    flags::Flags,
    instruction::{Instruction, is_push_only},
    machine::Machine,
    number,
    opcode::Opcode,
};
use crate::ports::SignatureCheck;

/// Which of the scripts is being run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The unlocking script.
    Unlock,
    /// The lock.
    Lock,
    /// The script whose hash is the lock.
    Redeem,
}

/// One step of a run, shown when it is done.
#[derive(Debug, Clone, Copy)]
pub struct Step<'m> {
    /// The script that it belongs to.
    pub part: Part,
    /// What was run.
    pub instruction: Instruction<'m>,
    /// Whether it did something: it stood in a branch that was taken, or began or ended one.
    pub executed: bool,
    /// The machine after it, with its stacks.
    pub machine: &'m Machine<'m>,
}

/// Sees every step.
type Observer<'o> = &'o mut dyn FnMut(&Step<'_>);

/// Whether `unlock` satisfies `lock`, as Bitcoin does it: the unlocking script is run, then the lock on what it left.
///
/// # Errors
/// The rule broken.
pub fn verify(unlock: &[u8], lock: &[u8], flags: Flags, check: &mut dyn SignatureCheck) -> Result<(), Fault> {
    verify_observed(unlock, lock, flags, check, &mut |_| {})
}

/// [`verify`], showing each step to `observer`.
///
/// # Errors
/// The rule broken.
pub fn verify_observed(
    unlock: &[u8],
    lock: &[u8],
    flags: Flags,
    check: &mut dyn SignatureCheck,
    observer: Observer<'_>,
) -> Result<(), Fault> {
    let push_only = is_push_only(unlock);
    if flags.contains(Flags::SIGPUSHONLY) && !push_only {
        return Err(Fault::NotPushOnly);
    }
    let items = run(Part::Unlock, unlock, Vec::new(), flags, check, observer)?;
    if !push_only && flags.contains(Flags::P2SH) && is_script_hash(lock) {
        // What the lock itself says comes first, so that reasons are those of Bitcoin.
        let left = run(Part::Lock, lock, items, flags, check, observer)?;
        ends_true(&left)?;
        return Err(Fault::NotPushOnly);
    }
    unlocked(items, lock, flags, check, observer)
}

/// Whether a stack of `items`, the top last, satisfies `lock`: the form that this project's own transactions use, in which nothing
/// but data can stand on the unlocking side.
///
/// # Errors
/// The rule broken.
pub fn verify_witness(
    items: Vec<Vec<u8>>,
    lock: &[u8],
    flags: Flags,
    check: &mut dyn SignatureCheck,
) -> Result<(), Fault> {
    verify_witness_observed(items, lock, flags, check, &mut |_| {})
}

/// [`verify_witness`], showing each step to `observer`.
///
/// # Errors
/// The rule broken.
pub fn verify_witness_observed(
    items: Vec<Vec<u8>>,
    lock: &[u8],
    flags: Flags,
    check: &mut dyn SignatureCheck,
    observer: Observer<'_>,
) -> Result<(), Fault> {
    unlocked(items, lock, flags, check, observer)
}

/// Whether a lock has the form `HASH160 <20 bytes> EQUAL` (BIP16).
pub fn is_script_hash(lock: &[u8]) -> bool {
    const HASH160: u8 = Opcode::HASH160.0;
    const EQUAL: u8 = Opcode::EQUAL.0;
    matches!(lock, [HASH160, 20, hash @ .., EQUAL] if hash.len() == 20)
}

fn unlocked(
    items: Vec<Vec<u8>>,
    lock: &[u8],
    flags: Flags,
    check: &mut dyn SignatureCheck,
    observer: Observer<'_>,
) -> Result<(), Fault> {
    let given = (flags.contains(Flags::P2SH) && is_script_hash(lock)).then(|| items.clone());
    let mut left = run(Part::Lock, lock, items, flags, check, observer)?;
    ends_true(&left)?;
    if let Some(mut items) = given {
        // The lock has hashed the uppermost item, so there is one.
        let redeem = items.pop().ok_or(Fault::StackUnderflow)?;
        left = run(Part::Redeem, &redeem, items, flags, check, observer)?;
        ends_true(&left)?;
    }
    if flags.contains(Flags::CLEANSTACK) && left.len() != 1 {
        return Err(Fault::UncleanStack { entries: left.len() });
    }
    Ok(())
}

fn run(
    part: Part,
    script: &[u8],
    items: Vec<Vec<u8>>,
    flags: Flags,
    check: &mut dyn SignatureCheck,
    observer: Observer<'_>,
) -> Result<Vec<Vec<u8>>, Fault> {
    let mut machine = Machine::new(script, items, flags)?;
    loop {
        let taken = machine.is_executing();
        let Some(instruction) = machine.step(check)? else { return Ok(machine.into_stack()) };
        // What opens a branch that is taken, or closes one that is not, has been executed too.
        let executed = taken || machine.is_executing();
        observer(&Step { part, instruction, executed, machine: &machine });
    }
}

fn ends_true(items: &[Vec<u8>]) -> Result<(), Fault> {
    match items.last() {
        Some(top) if number::is_true(top) => Ok(()),
        _ => Err(Fault::EvaluatedFalse),
    }
}
