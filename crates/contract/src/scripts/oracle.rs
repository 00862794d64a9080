//! Payment on outside information: oracles attest to an outcome.

use alloc::vec::Vec;

use health_chain_data::{Hash, PublicKey, Signature, Witness};

use super::{Multisig, reader::Reader};
use crate::script::{Builder, Opcode};

/// A payment that is due once `threshold` of the oracles have signed a statement; after a deadline it goes back to the payer.
///
/// The oracles sign [`super::data_message`] of the statement and need not know of the payment: an insurer's promise pays out without
/// the insurer. The statement is a digest that names case and outcome, so that an attestation for one policy is none for another. An
/// output is spent once, so the same claim is never paid twice.
///
/// `IF <statement> <oracle> CHECKSIGFROMSTACK (SWAP <statement> <oracle> CHECKSIGFROMSTACK ADD)... <m> NUMEQUALVERIFY <beneficiary>
/// ELSE <refund_from> CHECKLOCKTIMEVERIFY DROP <payer> ENDIF CHECKSIG`
///
/// ```
/// use health_chain_contract::scripts::{Multisig, OraclePayout, Template, data_message};
/// use health_chain_data::{SecretKey, sha256};
///
/// let [insurer, patient, clinic, registry] =
///     [1, 2, 3, 4].map(|seed| SecretKey::from_bytes(&[seed; 32]).expect("below the order"));
/// let payout = OraclePayout {
///     statement: sha256(b"policy 4711: surgery done"),
///     oracles: Multisig::new(1, vec![clinic.public_key(), registry.public_key()])?,
///     beneficiary: patient.public_key(), payer: insurer.public_key(), refund_from: 1_800_000_000,
/// };
/// let attestation = registry.sign(&data_message(&payout.statement.0), &[0; 32]);
/// let message = sha256(b"the spend");
/// let claim = OraclePayout::claim_witness(&patient.sign(&message, &[0; 32]), &[None, Some(attestation)]);
/// let lock = Template::OraclePayout(payout).lock();
/// # let _ = (lock, claim);
/// # Ok::<(), health_chain_contract::scripts::ScriptError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OraclePayout {
    /// What the oracles attest to.
    pub statement: Hash,
    /// The oracles, and how many of them it takes.
    pub oracles: Multisig,
    /// Whom it is paid to.
    pub beneficiary: PublicKey,
    /// Whom it goes back to.
    pub payer: PublicKey,
    /// From when it goes back: a height or a time in seconds, as a transaction's lock time.
    pub refund_from: u32,
}

impl OraclePayout {
    /// The witness of the beneficiary: one place for each oracle in the lock's order, exactly as many filled as the threshold says.
    pub fn claim_witness(signature: &Signature, attestations: &[Option<Signature>]) -> Witness {
        let signature = [signature.as_bytes().as_slice()];
        Witness::new(signature.into_iter().chain(attestation_items(attestations)).chain([&[1][..]]))
    }

    /// The witness of the payer, after the deadline. The input's sequence must not be final.
    pub fn refund_witness(signature: &Signature) -> Witness {
        Witness::new([&signature.as_bytes()[..], &[]])
    }

    pub(super) fn script(&self) -> Builder {
        count_attestations(Builder::default().opcode(Opcode::IF), &self.statement, self.oracles.keys())
            .number(self.oracles.threshold() as i64)
            .opcode(Opcode::NUMEQUALVERIFY)
            .data(self.beneficiary.as_bytes())
            .opcode(Opcode::ELSE)
            .number(i64::from(self.refund_from))
            .opcodes(&[Opcode::CHECKLOCKTIMEVERIFY, Opcode::DROP])
            .data(self.payer.as_bytes())
            .opcodes(&[Opcode::ENDIF, Opcode::CHECKSIG])
    }

    pub(super) fn read(mut reader: Reader<'_>) -> Option<Self> {
        let statement = Hash(reader.opcodes(&[Opcode::IF])?.data()?);
        let mut oracles = Vec::from([reader.key()?]);
        reader.opcodes(&[Opcode::CHECKSIGFROMSTACK])?;
        while reader.passes(Opcode::SWAP) {
            // The statement is compared with the first one when the lock is written back.
            reader.data::<32>()?;
            oracles.push(reader.key()?);
            reader.opcodes(&[Opcode::CHECKSIGFROMSTACK, Opcode::ADD])?;
        }
        let oracles = Multisig::new(reader.unsigned()? as usize, oracles).ok()?;
        let beneficiary = reader.opcodes(&[Opcode::NUMEQUALVERIFY])?.key()?;
        let refund_from = reader.opcodes(&[Opcode::ELSE])?.unsigned()?;
        let payer = reader.opcodes(&[Opcode::CHECKLOCKTIMEVERIFY, Opcode::DROP])?.key()?;
        let payout = Self { statement, oracles, beneficiary, payer, refund_from };
        reader.opcodes(&[Opcode::ENDIF, Opcode::CHECKSIG])?.end(payout)
    }
}

/// Appends `<statement> <oracle> CHECKSIGFROMSTACK (SWAP <statement> <oracle> CHECKSIGFROMSTACK ADD)...`, which leaves the number of
/// oracles who have attested.
pub(crate) fn count_attestations(script: Builder, statement: &Hash, oracles: &[PublicKey]) -> Builder {
    oracles.iter().enumerate().fold(script, |script, (position, oracle)| {
        let first = position == 0;
        let script = if first { script } else { script.opcode(Opcode::SWAP) };
        let script = script.data(&statement.0).data(oracle.as_bytes()).opcode(Opcode::CHECKSIGFROMSTACK);
        if first { script } else { script.opcode(Opcode::ADD) }
    })
}

/// What [`count_attestations`] takes: the first oracle's on top, nothing where one has not attested.
pub(crate) fn attestation_items(attestations: &[Option<Signature>]) -> impl Iterator<Item = &[u8]> {
    attestations.iter().rev().map(|given| given.as_ref().map_or(&[][..], |given| given.as_bytes()))
}
