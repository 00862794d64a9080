//! The SHA instructions: two rounds of one message in one instruction, which takes four cycles to answer on Zen 5 and can
//! begin every two. So several messages are interleaved, and a block takes 64 cycles at best; the schedule goes on beside.

use core::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_cvtsi32_si128, _mm_extract_epi32, _mm_loadu_si128, _mm_set_epi8,
    _mm_set_epi32, _mm_setzero_si128, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32,
    _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_storeu_si128, _mm_unpackhi_epi64, _mm_unpacklo_epi64,
};

use health_chain_data::Hash;

use crate::{
    arch::{
        engine::{Engine, ROW_BLOCKS, Row, States, as_block},
        vector::vectors,
    },
    search::Puzzle,
    sha256::{Block, INITIAL, ROUND},
};

/// Proof that the processor has the SHA instructions, and the SSSE3 and SSE4.1 around them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShaNi(());

impl ShaNi {
    /// Asks the processor.
    pub(crate) fn detect() -> Option<Self> {
        let found =
            is_x86_feature_detected!("sha") && is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("sse4.1");
        found.then_some(Self(()))
    }
}

/// A state as the instructions want it: the words `a b e f` in one register, `c d g h` in the other.
#[derive(Clone, Copy)]
struct State {
    abef: __m128i,
    cdgh: __m128i,
}

/// Sixteen message words, four to a register.
type Words = [__m128i; 4];

/// Runs a function compiled for the SHA instructions.
macro_rules! with_sha {
    (($($name:ident : $type:ty),*) $(-> $result:ty)? $body:block) => {{
        #[target_feature(enable = "sha,ssse3,sse4.1")]
        fn kernel<const LANES: usize>($($name: $type),*) $(-> $result)? $body
        // SAFETY: a `ShaNi` proves that the processor has the instructions the kernel is compiled for.
        unsafe { kernel::<LANES>($($name),*) }
    }};
}

impl<const LANES: usize> Engine<LANES> for ShaNi {
    fn compress(self, states: &mut States<LANES>, rows: &[Row; LANES], blocks: usize) {
        with_sha!((states: &mut States<LANES>, rows: &[Row; LANES], blocks: usize) {
            let mut state: [State; LANES] = vectors!(pack(&[0; 8]); |lane| pack(&states.lane(lane)));
            for block in 0..blocks.min(ROW_BLOCKS) {
                state = compress(state, vectors!(load(&rows[0].blocks[block]); |lane| load(&rows[lane].blocks[block])));
            }
            for lane in 0..LANES {
                let words = unpack(state[lane]);
                for index in 0..words.len() {
                    states.0[index][lane] = words[index];
                }
            }
        });
    }

    fn digests(self, states: &States<LANES>, digests: &mut [Hash; LANES]) {
        for (lane, digest) in digests.iter_mut().enumerate() {
            for (bytes, words) in digest.0.chunks_exact_mut(4).zip(&states.0) {
                bytes.copy_from_slice(&words[lane].to_be_bytes());
            }
        }
    }

    fn nodes(self, children: &[[Hash; 2]; LANES], digests: &mut [Hash; LANES]) {
        with_sha!((children: &[[Hash; 2]; LANES], digests: &mut [Hash; LANES]) {
            let initial = pack(&INITIAL);
            let first = vectors!(load_behind_prefix(as_block(&children[0])); |lane| load_behind_prefix(as_block(&children[lane])));
            let between = compress([initial; LANES], first);
            let zero = _mm_setzero_si128();
            let second = vectors!([zero, zero, zero, length(65)]; |lane| {
                let last = u32::from(children[lane][1].0[31]) << 24 | 0x0080_0000;
                [_mm_cvtsi32_si128(last.cast_signed()), zero, zero, length(65)]
            });
            store(compress(between, second), digests);
        });
    }

    fn double_nodes(self, children: &[[Hash; 2]; LANES], digests: &mut [Hash; LANES]) {
        with_sha!((children: &[[Hash; 2]; LANES], digests: &mut [Hash; LANES]) {
            let initial = pack(&INITIAL);
            let zero = _mm_setzero_si128();
            let padding = [marker(), zero, zero, length(64)];
            let between = compress([initial; LANES], vectors!(load(as_block(&children[0])); |lane| load(as_block(&children[lane]))));
            let inner = compress(between, [padding; LANES]);
            store(compress([initial; LANES], vectors!(digest_block(inner[0]); |lane| digest_block(inner[lane]))), digests);
        });
    }

    fn search(self, puzzle: &Puzzle, first: u32, batches: u64) -> Option<(u32, u32)> {
        with_sha!((puzzle: &Puzzle, first: u32, batches: u64) -> Option<(u32, u32)> {
            let midstate = pack(&puzzle.midstate);
            let initial = pack(&INITIAL);
            let after_two = pack(&puzzle.after_two);
            let [w0, w1, w2] = puzzle.tail.map(u32::cast_signed);
            let mut base = first;
            for _ in 0..batches {
                let mut words: [Words; LANES] = vectors!([_mm_setzero_si128(); 4]; |lane| {
                    let nonce = base.wrapping_add(lane as u32).swap_bytes().cast_signed();
                    [_mm_set_epi32(nonce, w2, w1, w0), marker(), _mm_setzero_si128(), length(80)]
                });
                let mut states = [after_two; LANES];
                // Rounds 2 and 3, then all the others.
                for (state, words) in states.iter_mut().zip(&words) {
                    let sums = _mm_shuffle_epi32::<0x0e>(_mm_add_epi32(words[0], constants(0, 0)));
                    let new = _mm_sha256rnds2_epu32(state.cdgh, state.abef, sums);
                    *state = State { abef: new, cdgh: state.abef };
                }
                for group in 1..4 {
                    four_rounds(&mut states, &words, 0, group);
                }
                scheduled_row(&mut states, &mut words, 1);
                scheduled_row(&mut states, &mut words, 2);
                scheduled_row(&mut states, &mut words, 3);
                let inner: [State; LANES] = vectors!(midstate; |lane| add(states[lane], midstate));

                let mut words = vectors!(digest_block(inner[0]); |lane| digest_block(inner[lane]));
                let mut states = [initial; LANES];
                for group in 0..4 {
                    four_rounds(&mut states, &words, 0, group);
                }
                scheduled_row(&mut states, &mut words, 1);
                scheduled_row(&mut states, &mut words, 2);
                for group in 0..3 {
                    schedule(&mut words, group);
                    four_rounds(&mut states, &words, 3, group);
                }
                schedule(&mut words, 3);
                // Rounds 60 and 61: then `f` is what `h` is after round 63.
                let mut lanes = 0;
                for lane in 0..LANES {
                    let sums = _mm_add_epi32(words[lane][3], constants(3, 3));
                    let abef = _mm_sha256rnds2_epu32(states[lane].cdgh, states[lane].abef, sums);
                    let last = _mm_extract_epi32::<0>(abef).cast_unsigned().wrapping_add(INITIAL[7]);
                    lanes |= u32::from(last.swap_bytes() <= puzzle.limit) << lane;
                }
                if lanes != 0 {
                    return Some((base, lanes));
                }
                base = base.wrapping_add(LANES as u32);
            }
            None
        })
    }
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn pack(state: &[u32; 8]) -> State {
    let [a, b, c, d, e, f, g, h] = state.map(u32::cast_signed);
    State { abef: _mm_set_epi32(a, b, e, f), cdgh: _mm_set_epi32(c, d, g, h) }
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn unpack(state: State) -> [u32; 8] {
    let (mut abef, mut cdgh) = ([0_u32; 4], [0_u32; 4]);
    // SAFETY: both arrays are 16 writable bytes.
    unsafe {
        _mm_storeu_si128(abef.as_mut_ptr().cast(), state.abef);
        _mm_storeu_si128(cdgh.as_mut_ptr().cast(), state.cdgh);
    }
    [abef[3], abef[2], cdgh[3], cdgh[2], abef[1], abef[0], cdgh[1], cdgh[0]]
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn add(state: State, before: State) -> State {
    State { abef: _mm_add_epi32(state.abef, before.abef), cdgh: _mm_add_epi32(state.cdgh, before.cdgh) }
}

#[inline]
#[target_feature(enable = "ssse3")]
fn swap_bytes(words: __m128i) -> __m128i {
    _mm_shuffle_epi8(words, _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3))
}

#[inline]
#[target_feature(enable = "ssse3")]
fn load_bytes(block: &Block) -> [__m128i; 4] {
    vectors!(_mm_setzero_si128(); |group| {
        // SAFETY: the bounds of `block` were checked: four groups of 16 readable bytes.
        unsafe { _mm_loadu_si128(block[16 * group..][..16].as_ptr().cast()) }
    })
}

#[inline]
#[target_feature(enable = "ssse3")]
fn load(block: &Block) -> Words {
    let [r0, r1, r2, r3] = load_bytes(block);
    [swap_bytes(r0), swap_bytes(r1), swap_bytes(r2), swap_bytes(r3)]
}

/// A block behind the prefix 0x01 of a node: the last byte falls off.
#[inline]
#[target_feature(enable = "sse4.1")]
fn load_behind_prefix(block: &Block) -> Words {
    let [r0, r1, r2, r3] = load_bytes(block);
    let prefix = _mm_set_epi32(0x0100_0000, 0, 0, 0);
    [
        swap_bytes(_mm_alignr_epi8::<15>(r0, prefix)),
        swap_bytes(_mm_alignr_epi8::<15>(r1, r0)),
        swap_bytes(_mm_alignr_epi8::<15>(r2, r1)),
        swap_bytes(_mm_alignr_epi8::<15>(r3, r2)),
    ]
}

/// The words of a state in the order of a digest.
#[inline]
#[target_feature(enable = "sse4.1")]
fn in_order(state: State) -> [__m128i; 2] {
    let (abef, cdgh) = (_mm_shuffle_epi32::<0x1b>(state.abef), _mm_shuffle_epi32::<0x1b>(state.cdgh));
    [_mm_unpacklo_epi64(abef, cdgh), _mm_unpackhi_epi64(abef, cdgh)]
}

/// The only block of a message that is itself a digest.
#[inline]
#[target_feature(enable = "sse4.1")]
fn digest_block(state: State) -> Words {
    let [abcd, efgh] = in_order(state);
    [abcd, efgh, marker(), length(32)]
}

/// Four words of which the first is the bit that ends a message.
#[inline]
#[target_feature(enable = "sse4.1")]
fn marker() -> __m128i {
    _mm_set_epi32(0, 0, 0, i32::MIN)
}

/// Four words of which the last is the length of a message in bits.
#[inline]
#[target_feature(enable = "sse4.1")]
fn length(bytes: i32) -> __m128i {
    _mm_set_epi32(8 * bytes, 0, 0, 0)
}

#[inline]
#[target_feature(enable = "sse4.1")]
fn store<const LANES: usize>(states: [State; LANES], digests: &mut [Hash; LANES]) {
    for lane in 0..LANES {
        let [abcd, efgh] = in_order(states[lane]);
        let (low, high) = digests[lane].0.split_at_mut(16);
        // SAFETY: half a digest is 16 writable bytes.
        unsafe {
            _mm_storeu_si128(low.as_mut_ptr().cast(), swap_bytes(abcd));
            _mm_storeu_si128(high.as_mut_ptr().cast(), swap_bytes(efgh));
        }
    }
}

/// Four of the round constants.
#[inline]
#[target_feature(enable = "sse4.1")]
fn constants(row: usize, group: usize) -> __m128i {
    // SAFETY: the bounds of the row were checked: 16 readable bytes.
    unsafe { _mm_loadu_si128(ROUND[row][4 * group..][..4].as_ptr().cast()) }
}

/// Continues every state over one block.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn compress<const LANES: usize>(before: [State; LANES], mut words: [Words; LANES]) -> [State; LANES] {
    let mut states = before;
    for group in 0..4 {
        four_rounds(&mut states, &words, 0, group);
    }
    scheduled_row(&mut states, &mut words, 1);
    scheduled_row(&mut states, &mut words, 2);
    scheduled_row(&mut states, &mut words, 3);
    vectors!(before[0]; |lane| add(states[lane], before[lane]))
}

/// Sixteen rounds that make their words from the sixteen before.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn scheduled_row<const LANES: usize>(states: &mut [State; LANES], words: &mut [Words; LANES], row: usize) {
    for group in 0..4 {
        schedule(words, group);
        four_rounds(states, words, row, group);
    }
}

/// Four rounds on the words of one group.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn four_rounds<const LANES: usize>(states: &mut [State; LANES], words: &[Words; LANES], row: usize, group: usize) {
    let constants = constants(row, group);
    for (state, words) in states.iter_mut().zip(words) {
        let sums = _mm_add_epi32(words[group], constants);
        state.cdgh = _mm_sha256rnds2_epu32(state.cdgh, state.abef, sums);
        state.abef = _mm_sha256rnds2_epu32(state.abef, state.cdgh, _mm_shuffle_epi32::<0x0e>(sums));
    }
}

/// Replaces a group of words by those sixteen rounds later.
#[inline]
#[target_feature(enable = "sha,ssse3,sse4.1")]
fn schedule<const LANES: usize>(words: &mut [Words; LANES], group: usize) {
    for words in words {
        let (next, third, last) = (words[(group + 1) % 4], words[(group + 2) % 4], words[(group + 3) % 4]);
        let old = _mm_add_epi32(_mm_sha256msg1_epu32(words[group], next), _mm_alignr_epi8::<4>(last, third));
        words[group] = _mm_sha256msg2_epu32(old, last);
    }
}
