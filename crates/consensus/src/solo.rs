//! One authority makes every block: the smallest engine, for tests, for a single hospital's own chain, and to copy from.
//!
//! An engine has two halves. The pure one judges headers: [`Engine::check_seal`] and [`Engine::weight`] look at a header and
//! its branch and at nothing else, so all nodes agree. The other one, [`Engine::step`], makes blocks: it remembers what it
//! is about, takes the time and an input, and returns what it wants done. Here: wait until a block is due, ask for a
//! candidate, sign it.

use alloc::{boxed::Box, vec, vec::Vec};
use core::fmt;

use health_chain_data::{
    Hash, Header, Millis, PublicKey, Signature, codec::Wire, genesis::Parameters, keys::SignatureError, ports::Signer,
    tagged_hash,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    ports::{Action, Ancestry, Engine, Finality, Input, SealError},
    weight::Weight,
};

/// How long to wait before a signer that failed is asked again.
const RETRY_MILLIS: u64 = 1000;

/// Section `consensus-solo` of the genesis document.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SoloParameters {
    /// The key that signs every block.
    pub authority: PublicKey,
    /// How long the authority waits after a block before it makes the next, in seconds.
    pub interval_seconds: u32,
}

impl Wire for SoloParameters {
    const MAX_BYTES: usize = 32 + 5;
}

impl Parameters for SoloParameters {
    const SECTION: &'static str = "consensus-solo";
}

/// The engine of one authority. A header's seal is the authority's BIP340 signature over [`Solo::message`]; every block weighs
/// one, so the longest branch wins, and an honest authority never makes two. The genesis block's seal is empty.
pub struct Solo {
    parameters: SoloParameters,
    /// The authority itself has one; everybody else only checks.
    signer: Option<Box<dyn Signer>>,
    /// When the next block is to be made.
    due: Option<Millis>,
}

impl fmt::Debug for Solo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Solo")
            .field("parameters", &self.parameters)
            .field("is_authority", &self.signer.is_some())
            .finish_non_exhaustive()
    }
}

/// Why a seal was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SoloSealError {
    /// A signature has 64 bytes.
    #[error("seal of {bytes} bytes, where a signature has 64")]
    Length {
        /// Its length.
        bytes: usize,
    },
    /// Somebody else's signature, or of another header.
    #[error("the authority did not sign this header")]
    Signature(#[source] SignatureError),
}

impl Solo {
    /// The engine of a node that only checks.
    pub const fn follower(parameters: SoloParameters) -> Self {
        Self { parameters, signer: None, due: None }
    }

    /// The engine of the authority.
    pub fn authority(parameters: SoloParameters, signer: Box<dyn Signer>) -> Self {
        Self { parameters, signer: Some(signer), due: None }
    }

    /// What the authority signs: `TH("HC/solo/v1", header bytes with an empty seal)`.
    pub fn message(header: &Header) -> Hash {
        let unsealed = Header { seal: Vec::new(), ..header.clone() };
        tagged_hash("HC/solo/v1", &[&unsealed.to_bytes()])
    }

    fn seal(&mut self, mut header: Header, now: Millis) -> Vec<Action> {
        let Some(signer) = &self.signer else { return vec![] };
        // Without randomness the signature is deterministic, which BIP340 allows; an engine has no source of it.
        match signer.sign(&Self::message(&header), &[0; 32]) {
            Ok(signature) => {
                header.seal = signature.as_bytes().to_vec();
                vec![Action::Sealed(header)]
            }
            Err(_) => self.wait_until(now.saturating_add(RETRY_MILLIS)),
        }
    }

    fn wait_until(&mut self, due: Millis) -> Vec<Action> {
        self.due = Some(due);
        vec![Action::WakeAt(due)]
    }
}

impl Engine for Solo {
    fn name(&self) -> &'static str {
        "solo"
    }

    fn finality(&self) -> Finality {
        Finality::Depth(1)
    }

    fn check_seal(&self, header: &Header, _: &dyn Ancestry) -> Result<(), SealError> {
        let refused = |rule, source| SealError { rule, source: Box::<SoloSealError>::new(source) };
        let seal = header.seal.as_slice().try_into();
        let seal = seal.map_err(|_| refused("solo-seal-length", SoloSealError::Length { bytes: header.seal.len() }))?;
        self.parameters
            .authority
            .verify(&Self::message(header), &Signature(seal))
            .map_err(|source| refused("solo-signature", SoloSealError::Signature(source)))
    }

    fn weight(&self, _: &Header) -> Weight {
        Weight::from(1)
    }

    fn step(&mut self, now: Millis, input: Input<'_>) -> Vec<Action> {
        match input {
            Input::Tip { branch, .. } if self.signer.is_some() => {
                let last = Millis::from(branch.parent().time);
                self.wait_until(last.saturating_add(u64::from(self.parameters.interval_seconds) * 1000))
            }
            Input::Tick if self.due.is_some_and(|due| due <= now) => {
                self.due = None;
                vec![Action::Build]
            }
            Input::Candidate { header, .. } => self.seal(header, now),
            _ => vec![],
        }
    }
}
