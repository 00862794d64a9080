//! Writing a script's bytes.

use alloc::vec::Vec;

use super::{number, opcode::Opcode};

/// A script being written, every push in its shortest form.
///
/// ```
/// use health_chain_contract::script::{Builder, Opcode, Script};
///
/// let lock = Builder::default().opcode(Opcode::ADD).number(500).opcode(Opcode::NUMEQUAL).into_bytes();
/// assert_eq!(Script(&lock).to_string(), "ADD <f401> NUMEQUAL");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Builder(Vec<u8>);

impl Builder {
    /// Appends an instruction that is its opcode.
    #[must_use]
    pub fn opcode(mut self, opcode: Opcode) -> Self {
        self.0.push(opcode.0);
        self
    }

    /// Appends some of them.
    #[must_use]
    pub fn opcodes(mut self, opcodes: &[Opcode]) -> Self {
        self.0.extend(opcodes.iter().map(|opcode| opcode.0));
        self
    }

    /// Appends a push of `data`.
    #[must_use]
    pub fn data(mut self, data: &[u8]) -> Self {
        let opcode = Opcode::shortest_push(data);
        self.0.push(opcode.0);
        if opcode.small_number().is_none() {
            let length = (data.len() as u32).to_le_bytes();
            self.0.extend_from_slice(&length[..opcode.length_bytes()]);
            self.0.extend_from_slice(data);
        }
        self
    }

    /// Appends a push of `number`.
    #[must_use]
    pub fn number(self, number: i64) -> Self {
        self.data(&number::encode(number))
    }

    /// Appends bytes as they are.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// The script.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}
