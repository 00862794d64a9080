//! Revoking: withdraw a grant at once, and make the old key useless.

use health_chain_data::{
    ObjectId, PublicKey, Timestamp,
    ports::{SignerError, StateView, StoreError},
    wrap::{self, WrapError},
};
use thiserror::Error;

use super::{
    Destination, Log, LogError, OpenRecordError, Share, ShareError, open_own, own_context,
    share::{grant_to, own_secrets},
};
use crate::{
    document::SealDocumentError,
    ports::{Entropy, EntropyError, ObjectError, ObjectName},
    records::{self, Content, GrantTerms, NewVersion, Revoke},
    wallet::{OwnedRecord, Wallet, WalletError},
};

/// A record under a new key, and the grants of those who may go on reading. The operations go on the chain in this order; once
/// they are settled, the old version is deleted from the store and from the wallet ([`Wallet::remove_versions_below`]).
#[derive(Debug)]
pub struct Rotation {
    /// The object.
    pub object: ObjectId,
    /// The version that replaces the old one.
    pub version: u32,
    /// For the chain, first.
    pub operation: NewVersion,
    /// For the chain and the remaining readers, behind it.
    pub shares: Vec<Share>,
}

/// Why a grant was not withdrawn, or a record not encrypted anew.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RotationError {
    /// There is no next operation on the object.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The wallet has made this version before, and its operation may still be on its way: a second one would replace the first one's
    /// object. Where it can't be mined any more, [`Wallet::abandon_version`] clears the way.
    #[error("version {version} has been made before")]
    Pending {
        /// The version.
        version: u32,
    },
    /// The record at hand can't be read.
    #[error(transparent)]
    Open(#[from] OpenRecordError),
    /// The document can't be sealed.
    #[error(transparent)]
    Seal(#[from] SealDocumentError),
    /// The object can't be kept.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A key can't be wrapped.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// A reader can't be granted the new version.
    #[error(transparent)]
    Share(#[from] ShareError),
    /// The wallet failed, or does not own the record.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The chain's state can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Withdraws the grant to one key, at the next place of `log`. Costs nothing on the chain, and a gateway that sees it refuses the
/// reader at once. Follow it with [`rotate`], so that the reader's key opens nothing that comes later.
///
/// # Errors
/// Where the wallet does not own the record, or the signer or the wallet's store fails.
pub fn revoke(
    wallet: &mut Wallet,
    log: &mut Log,
    grantee: &PublicKey,
    entropy: &mut dyn Entropy,
) -> Result<Revoke, RotationError> {
    let object = log.next().object;
    let owner = wallet.record_key(wallet.record(&object, log.next().version)?.key_index)?;
    let entropy = entropy.draw()?;
    let mut after = *log;
    let operation = Revoke::sign(after.take()?, *grantee, &owner, &entropy)?;
    wallet.remove_reader(&object, grantee)?;
    *log = after;
    Ok(operation)
}

/// Encrypts a record anew under a fresh key, keeps it, and grants it to those whose grant is in force on the chain, ends after `now`
/// and was not withdrawn by this wallet: on the same terms, but without the price, which they have paid. A grant that was offered
/// and never published is not renewed. The record itself, its commitment and its attestation stay as they are.
///
/// # Errors
/// The rule of [`RotationError`] that is broken. Nothing is on the chain then, and `log` is as it was.
pub fn rotate(
    wallet: &mut Wallet,
    log: &mut Log,
    view: &dyn StateView,
    destination: Destination<'_>,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<Rotation, RotationError> {
    let Destination { chain, gateway, objects } = destination;
    let object = log.next().object;
    let record = wallet.record(&object, log.next().version)?;
    let blinding = own_secrets(wallet, chain, &record)?.blinding;
    let document = open_own(wallet, view, chain, &object, objects)?.document;
    let owner = wallet.record_key(record.key_index)?;
    let mut after = *log;
    let (position, version) = after.take_for_version()?;
    match wallet.record(&object, version) {
        Err(WalletError::UnknownRecord { .. }) => {}
        Err(error) => return Err(error.into()),
        Ok(_) => return Err(RotationError::Pending { version }),
    }

    let sealed = document.seal(&object, version, &blinding, entropy)?;
    let context = own_context(chain, object, version, owner.public_key());
    let wrap = wrap::wrap(&wallet.kem_key().public_key(), &context, &sealed.secrets, &*entropy.draw()?)?;
    let length = objects.put(&ObjectName { object, version }, &mut sealed.object.as_slice())?;
    wallet.put_record(&OwnedRecord { version, wrap, ..record })?;
    let commitment = document.commit(&blinding);
    let content = Content { commitment, ct_root: sealed.ct_root, length };
    let operation = NewVersion::sign(position, content, commitment, gateway, &owner, &*entropy.draw()?)?;

    let in_force = records::grants(view, &object)?;
    let mut shares = Vec::new();
    for reader in wallet.readers(&object)? {
        let grantee = reader.grant.terms.grantee;
        let granted = in_force.iter().map(|entry| entry.grant.terms).find(|terms| terms.grantee == grantee);
        let Some(terms) = granted.filter(|terms| terms.not_after > now) else {
            continue;
        };
        let terms = GrantTerms { payment: None, ..terms };
        let key = record.key_index;
        let (operation, wrap) = grant_to(wallet, &mut after, key, &reader.card, terms, &sealed.secrets, entropy)?;
        shares.push(Share { operation, payment: None, wrap });
    }
    *log = after;
    Ok(Rotation { object, version, operation, shares })
}
