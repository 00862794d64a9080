//! Opening: a reader with a grant, or the owner, gets the document back, byte for byte, with proof of where it comes from.

use health_chain_data::{
    ChainId, Commitment, Hash, ObjectId, PublicKey,
    keys::OneTime,
    ports::{StateView, StoreError},
    seal,
    wrap::{self, KeyWrap, WrapContext, WrapError, WrappedSecrets},
};
use thiserror::Error;

use super::{LogError, ProvenanceError, live_object, share::own_secrets, verify_provenance};
use crate::{
    document::{Document, OpenDocumentError},
    identities::Institution,
    ports::{ObjectError, ObjectName, ObjectStore},
    records::{self, ObjectState},
    wallet::{Wallet, WalletError},
};

/// A record that was read and passed every check.
#[derive(Debug)]
pub struct Opened {
    /// The document.
    pub document: Document,
    /// Who issued it; `None` for what a patient recorded without an institution.
    pub institution: Option<Institution>,
}

/// A check that a record fails when it is read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenRecordError {
    /// The chain has no such object, or it is deleted.
    #[error(transparent)]
    Object(#[from] LogError),
    /// No grant to this reader is in force.
    #[error("no grant to {grantee} is in force")]
    NoGrant {
        /// The reader's key for this object.
        grantee: PublicKey,
    },
    /// The wrap is not the one that the owner granted.
    #[error("the wrap is not the one granted")]
    OtherWrap,
    /// The wrap does not open.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The object can't be fetched.
    #[error(transparent)]
    Fetch(#[from] ObjectError),
    /// The store gave other bytes than the owner sealed.
    #[error("the object's tree hash is {found}")]
    OtherContent {
        /// The tree hash of what the store gave.
        found: Hash,
    },
    /// The object does not open, or holds another document than the key came with.
    #[error(transparent)]
    Document(#[from] OpenDocumentError),
    /// The document is not the one that the chain's commitment is to.
    #[error("the document's commitment is {found}")]
    Commitment {
        /// The commitment of what was sealed.
        found: Commitment,
    },
    /// The attestation is about another document or another patient.
    #[error("the attestation is about another record")]
    OtherRecord,
    /// Nobody who was an institution at the time attested the document.
    #[error(transparent)]
    Provenance(#[from] ProvenanceError),
    /// The wallet failed, or does not own the record.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The chain's state can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Opens a record that somebody else has granted to `reader`, with the wrap that came with the grant.
///
/// # Errors
/// The check that fails.
pub fn open(
    reader: &Wallet,
    view: &dyn StateView,
    chain: ChainId,
    object: &ObjectId,
    wrap: &KeyWrap,
    objects: &dyn ObjectStore,
) -> Result<Opened, OpenRecordError> {
    let state = live_object(view, object)?;
    let grantee = OneTime::recognise(reader.scan_key(), &reader.spend_key().public_key(), &state.owner, &object.0);
    let granted = records::grant(view, object, &grantee)?.filter(|entry| state.honours(&entry.grant));
    let granted = granted.ok_or(OpenRecordError::NoGrant { grantee })?;
    if wrap.commitment() != granted.grant.terms.wrap_commit {
        return Err(OpenRecordError::OtherWrap);
    }
    let ObjectState { version, epoch, owner, .. } = state;
    let context = WrapContext { chain, object: *object, version, epoch, owner, grantee };
    let secrets = wrap::unwrap(reader.kem_key(), &context, wrap)?;
    fetch(view, chain, object, &state, &secrets, objects)
}

/// Opens a record that the wallet owns.
///
/// # Errors
/// The check that fails.
pub fn open_own(
    wallet: &Wallet,
    view: &dyn StateView,
    chain: ChainId,
    object: &ObjectId,
    objects: &dyn ObjectStore,
) -> Result<Opened, OpenRecordError> {
    let state = live_object(view, object)?;
    let secrets = own_secrets(wallet, chain, &wallet.record(object, state.version)?)?;
    fetch(view, chain, object, &state, &secrets, objects)
}

fn fetch(
    view: &dyn StateView,
    chain: ChainId,
    object: &ObjectId,
    state: &ObjectState,
    secrets: &WrappedSecrets,
    objects: &dyn ObjectStore,
) -> Result<Opened, OpenRecordError> {
    let sealed = objects.get(&ObjectName { object: *object, version: state.version }, 0..state.content.length)?;
    let found = seal::ct_root(&sealed);
    if found != state.content.ct_root {
        return Err(OpenRecordError::OtherContent { found });
    }
    let document = Document::open(secrets, object, state.version, &sealed)?;
    let found = document.commit(&secrets.blinding);
    if found != state.content.commitment {
        return Err(OpenRecordError::Commitment { found });
    }
    let Some(provenance) = &document.description.provenance else {
        return Ok(Opened { document, institution: None });
    };
    let attested = &provenance.attestation.terms;
    if (attested.commitment, attested.owner) != (found, document.description.owner) {
        return Err(OpenRecordError::OtherRecord);
    }
    let institution = Some(verify_provenance(view, chain, provenance)?);
    Ok(Opened { document, institution })
}
