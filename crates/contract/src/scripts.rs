//! Spending conditions as Bitcoin-style scripts.
//!
//! A lock is a script, byte for byte as Bitcoin writes it (with BIP340's 32-byte keys), and a witness is the stack that the
//! script starts with. Two forms are understood so far, each told by its bytes ([`Template`]); a lock of any other form is
//! refused when an output is made, so that no coin is lost under a script that nobody can run.

mod template;

pub use template::{Multisig, Template, key_witness, multisig_witness};

use alloc::{boxed::Box, vec::Vec};

use health_chain_consensus::ports::Rejection;
use health_chain_data::{
    Hash, Lock, PublicKey, Signature, Witness, keys::SIGNATURE_BYTES, ports::SignatureClaim, transaction::WitnessItem,
};
use health_chain_incentive::ports::{Spend, SpendCheck};
use thiserror::Error;

use crate::limits::MAX_MULTISIG_KEYS;

/// Checks locks of the forms that [`Template`] lists.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scripts;

/// A rule of scripts that a lock or a witness breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The lock is no script of a known form.
    #[error("the lock is of no known form")]
    UnknownForm,
    /// A key of the lock is not the x coordinate of a curve point, so nobody can sign for it.
    #[error("key {position} of the lock is not on the curve")]
    KeyNotOnCurve {
        /// Its position among the lock's keys.
        position: usize,
    },
    /// A key occurs twice, so that one holder would count as two.
    #[error("key {position} of the lock occurs twice")]
    DuplicateKey {
        /// The position of its second occurrence.
        position: usize,
    },
    /// The threshold is zero or above the number of keys.
    #[error("{threshold} of {keys} keys can't be asked for")]
    Threshold {
        /// Signatures asked for.
        threshold: usize,
        /// Keys given.
        keys: usize,
    },
    /// More than [`MAX_MULTISIG_KEYS`] keys.
    #[error("{keys} keys, where at most {MAX_MULTISIG_KEYS} are allowed")]
    TooManyKeys {
        /// Keys given.
        keys: usize,
    },
    /// The witness has too few or too many items.
    #[error("witness of {found} items, where the lock takes {expected}")]
    WitnessItems {
        /// Items of the witness.
        found: usize,
        /// Items that the lock takes.
        expected: usize,
    },
    /// The item that `OP_CHECKMULTISIG` drops is not empty (BIP147), so that a third party can't fill it.
    #[error("the first item of an m-of-n witness is not empty")]
    DummyNotEmpty,
    /// A signature is not 64 bytes long.
    #[error("signature of {bytes} bytes, where {SIGNATURE_BYTES} are needed")]
    SignatureLength {
        /// Its length.
        bytes: usize,
    },
    /// A signature belongs to none of the keys left over for it: forged, or not in the order of the keys.
    #[error("signature {position} belongs to no key left over for it")]
    NoKeyForSignature {
        /// Its position among the witness's signatures.
        position: usize,
    },
}

impl ScriptError {
    const fn rule(&self) -> &'static str {
        match self {
            Self::UnknownForm => "script-form",
            Self::KeyNotOnCurve { .. } => "script-key",
            Self::DuplicateKey { .. } => "script-duplicate-key",
            Self::Threshold { .. } => "script-threshold",
            Self::TooManyKeys { .. } => "script-keys",
            Self::WitnessItems { .. } => "script-witness-items",
            Self::DummyNotEmpty => "script-null-dummy",
            Self::SignatureLength { .. } => "script-signature-length",
            Self::NoKeyForSignature { .. } => "script-multisig",
        }
    }
}

impl From<ScriptError> for Rejection {
    fn from(error: ScriptError) -> Self {
        Self { rule: error.rule(), source: Box::new(error) }
    }
}

impl SpendCheck for Scripts {
    fn check_lock(&self, lock: &Lock) -> Result<(), Rejection> {
        Template::parse(lock)?;
        Ok(())
    }

    fn signature_checks(&self, lock: &Lock, _: &Witness) -> u32 {
        Template::parse(lock).map_or(0, |template| template.signature_checks())
    }

    fn check(&self, spend: &Spend<'_>, claims: &mut Vec<SignatureClaim>) -> Result<(), Rejection> {
        let lock = &spend.spent.lock;
        let message = spend.message(&lock.0);
        let items = &spend.witness().0;
        match Template::parse(lock)? {
            Template::Key(key) => check_key(key, message, items, claims)?,
            Template::Multisig(multisig) => check_multisig(&multisig, message, items, claims)?,
        }
        Ok(())
    }
}

fn check_key(
    key: PublicKey,
    message: Hash,
    items: &[WitnessItem],
    claims: &mut Vec<SignatureClaim>,
) -> Result<(), ScriptError> {
    let [item] = items else { return Err(ScriptError::WitnessItems { found: items.len(), expected: 1 }) };
    claims.push(SignatureClaim { key, message, signature: signature(item)? });
    Ok(())
}

/// As `OP_CHECKMULTISIG` does: each signature takes the first key left that it belongs to. Where all keys have to sign, which
/// key signed what is known without trying, and the signatures join the block's batch instead.
fn check_multisig(
    multisig: &Multisig,
    message: Hash,
    items: &[WitnessItem],
    claims: &mut Vec<SignatureClaim>,
) -> Result<(), ScriptError> {
    let (threshold, keys) = (multisig.threshold(), multisig.keys());
    let [dummy, items @ ..] = items else {
        return Err(ScriptError::WitnessItems { found: 0, expected: threshold + 1 });
    };
    if items.len() != threshold {
        return Err(ScriptError::WitnessItems { found: items.len() + 1, expected: threshold + 1 });
    }
    if !dummy.0.is_empty() {
        return Err(ScriptError::DummyNotEmpty);
    }
    let signatures = items.iter().map(signature).collect::<Result<Vec<Signature>, ScriptError>>()?;
    if threshold == keys.len() {
        let pairs = keys.iter().zip(signatures);
        claims.extend(pairs.map(|(key, signature)| SignatureClaim { key: *key, message, signature }));
        return Ok(());
    }
    let mut keys = keys.iter();
    for (position, signature) in signatures.iter().enumerate() {
        // Fewer keys than signatures left: no order of trying could succeed.
        let enough = keys.len() >= threshold - position;
        if !enough || !keys.any(|key| key.verify(&message, signature).is_ok()) {
            return Err(ScriptError::NoKeyForSignature { position });
        }
    }
    Ok(())
}

fn signature(item: &WitnessItem) -> Result<Signature, ScriptError> {
    let bytes = item.0.as_slice();
    bytes.try_into().map(Signature).map_err(|_| ScriptError::SignatureLength { bytes: bytes.len() })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use health_chain_data::{
        Amount, ChainId, Height, OutPoint, Output, SecretKey, Timestamp, TokenId, Transaction, TxId, sha256,
        transaction::spent_outputs_hash,
    };

    use super::*;

    fn secret(seed: u8) -> SecretKey {
        SecretKey::from_bytes(&[seed; 32]).unwrap()
    }

    fn keys(seeds: &[u8]) -> Vec<PublicKey> {
        seeds.iter().map(|seed| secret(*seed).public_key()).collect()
    }

    fn lock(threshold: usize, seeds: &[u8]) -> Lock {
        Template::multisig(threshold, keys(seeds)).unwrap().lock()
    }

    /// Spends an output under `lock` with what `witness` makes of the message, and verifies what is claimed.
    fn spend(lock: &Lock, witness: impl FnOnce(Hash) -> Witness) -> Result<usize, ScriptError> {
        let spent = Output { token: TokenId(1), amount: Amount(5), lock: lock.clone() };
        let mut transaction = Transaction::new(health_chain_data::Kind(2), vec![]);
        let previous = OutPoint { transaction: TxId::default(), index: 0 };
        transaction.inputs = vec![health_chain_data::Input { previous, sequence: u32::MAX }];
        transaction.witnesses = vec![Witness::default()];
        let (chain, id, outputs) =
            (ChainId::default(), transaction.id(), spent_outputs_hash(core::slice::from_ref(&spent)));
        let spend = |transaction| Spend {
            chain: &chain,
            transaction,
            id: &id,
            input_index: 0,
            spent: &spent,
            spent_outputs: &outputs,
            height: Height(1),
            median_time_past: Timestamp(0),
        };
        let message = spend(&transaction).message(&lock.0);
        let mut signed = transaction.clone();
        signed.witnesses = vec![witness(message)];
        let mut claims = Vec::new();
        Scripts.check(&spend(&signed), &mut claims).map_err(reason)?;
        assert!(claims.len() <= Scripts.signature_checks(lock, &signed.witnesses[0]) as usize);
        assert!(claims.iter().all(|claim| claim.message == message));
        Ok(claims.iter().filter(|claim| claim.key.verify(&claim.message, &claim.signature).is_ok()).count())
    }

    fn reason(rejection: Rejection) -> ScriptError {
        let error = *rejection.source.downcast::<ScriptError>().expect("scripts give their own reasons");
        assert_eq!(error.rule(), rejection.rule);
        error
    }

    fn signed_by(seeds: &[u8], message: Hash) -> Witness {
        let signatures: Vec<Signature> = seeds.iter().map(|seed| secret(*seed).sign(&message, &[0; 32])).collect();
        multisig_witness(&signatures)
    }

    #[test]
    fn a_key_spends_with_its_signature() {
        let lock = Template::Key(secret(1).public_key()).lock();
        assert_eq!(spend(&lock, |message| key_witness(&secret(1).sign(&message, &[0; 32]))), Ok(1));
        let stranger = spend(&lock, |message| key_witness(&secret(2).sign(&message, &[0; 32])));
        assert_eq!(stranger, Ok(0), "the claim is made and does not hold");
        assert_eq!(spend(&lock, |_| Witness::default()), Err(ScriptError::WitnessItems { found: 0, expected: 1 }));
        assert_eq!(spend(&lock, |_| Witness::new([[0_u8; 63]])), Err(ScriptError::SignatureLength { bytes: 63 }));
        let padded = spend(&lock, |_| Witness::new([[0_u8; 64], [0; 64]]));
        assert_eq!(padded, Err(ScriptError::WitnessItems { found: 2, expected: 1 }));
    }

    #[test]
    fn m_of_n_takes_any_m_in_the_order_of_the_keys() {
        let lock = lock(2, &[1, 2, 3]);
        for pair in [[1, 2], [1, 3], [2, 3]] {
            assert_eq!(spend(&lock, |message| signed_by(&pair, message)), Ok(0), "verified here, nothing claimed");
        }
        let refused = |seeds: &'static [u8]| spend(&lock, |message| signed_by(seeds, message)).unwrap_err();
        assert_eq!(refused(&[2, 1]), ScriptError::NoKeyForSignature { position: 1 });
        assert_eq!(refused(&[2, 2]), ScriptError::NoKeyForSignature { position: 1 });
        assert_eq!(refused(&[4, 3]), ScriptError::NoKeyForSignature { position: 0 });
        assert_eq!(refused(&[1, 4]), ScriptError::NoKeyForSignature { position: 1 });
        assert_eq!(refused(&[1]), ScriptError::WitnessItems { found: 2, expected: 3 });
        assert_eq!(refused(&[1, 2, 3]), ScriptError::WitnessItems { found: 4, expected: 3 });
        let of_nothing = spend(&lock, |_| Witness::default());
        assert_eq!(of_nothing, Err(ScriptError::WitnessItems { found: 0, expected: 3 }));
    }

    #[test]
    fn n_of_n_claims_its_signatures() {
        let lock = lock(3, &[1, 2, 3]);
        assert_eq!(spend(&lock, |message| signed_by(&[1, 2, 3], message)), Ok(3));
        assert_eq!(spend(&lock, |message| signed_by(&[1, 3, 2], message)), Ok(1), "two claims do not hold");
    }

    #[test]
    fn the_dummy_item_stays_empty() {
        let filled = spend(&lock(1, &[1, 2]), |message| {
            let mut witness = signed_by(&[1], message);
            witness.0[0] = WitnessItem(vec![0]);
            witness
        });
        assert_eq!(filled, Err(ScriptError::DummyNotEmpty));
    }

    #[test]
    fn a_signature_for_another_message_is_refused() {
        let other = spend(&lock(1, &[1, 2]), |_| signed_by(&[1], sha256(b"other")));
        assert_eq!(other, Err(ScriptError::NoKeyForSignature { position: 0 }));
    }

    #[test]
    fn the_bound_on_checks_is_the_number_of_keys() {
        let checks = |lock: &Lock| Scripts.signature_checks(lock, &Witness::default());
        assert_eq!(checks(&Template::Key(secret(1).public_key()).lock()), 1);
        assert_eq!(checks(&lock(2, &[1, 2, 3])), 3);
        assert_eq!(checks(&Lock(vec![0x51])), 0);
        assert_eq!(Scripts.check_lock(&Lock(vec![0x51])).map_err(reason), Err(ScriptError::UnknownForm));
    }
}
