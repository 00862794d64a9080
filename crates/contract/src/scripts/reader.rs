//! Reading a lock against a form.

use health_chain_data::{PublicKey, keys::PUBLIC_KEY_BYTES};

use crate::{
    limits::MAX_LOCK_TIME_NUMBER_BYTES,
    script::{Instruction, Instructions, Opcode, number},
};

/// The instructions left of a lock. Everything returns nothing where the lock has another form.
#[derive(Clone)]
pub(super) struct Reader<'s>(Instructions<'s>);

impl<'s> Reader<'s> {
    pub(super) const fn of(script: &'s [u8]) -> Self {
        Self(Instructions::of(script))
    }

    fn next(&mut self) -> Option<Instruction<'s>> {
        self.0.next()?.ok()
    }

    /// Exactly these.
    pub(super) fn opcodes(&mut self, opcodes: &[Opcode]) -> Option<&mut Self> {
        for opcode in opcodes {
            self.next().filter(|read| read.opcode == *opcode)?;
        }
        Some(self)
    }

    /// Whether the next instruction is this one; it is passed then.
    pub(super) fn passes(&mut self, opcode: Opcode) -> bool {
        let mut ahead = self.clone();
        let passes = ahead.opcodes(&[opcode]).is_some();
        if passes {
            *self = ahead;
        }
        passes
    }

    /// A push of `N` bytes.
    pub(super) fn data<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.next()?.data.try_into().ok()
    }

    pub(super) fn key(&mut self) -> Option<PublicKey> {
        PublicKey::from_bytes(&self.data::<PUBLIC_KEY_BYTES>()?).ok()
    }

    /// A number that fits 32 bits.
    pub(super) fn unsigned(&mut self) -> Option<u32> {
        let push = self.next()?;
        let number = match push.opcode.small_number() {
            Some(number) => number,
            None if push.opcode <= Opcode::PUSHDATA4 => {
                number::decode(push.data, true, MAX_LOCK_TIME_NUMBER_BYTES).ok()?
            }
            None => return None,
        };
        u32::try_from(number).ok()
    }

    /// `value`, where nothing is left.
    pub(super) fn end<T>(&mut self, value: T) -> Option<T> {
        self.0.next().is_none().then_some(value)
    }
}
