//! Sharing (Algorithm 4): a signed request, and the owner's grant with the data key wrapped to the requester.

use health_chain_data::{
    ChainId, Hash, ObjectId, Output, Signature, Timestamp, Transaction,
    codec::Wire,
    keys::{ContactCard, OneTime, SignatureError},
    ports::{Signer, SignerError},
    tagged_hash,
    wrap::{self, KeyWrap, WrapContext, WrapError, WrappedSecrets},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Log, LogError, own_context};
use crate::{
    limits::MAX_SHARE_REQUEST_BYTES,
    payload::Payload,
    ports::{Entropy, EntropyError},
    records::{Grant, GrantTerms, Permissions, Purpose, payment_hash},
    wallet::{OwnedRecord, Reader, Wallet, WalletError},
};

/// Who asks, for what, to what end, and until when.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShareRequestTerms {
    /// The chain.
    pub chain: ChainId,
    /// The object.
    pub object: ObjectId,
    /// Who asks; the answer is encrypted to it.
    pub card: ContactCard,
    /// What is asked for.
    pub permissions: Permissions,
    /// What for.
    pub purpose: Purpose,
    /// From when on.
    pub not_before: Timestamp,
    /// Until before when.
    pub not_after: Timestamp,
}

/// A signed request for a grant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShareRequest {
    /// What is asked.
    pub terms: ShareRequestTerms,
    /// The signature of the card's spend key.
    pub signature: Signature,
}

impl Wire for ShareRequest {
    const MAX_BYTES: usize = MAX_SHARE_REQUEST_BYTES;
}

/// An owner's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// For the chain.
    pub operation: Grant,
    /// The payment that must stand in the same transaction.
    pub payment: Option<Output>,
    /// For the reader, by way of the gateway.
    pub wrap: KeyWrap,
}

impl Share {
    /// The transaction that carries the grant and, where it is priced, the payment: both or neither. Whoever pays adds the inputs
    /// ([`Wallet::fund`]).
    pub fn transaction(&self) -> Transaction {
        Transaction { outputs: self.payment.iter().cloned().collect(), ..self.operation.transaction() }
    }
}

/// Why a record was not shared.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ShareError {
    /// The request is about another object or chain than the log.
    #[error("the request is about {found}")]
    OtherObject {
        /// What it is about.
        found: ObjectId,
    },
    /// Nothing is asked for. Granting nothing would withdraw what was granted before.
    #[error("the request asks for no permission")]
    NothingAsked,
    /// The contact card is not signed by its spend key.
    #[error("the contact card does not verify")]
    Card(#[source] SignatureError),
    /// The request is not signed by the card's spend key.
    #[error("the request does not verify")]
    Request(#[source] SignatureError),
    /// The data key can't be unwrapped, or not be wrapped to the requester.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// There is no next operation on the object.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The wallet failed, or does not own the record.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// Grants what is asked for, at the next place of `log`. That the owner wants to is for the caller to know. The grant goes to
/// a key that only the requester can recognise ([`OneTime`]), and the wallet remembers the reader.
///
/// # Errors
/// The rule of [`ShareError`] that is broken.
pub fn share(
    wallet: &mut Wallet,
    log: &mut Log,
    request: &ShareRequest,
    payment: Option<Output>,
    entropy: &mut dyn Entropy,
) -> Result<Share, ShareError> {
    let ShareRequestTerms { chain, object, card, permissions, purpose, not_before, not_after } = &request.terms;
    if (*chain, *object) != (log.next().chain, log.next().object) {
        return Err(ShareError::OtherObject { found: *object });
    }
    if permissions.is_empty() {
        return Err(ShareError::NothingAsked);
    }
    request.verify()?;
    let record = wallet.record(object, log.next().version)?;
    let secrets = own_secrets(wallet, *chain, &record)?;
    let terms = GrantTerms {
        grantee: card.spend,
        permissions: *permissions,
        purpose: *purpose,
        not_before: *not_before,
        not_after: *not_after,
        wrap_commit: Hash::ZERO,
        payment: payment.as_ref().map(payment_hash),
    };
    let (operation, wrap) = grant_to(wallet, log, record.key_index, card, terms, &secrets, entropy)?;
    Ok(Share { operation, payment, wrap })
}

/// Wraps `secrets` to `card` and signs the grant; `terms` come without grantee and wrap.
pub(super) fn grant_to(
    wallet: &mut Wallet,
    log: &mut Log,
    key_index: u32,
    card: &ContactCard,
    terms: GrantTerms,
    secrets: &WrappedSecrets,
    entropy: &mut dyn Entropy,
) -> Result<(Grant, KeyWrap), ShareError> {
    let owner = wallet.record_key(key_index)?;
    let next = *log.next();
    let grantee = OneTime::derive(&owner, &card.spend, &card.scan, &next.object.0);
    let context = WrapContext {
        chain: next.chain,
        object: next.object,
        version: next.version,
        epoch: next.epoch,
        owner: owner.public_key(),
        grantee,
    };
    let wrap = wrap::wrap(&card.kem, &context, secrets, &*entropy.draw()?)?;
    let terms = GrantTerms { grantee, wrap_commit: wrap.commitment(), ..terms };
    let entropy = entropy.draw()?;
    let mut after = *log;
    let operation = Grant::sign(after.take()?, terms, &owner, &entropy)?;
    wallet.put_reader(&Reader { card: card.clone(), grant: operation })?;
    *log = after;
    Ok((operation, wrap))
}

/// Unwraps the wallet's own data key of a record.
pub(super) fn own_secrets(
    wallet: &Wallet,
    chain: ChainId,
    record: &OwnedRecord,
) -> Result<WrappedSecrets, WalletError> {
    let owner = wallet.record_key(record.key_index)?.public_key();
    Ok(wrap::unwrap(wallet.kem_key(), &own_context(chain, record.object, record.version, owner), &record.wrap)?)
}

impl ShareRequest {
    /// Asks as the holder of the card's spend key.
    ///
    /// # Errors
    /// Where the signer fails.
    pub fn sign(terms: ShareRequestTerms, spend: &dyn Signer, entropy: &[u8; 32]) -> Result<Self, SignerError> {
        Ok(Self { signature: spend.sign(&terms.message(), entropy)?, terms })
    }

    /// Checks card and signature.
    ///
    /// # Errors
    /// [`ShareError::Card`], [`ShareError::Request`].
    pub fn verify(&self) -> Result<(), ShareError> {
        self.terms.card.verify().map_err(ShareError::Card)?;
        self.terms.card.spend.verify(&self.terms.message(), &self.signature).map_err(ShareError::Request)
    }
}

impl ShareRequestTerms {
    /// What the requester signs: `TH("HC/share-request/v1", chain | object | spend key | scan key | KEM key | permissions u32 |
    /// purpose u16 | not_before u32 | not_after u32)`, integers little-endian.
    pub fn message(&self) -> Hash {
        tagged_hash(
            "HC/share-request/v1",
            &[
                self.chain.as_bytes(),
                self.object.as_bytes(),
                self.card.spend.as_bytes(),
                self.card.scan.as_bytes(),
                self.card.kem.as_bytes(),
                &self.permissions.0.to_le_bytes(),
                &self.purpose.0.to_le_bytes(),
                &self.not_before.0.to_le_bytes(),
                &self.not_after.0.to_le_bytes(),
            ],
        )
    }
}
