//! What is written down.

use health_chain_data::{
    ChainId, Hash, ObjectId, PublicKey, Signature, Timestamp,
    codec::Wire,
    ports::{Signer, SignerError},
    tagged_hash,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    limits::{MAX_AUDIT_EVENT_BYTES, MAX_RULE_BYTES},
    records::{Permissions, Purpose},
};

/// One event of the log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub enum AuditEvent {
    /// Somebody asked, and was answered.
    Access(Access),
    /// Somebody got what was asked for, and says so.
    Receipt(ReadReceipt),
}

impl Wire for AuditEvent {
    const MAX_BYTES: usize = MAX_AUDIT_EVENT_BYTES;
}

impl AuditEvent {
    /// The object that the event is about.
    pub const fn object(&self) -> &ObjectId {
        match self {
            Self::Access(access) => &access.object,
            Self::Receipt(receipt) => &receipt.terms.object,
        }
    }
}

/// A request for an object, and the gateway's answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Access {
    /// The object asked for.
    pub object: ObjectId,
    /// Its version.
    pub version: u32,
    /// The key that asked.
    pub requester: PublicKey,
    /// What it asked for: to read, or who has read.
    pub permission: Permissions,
    /// And what for.
    pub purpose: Purpose,
    /// When, by the gateway's clock.
    pub at: Timestamp,
    /// Hash of the signed request.
    pub request: Hash,
    /// The answer.
    pub outcome: Outcome,
}

/// A gateway's answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// The object may be read.
    Permit,
    /// It may not.
    Deny {
        /// Name of the rule that forbids it.
        rule: String,
    },
}

impl Outcome {
    /// A denial by the rule of this name, which is cut at [`MAX_RULE_BYTES`].
    pub fn deny(rule: &str) -> Self {
        let end = (0..=rule.len().min(MAX_RULE_BYTES)).rfind(|end| rule.is_char_boundary(*end));
        Self::Deny { rule: rule[..end.unwrap_or(0)].into() }
    }
}

/// What a reader confirms.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReceiptTerms {
    /// The chain.
    pub chain: ChainId,
    /// The object read.
    pub object: ObjectId,
    /// Its version.
    pub version: u32,
    /// Who read it.
    pub reader: PublicKey,
    /// The gateway's key.
    pub gateway: PublicKey,
    /// When, by the reader's clock.
    pub at: Timestamp,
    /// How many bytes of the sealed object were received.
    pub bytes: u64,
}

/// A reader's confirmation of what was read, countersigned by the gateway, which puts it behind the object's previous one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadReceipt {
    /// What is confirmed.
    pub terms: ReceiptTerms,
    /// The reader's signature.
    pub reader_signature: Signature,
    /// [`ReadReceipt::hash`] of the object's previous receipt; zero for the first.
    pub previous: Hash,
    /// The gateway's signature, over the reader's too.
    pub gateway_signature: Signature,
}

/// Why a receipt was refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The reader did not sign these terms.
    #[error("the reader's signature does not verify")]
    Reader,
    /// The gateway did not sign this receipt.
    #[error("the gateway's signature does not verify")]
    Gateway,
    /// The terms name another gateway.
    #[error("the receipt is for the gateway {found}")]
    OtherGateway {
        /// The key it names.
        found: PublicKey,
    },
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

impl ReceiptTerms {
    /// What the reader signs: `TH("HC/receipt/v1", chain | object | version u32 | reader | gateway | at u32 | bytes u64)`,
    /// integers little-endian.
    pub fn message(&self) -> Hash {
        tagged_hash(
            "HC/receipt/v1",
            &[
                self.chain.as_bytes(),
                self.object.as_bytes(),
                &self.version.to_le_bytes(),
                self.reader.as_bytes(),
                self.gateway.as_bytes(),
                &self.at.0.to_le_bytes(),
                &self.bytes.to_le_bytes(),
            ],
        )
    }
}

impl ReadReceipt {
    /// The gateway's part: checks the reader's signature and signs behind `previous`.
    ///
    /// # Errors
    /// Where the reader's signature does not verify, the terms name another gateway, or the signer fails.
    pub fn countersign(
        terms: ReceiptTerms,
        reader_signature: Signature,
        previous: Hash,
        gateway: &dyn Signer,
        entropy: &[u8; 32],
    ) -> Result<Self, ReceiptError> {
        if terms.gateway != gateway.public_key() {
            return Err(ReceiptError::OtherGateway { found: terms.gateway });
        }
        terms.reader.verify(&terms.message(), &reader_signature).map_err(|_| ReceiptError::Reader)?;
        let message = countersigned(&terms, &reader_signature, &previous);
        let gateway_signature = gateway.sign(&message, entropy)?;
        Ok(Self { terms, reader_signature, previous, gateway_signature })
    }

    /// Checks both signatures.
    ///
    /// # Errors
    /// The one that does not verify.
    pub fn verify(&self) -> Result<(), ReceiptError> {
        let Self { terms, reader_signature, previous, gateway_signature } = self;
        terms.reader.verify(&terms.message(), reader_signature).map_err(|_| ReceiptError::Reader)?;
        let message = countersigned(terms, reader_signature, previous);
        terms.gateway.verify(&message, gateway_signature).map_err(|_| ReceiptError::Gateway)
    }

    /// What the next receipt of the object names as its previous one.
    pub fn hash(&self) -> Hash {
        countersigned(&self.terms, &self.reader_signature, &self.previous)
    }
}

/// What the gateway signs: `TH("HC/receipt/countersigned/v1", reader's message | reader's signature | previous)`.
fn countersigned(terms: &ReceiptTerms, reader_signature: &Signature, previous: &Hash) -> Hash {
    tagged_hash(
        "HC/receipt/countersigned/v1",
        &[terms.message().as_bytes(), reader_signature.as_bytes(), previous.as_bytes()],
    )
}
