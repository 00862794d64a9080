//! What a kernel does for the drivers, and how vector kernels come to do it.

use health_chain_data::Hash;

use crate::{
    search::Puzzle,
    sha256::{BLOCK_BYTES, Block},
};

/// Blocks of one message that are staged at a time. With half as many, records of 64 MiB took a tenth longer.
pub(crate) const ROW_BLOCKS: usize = 8;

/// A few blocks of one message. The spare bytes put the rows of a scratch an odd number of cache lines apart, so that
/// one block of every row does not land in one set of the cache.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Row {
    pub(crate) blocks: [Block; ROW_BLOCKS],
    spare: [u8; BLOCK_BYTES],
}

/// A row per lane, where the rows always lie alike on their pages: that decides a part of the speed, and must not be left
/// to chance. (Not aligned to whole pages, for which LLVM 22 forgets to align the stack.)
#[repr(C, align(2048))]
pub(crate) struct Scratch<const LANES: usize>(pub(crate) [Row; LANES]);

impl<const LANES: usize> Scratch<LANES> {
    pub(crate) const fn new() -> Self {
        Self([Row { blocks: [[0; BLOCK_BYTES]; ROW_BLOCKS], spare: [0; BLOCK_BYTES] }; LANES])
    }
}

/// The hash states of all lanes: first the word `a` of every lane, then `b`, and so on.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct States<const LANES: usize>(pub(crate) [[u32; LANES]; 8]);

impl<const LANES: usize> States<LANES> {
    /// The same state in every lane.
    pub(crate) fn all(state: &[u32; 8]) -> Self {
        Self(state.map(|word| [word; LANES]))
    }

    /// The state of one lane.
    #[inline(always)]
    pub(super) fn lane(&self, lane: usize) -> [u32; 8] {
        let [a, b, c, d, e, f, g, h] = &self.0;
        [a[lane], b[lane], c[lane], d[lane], e[lane], f[lane], g[lane], h[lane]]
    }
}

/// A kernel that works on `LANES` messages at a time. Making one takes a token, so holding one proves that it can run.
pub(crate) trait Engine<const LANES: usize>: Copy {
    /// Continues each lane's state over the first `blocks` of its row, at most [`ROW_BLOCKS`].
    fn compress(self, states: &mut States<LANES>, rows: &[Row; LANES], blocks: usize);
    /// The digests that final states stand for.
    fn digests(self, states: &States<LANES>, digests: &mut [Hash; LANES]);
    /// RFC 6962 nodes over pairs of children.
    fn nodes(self, children: &[[Hash; 2]; LANES], digests: &mut [Hash; LANES]);
    /// SHA-256d of each pair of children.
    fn double_nodes(self, children: &[[Hash; 2]; LANES], digests: &mut [Hash; LANES]);
    /// Tries `batches` times `LANES` nonces. Stops at the first batch in which the top 32 bits of a hash are at most the
    /// puzzle's limit: the batch's first nonce, and a bit per lane.
    fn search(self, puzzle: &Puzzle, first: u32, batches: u64) -> Option<(u32, u32)>;
}

/// The 64 bytes of two digests.
#[inline(always)]
pub(super) fn as_block(pair: &[Hash; 2]) -> &Block {
    const { assert!(size_of::<Hash>() == 32 && align_of::<Hash>() == 1) };
    // SAFETY: a `Hash` holds an array of 32 bytes and, by its size, nothing else: two of them are 64 bytes without gaps.
    unsafe { &*core::ptr::from_ref(pair).cast() }
}

/// Makes a token an [`Engine`] through a [`super::vector::Vector`] and the functions of [`super::rounds`], each compiled
/// for the instruction set.
macro_rules! vector_engine {
    ($(#[$attribute:meta])* $token:ident, $lanes:literal, $vector:ty) => {
        impl $crate::arch::engine::Engine<$lanes> for $token {
            fn compress(self, states: &mut States<$lanes>, rows: &[Row; $lanes], blocks: usize) {
                $(#[$attribute])*
                fn kernel(token: $token, states: &mut States<$lanes>, rows: &[Row; $lanes], blocks: usize) {
                    let mut state = vectors!(<$vector>::splat(token, 0); |word| Vector::from_words(token, &states.0[word]));
                    for block in 0..blocks.min(ROW_BLOCKS) {
                        let blocks = vectors!(&rows[0].blocks[block]; |lane| &rows[lane].blocks[block]);
                        state = rounds::compress(token, state, blocks);
                    }
                    for word in 0..state.len() {
                        states.0[word] = state[word].to_words();
                    }
                }
                #[allow(unused_unsafe, reason = "a kernel of plain Rust is not unsafe to call")]
                // SAFETY: the token proves that the processor has the instructions the kernel is compiled for.
                unsafe { kernel(self, states, rows, blocks) }
            }

            fn digests(self, states: &States<$lanes>, digests: &mut [Hash; $lanes]) {
                $(#[$attribute])*
                fn kernel(token: $token, states: &States<$lanes>, digests: &mut [Hash; $lanes]) {
                    let state = vectors!(<$vector>::splat(token, 0); |word| Vector::from_words(token, &states.0[word]));
                    Vector::store_digests(state, digests);
                }
                #[allow(unused_unsafe, reason = "as in `compress`")]
                // SAFETY: as in `compress`.
                unsafe { kernel(self, states, digests) }
            }

            fn nodes(self, children: &[[Hash; 2]; $lanes], digests: &mut [Hash; $lanes]) {
                $(#[$attribute])*
                fn kernel(token: $token, children: &[[Hash; 2]; $lanes], digests: &mut [Hash; $lanes]) {
                    rounds::nodes::<$vector, $lanes>(token, vectors!(as_block(&children[0]); |lane| as_block(&children[lane])), digests);
                }
                #[allow(unused_unsafe, reason = "as in `compress`")]
                // SAFETY: as in `compress`.
                unsafe { kernel(self, children, digests) }
            }

            fn double_nodes(self, children: &[[Hash; 2]; $lanes], digests: &mut [Hash; $lanes]) {
                $(#[$attribute])*
                fn kernel(token: $token, children: &[[Hash; 2]; $lanes], digests: &mut [Hash; $lanes]) {
                    rounds::double_nodes::<$vector, $lanes>(token, vectors!(as_block(&children[0]); |lane| as_block(&children[lane])), digests);
                }
                #[allow(unused_unsafe, reason = "as in `compress`")]
                // SAFETY: as in `compress`.
                unsafe { kernel(self, children, digests) }
            }

            fn search(self, puzzle: &Puzzle, first: u32, batches: u64) -> Option<(u32, u32)> {
                $(#[$attribute])*
                fn kernel(token: $token, puzzle: &Puzzle, first: u32, batches: u64) -> Option<(u32, u32)> {
                    <$vector>::search(token, puzzle, first, batches)
                }
                #[allow(unused_unsafe, reason = "as in `compress`")]
                // SAFETY: as in `compress`.
                unsafe { kernel(self, puzzle, first, batches) }
            }
        }
    };
}
pub(super) use vector_engine;
