//! The seam of the incentive layer: who may spend an output.

use alloc::vec::Vec;

use health_chain_consensus::ports::Rejection;
use health_chain_data::{
    ChainId, Hash, Height, Lock, Output, Timestamp, Transaction, TxId, Witness, ports::SignatureClaim,
};

/// One input about to be spent, with all that a lock may ask about.
#[derive(Debug, Clone, Copy)]
pub struct Spend<'a> {
    /// The chain, signed into every spend.
    pub chain: &'a ChainId,
    /// The spending transaction.
    pub transaction: &'a Transaction,
    /// Its id.
    pub id: &'a TxId,
    /// Which of its inputs.
    pub input_index: u32,
    /// The output being spent.
    pub spent: &'a Output,
    /// Hash of all outputs that the transaction spends ([`health_chain_data::transaction::spent_outputs_hash`]).
    pub spent_outputs: &'a Hash,
    /// Height of the block that the transaction is to enter.
    pub height: Height,
    /// Median time past of that block.
    pub median_time_past: Timestamp,
}

impl Spend<'_> {
    /// The message that a signature for this input signs, for a lock whose script code is `script_code`.
    pub fn message(&self, script_code: &[u8]) -> Hash {
        health_chain_data::transaction::spend_hash(
            self.chain,
            self.id,
            self.spent_outputs,
            self.input_index,
            script_code,
        )
    }

    /// The witness of this input.
    pub fn witness(&self) -> &Witness {
        &self.transaction.witnesses[self.input_index as usize]
    }
}

/// Decides whether a lock is satisfied. Implemented by [`crate::SingleKey`] here and by the contract layer's scripts.
pub trait SpendCheck: Send + Sync {
    /// Whether an output may be made under `lock` at all.
    ///
    /// # Errors
    /// Where nobody could ever spend it, or the lock is of no known form.
    fn check_lock(&self, lock: &Lock) -> Result<(), Rejection>;

    /// Upper bound on the signature checks that spending costs, counted towards the block's cap before any is done.
    fn signature_checks(&self, lock: &Lock, witness: &Witness) -> u32;

    /// Whether the witness satisfies the lock. Signatures it depends on are verified here or pushed to `claims`.
    ///
    /// # Errors
    /// The rule that the witness breaks.
    fn check(&self, spend: &Spend<'_>, claims: &mut Vec<SignatureClaim>) -> Result<(), Rejection>;
}
