//! The machine: one script, two stacks, one step at a time.

use alloc::vec::Vec;

use super::{
    fault::Fault,
    flags::Flags,
    instruction::Instruction,
    opcode::{Action, Opcode},
    stack::Stack,
};
use crate::{
    limits::{MAX_ELEMENT_BYTES, MAX_OPERATIONS, MAX_SCRIPT_BYTES, MAX_STACK_ENTRIES},
    ports::SignatureCheck,
};

/// A script being run. [`Machine::step`] runs one instruction, and [`Machine::run`] all that are left.
#[derive(Debug, Clone)]
pub struct Machine<'s> {
    pub(super) script: &'s [u8],
    pub(super) flags: Flags,
    pub(super) stack: Stack,
    pub(super) alternate: Stack,
    pub(super) conditions: Conditions,
    /// Where the script code begins that signatures cover: behind the last `CODESEPARATOR` run.
    pub(super) code_start: usize,
    /// The instruction being run, and where the next one begins.
    pub(super) current: Opcode,
    pub(super) next: usize,
    operations: usize,
}

impl<'s> Machine<'s> {
    /// A machine before the first instruction of `script`, on a stack of `items`, the top last.
    ///
    /// # Errors
    /// Where the script or the stack is over its limit.
    pub fn new(script: &'s [u8], items: Vec<Vec<u8>>, flags: Flags) -> Result<Self, Fault> {
        if script.len() > MAX_SCRIPT_BYTES {
            return Err(Fault::ScriptTooLong { bytes: script.len() });
        }
        if items.len() > MAX_STACK_ENTRIES {
            return Err(Fault::StackTooLarge { entries: items.len() });
        }
        if let Some(item) = items.iter().find(|item| item.len() > MAX_ELEMENT_BYTES) {
            return Err(Fault::ElementTooLong { bytes: item.len() });
        }
        Ok(Self {
            script,
            flags,
            stack: Stack(items),
            alternate: Stack::default(),
            conditions: Conditions::default(),
            code_start: 0,
            current: Opcode::NOP,
            next: 0,
            operations: 0,
        })
    }

    /// Runs the next instruction, and returns it; nothing at the script's end.
    ///
    /// # Errors
    /// The rule that the script breaks; it is over then.
    pub fn step(&mut self, check: &mut dyn SignatureCheck) -> Result<Option<Instruction<'s>>, Fault> {
        let Some((instruction, next)) = Instruction::read(self.script, self.next)? else {
            return if self.conditions.is_empty() { Ok(None) } else { Err(Fault::UnbalancedConditional) };
        };
        let opcode = instruction.opcode;
        (self.current, self.next) = (opcode, next);
        if instruction.data.len() > MAX_ELEMENT_BYTES {
            return Err(Fault::ElementTooLong { bytes: instruction.data.len() });
        }
        if opcode > Opcode::PUSH_16 {
            self.count_operations(1)?;
        }
        self.perform(&instruction, check)?;
        let entries = self.stack.len() + self.alternate.len();
        if entries > MAX_STACK_ENTRIES { Err(Fault::StackTooLarge { entries }) } else { Ok(Some(instruction)) }
    }

    /// Runs to the end, and returns the stack.
    ///
    /// # Errors
    /// The rule that the script breaks.
    pub fn run(mut self, check: &mut dyn SignatureCheck) -> Result<Vec<Vec<u8>>, Fault> {
        while self.step(check)?.is_some() {}
        Ok(self.stack.0)
    }

    /// The stack, the top last.
    pub fn stack(&self) -> &[Vec<u8>] {
        &self.stack.0
    }

    /// The alternate stack, the top last.
    pub fn alternate_stack(&self) -> &[Vec<u8>] {
        &self.alternate.0
    }

    /// Whether the next instruction stands in a branch that is taken.
    pub const fn is_executing(&self) -> bool {
        self.conditions.all_true()
    }

    /// Operations counted so far.
    pub const fn operations(&self) -> usize {
        self.operations
    }

    /// The items left, once it is done.
    pub(super) fn into_stack(self) -> Vec<Vec<u8>> {
        self.stack.0
    }

    pub(super) const fn minimal(&self) -> bool {
        self.flags.contains(Flags::MINIMALDATA)
    }

    pub(super) const fn count_operations(&mut self, count: usize) -> Result<(), Fault> {
        self.operations += count;
        if self.operations > MAX_OPERATIONS { Err(Fault::TooManyOperations) } else { Ok(()) }
    }

    fn perform(&mut self, instruction: &Instruction<'s>, check: &mut dyn SignatureCheck) -> Result<(), Fault> {
        let opcode = instruction.opcode;
        let executing = self.conditions.all_true();
        match opcode.entry().action {
            Action::Disabled => Err(Fault::DisabledOpcode { opcode }),
            Action::Forbidden => Err(Fault::BadOpcode { opcode }),
            Action::Branch(operation) => operation(self, check),
            _ if opcode == Opcode::CODESEPARATOR && self.flags.contains(Flags::CONST_SCRIPTCODE) => {
                Err(Fault::CodeSeparator)
            }
            _ if !executing => Ok(()),
            Action::Reserved => Err(Fault::BadOpcode { opcode }),
            Action::Push if self.minimal() && !instruction.is_minimal() => Err(Fault::PushNotMinimal),
            Action::Push => {
                self.stack.push(instruction.data.to_vec());
                Ok(())
            }
            Action::Number(number) => {
                self.stack.push_number(i64::from(number));
                Ok(())
            }
            Action::Run(operation) => operation(self, check),
        }
    }
}

/// The branches that the current instruction stands in. Only the first that is not taken matters, so that any depth costs the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions {
    depth: usize,
    first_false: Option<usize>,
}

impl Conditions {
    pub(super) const fn is_empty(&self) -> bool {
        self.depth == 0
    }

    pub(super) const fn all_true(&self) -> bool {
        self.first_false.is_none()
    }

    pub(super) const fn push(&mut self, value: bool) {
        if self.first_false.is_none() && !value {
            self.first_false = Some(self.depth);
        }
        self.depth += 1;
    }

    pub(super) fn pop(&mut self) -> Result<(), Fault> {
        self.depth = self.depth.checked_sub(1).ok_or(Fault::UnbalancedConditional)?;
        if self.first_false == Some(self.depth) {
            self.first_false = None;
        }
        Ok(())
    }

    /// Turns the innermost branch round.
    pub(super) fn toggle(&mut self) -> Result<(), Fault> {
        let innermost = self.depth.checked_sub(1).ok_or(Fault::UnbalancedConditional)?;
        match self.first_false {
            None => self.first_false = Some(innermost),
            Some(first) if first == innermost => self.first_false = None,
            // An outer branch is not taken, so this one does not matter.
            Some(_) => {}
        }
        Ok(())
    }
}
