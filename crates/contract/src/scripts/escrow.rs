//! Secured trade: the price waits until two of three agree.

use alloc::vec;

use health_chain_data::{PublicKey, Signature, Witness};

use super::{Multisig, ScriptError, reader::Reader, template::multisig_script};
use crate::script::{Builder, Opcode};

/// A price held until two of buyer, seller and arbiter agree on where it goes; after a deadline the buyer may take it back alone.
///
/// `IF 2 <buyer> <seller> <arbiter> 3 CHECKMULTISIG ELSE <refund_from> CHECKLOCKTIMEVERIFY DROP <buyer> CHECKSIG ENDIF`
///
/// ```
/// use health_chain_contract::scripts::{Escrow, Template};
/// use health_chain_data::{SecretKey, sha256};
///
/// let [buyer, seller, arbiter] = [1, 2, 3].map(|seed| SecretKey::from_bytes(&[seed; 32]).expect("below the order"));
/// let escrow = Escrow::new(buyer.public_key(), seller.public_key(), arbiter.public_key(), 1_800_000_000)?;
/// let lock = Template::Escrow(escrow).lock();
/// // The message is that of the spending input, with this lock as script code.
/// let message = sha256(b"the spend");
/// let agreed = Escrow::agreed_witness(&[buyer.sign(&message, &[0; 32]), seller.sign(&message, &[0; 32])]);
/// let refund = Escrow::refund_witness(&buyer.sign(&message, &[0; 32]));
/// # let _ = (lock, agreed, refund);
/// # Ok::<(), health_chain_contract::scripts::ScriptError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escrow {
    parties: Multisig,
    refund_from: u32,
}

impl Escrow {
    /// An escrow; `refund_from` is a height or a time in seconds, as a transaction's lock time.
    ///
    /// # Errors
    /// Where two of the parties are one.
    pub fn new(buyer: PublicKey, seller: PublicKey, arbiter: PublicKey, refund_from: u32) -> Result<Self, ScriptError> {
        Ok(Self { parties: Multisig::new(2, vec![buyer, seller, arbiter])?, refund_from })
    }

    /// Buyer, seller and arbiter.
    pub fn parties(&self) -> &[PublicKey] {
        self.parties.keys()
    }

    /// The lock time from which the buyer may take the price back.
    pub const fn refund_from(&self) -> u32 {
        self.refund_from
    }

    /// The witness of two parties, their signatures in the order buyer, seller, arbiter.
    pub fn agreed_witness(signatures: &[Signature; 2]) -> Witness {
        let [first, second] = signatures.each_ref().map(|signature| &signature.as_bytes()[..]);
        Witness::new([&[], first, second, &[1]])
    }

    /// The witness of the buyer, after the deadline. The input's sequence must not be final.
    pub fn refund_witness(signature: &Signature) -> Witness {
        Witness::new([&signature.as_bytes()[..], &[]])
    }

    pub(super) fn script(&self) -> Builder {
        multisig_script(Builder::default().opcode(Opcode::IF), &self.parties)
            .opcode(Opcode::ELSE)
            .number(i64::from(self.refund_from))
            .opcodes(&[Opcode::CHECKLOCKTIMEVERIFY, Opcode::DROP])
            .data(self.parties.keys()[0].as_bytes())
            .opcodes(&[Opcode::CHECKSIG, Opcode::ENDIF])
    }

    pub(super) fn read(mut reader: Reader<'_>) -> Option<Self> {
        let reader = reader.opcodes(&[Opcode::IF, Opcode::PUSH_2])?;
        let [buyer, seller, arbiter] = [reader.key()?, reader.key()?, reader.key()?];
        let refund_from = reader.opcodes(&[Opcode::PUSH_3, Opcode::CHECKMULTISIG, Opcode::ELSE])?.unsigned()?;
        reader.opcodes(&[Opcode::CHECKLOCKTIMEVERIFY, Opcode::DROP])?.key()?;
        let escrow = Self::new(buyer, seller, arbiter, refund_from).ok()?;
        reader.opcodes(&[Opcode::CHECKSIG, Opcode::ENDIF])?.end(escrow)
    }
}
