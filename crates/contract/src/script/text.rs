//! Scripts as text: assembly to bytes and back, and the steps of a run.
//!
//! Words stand apart by white space: names of opcodes with or without `OP_`, numbers, `<hex>` or `'text'` for a push in its
//! shortest form, `0xhex` for bytes as they are.

use alloc::{string::String, vec::Vec};
use core::fmt;

use thiserror::Error;

use super::{
    builder::Builder,
    fault::Fault,
    instruction::{Instruction, Instructions},
    number,
    opcode::Opcode,
    verify::{Part, Step},
};
use crate::limits::MAX_LOCK_TIME_NUMBER_BYTES;

/// Why text is no script. Words are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AssemblyError {
    /// Neither an opcode, nor a number, nor data.
    #[error("word {word} is no opcode, number or data")]
    UnknownWord {
        /// The word.
        word: usize,
    },
    /// Not an even number of hexadecimal digits.
    #[error("word {word} is not hexadecimal")]
    Hex {
        /// The word.
        word: usize,
    },
    /// A number of more than five bytes, which no instruction takes.
    #[error("word {word} is a number beyond what an instruction takes")]
    Number {
        /// The word.
        word: usize,
    },
}

/// Turns assembly into a script's bytes.
///
/// # Errors
/// The first word that can't be read.
pub fn assemble(text: &str) -> Result<Vec<u8>, AssemblyError> {
    let mut script = Builder::default();
    for (position, word) in text.split_whitespace().enumerate() {
        script = assemble_word(script, word, position)?;
    }
    Ok(script.into_bytes())
}

fn assemble_word(script: Builder, word: &str, position: usize) -> Result<Builder, AssemblyError> {
    let hex = |digits: &str| hex::decode(digits).map_err(|_| AssemblyError::Hex { word: position });
    if let Some(digits) = word.strip_prefix("0x") {
        return Ok(script.raw(&hex(digits)?));
    }
    if let Some(digits) = word.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
        return Ok(script.data(&hex(digits)?));
    }
    if let Some(text) = word.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return Ok(script.data(text.as_bytes()));
    }
    if let Ok(number) = word.parse::<i64>() {
        let takes = number::encode(number).len() <= MAX_LOCK_TIME_NUMBER_BYTES;
        return if takes { Ok(script.number(number)) } else { Err(AssemblyError::Number { word: position }) };
    }
    Opcode::named(word).map(|opcode| script.opcode(opcode)).ok_or(AssemblyError::UnknownWord { word: position })
}

/// A script that prints as assembly which [`assemble`] turns back into the same bytes, whatever they are. With `{:#}` it prints one
/// instruction to a line, each behind its offset in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script<'s>(pub &'s [u8]);

impl fmt::Display for Script<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (separator, lines) = if formatter.alternate() { ("\n", true) } else { (" ", false) };
        for (position, instruction) in Instructions::of(self.0).enumerate() {
            if position > 0 {
                formatter.write_str(separator)?;
            }
            let offset = match instruction {
                Ok(Instruction { offset, .. }) | Err(Fault::TruncatedPush { offset }) => offset,
                Err(_) => self.0.len(),
            };
            if lines {
                write!(formatter, "{offset:5}  ")?;
            }
            match instruction {
                Ok(instruction) => instruction.fmt(formatter)?,
                Err(_) => write!(formatter, "0x{}", hex::encode(&self.0[offset..]))?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Instruction<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_push = self.opcode <= Opcode::PUSHDATA4;
        match (self.opcode.small_number(), self.opcode.name()) {
            (Some(number), _) => write!(formatter, "{number}"),
            (None, Some(name)) if !is_push => formatter.write_str(name),
            _ if is_push && self.is_minimal() => write!(formatter, "<{}>", hex::encode(self.data)),
            _ => {
                let length = (self.data.len() as u32).to_le_bytes();
                let prefix = hex::encode(&length[..self.opcode.length_bytes()]);
                write!(formatter, "0x{:02x}{prefix}{}", self.opcode.0, hex::encode(self.data))
            }
        }
    }
}

/// One line of a trace: the script, the instruction's offset, the instruction, and the stack after it with the top last.
impl fmt::Display for Step<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            Part::Unlock => "unlock",
            Part::Lock => "lock",
            Part::Redeem => "redeem",
        };
        let skipped = if self.executed { "" } else { " (skipped)" };
        let Instruction { offset, .. } = self.instruction;
        write!(formatter, "{part:6} {offset:5}  {}{skipped}  [{}]", self.instruction, items(self.machine.stack()))?;
        match self.machine.alternate_stack() {
            [] => Ok(()),
            alternate => write!(formatter, "  alternate [{}]", items(alternate)),
        }
    }
}

fn items(stack: &[Vec<u8>]) -> String {
    let words: Vec<String> = stack.iter().map(hex::encode).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use alloc::{format, string::ToString, vec};

    use super::*;

    #[test]
    fn words_become_bytes() {
        let script = assemble("DUP OP_HASH160 <0102> 0xba 'ab' -1 0 16 17 1000 ENDIF").unwrap();
        let expected =
            [&[0x76, 0xa9, 2, 1, 2, 0xba, 2, b'a', b'b', 0x4f, 0, 0x60, 1, 17, 2, 0xe8, 3, 0x68][..]].concat();
        assert_eq!(script, expected);
        assert_eq!(Script(&script).to_string(), "DUP HASH160 <0102> 0xba <6162> -1 0 16 <11> <e803> ENDIF");
    }

    #[test]
    fn what_is_no_word_is_named() {
        assert_eq!(assemble("DUP NONSENSE"), Err(AssemblyError::UnknownWord { word: 1 }));
        assert_eq!(assemble("0x123"), Err(AssemblyError::Hex { word: 0 }));
        assert_eq!(assemble("1 <zz>"), Err(AssemblyError::Hex { word: 1 }));
        assert_eq!(assemble("1099511627776"), Err(AssemblyError::Number { word: 0 }));
    }

    #[test]
    fn odd_pushes_print_as_they_are() {
        let script = vec![0x4c, 1, 9, 0x01, 0x05, 0x4d, 9, 0, 1];
        assert_eq!(Script(&script).to_string(), "0x4c0109 0x0105 0x4d090001");
        assert_eq!(assemble(&Script(&script).to_string()).unwrap(), script);
        assert_eq!(format!("{:#}", Script(&script)), "    0  0x4c0109\n    3  0x0105\n    5  0x4d090001");
    }
}
