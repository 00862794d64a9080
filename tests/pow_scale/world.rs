//! A chain under proof of work whose difficulty rises soon, and blocks for it.

use std::sync::Arc;

use health_chain::{
    consensus::{
        Chain, ConsensusParameters, Parts,
        ports::{Ancestry, Engine},
        verify::BLOCK_VERSION,
    },
    consensus_pow::{PowParameters, ProofOfWork, Retarget, Seal, Target, retarget::next_bits},
    data::{
        Block, Body, Genesis, Hash, Header, Height, Timestamp, Transaction,
        ports::{BatchHasher, ChainStore, ScalarHasher, SingleVerifier},
        tagged_hash,
    },
    incentive::kinds::TRANSFER,
};

use crate::common::{self, START, fund, lock};

pub(crate) const INTERVAL_SECONDS: u32 = 600;
/// Blocks made this much too fast harden the chain.
const HASTE_SECONDS: u32 = 60;
const HALF_LIFE_SECONDS: u32 = 3_600;
/// As hard as it gets: about 4,096 hashes for a block.
const HARD_BITS: u32 = 0x1f0f_ffff;
const FEE: u64 = 1;

const fn parameters() -> PowParameters {
    PowParameters {
        interval_seconds: INTERVAL_SECONDS,
        retarget: Retarget::Asert { half_life_seconds: HALF_LIFE_SECONDS },
        limit_bits: PowParameters::EASIEST_LIMIT_BITS,
    }
}

pub(crate) fn genesis() -> Genesis {
    let seal = Seal { bits: PowParameters::EASIEST_LIMIT_BITS, nonce: 0 }.to_bytes();
    Genesis::new("pow at scale", START, seal)
        .with(&ConsensusParameters::default())
        .with(&parameters())
        .with(&common::incentive())
        .with(&common::application())
}

pub(crate) fn engine() -> Box<dyn Engine> {
    Box::new(ProofOfWork::follower(parameters()).unwrap())
}

pub(crate) fn open(store: impl ChainStore + 'static) -> Chain {
    let (executor, reward) = common::contracts();
    let (verifier, hasher) = (Arc::new(SingleVerifier), Arc::new(ScalarHasher));
    let parts = Parts { store: Box::new(store), engine: engine(), executor, reward, verifier, hasher };
    Chain::open(parts, &genesis()).unwrap()
}

/// Finds the nonce.
fn seal(mut header: Header, bits: u32) -> Header {
    header.seal = Seal { bits, nonce: 0 }.to_bytes();
    let bytes: [u8; 80] = header.to_bytes().try_into().unwrap();
    let target = Target::from_compact(bits).unwrap().to_le_bytes();
    let nonce = ScalarHasher.search_nonce(&bytes, &target, 0, 1 << 32).unwrap();
    header.seal = Seal { bits, nonce }.to_bytes();
    header
}

/// A block at `height` on a branch that is on time, so of the least difficulty.
pub(crate) fn mined(parent: &Header, height: u32, transactions: Vec<Transaction>) -> Block {
    let body = Body(transactions);
    let time = Timestamp(START.0 + INTERVAL_SECONDS * height);
    let header =
        Header { version: BLOCK_VERSION, parent: parent.id(), root: body.root(&ScalarHasher), time, seal: vec![] };
    Block { header: seal(header, PowParameters::EASIEST_LIMIT_BITS), body }
}

/// Blocks on top of `fork`, which stands at height 1: each spends what the one before paid out, beginning with output `index` of
/// `mint`, and its maker takes the fee.
pub(crate) fn transfers(fork: &Header, mint: &Transaction, index: u32, blocks: usize) -> Vec<Block> {
    let (chain, (_, rewards)) = (genesis().chain_id(), common::contracts());
    let (mut parent, mut source, mut output) = (fork.clone(), mint.clone(), index);
    let mut made = Vec::with_capacity(blocks);
    for height in (2..).take(blocks) {
        let transfer = fund(Transaction::new(TRANSFER, vec![]), chain, &source, output, FEE);
        let coinbase = rewards.coinbase(Height(height), health_chain::data::Amount(FEE), lock());
        let block = mined(&parent, height, vec![coinbase, transfer.clone()]);
        (parent, source, output) = (block.header.clone(), transfer, 0);
        made.push(block);
    }
    made
}

/// A branch without payments that has become hard.
pub(crate) struct Line {
    headers: Vec<Header>,
    blocks: Vec<Block>,
}

impl Ancestry for Line {
    fn height(&self) -> Height {
        Height(self.headers.len() as u32 - 1)
    }

    fn header(&self, height: Height) -> Option<Header> {
        self.headers.get(height.0 as usize).cloned()
    }
}

impl Line {
    /// Blocks on top of genesis, made in haste until they are hard, then on time.
    pub(crate) fn hardened(blocks: usize) -> Self {
        let mut line = Self { headers: vec![genesis().block().header], blocks: vec![] };
        for _ in 0..blocks {
            line.next();
        }
        line
    }

    pub(crate) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Makes the next block.
    pub(crate) fn next(&mut self) -> Block {
        let limit = Target::from_compact(PowParameters::EASIEST_LIMIT_BITS).unwrap();
        let bits = next_bits(self, &parameters(), limit).unwrap();
        let is_hard = Target::from_compact(bits).unwrap() <= Target::from_compact(HARD_BITS).unwrap();
        let seconds = if is_hard { INTERVAL_SECONDS } else { HASTE_SECONDS };
        let parent = self.parent();
        let block = empty_block(&parent, Timestamp(parent.time.0 + seconds), bits);
        self.headers.push(block.header.clone());
        self.blocks.push(block.clone());
        block
    }
}

pub(crate) fn empty_block(parent: &Header, time: Timestamp, bits: u32) -> Block {
    let body = Body::default();
    let root = body.root(&ScalarHasher);
    let header = Header { version: BLOCK_VERSION, parent: parent.id(), root, time, seal: vec![] };
    Block { header: seal(header, bits), body }
}

/// Headers on top of genesis that are on time, so of the least difficulty: two hashes each. Other numbers give others.
pub(crate) fn light_branch(peer: u64, number: u64, length: usize) -> Vec<Header> {
    let mut parent = genesis_id();
    let bits = PowParameters::EASIEST_LIMIT_BITS;
    let header = |height: u32| {
        let root: Hash =
            tagged_hash("HC/spam/v1", &[&peer.to_le_bytes(), &number.to_le_bytes(), &height.to_le_bytes()]);
        let time = Timestamp(START.0 + INTERVAL_SECONDS * height);
        let header = seal(Header { version: BLOCK_VERSION, parent, root, time, seal: vec![] }, bits);
        parent = header.id();
        header
    };
    (1..).take(length).map(header).collect()
}

fn genesis_id() -> health_chain::data::BlockId {
    genesis().block().id()
}
