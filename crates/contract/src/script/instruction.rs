//! Reading a script's bytes as instructions.

use super::{fault::Fault, opcode::Opcode};

/// One instruction of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction<'s> {
    /// Where it begins, in bytes from the script's start.
    pub offset: usize,
    /// What it does.
    pub opcode: Opcode,
    /// What it pushes; empty for everything but direct pushes.
    pub data: &'s [u8],
}

impl<'s> Instruction<'s> {
    /// Reads the instruction at `offset`, and says where the next one begins; nothing at the script's end.
    ///
    /// # Errors
    /// [`Fault::TruncatedPush`].
    pub fn read(script: &'s [u8], offset: usize) -> Result<Option<(Self, usize)>, Fault> {
        let Some(byte) = script.get(offset) else { return Ok(None) };
        let opcode = Opcode(*byte);
        let truncated = Fault::TruncatedPush { offset };
        let prefix = opcode.length_bytes();
        let start = offset + 1 + prefix;
        let length = match (prefix, script.get(offset + 1..start).ok_or(truncated)?) {
            (0, _) => opcode.direct_push_bytes(),
            (_, digits) => digits.iter().rev().fold(0_usize, |length, digit| length << 8 | usize::from(*digit)),
        };
        let end = start.checked_add(length).ok_or(truncated)?;
        let data = script.get(start..end).ok_or(truncated)?;
        Ok(Some((Self { offset, opcode, data }, end)))
    }

    /// Whether the push is the shortest one for its data (BIP62, rule 3). True for what is no direct push.
    pub fn is_minimal(&self) -> bool {
        self.opcode > Opcode::PUSHDATA4 || Opcode::shortest_push(self.data) == self.opcode
    }
}

/// The instructions of a script in order; the last is an error where a push is cut off.
#[derive(Debug, Clone)]
pub struct Instructions<'s> {
    script: &'s [u8],
    next: usize,
}

impl<'s> Instructions<'s> {
    /// Reads from the script's start.
    pub const fn of(script: &'s [u8]) -> Self {
        Self { script, next: 0 }
    }
}

impl<'s> Iterator for Instructions<'s> {
    type Item = Result<Instruction<'s>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        match Instruction::read(self.script, self.next) {
            Ok(None) => None,
            Ok(Some((instruction, next))) => {
                self.next = next;
                Some(Ok(instruction))
            }
            Err(fault) => {
                self.next = self.script.len();
                Some(Err(fault))
            }
        }
    }
}

/// Whether a script pushes data and does nothing else. The reserved opcode 0x50 counts as a push, as in Bitcoin.
pub fn is_push_only(script: &[u8]) -> bool {
    Instructions::of(script).all(|instruction| instruction.is_ok_and(|read| read.opcode <= Opcode::PUSH_16))
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    #[test]
    fn every_form_of_push_is_read() {
        let script = [&[0x02, 7, 8, 0x4c, 1, 9, 0x4d, 2, 0, 5, 6, 0x4e, 1, 0, 0, 0, 3, 0x00, 0x76][..]].concat();
        let read: Vec<_> = Instructions::of(&script).map(Result::unwrap).collect();
        let data: Vec<&[u8]> = read.iter().map(|instruction| instruction.data).collect();
        assert_eq!(data, vec![&[7, 8][..], &[9], &[5, 6], &[3], &[], &[]]);
        let offsets: Vec<usize> = read.iter().map(|instruction| instruction.offset).collect();
        assert_eq!(offsets, [0, 3, 6, 11, 17, 18]);
        assert_eq!(
            read.iter().map(Instruction::is_minimal).collect::<Vec<_>>(),
            [true, false, false, false, true, true]
        );
    }

    #[test]
    fn a_cut_push_is_refused() {
        for script in [&[0x02, 1][..], &[0x4c], &[0x4c, 2, 1], &[0x4d, 1], &[0x4e, 0xff, 0xff, 0xff, 0xff]] {
            let all: Vec<_> = Instructions::of(script).collect();
            assert_eq!(all, [Err(Fault::TruncatedPush { offset: 0 })]);
        }
    }
}
