//! The genesis document: everything that two nodes must agree on before the first block. Each layer reads a section of its
//! own, so this layer knows none of their parameters. The document is the payload of the genesis block's single
//! transaction, so the chain id commits to all of it.

use alloc::{collections::BTreeMap, string::String, vec, vec::Vec};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    block::{Block, Body},
    codec::{self, CodecError, Wire},
    hash::{BlockId, ChainId},
    header::Header,
    limits::{MAX_GENESIS_BYTES, MAX_GENESIS_SECTIONS, MAX_NAME_BYTES, MAX_SEAL_BYTES},
    ports::ScalarHasher,
    transaction::{Kind, Transaction},
    units::Timestamp,
};

/// The version of a genesis block's header.
pub const GENESIS_VERSION: u32 = 1;

/// A genesis document. Build one with [`Genesis::new`] and [`Genesis::with`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Genesis {
    network: String,
    time: Timestamp,
    #[serde(with = "codec::bytes")]
    seal: Vec<u8>,
    sections: BTreeMap<String, Section>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Section(#[serde(with = "codec::bytes")] Vec<u8>);

/// The parameters of one layer or engine: one section of the genesis document.
pub trait Parameters: Wire {
    /// The section's name, at most [`MAX_NAME_BYTES`] bytes.
    const SECTION: &'static str;
}

impl Wire for Genesis {
    const MAX_BYTES: usize = MAX_GENESIS_BYTES;
}

/// Why a genesis document, or a block said to carry one, is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GenesisError {
    /// The section is missing.
    #[error("the genesis document has no section {section}")]
    MissingSection {
        /// The section asked for.
        section: &'static str,
    },
    /// The section does not decode.
    #[error("section {section} of the genesis document is malformed")]
    Section {
        /// The section asked for.
        section: &'static str,
        /// What is wrong with its bytes.
        #[source]
        source: CodecError,
    },
    /// The document does not decode.
    #[error("the genesis document is malformed")]
    Document(#[from] CodecError),
    /// A name, the seal or the number of sections is beyond its limit.
    #[error("a name, the seal or the number of sections is beyond its limit")]
    TooLarge,
    /// The block is not the one that the document in it makes.
    #[error("the block is not a genesis block")]
    NotGenesis,
}

impl Genesis {
    /// A document for `network` with no sections yet. `time` stands in the genesis header, and so does `seal`, in the form that
    /// the engine expects; it need not be valid as a seal, since a genesis block is agreed upon and not verified.
    pub fn new(network: impl Into<String>, time: Timestamp, seal: Vec<u8>) -> Self {
        Self { network: network.into(), time, seal, sections: BTreeMap::new() }
    }

    /// Adds or replaces a section.
    #[must_use]
    pub fn with<P: Parameters>(mut self, parameters: &P) -> Self {
        self.sections.insert(P::SECTION.into(), Section(codec::encode(parameters)));
        self
    }

    /// The network's name.
    pub fn network(&self) -> &str {
        &self.network
    }

    /// Reads a section.
    ///
    /// # Errors
    /// Where it is missing or malformed.
    pub fn section<P: Parameters>(&self) -> Result<P, GenesisError> {
        let section = P::SECTION;
        let bytes = self.sections.get(section).ok_or(GenesisError::MissingSection { section })?;
        codec::decode(&bytes.0).map_err(|source| GenesisError::Section { section, source })
    }

    /// Whether there is a section of this name.
    pub fn has_section(&self, section: &str) -> bool {
        self.sections.contains_key(section)
    }

    /// Checks the limits that the encoding itself does not.
    ///
    /// # Errors
    /// [`GenesisError::TooLarge`].
    pub fn check(&self) -> Result<(), GenesisError> {
        let names = self.sections.keys().chain([&self.network]);
        let fits = self.sections.len() <= MAX_GENESIS_SECTIONS
            && self.seal.len() <= MAX_SEAL_BYTES
            && names.map(String::len).all(|bytes| bytes <= MAX_NAME_BYTES)
            && codec::encode(self).len() <= MAX_GENESIS_BYTES;
        if fits { Ok(()) } else { Err(GenesisError::TooLarge) }
    }

    /// The genesis block that this document makes.
    pub fn block(&self) -> Block {
        let body = Body(vec![Transaction::new(Kind::GENESIS, codec::encode(self))]);
        let header = Header {
            version: GENESIS_VERSION,
            parent: BlockId::default(),
            root: body.root(&ScalarHasher),
            time: self.time,
            seal: self.seal.clone(),
        };
        Block { header, body }
    }

    /// The id of the chain that grows from this document.
    pub fn chain_id(&self) -> ChainId {
        ChainId(self.block().id().0)
    }

    /// The document that a genesis block carries.
    ///
    /// # Errors
    /// Where the block is not exactly what its document makes.
    pub fn from_block(block: &Block) -> Result<Self, GenesisError> {
        let [transaction] = block.transactions() else { return Err(GenesisError::NotGenesis) };
        let genesis: Self = codec::decode(&transaction.payload)?;
        genesis.check()?;
        if genesis.block() == *block { Ok(genesis) } else { Err(GenesisError::NotGenesis) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Colours(u32);

    impl Wire for Colours {
        const MAX_BYTES: usize = 5;
    }

    impl Parameters for Colours {
        const SECTION: &'static str = "colours";
    }

    fn sample() -> Genesis {
        Genesis::new("test", Timestamp(7), vec![1, 2]).with(&Colours(3))
    }

    #[test]
    fn the_block_carries_the_document() {
        let block = sample().block();
        assert_eq!(Genesis::from_block(&block), Ok(sample()));
        assert_eq!(sample().section::<Colours>(), Ok(Colours(3)));
        assert_eq!(sample().chain_id().0, block.id().0);
        assert_ne!(sample().with(&Colours(4)).chain_id(), sample().chain_id());
    }

    #[test]
    fn other_blocks_are_refused() {
        let mut block = sample().block();
        block.header.time = Timestamp(8);
        assert_eq!(Genesis::from_block(&block), Err(GenesisError::NotGenesis));
        block.body.0.clear();
        assert_eq!(Genesis::from_block(&block), Err(GenesisError::NotGenesis));
        let long = Genesis::new("x".repeat(MAX_NAME_BYTES + 1), Timestamp(0), vec![]);
        assert_eq!(Genesis::from_block(&long.block()), Err(GenesisError::TooLarge));
        let bare = Genesis::new("test", Timestamp(0), vec![]);
        assert_eq!(bare.section::<Colours>(), Err(GenesisError::MissingSection { section: "colours" }));
    }
}
