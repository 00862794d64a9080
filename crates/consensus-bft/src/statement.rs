//! What validators sign.

use std::fmt;

use health_chain_consensus::Validator;
use health_chain_data::{
    BlockId, ChainId, Hash, Height, PublicKey, Signature,
    codec::{self, Wire},
    keys::{KeyError, PUBLIC_KEY_BYTES},
    ports::{SignatureClaim, Verifier},
    tagged_hash,
};
use serde::{Deserialize, Serialize};

use crate::limits::MAX_SIGNED_BYTES;

/// What a validator says about one round of one height.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Statement {
    /// The height.
    pub height: Height,
    /// The round, from 0.
    pub round: u32,
    /// What it says.
    pub claim: Claim,
}

/// What is agreed on: a block, and, where it is its epoch's last, who decides from then on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Choice {
    /// The block.
    pub block: BlockId,
    /// Hash of the [`Successors`](crate::Successors) in the block's seal.
    pub successors: Option<Hash>,
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.block.fmt(f)
    }
}

/// A block within its epoch.
impl From<BlockId> for Choice {
    fn from(block: BlockId) -> Self {
        Self { block, successors: None }
    }
}

/// A proposal or a vote.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Claim {
    /// This block should be the one.
    Proposal {
        /// The block, with its successors.
        choice: Choice,
        /// The earlier round in which a quorum prevoted for it, if one did.
        valid_round: Option<u32>,
    },
    /// The first vote, for a block or for none.
    Prevote(Option<Choice>),
    /// The second vote. A quorum of those for one block is its [`Certificate`](crate::Certificate).
    Precommit(Option<Choice>),
}

/// A statement with its maker's signature, verified or not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Signed {
    /// What is said.
    pub statement: Statement,
    /// Who says so.
    pub validator: PublicKey,
    /// BIP340, over [`Statement::message`].
    pub signature: Signature,
}

/// A signed statement as it arrives: whether the key is one costs a square root, and most keys are a known validator's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) statement: Statement,
    pub(crate) validator: [u8; PUBLIC_KEY_BYTES],
    pub(crate) signature: Signature,
}

/// Where an honest validator makes one statement only.
pub(crate) type Slot = (Height, u32, u8, PublicKey);

impl Wire for Statement {
    const MAX_BYTES: usize = MAX_SIGNED_BYTES - 96;
}

impl Wire for Signed {
    const MAX_BYTES: usize = MAX_SIGNED_BYTES;
}

impl Statement {
    /// What is signed: `TH("HC/bft/v1", chain id || encoded statement)`.
    pub fn message(&self, chain: ChainId) -> Hash {
        tagged_hash("HC/bft/v1", &[chain.as_bytes(), &codec::encode(self)])
    }
}

impl Claim {
    /// Proposal 0, prevote 1, precommit 2.
    pub(crate) const fn kind(&self) -> u8 {
        match self {
            Self::Proposal { .. } => 0,
            Self::Prevote(_) => 1,
            Self::Precommit(_) => 2,
        }
    }
}

impl Said {
    /// The same with the key, which is one of `known` or looked at.
    pub(crate) fn signed(&self, known: &[Validator]) -> Result<Signed, KeyError> {
        let Self { statement, validator, signature } = *self;
        let is_it = |key: &PublicKey| *key.as_bytes() == validator;
        let found = known.iter().map(|one| one.key).find(is_it);
        let validator = found.map_or_else(|| PublicKey::from_bytes(&validator), Ok)?;
        Ok(Signed { statement, validator, signature })
    }
}

impl Signed {
    /// That the validator signed this, on this chain: still to be verified. Says nothing about who is a validator.
    pub fn claim(&self, chain: ChainId) -> SignatureClaim {
        SignatureClaim { key: self.validator, message: self.statement.message(chain), signature: self.signature }
    }

    pub(crate) fn is_genuine(&self, chain: ChainId, verifier: &dyn Verifier) -> bool {
        verifier.verify(&[self.claim(chain)]).is_ok()
    }

    pub(crate) const fn slot(&self) -> Slot {
        let Statement { height, round, claim } = self.statement;
        (height, round, claim.kind(), self.validator)
    }
}
