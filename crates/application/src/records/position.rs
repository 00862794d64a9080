//! The ordered log of what an owner signs about an object.

use health_chain_data::{
    ChainId, Hash, Kind, ObjectId, PublicKey, Signature,
    hash::HASH_BYTES,
    ports::{Signer, SignerError},
    tagged_hash,
};
use serde::{Deserialize, Serialize};

use super::{GatewayId, ObjectState, RecordError};
use crate::payload::Payload;

/// The version that STORE gives an object.
pub const FIRST_VERSION: u32 = 0;

/// Bytes of a position in what is signed.
const POSITION_BYTES: usize = 3 * HASH_BYTES + 3 * 4 + 8;

/// Where in an object's log an operation stands, and what state of the object its signer saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Position {
    /// The chain.
    pub chain: ChainId,
    /// The gateway that holds the object.
    pub gateway: GatewayId,
    /// The object.
    pub object: ObjectId,
    /// How often the object had changed hands.
    pub owner_epoch: u32,
    /// The sealed version.
    pub version: u32,
    /// How often all grants had been withdrawn.
    pub epoch: u32,
    /// One more than the object's, when the operation's turn comes.
    pub seq: u64,
}

impl Position {
    /// The place after everything that `object` has seen; `None` where its sequence numbers are used up.
    pub fn next(chain: ChainId, id: ObjectId, object: &ObjectState) -> Option<Self> {
        Some(Self {
            chain,
            gateway: object.gateway,
            object: id,
            owner_epoch: object.owner_epoch,
            version: object.version,
            epoch: object.epoch,
            seq: object.seq.checked_add(1)?,
        })
    }

    /// The message of an operation of `kind` at this place: `TH("HC/operation/v1", chain | gateway | object | owner_epoch u32 |
    /// version u32 | epoch u32 | seq u64 | kind u16 | terms)`, integers little-endian, the terms in the kind's own fixed layout.
    pub(super) fn message(&self, kind: Kind, terms: &[&[u8]]) -> Hash {
        let mut bytes = Vec::with_capacity(POSITION_BYTES + 2);
        bytes.extend_from_slice(self.chain.as_bytes());
        bytes.extend_from_slice(self.gateway.0.as_bytes());
        bytes.extend_from_slice(self.object.as_bytes());
        for counter in [self.owner_epoch, self.version, self.epoch] {
            bytes.extend_from_slice(&counter.to_le_bytes());
        }
        bytes.extend_from_slice(&self.seq.to_le_bytes());
        bytes.extend_from_slice(&kind.0.to_le_bytes());
        terms.iter().for_each(|part| bytes.extend_from_slice(part));
        tagged_hash("HC/operation/v1", &[&bytes])
    }
}

/// An operation that the object's owner signs.
pub trait OwnerSigned: Payload {
    /// Its place in the object's log.
    fn position(&self) -> &Position;

    /// What the owner signs.
    fn message(&self) -> Hash;

    /// The owner's signature.
    fn signature(&self) -> &Signature;

    /// Checks the signature against the owner's key.
    ///
    /// # Errors
    /// [`RecordError::NotTheOwner`].
    fn verify(&self, owner: &PublicKey) -> Result<(), RecordError> {
        owner.verify(&self.message(), self.signature()).map_err(|_| RecordError::NotTheOwner { owner: *owner })
    }
}

/// Stands where a signature is about to be put; it signs nothing.
pub(super) const UNSIGNED: Signature = Signature([0; 64]);

/// Signs an operation that was made with [`UNSIGNED`].
pub(super) fn signed<T: OwnerSigned>(
    operation: T,
    signer: &dyn Signer,
    entropy: &[u8; 32],
    put: impl FnOnce(T, Signature) -> T,
) -> Result<T, SignerError> {
    let signature = signer.sign(&operation.message(), entropy)?;
    Ok(put(operation, signature))
}
