//! Storing (Algorithm 3): a patient checks what an institution sent, and keeps it under a key of her own.

use std::fmt;

use health_chain_data::{
    ChainId, Commitment, PublicKey,
    ports::{SignerError, StateView},
    wrap::{self, KemSecretKey, WrapError},
};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{
    ProvenanceError,
    issue::{MESSAGE_VERSION, RecordMessage, message_context},
    own_context, verify_provenance,
};
use crate::{
    document::{Document, OpenDocumentError, SealDocumentError},
    identities::Institution,
    ports::{Entropy, EntropyError, FormatError, ObjectError, ObjectName, ObjectStore, RecordFormat},
    records::{Content, FIRST_VERSION, GatewayId, Store, object_id},
    wallet::{OwnedRecord, Wallet, WalletError},
};

/// A record that passed every check.
pub struct Received {
    /// The document with its attestation.
    pub document: Document,
    /// Opens the commitment.
    pub blinding: Zeroizing<[u8; 32]>,
    /// Who issued it.
    pub institution: Institution,
}

/// A check that a message fails: the record is discarded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The message is for another key.
    #[error("addressed to {found}")]
    OtherOwner {
        /// The key it is for.
        found: PublicKey,
    },
    /// The message's key does not unwrap.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// What was sealed does not open, or is not the document that the key came with.
    #[error(transparent)]
    Document(#[from] OpenDocumentError),
    /// Nobody vouches for the document.
    #[error("the document comes without an attestation")]
    NoAttestation,
    /// The attestation is by another institution than the message.
    #[error("sent by one institution and attested by {found}")]
    OtherInstitution {
        /// Who attested.
        found: PublicKey,
    },
    /// The attestation names another patient.
    #[error("attested for {found}")]
    AttestedForOther {
        /// Whom it names.
        found: PublicKey,
    },
    /// The issuer was no institution, did not sign, or the attestation is not on the chain.
    #[error(transparent)]
    Provenance(#[from] ProvenanceError),
    /// The document is not the one attested.
    #[error("the document is not the attested one: its commitment is {found}")]
    Commitment {
        /// The commitment of what was sent.
        found: Commitment,
    },
    /// The document is not of the media type that the format reads.
    #[error("media type {found}")]
    MediaType {
        /// The media type.
        found: String,
    },
    /// The document is malformed.
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// Where records are kept.
#[derive(Clone, Copy)]
pub struct Destination<'a> {
    /// The chain.
    pub chain: ChainId,
    /// The gateway in front of the objects.
    pub gateway: GatewayId,
    /// The objects.
    pub objects: &'a dyn ObjectStore,
}

impl fmt::Debug for Destination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination")
            .field("chain", &self.chain)
            .field("gateway", &self.gateway)
            .finish_non_exhaustive()
    }
}

/// Why a record was not stored.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreRecordError {
    /// The record was made for another key than the one that is to own it.
    #[error("the record is made for {found}")]
    OtherOwner {
        /// That key.
        found: PublicKey,
    },
    /// The document can't be sealed.
    #[error(transparent)]
    Seal(#[from] SealDocumentError),
    /// The object can't be kept.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The wallet failed.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The key can't be wrapped.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { document, institution, .. } = self;
        f.debug_struct("Received")
            .field("document", document)
            .field("blinding", &format_args!("hidden"))
            .field("institution", institution)
            .finish()
    }
}

/// Opens a message and makes every check of Algorithm 3; where one fails, the record is discarded. `owner` is the key that
/// was given in the request. The chain is asked at the view's height: a root that has not been issued yet is
/// [`ProvenanceError::NotIssued`], and the message can be tried again later.
///
/// # Errors
/// The check that fails.
pub fn receive(
    message: &RecordMessage,
    view: &dyn StateView,
    chain: ChainId,
    owner: &PublicKey,
    kem: &KemSecretKey,
    format: &dyn RecordFormat,
) -> Result<Received, ReceiveError> {
    if message.owner != *owner {
        return Err(ReceiveError::OtherOwner { found: message.owner });
    }
    let context = message_context(chain, message.institution, *owner);
    let secrets = wrap::unwrap(kem, &context, &message.wrap)?;
    let document = Document::open(&secrets, &context.object, MESSAGE_VERSION, &message.sealed)?;
    let provenance = document.description.provenance.as_ref().ok_or(ReceiveError::NoAttestation)?;
    let attestation = &provenance.attestation;
    if attestation.institution != message.institution {
        return Err(ReceiveError::OtherInstitution { found: attestation.institution });
    }
    for named in [attestation.terms.owner, document.description.owner] {
        if named != *owner {
            return Err(ReceiveError::AttestedForOther { found: named });
        }
    }
    let institution = verify_provenance(view, chain, provenance)?;
    let found = document.commit(&secrets.blinding);
    if found != attestation.terms.commitment {
        return Err(ReceiveError::Commitment { found });
    }
    if document.description.media_type != format.media_type() {
        return Err(ReceiveError::MediaType { found: document.description.media_type });
    }
    format.check(&document.bytes)?;
    Ok(Received { document, blinding: secrets.blinding, institution })
}

/// Encrypts a record under a new key, keeps it, and makes the operation for the chain. The object is uploaded and the wallet knows its
/// key when this returns. `key_index` is the record key for which the record was issued.
///
/// # Errors
/// The rule of [`StoreRecordError`] that is broken. Nothing is on the chain then; an uploaded object without an operation is garbage.
pub fn store(
    wallet: &mut Wallet,
    key_index: u32,
    document: &Document,
    blinding: &Zeroizing<[u8; 32]>,
    destination: Destination<'_>,
    entropy: &mut dyn Entropy,
) -> Result<Store, StoreRecordError> {
    let Destination { chain, gateway, objects } = destination;
    let key = wallet.record_key(key_index)?;
    let owner = key.public_key();
    if document.description.owner != owner {
        return Err(StoreRecordError::OtherOwner { found: document.description.owner });
    }
    let nonce = *entropy.draw()?;
    let object = object_id(&chain, &owner, &nonce);
    let sealed = document.seal(&object, FIRST_VERSION, blinding, entropy)?;
    let context = own_context(chain, object, FIRST_VERSION, owner);
    let wrap = wrap::wrap(&wallet.kem_key().public_key(), &context, &sealed.secrets, &*entropy.draw()?)?;
    let length = objects.put(&ObjectName { object, version: FIRST_VERSION }, &mut sealed.object.as_slice())?;
    wallet.put_record(&OwnedRecord { object, key_index, version: FIRST_VERSION, wrap })?;
    let content = Content { commitment: document.commit(blinding), ct_root: sealed.ct_root, length };
    Ok(Store::sign(chain, gateway, nonce, content, &key, &*entropy.draw()?)?)
}
