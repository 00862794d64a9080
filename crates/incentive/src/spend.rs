//! The plainest spend check: one key, one signature.

use alloc::{boxed::Box, vec::Vec};

use health_chain_consensus::ports::Rejection;
use health_chain_data::{
    ChainId, Lock, Output, PublicKey, Signature, Transaction, Witness,
    keys::{KeyError, PUBLIC_KEY_BYTES, SIGNATURE_BYTES},
    ports::{SignatureClaim, Signer, SignerError},
    transaction::{spend_hash, spent_outputs_hash},
};
use thiserror::Error;

use crate::ports::{Spend, SpendCheck};

const PUSH_32: u8 = 0x20;
const CHECKSIG: u8 = 0xac;
const LOCK_BYTES: usize = 1 + PUBLIC_KEY_BYTES + 1;

/// Pays to one key. The lock is `0x20 <32-byte x-only key> 0xac`, the bytes of the script `PUSH32 key CHECKSIG`, so that a script
/// machine reads it alike; the witness is one 64-byte BIP340 signature of [`Spend::message`], with the lock as script code.
#[derive(Debug, Clone, Copy, Default)]
pub struct SingleKey;

/// A rule of [`SingleKey`] that a lock or a witness breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SingleKeyError {
    /// The lock has another form.
    #[error("lock of {bytes} bytes is not of the form push key, check signature")]
    LockForm {
        /// Its length.
        bytes: usize,
    },
    /// The lock names no key, so nobody could ever spend it.
    #[error("lock names no key")]
    LockKey(#[from] KeyError),
    /// Not exactly one witness item.
    #[error("{count} witness items, where one signature is expected")]
    WitnessItems {
        /// How many.
        count: usize,
    },
    /// The witness item is not as long as a signature.
    #[error("witness item of {bytes} bytes, where a signature has {SIGNATURE_BYTES}")]
    SignatureLength {
        /// How long.
        bytes: usize,
    },
}

impl SingleKeyError {
    /// The rule's name, stable across versions.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::LockForm { .. } => "single-key-lock-form",
            Self::LockKey(_) => "single-key-lock-key",
            Self::WitnessItems { .. } => "single-key-witness-items",
            Self::SignatureLength { .. } => "single-key-signature-length",
        }
    }
}

impl From<SingleKeyError> for Rejection {
    fn from(error: SingleKeyError) -> Self {
        Self { rule: error.rule(), source: Box::new(error) }
    }
}

impl SingleKey {
    /// The lock that `key` alone opens.
    pub fn lock(key: &PublicKey) -> Lock {
        let mut script = Vec::with_capacity(LOCK_BYTES);
        script.push(PUSH_32);
        script.extend_from_slice(key.as_bytes());
        script.push(CHECKSIG);
        Lock(script)
    }

    /// The key that opens `lock`.
    ///
    /// # Errors
    /// Where the lock is of another form or names no key.
    pub fn key(lock: &Lock) -> Result<PublicKey, SingleKeyError> {
        match lock.0.as_slice() {
            [PUSH_32, key @ .., CHECKSIG] => key.try_into().ok(),
            _ => None,
        }
        .map_or(Err(SingleKeyError::LockForm { bytes: lock.0.len() }), |key| Ok(PublicKey::from_bytes(key)?))
    }

    /// Signs every input of `transaction` that spends an output under the signer's own lock, and leaves the others alone. `spent` are
    /// the outputs that the inputs spend, in their order; sign last, since the signatures cover everything but the witnesses.
    ///
    /// # Panics
    /// If `spent` and the witnesses are not one per input.
    ///
    /// # Errors
    /// Where the signer fails; the transaction is then unchanged.
    pub fn sign(
        transaction: &mut Transaction,
        chain: &ChainId,
        spent: &[Output],
        signer: &dyn Signer,
        entropy: &[u8; 32],
    ) -> Result<(), SignerError> {
        assert_eq!(spent.len(), transaction.inputs.len(), "one spent output per input");
        assert_eq!(transaction.witnesses.len(), transaction.inputs.len(), "one witness per input");
        let own = Self::lock(&signer.public_key());
        let (id, spent_outputs) = (transaction.id(), spent_outputs_hash(spent));
        let mut signed = Vec::new();
        for (index, _) in spent.iter().enumerate().filter(|(_, output)| output.lock == own) {
            let message = spend_hash(chain, &id, &spent_outputs, index as u32, &own.0);
            signed.push((index, signer.sign(&message, entropy)?));
        }
        for (index, signature) in signed {
            transaction.witnesses[index] = Witness::new([signature.0]);
        }
        Ok(())
    }
}

impl SpendCheck for SingleKey {
    fn check_lock(&self, lock: &Lock) -> Result<(), Rejection> {
        Self::key(lock).map(drop).map_err(Rejection::from)
    }

    fn signature_checks(&self, _: &Lock, _: &Witness) -> u32 {
        1
    }

    fn check(&self, spend: &Spend<'_>, claims: &mut Vec<SignatureClaim>) -> Result<(), Rejection> {
        let key = Self::key(&spend.spent.lock)?;
        let [item] = spend.witness().0.as_slice() else {
            return Err(SingleKeyError::WitnessItems { count: spend.witness().0.len() }.into());
        };
        let signature: [u8; SIGNATURE_BYTES] =
            (item.0.as_slice().try_into()).map_err(|_| SingleKeyError::SignatureLength { bytes: item.0.len() })?;
        let message = spend.message(&spend.spent.lock.0);
        claims.push(SignatureClaim { key, message, signature: Signature(signature) });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use health_chain_data::{Hash, Height, Timestamp, TxId};

    use super::*;
    use crate::common::{EUR, World, key, lock, owned, pay, unsigned};

    #[test]
    fn each_rule_has_its_refusal() {
        let good = lock(1);
        assert_eq!(SingleKey::key(&good), Ok(key(1).public_key()));
        assert_eq!(SingleKey::key(&Lock(vec![PUSH_32; 33])), Err(SingleKeyError::LockForm { bytes: 33 }));
        let mut other = good.clone();
        other.0[33] = 0xad;
        assert_eq!(SingleKey::key(&other), Err(SingleKeyError::LockForm { bytes: 34 }));
        let mut nobody = good.clone();
        nobody.0[1..33].fill(0xff);
        assert_eq!(SingleKey::key(&nobody), Err(SingleKeyError::LockKey(KeyError::NotOnCurve)));
        assert_eq!(SingleKey.check_lock(&nobody).unwrap_err().rule, "single-key-lock-key");

        let spent = pay(EUR, 5, 1);
        let rule = |items: &[&[u8]]| {
            let mut transaction = Transaction::new(crate::kinds::TRANSFER, vec![]);
            transaction.witnesses = vec![Witness::new(items.iter().copied())];
            let spend = Spend {
                chain: &ChainId::default(),
                transaction: &transaction,
                id: &TxId::default(),
                input_index: 0,
                spent: &spent,
                spent_outputs: &Hash::ZERO,
                height: Height(1),
                median_time_past: Timestamp(1),
            };
            let mut claims = Vec::new();
            let outcome = SingleKey.check(&spend, &mut claims);
            assert_eq!(claims.len(), usize::from(outcome.is_ok()));
            outcome.map_or_else(|rejection| rejection.rule, |()| "claimed")
        };
        assert_eq!(rule(&[&[7; 64]]), "claimed");
        assert_eq!(rule(&[]), "single-key-witness-items");
        assert_eq!(rule(&[&[7; 64], &[]]), "single-key-witness-items");
        assert_eq!(rule(&[&[7; 63]]), "single-key-signature-length");
        assert_eq!(rule(&[&[7; 65]]), "single-key-signature-length");
    }

    #[test]
    fn signing_fills_the_own_inputs_only() {
        let world = World::new(crate::Reward::Immediate);
        let made = owned(&world.mint(vec![pay(EUR, 5, 1), pay(EUR, 6, 2), pay(EUR, 7, 1)]));
        let mut transaction = unsigned(&made, vec![]);
        let spent: Vec<Output> = made.into_iter().map(|(_, output)| output).collect();
        SingleKey::sign(&mut transaction, &world.chain(), &spent, &key(1), &[0; 32]).unwrap();
        let items: Vec<usize> = transaction.witnesses.iter().map(|witness| witness.0.len()).collect();
        assert_eq!(items, vec![1, 0, 1]);
        assert_ne!(transaction.witnesses[0], transaction.witnesses[2]);
    }
}
