//! Payment against a secret.

use health_chain_data::{Hash, PublicKey, Signature, Witness};

use super::reader::Reader;
use crate::script::{Builder, Opcode};

/// Bytes of the secret. A length that is part of the lock keeps a secret from being too long for another chain's script.
pub(super) const SECRET_BYTES: usize = 32;

/// A payment to whom the secret is known to, or back to the payer after a deadline; what is spent shows the secret to all.
///
/// `IF SIZE 32 EQUALVERIFY SHA256 <digest> EQUALVERIFY <recipient> ELSE <refund_from> CHECKLOCKTIMEVERIFY DROP <payer> ENDIF CHECKSIG`
///
/// ```
/// use health_chain_contract::scripts::{HashLock, Template};
/// use health_chain_data::{SecretKey, sha256};
///
/// let [payer, recipient] = [1, 2].map(|seed| SecretKey::from_bytes(&[seed; 32]).expect("below the order"));
/// let secret = [7; 32];
/// let hash_lock = HashLock {
///     digest: sha256(&secret), recipient: recipient.public_key(), payer: payer.public_key(), refund_from: 1_000,
/// };
/// let lock = Template::HashLock(hash_lock).lock();
/// let message = sha256(b"the spend");
/// let claim = HashLock::claim_witness(&recipient.sign(&message, &[0; 32]), &secret);
/// let refund = HashLock::refund_witness(&payer.sign(&message, &[0; 32]));
/// # let _ = (lock, claim, refund);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashLock {
    /// SHA-256 of the secret, which has 32 bytes.
    pub digest: Hash,
    /// Who may spend with the secret.
    pub recipient: PublicKey,
    /// Who may spend after the deadline.
    pub payer: PublicKey,
    /// A height or a time in seconds, as a transaction's lock time.
    pub refund_from: u32,
}

impl HashLock {
    /// The witness of the recipient.
    pub fn claim_witness(signature: &Signature, secret: &[u8; SECRET_BYTES]) -> Witness {
        Witness::new([&signature.as_bytes()[..], secret, &[1]])
    }

    /// The witness of the payer, after the deadline. The input's sequence must not be final.
    pub fn refund_witness(signature: &Signature) -> Witness {
        Witness::new([&signature.as_bytes()[..], &[]])
    }

    pub(super) fn script(&self) -> Builder {
        Builder::default()
            .opcodes(&[Opcode::IF, Opcode::SIZE])
            .number(SECRET_BYTES as i64)
            .opcodes(&[Opcode::EQUALVERIFY, Opcode::SHA256])
            .data(&self.digest.0)
            .opcode(Opcode::EQUALVERIFY)
            .data(self.recipient.as_bytes())
            .opcode(Opcode::ELSE)
            .number(i64::from(self.refund_from))
            .opcodes(&[Opcode::CHECKLOCKTIMEVERIFY, Opcode::DROP])
            .data(self.payer.as_bytes())
            .opcodes(&[Opcode::ENDIF, Opcode::CHECKSIG])
    }

    pub(super) fn read(mut reader: Reader<'_>) -> Option<Self> {
        reader.opcodes(&[Opcode::IF, Opcode::SIZE])?.unsigned()?;
        let digest = Hash(reader.opcodes(&[Opcode::EQUALVERIFY, Opcode::SHA256])?.data()?);
        let recipient = reader.opcodes(&[Opcode::EQUALVERIFY])?.key()?;
        let refund_from = reader.opcodes(&[Opcode::ELSE])?.unsigned()?;
        let payer = reader.opcodes(&[Opcode::CHECKLOCKTIMEVERIFY, Opcode::DROP])?.key()?;
        reader.opcodes(&[Opcode::ENDIF, Opcode::CHECKSIG])?.end(Self { digest, recipient, payer, refund_from })
    }
}
