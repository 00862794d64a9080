//! Trees: levels of nodes, each made from the pairs of the level below.

use health_chain_data::{Hash, sha256};

use crate::{
    arch::engine::Engine,
    kernel::Proof,
    work::{Work, complete},
};

/// Leaves that are folded together before the next are looked at, so that they stay in a cache of 1 MiB.
const STRIP_LEAVES: usize = 1 << 13;
/// Levels that a strip is folded by: what is left of it fills the widest kernel once.
const STRIP_LEVELS: u32 = 8;

/// RFC 6962's root of a list of leaf hashes.
pub(crate) fn root(proof: Proof, leaf_hashes: &[Hash]) -> Hash {
    if leaf_hashes.is_empty() {
        return sha256(b"");
    }
    let mut nodes = Vec::with_capacity(leaf_hashes.len().div_ceil(1 << STRIP_LEVELS));
    let mut levels = Levels::default();
    for strip in leaf_hashes.chunks(STRIP_LEAVES) {
        nodes.extend_from_slice(levels.fold(proof, strip, STRIP_LEVELS));
    }
    levels.fold(proof, &nodes, usize::BITS)[0]
}

/// The memory of the level that is read and of the one that is written.
#[derive(Default)]
struct Levels {
    below: Vec<Hash>,
    above: Vec<Hash>,
}

impl Levels {
    /// The nodes that stand `levels` above the given ones, or the one root where there are fewer. An odd node is promoted.
    fn fold(&mut self, proof: Proof, nodes: &[Hash], levels: u32) -> &[Hash] {
        self.below.clear();
        self.below.extend_from_slice(nodes);
        for _ in 0..levels {
            let (pairs, odd) = self.below.as_chunks();
            if pairs.is_empty() {
                break;
            }
            self.above.clear();
            self.above.resize(pairs.len(), Hash::ZERO);
            complete(proof, &mut Nodes { pairs, digests: &mut self.above, double: false });
            self.above.extend_from_slice(odd);
            core::mem::swap(&mut self.below, &mut self.above);
        }
        &self.below
    }
}

/// SHA-256d of pairs.
pub(crate) fn double_nodes(proof: Proof, pairs: &[[Hash; 2]], digests: &mut [Hash]) {
    complete(proof, &mut Nodes { pairs, digests, double: true });
}

/// Pairs to be hashed, and a place for the digest of each.
struct Nodes<'a> {
    pairs: &'a [[Hash; 2]],
    digests: &'a mut [Hash],
    double: bool,
}

impl Work for Nodes<'_> {
    fn advance<E: Engine<LANES>, const LANES: usize>(&mut self, engine: E, at_least: usize) {
        let hash = |pairs: &[[Hash; 2]; LANES], digests: &mut [Hash; LANES]| {
            if self.double { engine.double_nodes(pairs, digests) } else { engine.nodes(pairs, digests) }
        };
        while self.pairs.len() >= at_least {
            let digests = core::mem::take(&mut self.digests);
            if let Some((pairs, rest)) = self.pairs.split_first_chunk() {
                let (now, later) = digests.split_first_chunk_mut().expect("a digest for every pair");
                hash(pairs, now);
                (self.pairs, self.digests) = (rest, later);
            } else {
                let mut pairs = [[Hash::ZERO; 2]; LANES];
                let mut all_digests = [Hash::ZERO; LANES];
                pairs[..self.pairs.len()].copy_from_slice(self.pairs);
                hash(&pairs, &mut all_digests);
                digests.copy_from_slice(&all_digests[..digests.len()]);
                self.pairs = &[];
            }
        }
    }
}
