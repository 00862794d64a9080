//! Recording a sealed object, replacing it, handing it over, giving it up.

use health_chain_data::{
    ChainId, Commitment, Hash, ObjectId, PublicKey, Signature,
    ports::{Signer, SignerError},
    tagged_hash,
};
use serde::{Deserialize, Serialize};

use super::{
    FIRST_VERSION, OwnerSigned, Position, RecordError,
    position::{UNSIGNED, signed},
};
use crate::{
    limits::MAX_OBJECT_BYTES,
    payload::{Payload, operations},
};

/// Identifies a gateway: the tagged hash of the key with which it countersigns what it serves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct GatewayId(pub Hash);

impl GatewayId {
    /// The gateway that signs with `key`: `TH("HC/gateway/v1", key)`.
    pub fn of(key: &PublicKey) -> Self {
        Self(tagged_hash("HC/gateway/v1", &[key.as_bytes()]))
    }
}

/// The id of the object that `owner` makes with `nonce`: `TH("HC/object/v1", chain_id || owner_pk || nonce)`. It proves its first
/// owner, so nobody can record, and thus grant, what isn't theirs.
pub fn object_id(chain: &ChainId, owner: &PublicKey, nonce: &[u8; 32]) -> ObjectId {
    ObjectId(tagged_hash("HC/object/v1", &[chain.as_bytes(), owner.as_bytes(), nonce]))
}

/// A sealed version of an object, as the chain knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Content {
    /// Commitment to the record inside.
    pub commitment: Commitment,
    /// Tree hash over the sealed object's chunks.
    pub ct_root: Hash,
    /// Length of the sealed object in bytes.
    pub length: u64,
}

impl Content {
    /// Checks the length against what a store keeps.
    ///
    /// # Errors
    /// [`RecordError::Length`].
    pub fn check(&self) -> Result<(), RecordError> {
        let length = self.length;
        if (1..=MAX_OBJECT_BYTES).contains(&length) { Ok(()) } else { Err(RecordError::Length { length }) }
    }

    /// `commitment | ct_root | length u64`.
    fn terms(&self) -> [u8; 72] {
        let mut terms = [0; 72];
        terms[..32].copy_from_slice(self.commitment.as_bytes());
        terms[32..64].copy_from_slice(self.ct_root.as_bytes());
        terms[64..].copy_from_slice(&self.length.to_le_bytes());
        terms
    }
}

/// Records a sealed object: the first entry of its log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Store {
    /// Chain, gateway and object; all counters as [`Store::first_position`] sets them.
    pub position: Position,
    /// The owner.
    pub owner: PublicKey,
    /// What makes the object's id differ from the owner's other ones.
    pub nonce: [u8; 32],
    /// The sealed object.
    pub content: Content,
    /// The owner's.
    pub signature: Signature,
}

impl Store {
    /// Signs as the owner. `nonce` must be fresh.
    ///
    /// # Errors
    /// Where the signer fails.
    pub fn sign(
        chain: ChainId,
        gateway: GatewayId,
        nonce: [u8; 32],
        content: Content,
        owner: &dyn Signer,
        entropy: &[u8; 32],
    ) -> Result<Self, SignerError> {
        let key = owner.public_key();
        let position = Self::first_position(chain, gateway, object_id(&chain, &key, &nonce));
        signed(
            Self { position, owner: key, nonce, content, signature: UNSIGNED },
            owner,
            entropy,
            |store, signature| Self { signature, ..store },
        )
    }

    /// The place of a STORE: sequence number and epochs 0, version [`FIRST_VERSION`].
    pub const fn first_position(chain: ChainId, gateway: GatewayId, object: ObjectId) -> Position {
        Position { chain, gateway, object, owner_epoch: 0, version: FIRST_VERSION, epoch: 0, seq: 0 }
    }
}

impl OwnerSigned for Store {
    fn position(&self) -> &Position {
        &self.position
    }

    /// Terms: `owner | nonce | commitment | ct_root | length u64`.
    fn message(&self) -> Hash {
        self.position.message(Self::KIND, &[self.owner.as_bytes(), &self.nonce, &self.content.terms()])
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }
}

/// Replaces the sealed object: re-encrypted under a new key so that a revocation bites, amended by its issuer, or moved to
/// another gateway. Grants of the version before end with it; remaining grantees are granted the new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NewVersion {
    /// Its place in the object's log, with the version that it replaces.
    pub position: Position,
    /// The new sealed object.
    pub content: Content,
    /// The commitment of the version that it replaces.
    pub supersedes: Commitment,
    /// The gateway that holds it.
    pub gateway: GatewayId,
    /// The owner's.
    pub signature: Signature,
}

impl NewVersion {
    /// Signs as the owner.
    ///
    /// # Errors
    /// Where the signer fails.
    pub fn sign(
        position: Position,
        content: Content,
        supersedes: Commitment,
        gateway: GatewayId,
        owner: &dyn Signer,
        entropy: &[u8; 32],
    ) -> Result<Self, SignerError> {
        signed(
            Self { position, content, supersedes, gateway, signature: UNSIGNED },
            owner,
            entropy,
            |new, signature| Self { signature, ..new },
        )
    }
}

impl OwnerSigned for NewVersion {
    fn position(&self) -> &Position {
        &self.position
    }

    /// Terms: `commitment | ct_root | length u64 | supersedes | gateway`.
    fn message(&self) -> Hash {
        let terms = [&self.content.terms()[..], self.supersedes.as_bytes(), self.gateway.0.as_bytes()];
        self.position.message(Self::KIND, &terms)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }
}

/// Hands the object to another key, of the same person or of somebody else. Grants of the owner before end with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RotateOwner {
    /// Its place in the object's log.
    pub position: Position,
    /// The new owner.
    pub new_owner: PublicKey,
    /// The old owner's.
    pub signature: Signature,
    /// The new owner's, of the same message: an object is not handed to a key that nobody holds.
    pub acceptance: Signature,
}

impl RotateOwner {
    /// Signs as both owners.
    ///
    /// # Errors
    /// Where a signer fails.
    pub fn sign(
        position: Position,
        old: &dyn Signer,
        new: &dyn Signer,
        entropy: &[u8; 32],
    ) -> Result<Self, SignerError> {
        let rotation = Self { position, new_owner: new.public_key(), signature: UNSIGNED, acceptance: UNSIGNED };
        let acceptance = new.sign(&rotation.message(), entropy)?;
        signed(rotation, old, entropy, |rotation, signature| Self { signature, acceptance, ..rotation })
    }
}

impl OwnerSigned for RotateOwner {
    fn position(&self) -> &Position {
        &self.position
    }

    /// Terms: `new_owner`.
    fn message(&self) -> Hash {
        self.position.message(Self::KIND, &[self.new_owner.as_bytes()])
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }
}

/// Gives the object up: nobody may read it again, and its gateway destroys it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Delete {
    /// Its place in the object's log.
    pub position: Position,
    /// The owner's.
    pub signature: Signature,
}

impl Delete {
    /// Signs as the owner.
    ///
    /// # Errors
    /// Where the signer fails.
    pub fn sign(position: Position, owner: &dyn Signer, entropy: &[u8; 32]) -> Result<Self, SignerError> {
        signed(Self { position, signature: UNSIGNED }, owner, entropy, |delete, signature| Self { signature, ..delete })
    }
}

impl OwnerSigned for Delete {
    fn position(&self) -> &Position {
        &self.position
    }

    /// Terms: none.
    fn message(&self) -> Hash {
        self.position.message(Self::KIND, &[])
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }
}

operations!(Store = STORE, NewVersion = NEW_VERSION, RotateOwner = ROTATE_OWNER, Delete = DELETE);
