//! What a script asks about one input of this project's transactions.

use alloc::vec::Vec;
use core::fmt;

use health_chain_data::{Hash, Input, PublicKey, Signature, ports::SignatureClaim, tagged_hash};
use health_chain_incentive::ports::Spend;

use crate::{
    ports::{Need, SignatureCheck, Signed},
    script::lock_time,
};

/// What an oracle signs so that `CHECKSIGFROMSTACK` takes it: `TH("HC/oracle/v1", statement)`. The tag keeps oracles from signing a spend
/// by being asked for a statement.
pub fn data_message(statement: &[u8]) -> Hash {
    tagged_hash("HC/oracle/v1", &[statement])
}

/// Whether a signature holds: found out here where the script needs to know, and otherwise claimed.
pub(crate) fn holds(claims: &mut Vec<SignatureClaim>, key: &[u8], signature: &[u8], message: Hash, need: Need) -> bool {
    let key = key.try_into().ok().and_then(|key| PublicKey::from_bytes(key).ok());
    let (Some(key), Ok(signature)) = (key, signature.try_into().map(Signature)) else { return false };
    match need {
        Need::Answer => key.verify(&message, &signature).is_ok(),
        Need::Required => {
            claims.push(SignatureClaim { key, message, signature });
            true
        }
    }
}

/// The answers for one spend. Signatures on which the verdict hangs are claimed, and verified with all others of the block.
pub struct SpendSignatures<'a> {
    spend: &'a Spend<'a>,
    claims: &'a mut Vec<SignatureClaim>,
    /// What spending signatures sign. There is one: the script code is the whole script, and a script hash checks no signature
    /// before its script does.
    message: Option<Hash>,
}

impl fmt::Debug for SpendSignatures<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpendSignatures").field("claims", &self.claims.len()).finish_non_exhaustive()
    }
}

impl<'a> SpendSignatures<'a> {
    /// For `spend`; what is put off is pushed to `claims`.
    pub const fn new(spend: &'a Spend<'a>, claims: &'a mut Vec<SignatureClaim>) -> Self {
        Self { spend, claims, message: None }
    }

    fn sequence(&self) -> u32 {
        self.spend.transaction.inputs.get(self.spend.input_index as usize).map_or(Input::FINAL, |input| input.sequence)
    }
}

impl SignatureCheck for SpendSignatures<'_> {
    fn check_signature(&mut self, signed: &Signed<'_>) -> bool {
        let message = *self.message.get_or_insert_with(|| self.spend.message(signed.script_code));
        holds(self.claims, signed.key, signed.signature, message, signed.need)
    }

    fn check_data(&mut self, key: &[u8], signature: &[u8], message: &[u8], need: Need) -> bool {
        holds(self.claims, key, signature, data_message(message), need)
    }

    fn check_lock_time(&mut self, lock_time: i64) -> bool {
        lock_time::is_reached(lock_time, self.spend.transaction.lock_time, self.sequence())
    }

    fn check_sequence(&mut self, sequence: i64) -> bool {
        lock_time::is_old_enough(sequence, self.sequence())
    }
}
