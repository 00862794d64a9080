//! Deleting: the owner gives an object up, and its gateway destroys the ciphertext and says so. This is crypto-shredding: what was
//! read before, and what is on the chain, stays.

use health_chain_data::{
    ChainId, Hash, Height, ObjectId, PublicKey, Signature, Timestamp,
    codec::Wire,
    keys::SignatureError,
    ports::{Signer, SignerError, StateView, StoreError},
    tagged_hash,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Log, RotationError};
use crate::{
    gateway::wrap_name,
    ports::{Entropy, ObjectError, ObjectName, ObjectStore},
    records::{self, Delete, FIRST_VERSION},
    wallet::Wallet,
};

/// A gateway's word that it has destroyed what it held of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DeletionReceipt {
    /// The chain.
    pub chain: ChainId,
    /// The object.
    pub object: ObjectId,
    /// Its last version; it and all before are gone.
    pub version: u32,
    /// Height of the block that deleted it.
    pub deleted_at: Height,
    /// When it was destroyed, by the gateway's clock.
    pub at: Timestamp,
    /// The gateway's key.
    pub gateway: PublicKey,
    /// The gateway's signature.
    pub signature: Signature,
}

impl Wire for DeletionReceipt {
    const MAX_BYTES: usize = 3 * 32 + 3 * 5 + 64;
}

/// Why a gateway destroyed nothing, or not everything.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ShredError {
    /// The owner has not deleted the object on the chain.
    #[error("{object} is not deleted")]
    NotDeleted {
        /// Its id.
        object: ObjectId,
    },
    /// A version could not be removed.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The chain's state can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives an object up, at the next place of `log`. Once it is settled, the wallet destroys its keys ([`Wallet::remove_object`]).
///
/// # Errors
/// Where the wallet does not own the record, or the signer fails.
pub fn delete(wallet: &Wallet, log: &mut Log, entropy: &mut dyn Entropy) -> Result<Delete, RotationError> {
    let record = wallet.record(&log.next().object, log.next().version)?;
    let owner = wallet.record_key(record.key_index)?;
    let entropy = entropy.draw()?;
    Ok(Delete::sign(log.take()?, &owner, &entropy)?)
}

/// The gateway's part: removes every version of an object that its owner has deleted, and the wrapped keys of the grants that the chain still
/// has, and signs that it did. May be repeated.
///
/// # Errors
/// Where the object is not deleted, or can't be.
pub fn shred(
    view: &dyn StateView,
    chain: ChainId,
    object: &ObjectId,
    objects: &dyn ObjectStore,
    at: Timestamp,
    gateway: &dyn Signer,
    entropy: &[u8; 32],
) -> Result<DeletionReceipt, ShredError> {
    let not_deleted = ShredError::NotDeleted { object: *object };
    let Some(state) = records::object(view, object)? else { return Err(not_deleted) };
    let deleted_at = state.deleted_at.ok_or(not_deleted)?;
    // One more than the chain has may have been uploaded by an owner who changed her mind.
    for version in FIRST_VERSION..=state.version.saturating_add(1) {
        objects.delete(&ObjectName { object: *object, version })?;
    }
    for wrap_commit in records::wrap_commits(view, object)? {
        objects.delete(&wrap_name(object, &wrap_commit))?;
    }
    let mut receipt = DeletionReceipt {
        chain,
        object: *object,
        version: state.version,
        deleted_at,
        at,
        gateway: gateway.public_key(),
        signature: Signature([0; 64]),
    };
    receipt.signature = gateway.sign(&receipt.message(), entropy)?;
    Ok(receipt)
}

impl DeletionReceipt {
    /// What the gateway signs: `TH("HC/deleted/v1", chain | object | version u32 | deleted_at u32 | at u32 | gateway)`,
    /// integers little-endian.
    pub fn message(&self) -> Hash {
        tagged_hash(
            "HC/deleted/v1",
            &[
                self.chain.as_bytes(),
                self.object.as_bytes(),
                &self.version.to_le_bytes(),
                &self.deleted_at.0.to_le_bytes(),
                &self.at.0.to_le_bytes(),
                self.gateway.as_bytes(),
            ],
        )
    }

    /// Checks the signature under the key that the receipt names. Whether that is the gateway's is for the caller to know.
    ///
    /// # Errors
    /// The rule of [`SignatureError`] that is broken.
    pub fn verify(&self) -> Result<(), SignatureError> {
        self.gateway.verify(&self.message(), &self.signature)
    }
}
