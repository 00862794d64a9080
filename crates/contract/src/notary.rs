//! A program that dates documents: when a commitment was known at the latest, and who signed for it.
//!
//! A document itself never reaches the chain. Its holders keep it with a [`Bundle`], which anybody who trusts the block can check
//! without a node.

mod bundle;

pub use bundle::{Bundle, BundleError, Evidence};

use alloc::{boxed::Box, vec::Vec};

use health_chain_consensus::ports::{BlockContext, ExecuteError, Rejection};
use health_chain_data::{
    ChainId, Genesis, Hash, Height, Kind, PublicKey, Timestamp, Transaction, TxId,
    codec::{self, CodecError, Wire},
    ports::{SignatureClaim, StateView, StoreError},
    state::{Overlay, Table},
    tagged_hash,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    limits::{MAX_MULTISIG_KEYS, MAX_NOTARIZATION_BYTES},
    ports::Program,
    quorum::{QuorumError, SignerSignature},
    scripts::{Multisig, ScriptError},
};

/// Dates a commitment.
pub const NOTARIZE: Kind = Kind(48);
/// Statement to the block that first carried it.
pub const NOTARIZED: Table = Table(80);

/// The payload of a NOTARIZE transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Notarization {
    /// What is dated, in a form that gives nothing away (`health_chain_data::commitment` for what can be guessed).
    pub commitment: Hash,
    /// How many of the signers have to sign.
    pub threshold: u8,
    /// Who may sign, no key twice.
    #[serde(deserialize_with = "codec::at_most::<MAX_MULTISIG_KEYS, _, _>")]
    pub signers: Vec<PublicKey>,
    /// As many as the threshold, in strictly ascending order of their signers.
    #[serde(deserialize_with = "codec::at_most::<MAX_MULTISIG_KEYS, _, _>")]
    pub signatures: Vec<SignerSignature>,
}

impl Wire for Notarization {
    const MAX_BYTES: usize = MAX_NOTARIZATION_BYTES;
}

/// When a statement was dated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Dated {
    /// The block's height.
    pub height: Height,
    /// The median time past of that block, which no single block maker sets.
    pub time: Timestamp,
}

impl Wire for Dated {
    const MAX_BYTES: usize = 10;
}

/// A rule of notarization that a transaction breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotaryError {
    /// The payload is not a [`Notarization`].
    #[error("the payload is no notarization")]
    Payload(#[source] CodecError),
    /// The signers and their threshold don't go together.
    #[error("the signers don't go together")]
    Signers(#[source] ScriptError),
    /// The signatures are not as many of the signers as the threshold says.
    #[error("the signatures are not those of the signers")]
    Signatures(#[source] QuorumError),
    /// The same statement was dated before.
    #[error("the statement was dated at height {height}", height = .dated.height.0)]
    AlreadyDated {
        /// When.
        dated: Dated,
    },
}

impl NotaryError {
    /// The rule's name, stable across versions.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Payload(_) => "notary-payload",
            Self::Signers(_) => "notary-signers",
            Self::Signatures(QuorumError::Count { .. }) => "notary-signatures",
            Self::Signatures(QuorumError::Order) => "notary-signature-order",
            Self::Signatures(QuorumError::UnknownSigner { .. }) => "notary-unknown-signer",
            Self::AlreadyDated { .. } => "notary-already-dated",
        }
    }
}

impl From<NotaryError> for ExecuteError {
    fn from(error: NotaryError) -> Self {
        Rejection { rule: error.rule(), source: Box::new(error) }.into()
    }
}

impl Notarization {
    /// What a signer signs, and the statement's name in the state:
    /// `TH("HC/notary/v1", chain id || commitment || threshold || signers)`. The signers are part of it, so nobody can take a
    /// date away from others by dating their commitment first under his own name.
    pub fn message(&self, chain: &ChainId) -> Hash {
        let signers = codec::encode(&self.signers);
        tagged_hash("HC/notary/v1", &[chain.as_bytes(), self.commitment.as_bytes(), &[self.threshold], &signers])
    }

    /// Checks the form, and returns what has to be verified.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn claims(&self, chain: &ChainId) -> Result<Vec<SignatureClaim>, NotaryError> {
        let signers = Multisig::new(usize::from(self.threshold), self.signers.clone()).map_err(NotaryError::Signers)?;
        signers.claims(&self.signatures, self.message(chain)).map_err(NotaryError::Signatures)
    }

    fn read(transaction: &Transaction) -> Result<Self, NotaryError> {
        codec::decode(&transaction.payload).map_err(NotaryError::Payload)
    }
}

/// The program of [`NOTARIZE`]. A transaction of this kind pays a fee like any other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Notary;

impl Notary {
    /// When the statement with this name was dated.
    ///
    /// # Errors
    /// Where the state can't be read.
    pub fn dated(state: &dyn StateView, statement: &Hash) -> Result<Option<Dated>, StoreError> {
        let Some(bytes) = state.get(NOTARIZED, statement.as_bytes())? else { return Ok(None) };
        codec::decode(&bytes).map(Some).map_err(|_| StoreError::Damaged { table: NOTARIZED })
    }
}

impl Program for Notary {
    fn name(&self) -> &'static str {
        "notary"
    }

    fn kinds(&self) -> &'static [Kind] {
        &[NOTARIZE]
    }

    fn tables(&self) -> &'static [Table] {
        &[NOTARIZED]
    }

    fn genesis(&self, _: &mut Overlay<'_>, _: &Genesis) -> Result<(), ExecuteError> {
        Ok(())
    }

    fn is_free(&self, _: &Transaction) -> bool {
        false
    }

    fn signature_checks(&self, transaction: &Transaction) -> u32 {
        Notarization::read(transaction).map_or(0, |notarization| notarization.signatures.len() as u32)
    }

    fn apply(
        &self,
        state: &mut Overlay<'_>,
        transaction: &Transaction,
        _: &TxId,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        let notarization = Notarization::read(transaction)?;
        let signatures = notarization.claims(&context.chain)?;
        let statement = notarization.message(&context.chain);
        if let Some(dated) = Self::dated(&*state, &statement)? {
            return Err(NotaryError::AlreadyDated { dated }.into());
        }
        let dated = Dated { height: context.height, time: context.median_time_past };
        state.put(NOTARIZED, statement.as_bytes().to_vec(), codec::encode(&dated));
        claims.extend(signatures);
        Ok(())
    }
}
