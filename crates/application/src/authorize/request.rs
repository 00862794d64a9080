//! A signed request for access.

use health_chain_data::{
    ChainId, Hash, ObjectId, PublicKey, Signature, Timestamp,
    codec::Wire,
    ports::{Signer, SignerError},
    tagged_hash,
};
use serde::{Deserialize, Serialize};

use super::Denial;
use crate::records::{GatewayId, Permissions, Purpose};

/// Who wants to do what with which object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Access {
    /// The object.
    pub object: ObjectId,
    /// Its version.
    pub version: u32,
    /// Who: the key that the grant names, or the owner's.
    pub requester: PublicKey,
    /// What: one or more permission bits.
    pub permission: Permissions,
    /// What for.
    pub purpose: Purpose,
}

/// A request, good for one use at one gateway within two minutes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AccessRequest {
    /// The chain.
    pub chain: ChainId,
    /// The gateway that is asked.
    pub gateway: GatewayId,
    /// What is asked for.
    pub access: Access,
    /// When, by the requester's clock.
    pub time: Timestamp,
    /// Fresh random bytes.
    pub nonce: [u8; 32],
    /// The requester's.
    pub signature: Signature,
}

impl AccessRequest {
    /// Signs as the requester, whose key `access` names. `nonce` must be fresh.
    ///
    /// # Errors
    /// Where the signer fails.
    pub fn sign(
        chain: ChainId,
        gateway: GatewayId,
        access: Access,
        time: Timestamp,
        nonce: [u8; 32],
        requester: &dyn Signer,
        entropy: &[u8; 32],
    ) -> Result<Self, SignerError> {
        let mut request = Self { chain, gateway, access, time, nonce, signature: Signature([0; 64]) };
        request.signature = requester.sign(&request.message(), entropy)?;
        Ok(request)
    }

    /// What the requester signs, and the name of the request in the audit log: `TH("HC/access/v1", chain | gateway | object |
    /// version u32 | requester | permission u32 | purpose u16 | time u32 | nonce)`, integers little-endian.
    pub fn message(&self) -> Hash {
        let access = &self.access;
        let parts: [&[u8]; 9] = [
            self.chain.as_bytes(),
            self.gateway.0.as_bytes(),
            access.object.as_bytes(),
            &access.version.to_le_bytes(),
            access.requester.as_bytes(),
            &access.permission.0.to_le_bytes(),
            &access.purpose.0.to_le_bytes(),
            &self.time.0.to_le_bytes(),
            &self.nonce,
        ];
        tagged_hash("HC/access/v1", &parts)
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// [`Denial::RequestSignature`].
    pub fn verify(&self) -> Result<(), Denial> {
        let verified = self.access.requester.verify(&self.message(), &self.signature);
        verified.map_err(|_| Denial::RequestSignature)
    }
}

impl Wire for AccessRequest {
    const MAX_BYTES: usize = 512;
}
