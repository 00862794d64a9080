//! What a wallet refuses.

use health_chain_data::{
    Amount, ObjectId, PublicKey, TokenId,
    keys::derivation::DerivationError,
    ports::{SignerError, StoreError},
    wrap::WrapError,
};
use health_chain_incentive::stake::{StakeError, StakeSigningError};
use thiserror::Error;

use crate::ports::EntropyError;

/// Why a wallet did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WalletError {
    /// The store belongs to other words, or to another passphrase.
    #[error("the store belongs to another wallet")]
    OtherWallet,
    /// The key was never handed out.
    #[error("no key with the number {index} was handed out")]
    UnknownKey {
        /// Its number.
        index: u32,
    },
    /// The wallet owns no such record, or not in this version.
    #[error("the wallet has no version {version} of {object}")]
    UnknownRecord {
        /// Its object.
        object: ObjectId,
        /// Its version.
        version: u32,
    },
    /// The transaction spends something already.
    #[error("the transaction has {inputs} inputs already")]
    HasInputs {
        /// How many.
        inputs: usize,
    },
    /// The coins under the wallet's keys don't suffice.
    #[error("{needed} of token {} are needed, and {available} are there", token.0)]
    Insufficient {
        /// The token.
        token: TokenId,
        /// How much is needed, the fee included.
        needed: Amount,
        /// How much there is.
        available: Amount,
    },
    /// The coins suffice only together, and there are too many of them for one transaction.
    #[error("more than {limit} coins would be needed")]
    TooManyCoins {
        /// Inputs of one transaction.
        limit: usize,
    },
    /// Amounts add up to more than fits.
    #[error("the sum of token {} is too large", token.0)]
    Overflow {
        /// The token.
        token: TokenId,
    },
    /// No notice was given of any part of the bond.
    #[error("nothing of the bond of {validator} is being unbonded, so there is nothing to withdraw")]
    NothingLeaving {
        /// The validator.
        validator: PublicKey,
    },
    /// A rule on stake that no transaction of this wallet could keep.
    #[error(transparent)]
    Stake(#[from] StakeError),
    /// What is said about stake was not signed.
    #[error(transparent)]
    StakeSigning(#[from] StakeSigningError),
    /// No key could be derived.
    #[error(transparent)]
    Derivation(#[from] DerivationError),
    /// A data key was not wrapped or unwrapped.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The wallet's store or the chain's state can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}
