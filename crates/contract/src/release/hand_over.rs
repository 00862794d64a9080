//! The stakeholders' side once a deposit is open, and what its beneficiary makes of it.

use health_chain_data::{
    Hash, Height, PublicKey, SecretKey, Signature,
    codec::Wire,
    keys::SignatureError,
    ports::{StateView, StoreError},
    tagged_hash,
    wrap::{KemSecretKey, KeyWrap, MAX_WRAP_BYTES, WrapError, unwrap_secret, wrap_secret},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Deposit, DepositId, Release, Stage};
use crate::sharing::{Share, SharingError};

/// A share on its way from a stakeholder to the beneficiary, signed, so that nobody else can put a false one into his mouth.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HandedOver {
    /// The deposit.
    pub deposit: DepositId,
    /// Which share it is.
    pub position: u8,
    /// The share, wrapped for the beneficiary.
    pub wrap: KeyWrap,
    /// The stakeholder's, over [`HandedOver::message`].
    pub signature: Signature,
}

impl Wire for HandedOver {
    const MAX_BYTES: usize = 32 + 1 + MAX_WRAP_BYTES + 64;
}

/// Why a stakeholder does not hand over his share.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The chain can't be read.
    #[error("the chain can't be read")]
    Store(#[from] StoreError),
    /// There is no such deposit.
    #[error("there is no such deposit")]
    Unknown,
    /// The key is not that of the share's stakeholder.
    #[error("share {position} is guarded by somebody else")]
    OtherStakeholder {
        /// The share's position.
        position: u8,
    },
    /// The share is not one of this deposit's.
    #[error("share {position} belongs to another deposit")]
    OtherSharing {
        /// The share's position.
        position: u8,
    },
    /// The condition has not been shown to hold.
    #[error("the deposit has not been opened")]
    NotOpen,
    /// The owner has taken the deposit back.
    #[error("the deposit was withdrawn at height {height}", height = .at.0)]
    Withdrawn {
        /// When.
        at: Height,
    },
    /// The opening could still be undone.
    #[error("the deposit was opened {found} blocks deep, where {needed} are needed")]
    TooShallow {
        /// How deep the opening is.
        found: u32,
        /// How deep it has to be.
        needed: u32,
    },
    /// The beneficiary's key is of low order, so that anybody could read what is wrapped to it.
    #[error("the share can't be wrapped for the beneficiary")]
    Beneficiary(#[source] WrapError),
}

/// Why a share that was handed over is no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandOverError {
    /// It is for another deposit.
    #[error("a share of another deposit")]
    OtherDeposit,
    /// No stakeholder has that position.
    #[error("nobody guards share {position}")]
    NoStakeholder {
        /// The position.
        position: u8,
    },
    /// The stakeholder did not sign it: it came from somebody else, or was changed.
    #[error("the stakeholder of share {position} did not sign it")]
    Signature {
        /// The position.
        position: u8,
        /// What is wrong with the signature.
        source: SignatureError,
    },
    /// The stakeholder signed something that the beneficiary can't open.
    #[error("stakeholder {stakeholder} handed over what does not open")]
    Wrap {
        /// Who did it.
        stakeholder: PublicKey,
        /// What is wrong with it.
        source: WrapError,
    },
    /// The stakeholder signed a false share.
    #[error("stakeholder {stakeholder} handed over a false share")]
    False {
        /// Who did it.
        stakeholder: PublicKey,
        /// What is wrong with it.
        source: SharingError,
    },
}

/// Hands a share over to the beneficiary, if the chain says that the deposit is open, `depth` blocks deep: 1 means that the tip's own block may have
/// opened it. `state` is the state after the block at height `tip`. `entropy` must be fresh random bytes; neither the wrap nor
/// the signature that are made with it show it.
///
/// # Errors
/// The rule of [`Refusal`] that forbids it.
pub fn hand_over(
    state: &dyn StateView,
    tip: Height,
    depth: u32,
    id: &DepositId,
    share: &Share,
    stakeholder: &SecretKey,
    entropy: &[u8; 32],
) -> Result<HandedOver, Refusal> {
    let position = share.position();
    let deposit = Release::deposit(state, id)?.ok_or(Refusal::Unknown)?;
    if deposit.stakeholder(position) != Some(&stakeholder.public_key()) {
        return Err(Refusal::OtherStakeholder { position });
    }
    if !share.is_of(&deposit.commitments) {
        return Err(Refusal::OtherSharing { position });
    }
    let opened = match Release::standing(state, id)?.ok_or(Refusal::Unknown)?.stage {
        Stage::Waiting => return Err(Refusal::NotOpen),
        Stage::Withdrawn(moment) => return Err(Refusal::Withdrawn { at: moment.height }),
        Stage::Opened(moment) => moment.height,
    };
    let found = tip.checked_sub(opened.0).map_or(0, |above| above.next().0);
    if found < depth {
        return Err(Refusal::TooShallow { found, needed: depth });
    }
    let wrap = wrap_secret(&deposit.beneficiary.kem, &id.info(position), &share.to_bytes(), entropy)
        .map_err(Refusal::Beneficiary)?;
    let message = HandedOver::message(id, position, &wrap);
    Ok(HandedOver { deposit: *id, position, wrap, signature: stakeholder.sign(&message, entropy) })
}

impl HandedOver {
    /// What the stakeholder signs: `TH("HC/hand-over/v1", deposit || position u8 || wrap commitment)`.
    pub fn message(id: &DepositId, position: u8, wrap: &KeyWrap) -> Hash {
        tagged_hash("HC/hand-over/v1", &[id.0.as_bytes(), &[position], wrap.commitment().as_bytes()])
    }

    /// Reads a share that was handed over and checks it: who signed it, and that it is the one that the owner committed to. `id` is the
    /// name under which `deposit` stands on the chain.
    ///
    /// With as many as the threshold, [`crate::sharing::Commitments::combine`] gives the key to which data keys were wrapped.
    ///
    /// # Errors
    /// The rule of [`HandOverError`] that is broken, with the stakeholder where it is his fault.
    pub fn open(&self, id: &DepositId, deposit: &Deposit, beneficiary: &KemSecretKey) -> Result<Share, HandOverError> {
        let position = self.position;
        if self.deposit != *id {
            return Err(HandOverError::OtherDeposit);
        }
        let stakeholder = *deposit.stakeholder(position).ok_or(HandOverError::NoStakeholder { position })?;
        stakeholder
            .verify(&Self::message(id, position, &self.wrap), &self.signature)
            .map_err(|source| HandOverError::Signature { position, source })?;
        let bytes = unwrap_secret(beneficiary, &id.info(position), &self.wrap)
            .map_err(|source| HandOverError::Wrap { stakeholder, source })?;
        deposit.commitments.share(position, &bytes).map_err(|source| HandOverError::False { stakeholder, source })
    }
}
