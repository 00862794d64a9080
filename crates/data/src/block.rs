//! Blocks: a header and the transactions that its root commits to.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::{
    codec::{self, Wire},
    hash::{BlockId, Hash},
    header::Header,
    limits::{MAX_BLOCK_BYTES, MAX_BLOCK_TRANSACTIONS, MAX_HEADER_BYTES},
    ports::BatchHasher,
    transaction::Transaction,
};

/// A block as it arrives: nothing about it has been verified, except where the consensus layer says so by a type of its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Block {
    /// The header; its id is the block's.
    pub header: Header,
    /// The transactions, in the order in which they take effect.
    pub body: Body,
}

/// The transactions of a block.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Body(#[serde(deserialize_with = "codec::at_most::<MAX_BLOCK_TRANSACTIONS, _, _>")] pub Vec<Transaction>);

impl Wire for Block {
    const MAX_BYTES: usize = MAX_BLOCK_BYTES;
}

impl Wire for Body {
    const MAX_BYTES: usize = MAX_BLOCK_BYTES - MAX_HEADER_BYTES - 2;
}

impl Block {
    /// The id of the header.
    pub fn id(&self) -> BlockId {
        self.header.id()
    }

    /// The transactions in order.
    pub fn transactions(&self) -> &[Transaction] {
        &self.body.0
    }
}

impl Body {
    /// The Merkle tree hash (RFC 6962) that belongs into the header: over the full transactions, witnesses included.
    pub fn root(&self, hasher: &dyn BatchHasher) -> Hash {
        let encoded: Vec<Vec<u8>> = self.0.iter().map(codec::encode).collect();
        let leaves: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
        hasher.merkle_root(&hasher.hash_leaves(&leaves))
    }
}
