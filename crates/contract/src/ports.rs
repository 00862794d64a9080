//! The seams of the contract layer: stateful rules per transaction kind, and what a script asks about its transaction.

use alloc::vec::Vec;

use health_chain_consensus::ports::{BlockContext, ExecuteError};
use health_chain_data::{
    Genesis, Kind, Transaction, TxId,
    ports::SignatureClaim,
    state::{Overlay, Table},
};

/// The rules of one or more transaction kinds. A program must be deterministic: what it does depends on the state, the
/// transaction and the context only. Its writes are undone from the tables, so it needs no undo code of its own.
pub trait Program: Send + Sync {
    /// The program's name.
    fn name(&self) -> &'static str;

    /// The kinds it decides. No two programs may claim the same one.
    fn kinds(&self) -> &'static [Kind];

    /// The tables it writes. No two programs may claim the same one.
    fn tables(&self) -> &'static [Table];

    /// Writes the state that the genesis document sets out.
    ///
    /// # Errors
    /// Where a section is missing or contradicts itself.
    fn genesis(&self, state: &mut Overlay<'_>, genesis: &Genesis) -> Result<(), ExecuteError>;

    /// Whether the transaction may have no inputs and pay no fee, because the program bounds its number otherwise (paper 2.6:
    /// withdrawing consent costs nothing).
    fn is_free(&self, transaction: &Transaction) -> bool;

    /// Upper bound on the signature checks that applying costs beyond those of the inputs.
    fn signature_checks(&self, transaction: &Transaction) -> u32;

    /// Applies the payload to `state`, all of it or nothing. Signatures that it depends on are pushed to `claims`.
    ///
    /// # Errors
    /// The rule that the payload breaks.
    fn apply(
        &self,
        state: &mut Overlay<'_>,
        transaction: &Transaction,
        id: &TxId,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError>;
}

/// Decides no kind and owns no table: for chains that move tokens only, and as the template to copy.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgram;

impl Program for NoProgram {
    fn name(&self) -> &'static str {
        "none"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[]
    }

    fn tables(&self) -> &'static [Table] {
        &[]
    }

    fn genesis(&self, _: &mut Overlay<'_>, _: &Genesis) -> Result<(), ExecuteError> {
        Ok(())
    }

    fn is_free(&self, _: &Transaction) -> bool {
        false
    }

    fn signature_checks(&self, _: &Transaction) -> u32 {
        0
    }

    fn apply(
        &self,
        _: &mut Overlay<'_>,
        _: &Transaction,
        _: &TxId,
        _: &BlockContext,
        _: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        Ok(())
    }
}

/// What a script asks about the transaction that it unlocks an output for. The machine knows no transaction format; this is all
/// that it takes from one.
pub trait SignatureCheck {
    /// Whether a signature, never empty, holds. Its encoding has been checked as far as the flags ask for it.
    fn check_signature(&mut self, signed: &Signed<'_>) -> bool;

    /// Whether a signature, never empty, holds over `message`, an item of the stack (`CHECKSIGFROMSTACK`).
    fn check_data(&mut self, key: &[u8], signature: &[u8], message: &[u8], need: Need) -> bool;

    /// Whether the transaction can't be valid before `lock_time`, a height or a time as in BIP65; never negative.
    fn check_lock_time(&mut self, lock_time: i64) -> bool;

    /// Whether the input can't be valid before its output has the age that `sequence` asks for (BIP112); never negative.
    fn check_sequence(&mut self, sequence: i64) -> bool;
}

/// A signature over the transaction, with whose it is said to be.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The key as it stands on the stack.
    pub key: &'a [u8],
    /// The signature as it stands on the stack; for ECDSA with its hash type.
    pub signature: &'a [u8],
    /// The script that it covers.
    pub script_code: &'a [u8],
    /// Whether the answer is needed now.
    pub need: Need,
}

/// How much hangs on an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The script goes on in another way where the signature does not hold.
    Answer,
    /// The script fails where the signature does not hold. So it may be taken as valid here, as long as it is verified before
    /// the script's verdict counts: signatures of a whole block can then be verified together.
    Required,
}

/// No signature, lock time or sequence holds: for scripts that ask for none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSignatures;

impl SignatureCheck for NoSignatures {
    fn check_signature(&mut self, _: &Signed<'_>) -> bool {
        false
    }

    fn check_data(&mut self, _: &[u8], _: &[u8], _: &[u8], _: Need) -> bool {
        false
    }

    fn check_lock_time(&mut self, _: i64) -> bool {
        false
    }

    fn check_sequence(&mut self, _: i64) -> bool {
        false
    }
}
