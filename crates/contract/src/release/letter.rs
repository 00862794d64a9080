//! What an owner sends her stakeholders.

use alloc::vec::Vec;

use health_chain_data::{
    ChainId,
    wrap::{KemPublicKey, KemSecretKey, KeyWrap, WrapError, unwrap_secret, wrap_secret},
};
use thiserror::Error;

use super::{Deposit, DepositId};
use crate::sharing::{Share, SharingError};

/// Why a stakeholder refuses the share that he was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LetterError {
    /// The wrap does not open.
    #[error("the wrapped share does not open")]
    Wrap(#[source] WrapError),
    /// The share is not the one that was committed to.
    #[error("the owner sent a share that she did not commit to")]
    Share(#[source] SharingError),
}

impl Deposit {
    /// Reads the share that the owner sent to the stakeholder at `position`, and checks it against what stands on the chain.
    /// Who doesn't complain now may be called a liar later, when he hands it over.
    ///
    /// # Errors
    /// The rule of [`LetterError`] that is broken.
    pub fn receive(
        &self,
        chain: &ChainId,
        position: u8,
        stakeholder: &KemSecretKey,
        wrap: &KeyWrap,
    ) -> Result<Share, LetterError> {
        let bytes = unwrap_secret(stakeholder, &self.id(chain).info(position), wrap).map_err(LetterError::Wrap)?;
        self.commitments.share(position, &bytes).map_err(LetterError::Share)
    }
}

impl DepositId {
    /// Wraps a share for its stakeholder, whose key encapsulation key the owner knows from his contact card. `entropy` must be fresh
    /// random bytes for every share.
    ///
    /// # Errors
    /// [`WrapError::RecipientKey`].
    pub fn send(&self, share: &Share, stakeholder: &KemPublicKey, entropy: &[u8; 32]) -> Result<KeyWrap, WrapError> {
        wrap_secret(stakeholder, &self.info(share.position()), &share.to_bytes(), entropy)
    }

    /// What a wrapped share is bound to.
    pub(super) fn info(&self, position: u8) -> Vec<u8> {
        [b"HC/share/v1".as_slice(), self.0.as_bytes(), &[position]].concat()
    }
}
