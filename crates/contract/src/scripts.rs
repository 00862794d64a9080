//! Spending conditions of this project's own transactions: the script machine behind the ledger's port.
//!
//! A lock is a script, byte for byte as Bitcoin writes it (with BIP340's 32-byte keys), and a witness is the stack that the
//! script starts with. The rules are [`Flags::CONSENSUS`], the same in every block. [`Template`] makes the standard forms;
//! a lock of any other form is run as well, and one that nobody could ever unlock is refused when the output is made.

mod cost;
mod escrow;
mod hash_lock;
mod oracle;
mod reader;
mod signatures;
mod template;

pub(crate) use cost::signature_checks;
pub use escrow::Escrow;
pub use hash_lock::HashLock;
pub use oracle::OraclePayout;
pub(crate) use oracle::{attestation_items, count_attestations};
pub(crate) use signatures::holds;
pub use signatures::{SpendSignatures, data_message};
pub use template::{Multisig, Template, key_hash_witness, key_witness, multisig_witness, script_hash_witness};

use alloc::{boxed::Box, vec::Vec};

use health_chain_consensus::ports::Rejection;
use health_chain_data::{Lock, Witness, ports::SignatureClaim};
use health_chain_incentive::ports::{Spend, SpendCheck};
use thiserror::Error;

use crate::{
    limits::{MAX_ELEMENT_BYTES, MAX_MULTISIG_KEYS, MAX_OPERATIONS, MAX_SCRIPT_BYTES},
    script::{Fault, Flags, Instructions, Opcode, verify_witness},
};

/// Checks locks by running them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Scripts;

/// Why a lock can't be made. What a witness does wrong is a [`Fault`] of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The lock is empty, so that any item would unlock it.
    #[error("the lock is empty")]
    Empty,
    /// The lock fails whatever unlocks it.
    #[error("nothing can unlock the lock")]
    NeverUnlocked(#[source] Fault),
    /// The lock is no script of a standard form.
    #[error("the lock is of no standard form")]
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
}

impl ScriptError {
    const fn rule(&self) -> &'static str {
        match self {
            Self::Empty => "script-empty",
            Self::NeverUnlocked(fault) => fault.rule(),
            Self::UnknownForm => "script-form",
            Self::KeyNotOnCurve { .. } => "script-key",
            Self::DuplicateKey { .. } => "script-duplicate-key",
            Self::Threshold { .. } => "script-threshold",
            Self::TooManyKeys { .. } => "script-keys",
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
        match Template::parse(lock) {
            Ok(_) => Ok(()),
            Err(ScriptError::UnknownForm) => Ok(can_be_unlocked(&lock.0)?),
            Err(error) => Err(error.into()),
        }
    }

    fn signature_checks(&self, lock: &Lock, witness: &Witness) -> u32 {
        cost::signature_checks(lock, witness)
    }

    fn check(&self, spend: &Spend<'_>, claims: &mut Vec<SignatureClaim>) -> Result<(), Rejection> {
        let items = spend.witness().0.iter().map(|item| item.0.clone()).collect();
        let mut signatures = SpendSignatures::new(spend, claims);
        verify_witness(items, &spend.spent.lock.0, Flags::CONSENSUS, &mut signatures)
            .map_err(|fault| Rejection { rule: fault.rule(), source: Box::new(fault) })
    }
}

/// Refuses what shows at first sight to fail with any witness. A lock may still be one that fails for another reason.
fn can_be_unlocked(script: &[u8]) -> Result<(), ScriptError> {
    if script.is_empty() {
        return Err(ScriptError::Empty);
    }
    if script.len() > MAX_SCRIPT_BYTES {
        return Err(ScriptError::NeverUnlocked(Fault::ScriptTooLong { bytes: script.len() }));
    }
    let mut operations = 0;
    for instruction in Instructions::of(script) {
        let instruction = instruction.map_err(ScriptError::NeverUnlocked)?;
        operations += usize::from(instruction.opcode > Opcode::PUSH_16);
        let bytes = instruction.data.len();
        let fault = match instruction.opcode {
            Opcode::RETURN if instruction.offset == 0 => Fault::Returned,
            Opcode::CODESEPARATOR => Fault::CodeSeparator,
            opcode @ (Opcode::VERIF | Opcode::VERNOTIF) => Fault::BadOpcode { opcode },
            opcode if opcode.is_disabled() => Fault::DisabledOpcode { opcode },
            _ if bytes > MAX_ELEMENT_BYTES => Fault::ElementTooLong { bytes },
            _ if operations > MAX_OPERATIONS => Fault::TooManyOperations,
            _ => continue,
        };
        return Err(ScriptError::NeverUnlocked(fault));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use health_chain_data::{
        Amount, ChainId, Hash, Height, OutPoint, Output, PublicKey, SecretKey, Signature, Timestamp, TokenId,
        Transaction, TxId, sha256,
        transaction::{WitnessItem, spent_outputs_hash},
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

    /// What came of a spend: signatures that were put off, and how many of them hold.
    #[derive(Debug, PartialEq, Eq)]
    struct Claims {
        made: usize,
        valid: usize,
    }

    const fn claims(made: usize, valid: usize) -> Result<Claims, Fault> {
        Ok(Claims { made, valid })
    }

    /// Spends an output under `lock` with what `witness` makes of the message, and verifies what is claimed.
    fn spend(lock: &Lock, witness: impl FnOnce(Hash) -> Witness) -> Result<Claims, Fault> {
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
        Scripts.check(&spend(&signed), &mut claims).map_err(|rejection| {
            let fault = *rejection.source.downcast::<Fault>().expect("the machine gives its own reasons");
            assert_eq!(fault.rule(), rejection.rule);
            fault
        })?;
        assert!(claims.len() <= Scripts.signature_checks(lock, &signed.witnesses[0]) as usize);
        assert!(claims.iter().all(|claim| claim.message == message));
        let valid = claims.iter().filter(|claim| claim.key.verify(&claim.message, &claim.signature).is_ok()).count();
        Ok(Claims { made: claims.len(), valid })
    }

    fn refused_lock(lock: &[u8]) -> ScriptError {
        let rejection = Scripts.check_lock(&Lock(lock.to_vec())).unwrap_err();
        let error = *rejection.source.downcast::<ScriptError>().expect("locks are refused for their own reasons");
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
        assert_eq!(spend(&lock, |message| key_witness(&secret(1).sign(&message, &[0; 32]))), claims(1, 1));
        let stranger = spend(&lock, |message| key_witness(&secret(2).sign(&message, &[0; 32])));
        assert_eq!(stranger, claims(1, 0), "the claim is made and does not hold");
        assert_eq!(spend(&lock, |_| Witness::default()), Err(Fault::StackUnderflow));
        assert_eq!(spend(&lock, |_| Witness::new([[0_u8; 0]])), Err(Fault::EvaluatedFalse));
        assert_eq!(spend(&lock, |_| Witness::new([[0_u8; 63]])), Err(Fault::SignatureLength { bytes: 63 }));
        assert_eq!(spend(&lock, |_| Witness::new([[0_u8; 64], [0; 64]])), Err(Fault::UncleanStack { entries: 2 }));
    }

    #[test]
    fn m_of_n_takes_any_m_in_the_order_of_the_keys() {
        let lock = lock(2, &[1, 2, 3]);
        // Where as many keys as signatures are left, which key signed what needs no trying.
        for (pair, put_off) in [([1, 2], 2), ([1, 3], 1), ([2, 3], 0)] {
            assert_eq!(spend(&lock, |message| signed_by(&pair, message)), claims(put_off, put_off));
        }
        let of = |seeds: &'static [u8]| spend(&lock, |message| signed_by(seeds, message));
        for (wrong, made, valid) in [(&[2, 1], 2, 0), (&[2, 2], 2, 1), (&[1, 4], 2, 1), (&[4, 3], 1, 0)] {
            assert_eq!(of(wrong), claims(made, valid), "{wrong:?}: a claim does not hold");
        }
        assert_eq!(of(&[1]), Err(Fault::StackUnderflow));
        assert_eq!(of(&[1, 2, 3]), Err(Fault::NullDummy));
        assert_eq!(spend(&lock, |_| Witness::default()), Err(Fault::StackUnderflow));
        assert_eq!(spend(&lock, |_| Witness::new([[0_u8; 0]; 3])), Err(Fault::EvaluatedFalse));
    }

    #[test]
    fn n_of_n_claims_its_signatures() {
        let lock = lock(3, &[1, 2, 3]);
        assert_eq!(spend(&lock, |message| signed_by(&[1, 2, 3], message)), claims(3, 3));
        assert_eq!(spend(&lock, |message| signed_by(&[1, 3, 2], message)), claims(3, 1), "two claims do not hold");
    }

    #[test]
    fn the_dummy_item_stays_empty() {
        let filled = spend(&lock(1, &[1, 2]), |message| {
            let mut witness = signed_by(&[1], message);
            witness.0[0] = WitnessItem(vec![0]);
            witness
        });
        assert_eq!(filled, Err(Fault::NullDummy));
    }

    #[test]
    fn a_signature_for_another_message_does_not_hold() {
        let other = spend(&lock(1, &[1, 2]), |_| signed_by(&[1], sha256(b"other")));
        assert_eq!(other, claims(1, 0));
    }

    #[test]
    fn the_bound_on_checks_is_the_number_of_keys() {
        let checks = |lock: &Lock| Scripts.signature_checks(lock, &Witness::default());
        assert_eq!(checks(&Template::Key(secret(1).public_key()).lock()), 1);
        assert_eq!(checks(&lock(2, &[1, 2, 3])), 3);
        assert_eq!(checks(&lock(1, &(1..=20).collect::<Vec<u8>>())), 20);
        assert_eq!(checks(&Lock(vec![0x51])), 1, "no spend is free");
    }

    #[test]
    fn locks_that_nothing_unlocks_are_refused() {
        assert!(Scripts.check_lock(&Lock(vec![0x51])).is_ok());
        assert_eq!(refused_lock(&[]), ScriptError::Empty);
        let never = [
            (&[0x05, 1][..], Fault::TruncatedPush { offset: 0 }),
            (&[0x6a, 0x51], Fault::Returned),
            (&[0x51, 0xab], Fault::CodeSeparator),
            (&[0x51, 0x65], Fault::BadOpcode { opcode: Opcode::VERIF }),
            (&[0x51, 0x7e], Fault::DisabledOpcode { opcode: Opcode::CAT }),
            (&[0x61; 202], Fault::TooManyOperations),
            (&[0x51; 10_001], Fault::ScriptTooLong { bytes: 10_001 }),
            (&[&[0x4d, 9, 2][..], &[0; 521]].concat(), Fault::ElementTooLong { bytes: 521 }),
        ];
        for (lock, fault) in never {
            assert_eq!(refused_lock(lock), ScriptError::NeverUnlocked(fault));
        }
        let off_curve = [&[0x20][..], &[0xff; 32], &[0xac]].concat();
        assert_eq!(refused_lock(&off_curve), ScriptError::KeyNotOnCurve { position: 0 });
    }

    #[test]
    fn other_scripts_run() {
        let sum = Lock(crate::script::assemble("ADD 5 NUMEQUAL").unwrap());
        assert_eq!(spend(&sum, |_| Witness::new([[2], [3]])), claims(0, 0));
        assert_eq!(spend(&sum, |_| Witness::new([[2], [4]])), Err(Fault::EvaluatedFalse));
        let off_curve = Lock([&[0x20][..], &[0xff; 32], &[0xac, 0x91]].concat());
        let signed = spend(&off_curve, |_| Witness::new([[1_u8; 64]]));
        assert_eq!(signed, Err(Fault::NullFail), "a signature that does not hold is not given");
        assert_eq!(spend(&off_curve, |_| Witness::new([[0_u8; 0]])), claims(0, 0), "NOT of no signature");
    }
}
