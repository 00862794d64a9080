//! What is signed about stake.

use health_chain_data::{
    Amount, ChainId, Hash, Height, Kind, PublicKey, Signature, Transaction,
    codec::{self, CodecError, Wire},
    ports::{Signer, SignerError},
    tagged_hash,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::kinds::{BOND, UNBOND, WITHDRAW};

/// The payload of a BOND: what its inputs bring beyond the outputs, in the token that is bonded, stands behind a validator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Deposit {
    /// The key that decides.
    pub validator: PublicKey,
    /// The key that may take it back: one that need not lie on a server. The same for all that stands behind one validator.
    pub owner: PublicKey,
    /// How much.
    pub amount: Amount,
    /// The validator's signature: who is made one holds the key and agrees.
    pub signature: Signature,
}

/// The payload of an UNBOND: part of a bond counts no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Notice {
    /// The key that decides.
    pub validator: PublicKey,
    /// How much less.
    pub amount: Amount,
    /// The owner's signature.
    pub signature: Signature,
}

/// The payload of a WITHDRAW: what notice was given of at one height is paid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Withdrawal {
    /// The key that decided.
    pub validator: PublicKey,
    /// When notice was given.
    pub since: Height,
    /// The owner's signature.
    pub signature: Signature,
}

/// Why a transaction about stake can't be signed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StakeSigningError {
    /// The payload is none of its kind.
    #[error("the payload is none of its kind")]
    Payload(#[from] CodecError),
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// Stands where a signature is about to be put, and in what is signed.
pub(super) const UNSIGNED: Signature = Signature([0; 64]);

/// Declares what payloads with one signature have in common.
macro_rules! payload {
    ($name:ident, $kind:ident, $signer:literal, ($($field:ident: $type:ty),*)) => {
        impl Wire for $name {
            const MAX_BYTES: usize = 32 + 32 + 10 + 64;
        }

        impl $name {
            /// A transaction of this kind, without inputs and outputs: add them, then have it signed.
            pub fn transaction($($field: $type),*) -> Transaction {
                Transaction::new(Self::KIND, codec::encode(&Self { $($field,)* signature: UNSIGNED }))
            }

            #[doc = concat!("Signs a transaction that has all its inputs and outputs, as the ", $signer, ". Before the inputs are: their")]
            /// owners sign this signature, too.
            ///
            /// # Errors
            /// Where the payload is another one, or the signer fails.
            pub fn sign(
                transaction: &mut Transaction,
                chain: &ChainId,
                signer: &dyn Signer,
                entropy: &[u8; 32],
            ) -> Result<(), StakeSigningError> {
                let payload: Self = codec::decode(&transaction.payload)?;
                let signature = signer.sign(&payload.message(chain, transaction), entropy)?;
                transaction.payload = codec::encode(&Self { signature, ..payload });
                Ok(())
            }

            const KIND: Kind = $kind;

            /// `TH("HC/stake/v1", chain id || id of the transaction with a signature of zeros in the payload)`: inputs, outputs and all.
            pub(super) fn message(&self, chain: &ChainId, transaction: &Transaction) -> Hash {
                let payload = codec::encode(&Self { signature: UNSIGNED, ..*self });
                let unsigned = Transaction { payload, ..transaction.clone() };
                tagged_hash("HC/stake/v1", &[chain.as_bytes(), unsigned.id().as_bytes()])
            }
        }
    };
}

payload!(Deposit, BOND, "validator", (validator: PublicKey, owner: PublicKey, amount: Amount));
payload!(Notice, UNBOND, "owner", (validator: PublicKey, amount: Amount));
payload!(Withdrawal, WITHDRAW, "owner", (validator: PublicKey, since: Height));
