//! Showing that a deposit's condition holds.

use alloc::vec::Vec;

use health_chain_consensus::ports::{BlockContext, ExecuteError};
use health_chain_data::{
    ChainId, Hash, Lock, Transaction, Witness,
    codec::{self, Wire},
    ports::SignatureClaim,
    state::Overlay,
    tagged_hash,
};
use serde::{Deserialize, Serialize};

use super::{Condition, DepositId, Moment, OPEN, ReleaseError, Stage, Standing, condition::hash_of, put, waiting};
use crate::{
    limits::MAX_OPEN_BYTES,
    ports::{Need, SignatureCheck, Signed},
    script::{Flags, lock_time, verify_witness},
    scripts::{data_message, holds, signature_checks},
};

/// The payload of an OPEN transaction. Anybody may bring it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Open {
    /// The deposit.
    pub deposit: DepositId,
    /// The script whose hash was deposited. It stands here so that what running it may cost can be told from the transaction.
    #[serde(with = "codec::bytes")]
    pub condition: Vec<u8>,
    /// What meets it.
    pub witness: Witness,
}

impl Wire for Open {
    const MAX_BYTES: usize = MAX_OPEN_BYTES;
}

impl Open {
    /// Opens a deposit by what meets its condition.
    pub fn new(deposit: DepositId, condition: &Condition, witness: Witness) -> Self {
        Self { deposit, condition: condition.as_bytes().to_vec(), witness }
    }

    /// What a `CHECKSIG` in a condition asks to be signed: `TH("HC/open/v1", chain id || deposit || renewals u32 || script)`. A
    /// signature opens one deposit, and none after its owner has been heard of again.
    pub fn message(chain: &ChainId, deposit: &DepositId, renewals: u32, condition: &[u8]) -> Hash {
        let parts = [chain.as_bytes().as_slice(), deposit.0.as_bytes(), &renewals.to_le_bytes(), condition];
        tagged_hash("HC/open/v1", &parts)
    }

    /// The transaction, inputs and outputs still missing.
    pub fn transaction(&self) -> Transaction {
        Transaction::new(OPEN, codec::encode(self))
    }

    /// What a spend of such a lock with such a witness may cost.
    pub(super) fn signature_checks(self) -> u32 {
        signature_checks(&Lock(self.condition), &self.witness)
    }

    pub(super) fn apply(
        self,
        state: &mut Overlay<'_>,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        let Self { deposit, condition, witness } = self;
        let mut standing = waiting(&*state, &deposit)?;
        if hash_of(&condition) != standing.condition {
            return Err(ReleaseError::Condition.into());
        }
        let items = witness.0.into_iter().map(|item| item.0).collect();
        let mut asked = Asked { context, deposit: &deposit, standing: &standing, claims };
        verify_witness(items, &condition, Flags::CONSENSUS, &mut asked).map_err(ReleaseError::DoesNotHold)?;
        standing.stage = Stage::Opened(Moment::from(context));
        put(state, &deposit, &standing);
        Ok(())
    }
}

/// What a condition asks about its deposit and the block in which it is to be opened.
struct Asked<'a> {
    context: &'a BlockContext,
    deposit: &'a DepositId,
    standing: &'a Standing,
    claims: &'a mut Vec<SignatureClaim>,
}

impl SignatureCheck for Asked<'_> {
    fn check_signature(&mut self, signed: &Signed<'_>) -> bool {
        let message = Open::message(&self.context.chain, self.deposit, self.standing.renewals, signed.script_code);
        holds(self.claims, signed.key, signed.signature, message, signed.need)
    }

    fn check_data(&mut self, key: &[u8], signature: &[u8], message: &[u8], need: Need) -> bool {
        holds(self.claims, key, signature, data_message(message), need)
    }

    fn check_lock_time(&mut self, lock_time: i64) -> bool {
        lock_time::is_past(lock_time, self.context.height.0, self.context.median_time_past.0)
    }

    fn check_sequence(&mut self, sequence: i64) -> bool {
        let (now, since) = (Moment::from(self.context), self.standing.since);
        let blocks = now.height.0.saturating_sub(since.height.0);
        lock_time::is_aged(sequence, blocks, now.time.0.saturating_sub(since.time.0))
    }
}
