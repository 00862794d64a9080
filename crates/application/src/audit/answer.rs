//! The answer to "who read object X", checked without the gateway.

use health_chain_data::{
    Hash, ObjectId, PublicKey,
    codec::{self, Wire},
    keys::SignatureError,
    merkle::{InclusionProof, ProofError, leaf_hash},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{AuditEvent, Checkpoint, ReceiptError};
use crate::limits::{MAX_ANSWER_BYTES, MAX_ANSWER_ENTRIES};

/// Events about one object, proven to be under a checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// The object.
    pub object: ObjectId,
    /// The state of the log that the answer is about.
    pub checkpoint: Checkpoint,
    /// In the order of the log.
    #[serde(deserialize_with = "codec::at_most::<MAX_ANSWER_ENTRIES, _, _>")]
    pub entries: Vec<Entry>,
}

impl Wire for Answer {
    const MAX_BYTES: usize = MAX_ANSWER_BYTES;
}

/// One event with its proof.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// The event.
    pub event: AuditEvent,
    /// That it is in the log.
    pub proof: InclusionProof,
}

/// Why an answer proves nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// The checkpoint names another key than the gateway's.
    #[error("the checkpoint is by {found}")]
    OtherGateway {
        /// The key it names.
        found: PublicKey,
    },
    /// The gateway did not sign the checkpoint.
    #[error("the checkpoint's signature does not verify")]
    Checkpoint(#[from] SignatureError),
    /// An event is about another object.
    #[error("entry {entry} is about object {found}")]
    OtherObject {
        /// Which entry.
        entry: usize,
        /// What it is about.
        found: ObjectId,
    },
    /// The events do not stand in the order of the log.
    #[error("entry {entry} does not stand behind the one before it")]
    Order {
        /// Which entry.
        entry: usize,
    },
    /// An event's proof is of a tree of another size than the checkpoint's.
    #[error("entry {entry} is proven in a log of {found} events")]
    OtherSize {
        /// Which entry.
        entry: usize,
        /// The size in its proof.
        found: u64,
    },
    /// An event is not in the log.
    #[error("entry {entry} is not under the checkpoint")]
    NotIncluded {
        /// Which entry.
        entry: usize,
        /// What its proof lacks.
        #[source]
        source: ProofError,
    },
    /// A receipt does not follow the object's receipt before it: one that was countersigned is left out.
    #[error("the receipt in entry {entry} does not follow the one before it")]
    ReceiptMissing {
        /// Which entry.
        entry: usize,
    },
    /// A receipt's signature does not verify.
    #[error("the receipt in entry {entry} does not verify")]
    Receipt {
        /// Which entry.
        entry: usize,
        /// Which signature.
        #[source]
        source: ReceiptError,
    },
}

impl Answer {
    /// Checks that the gateway signed the checkpoint and every event is under it, in order and about the object, and that no receipt is left out
    /// between those that are there. `last_receipt` is the hash of the last receipt known from an earlier answer, zero for none
    /// ([`ReadReceipt::hash`](super::ReadReceipt::hash)); returned is the one to begin the next answer with.
    ///
    /// # Errors
    /// The first rule of [`AnswerError`] that is broken.
    pub fn verify(&self, gateway: &PublicKey, mut last_receipt: Hash) -> Result<Hash, AnswerError> {
        let terms = &self.checkpoint.terms;
        if terms.gateway != *gateway {
            return Err(AnswerError::OtherGateway { found: terms.gateway });
        }
        self.checkpoint.verify()?;
        let mut next = 0;
        for (entry, Entry { event, proof }) in self.entries.iter().enumerate() {
            if *event.object() != self.object {
                return Err(AnswerError::OtherObject { entry, found: *event.object() });
            }
            if proof.tree_size != terms.size {
                return Err(AnswerError::OtherSize { entry, found: proof.tree_size });
            }
            if proof.leaf_index < next {
                return Err(AnswerError::Order { entry });
            }
            proof
                .verify(&leaf_hash(&codec::encode(event)), &terms.root)
                .map_err(|source| AnswerError::NotIncluded { entry, source })?;
            if let AuditEvent::Receipt(receipt) = event {
                receipt.verify().map_err(|source| AnswerError::Receipt { entry, source })?;
                let found = receipt.terms.gateway;
                if found != *gateway {
                    return Err(AnswerError::Receipt { entry, source: ReceiptError::OtherGateway { found } });
                }
                if receipt.previous != last_receipt {
                    return Err(AnswerError::ReceiptMissing { entry });
                }
                last_receipt = receipt.hash();
            }
            // Below the size of a tree, as the proof has shown.
            next = proof.leaf_index + 1;
        }
        Ok(last_receipt)
    }
}
