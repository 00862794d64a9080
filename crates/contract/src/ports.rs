//! The seam of the contract layer: stateful rules per transaction kind.

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
