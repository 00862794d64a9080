//! Issuing (Algorithm 2): an institution attests records and sends each to its patient.

use std::fmt;

use health_chain_data::{
    ChainId, Commitment, Hash, ObjectId, PublicKey, Signature, Timestamp,
    codec::{self, Wire},
    keys::{ContactCard, SignatureError},
    ports::{Signer, SignerError},
    tagged_hash,
    wrap::{self, KeyWrap, WrapContext, WrapError},
};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{
    attestation::{Attestation, AttestationError, AttestationTerms, Batch},
    document::{Description, Document, Provenance, SealDocumentError},
    limits::MAX_MESSAGE_BYTES,
    ports::{Entropy, EntropyError},
    records::Issue,
};

/// The version under which messages are sealed; each is sealed once.
pub(super) const MESSAGE_VERSION: u32 = 0;

/// A patient's request to an institution for a record under a key of the patient's.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecordRequest {
    /// The chain.
    pub chain: ChainId,
    /// The institution that is asked.
    pub institution: PublicKey,
    /// Where the record is to be sent.
    pub card: ContactCard,
    /// The key that is to own the record; a new one for each.
    pub owner: PublicKey,
    /// That key's signature: whoever asks holds it.
    pub signature: Signature,
}

/// A record to be issued. The document is never printed.
#[derive(Clone)]
pub struct NewRecord {
    /// Who asked for it.
    pub request: RecordRequest,
    /// The document's media type.
    pub media_type: String,
    /// The document.
    pub document: Vec<u8>,
    /// What kind of record it is ([`AttestationTerms::record_type`]).
    pub record_type: String,
    /// The record that it corrects.
    pub supersedes: Option<Commitment>,
}

impl fmt::Debug for NewRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, media_type, document, record_type, supersedes } = self;
        f.debug_struct("NewRecord")
            .field("request", request)
            .field("media_type", media_type)
            .field("document", &format_args!("{} bytes, hidden", document.len()))
            .field("record_type", record_type)
            .field("supersedes", supersedes)
            .finish()
    }
}

/// A record on its way from an institution to a patient, encrypted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecordMessage {
    /// The institution's key.
    pub institution: PublicKey,
    /// The patient's key for this record.
    pub owner: PublicKey,
    /// The key of what is sealed, wrapped to the patient.
    pub wrap: KeyWrap,
    /// The document with its attestation and proof.
    #[serde(with = "codec::bytes")]
    pub sealed: Vec<u8>,
}

impl Wire for RecordMessage {
    const MAX_BYTES: usize = MAX_MESSAGE_BYTES;
}

/// What issuing yields.
#[derive(Debug)]
pub struct Issued {
    /// For the chain. The messages prove something once it is there.
    pub operation: Issue,
    /// One for each record, in their order.
    pub messages: Vec<RecordMessage>,
}

/// Why records were not issued. Nothing is issued then.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// A request was made for another chain or to another institution.
    #[error("request {index} is not addressed to this institution on this chain")]
    OtherAddressee {
        /// Which record's.
        index: usize,
    },
    /// The contact card of a request is not signed by its spend key.
    #[error("the contact card of request {index} does not verify")]
    Card {
        /// Which record's.
        index: usize,
        /// Why not.
        #[source]
        source: SignatureError,
    },
    /// A request is not signed by the key that is to own the record.
    #[error("request {index} is not signed by the key it names")]
    Request {
        /// Which record's.
        index: usize,
        /// Why not.
        #[source]
        source: SignatureError,
    },
    /// The attestations can't be made.
    #[error(transparent)]
    Attestation(#[from] AttestationError),
    /// A document can't be sealed.
    #[error(transparent)]
    Seal(#[from] SealDocumentError),
    /// A key can't be wrapped to the patient's card.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// Issues 1 to 2^20 records in one operation. A caller with more documents than memory makes [`Attestation`]s and a
/// [`Batch`] itself and seals one message after the other ([`RecordMessage::seal`]).
///
/// # Errors
/// The first rule of [`IssueError`] that a request or record breaks.
pub fn issue(
    chain: ChainId,
    institution: &dyn Signer,
    issued_at: Timestamp,
    records: Vec<NewRecord>,
    entropy: &mut dyn Entropy,
) -> Result<Issued, IssueError> {
    let key = institution.public_key();
    let mut attestations = Vec::with_capacity(records.len());
    let mut drafts = Vec::with_capacity(records.len());
    for (index, NewRecord { request, media_type, document, record_type, supersedes }) in records.into_iter().enumerate()
    {
        request.check(index, chain, &key)?;
        let description = Description { media_type, owner: request.owner, provenance: None };
        let document = Document { description, bytes: document };
        let blinding = entropy.draw()?;
        let commitment = document.commit(&blinding);
        let terms = AttestationTerms { chain, commitment, owner: request.owner, issued_at, record_type, supersedes };
        attestations.push(Attestation::sign(terms, institution, &*entropy.draw()?)?);
        drafts.push((request, document, blinding));
    }
    let batch = Batch::new(attestations)?;
    let root = batch.root();
    let operation = Issue::sign(chain, root, batch.size(), institution, &*entropy.draw()?)?;
    let mut messages = Vec::with_capacity(drafts.len());
    for ((index, attestation), (request, mut document, blinding)) in (0..).zip(batch.attestations()).zip(drafts) {
        let proof = batch.proof(index).expect("one leaf for each attestation");
        document.description.provenance = Some(Provenance { attestation: attestation.clone(), root, proof });
        messages.push(RecordMessage::seal(&document, &blinding, &request.card, entropy)?);
    }
    Ok(Issued { operation, messages })
}

impl RecordRequest {
    /// Asks as the holder of `owner`.
    ///
    /// # Errors
    /// Where the signer fails.
    pub fn sign(
        chain: ChainId,
        institution: PublicKey,
        card: ContactCard,
        owner: &dyn Signer,
        entropy: &[u8; 32],
    ) -> Result<Self, SignerError> {
        let key = owner.public_key();
        let signature = owner.sign(&request_message(&chain, &institution, &card, &key), entropy)?;
        Ok(Self { chain, institution, card, owner: key, signature })
    }

    fn check(&self, index: usize, chain: ChainId, institution: &PublicKey) -> Result<(), IssueError> {
        if self.chain != chain || self.institution != *institution {
            return Err(IssueError::OtherAddressee { index });
        }
        self.card.verify().map_err(|source| IssueError::Card { index, source })?;
        self.owner
            .verify(&request_message(&self.chain, &self.institution, &self.card, &self.owner), &self.signature)
            .map_err(|source| IssueError::Request { index, source })
    }
}

impl RecordMessage {
    /// Seals a document with its provenance for a patient.
    ///
    /// # Errors
    /// Where the document can't be sealed, its key can't be wrapped, or there is no randomness.
    ///
    /// # Panics
    /// If the document has no provenance.
    pub fn seal(
        document: &Document,
        blinding: &Zeroizing<[u8; 32]>,
        card: &ContactCard,
        entropy: &mut dyn Entropy,
    ) -> Result<Self, IssueError> {
        let provenance = document.description.provenance.as_ref().expect("an issued document has a provenance");
        let (institution, owner) = (provenance.attestation.institution, provenance.attestation.terms.owner);
        let context = message_context(provenance.attestation.terms.chain, institution, owner);
        let sealed = document.seal(&context.object, MESSAGE_VERSION, blinding, entropy)?;
        let wrap = wrap::wrap(&card.kem, &context, &sealed.secrets, &*entropy.draw()?)?;
        Ok(Self { institution, owner, wrap, sealed: sealed.object })
    }
}

/// What a message's wrap is bound to. The object is `TH("HC/message/v1", chain || institution || owner)`: an owner's key is
/// for one record, so there is one message for it.
pub(super) fn message_context(chain: ChainId, institution: PublicKey, owner: PublicKey) -> WrapContext {
    let parts = [&chain.as_bytes()[..], institution.as_bytes(), owner.as_bytes()];
    let object = ObjectId(tagged_hash("HC/message/v1", &parts));
    WrapContext { chain, object, version: MESSAGE_VERSION, epoch: 0, owner: institution, grantee: owner }
}

/// `TH("HC/record-request/v1", chain || institution || spend key || scan key || KEM key || owner)`.
fn request_message(chain: &ChainId, institution: &PublicKey, card: &ContactCard, owner: &PublicKey) -> Hash {
    let card = [&card.spend.as_bytes()[..], card.scan.as_bytes(), card.kem.as_bytes()].concat();
    let parts = [&chain.as_bytes()[..], institution.as_bytes(), &card, owner.as_bytes()];
    tagged_hash("HC/record-request/v1", &parts)
}
