//! The SHA instructions of AArch64: four rounds of one message in two instructions, each of which waits for those of the four
//! rounds before. So four messages are interleaved, whose states and words together take 24 of the 32 registers.

use core::arch::aarch64::{
    uint8x16_t, uint32x4_t, vaddq_u32, vextq_u8, vgetq_lane_u32, vld1q_u8, vld1q_u32, vreinterpretq_u8_u32,
    vreinterpretq_u32_u8, vrev32q_u8, vsha256h2q_u32, vsha256hq_u32, vsha256su0q_u32, vsha256su1q_u32, vst1q_u8,
    vst1q_u32,
};
use std::arch::is_aarch64_feature_detected;

use health_chain_data::Hash;

use crate::{
    arch::{
        engine::{Engine, ROW_BLOCKS, Row, States, as_block},
        vector::vectors,
    },
    search::Puzzle,
    sha256::{Block, INITIAL, ROUND},
};

/// Proof that the processor has the SHA-256 instructions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArmSha2(());

impl ArmSha2 {
    /// Asks the processor.
    pub(crate) fn detect() -> Option<Self> {
        is_aarch64_feature_detected!("sha2").then_some(Self(()))
    }
}

#[derive(Clone, Copy)]
struct State {
    abcd: uint32x4_t,
    efgh: uint32x4_t,
}

/// Sixteen message words, four to a register.
type Words = [uint32x4_t; 4];

/// Runs a function compiled for the SHA instructions.
macro_rules! with_sha {
    (($($name:ident : $type:ty),*) $(-> $result:ty)? $body:block) => {{
        #[target_feature(enable = "sha2")]
        fn kernel<const LANES: usize>($($name: $type),*) $(-> $result)? $body
        // SAFETY: an `ArmSha2` proves that the processor has the instructions the kernel is compiled for.
        unsafe { kernel::<LANES>($($name),*) }
    }};
}

impl<const LANES: usize> Engine<LANES> for ArmSha2 {
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
        with_sha!((states: &States<LANES>, digests: &mut [Hash; LANES]) {
            store(vectors!(pack(&[0; 8]); |lane| pack(&states.lane(lane))), digests);
        });
    }

    fn nodes(self, children: &[[Hash; 2]; LANES], digests: &mut [Hash; LANES]) {
        with_sha!((children: &[[Hash; 2]; LANES], digests: &mut [Hash; LANES]) {
            let first = vectors!(load_behind_prefix(as_block(&children[0])); |lane| load_behind_prefix(as_block(&children[lane])));
            let between = compress([pack(&INITIAL); LANES], first);
            let zero = quad([0; 4]);
            let second = vectors!([zero, zero, zero, length(65)]; |lane| {
                let last = u32::from(children[lane][1].0[31]) << 24 | 0x0080_0000;
                [quad([last, 0, 0, 0]), zero, zero, length(65)]
            });
            store(compress(between, second), digests);
        });
    }

    fn double_nodes(self, children: &[[Hash; 2]; LANES], digests: &mut [Hash; LANES]) {
        with_sha!((children: &[[Hash; 2]; LANES], digests: &mut [Hash; LANES]) {
            let initial = pack(&INITIAL);
            let padding = [marker(), quad([0; 4]), quad([0; 4]), length(64)];
            let between = compress([initial; LANES], vectors!(load(as_block(&children[0])); |lane| load(as_block(&children[lane]))));
            let inner = compress(between, [padding; LANES]);
            store(compress([initial; LANES], vectors!(digest_block(inner[0]); |lane| digest_block(inner[lane]))), digests);
        });
    }

    fn search(self, puzzle: &Puzzle, first: u32, batches: u64) -> Option<(u32, u32)> {
        with_sha!((puzzle: &Puzzle, first: u32, batches: u64) -> Option<(u32, u32)> {
            let midstate = pack(&puzzle.midstate);
            let initial = pack(&INITIAL);
            let after_four = pack(&puzzle.after_four);
            let [w0, w1, w2] = puzzle.tail;
            let mut base = first;
            for _ in 0..batches {
                // Rounds 0 to 3 are done but for the nonce, which is a term of `a` and `e`.
                let mut words: [Words; LANES] = vectors!([marker(); 4]; |lane| {
                    let nonce = base.wrapping_add(lane as u32).swap_bytes();
                    [quad([w0, w1, w2, nonce]), marker(), quad([0; 4]), length(80)]
                });
                let mut states = vectors!(after_four; |lane| {
                    let nonce = quad([base.wrapping_add(lane as u32).swap_bytes(), 0, 0, 0]);
                    add(after_four, State { abcd: nonce, efgh: nonce })
                });
                for group in 1..4 {
                    four_rounds(&mut states, &words, 0, group);
                }
                scheduled_rows(&mut states, &mut words, 3);
                let inner: [State; LANES] = vectors!(midstate; |lane| add(states[lane], midstate));

                words = vectors!(digest_block(inner[0]); |lane| digest_block(inner[lane]));
                states = [initial; LANES];
                for group in 0..4 {
                    four_rounds(&mut states, &words, 0, group);
                }
                scheduled_rows(&mut states, &mut words, 2);
                for group in 0..3 {
                    schedule(&mut words, group);
                    four_rounds(&mut states, &words, 3, group);
                }
                schedule(&mut words, 3);
                // Of the last four rounds, nothing reads `a` to `d`.
                let mut lanes = 0;
                for lane in 0..LANES {
                    let sums = vaddq_u32(words[lane][3], constants(3, 3));
                    let efgh = vsha256h2q_u32(states[lane].efgh, states[lane].abcd, sums);
                    let last = vgetq_lane_u32::<3>(efgh).wrapping_add(INITIAL[7]);
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
#[target_feature(enable = "neon")]
fn quad(words: [u32; 4]) -> uint32x4_t {
    // SAFETY: four words are 16 readable bytes.
    unsafe { vld1q_u32(words.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon")]
fn pack(state: &[u32; 8]) -> State {
    let [a, b, c, d, e, f, g, h] = *state;
    State { abcd: quad([a, b, c, d]), efgh: quad([e, f, g, h]) }
}

#[inline]
#[target_feature(enable = "neon")]
fn unpack(state: State) -> [u32; 8] {
    let mut words = [0; 8];
    let (low, high) = words.split_at_mut(4);
    // SAFETY: both halves are 16 writable bytes.
    unsafe {
        vst1q_u32(low.as_mut_ptr(), state.abcd);
        vst1q_u32(high.as_mut_ptr(), state.efgh);
    }
    words
}

#[inline]
#[target_feature(enable = "neon")]
fn add(state: State, other: State) -> State {
    State { abcd: vaddq_u32(state.abcd, other.abcd), efgh: vaddq_u32(state.efgh, other.efgh) }
}

#[inline]
#[target_feature(enable = "neon")]
fn load_bytes(block: &Block) -> [uint8x16_t; 4] {
    let (quarters, _) = block.as_chunks::<16>();
    // SAFETY: every quarter is 16 readable bytes.
    unsafe {
        [
            vld1q_u8(quarters[0].as_ptr()),
            vld1q_u8(quarters[1].as_ptr()),
            vld1q_u8(quarters[2].as_ptr()),
            vld1q_u8(quarters[3].as_ptr()),
        ]
    }
}

/// Big-endian words.
#[inline]
#[target_feature(enable = "neon")]
fn words_of(bytes: uint8x16_t) -> uint32x4_t {
    vreinterpretq_u32_u8(vrev32q_u8(bytes))
}

#[inline]
#[target_feature(enable = "neon")]
fn load(block: &Block) -> Words {
    let [r0, r1, r2, r3] = load_bytes(block);
    [words_of(r0), words_of(r1), words_of(r2), words_of(r3)]
}

/// A block behind the prefix 0x01 of a node: the last byte falls off.
#[inline]
#[target_feature(enable = "neon")]
fn load_behind_prefix(block: &Block) -> Words {
    let [r0, r1, r2, r3] = load_bytes(block);
    let prefix = vreinterpretq_u8_u32(quad([0, 0, 0, 0x0100_0000]));
    [
        words_of(vextq_u8::<15>(prefix, r0)),
        words_of(vextq_u8::<15>(r0, r1)),
        words_of(vextq_u8::<15>(r1, r2)),
        words_of(vextq_u8::<15>(r2, r3)),
    ]
}

/// The only block of a message that is itself a digest.
#[inline]
#[target_feature(enable = "neon")]
fn digest_block(state: State) -> Words {
    [state.abcd, state.efgh, marker(), length(32)]
}

/// Four words of which the first is the bit that ends a message.
#[inline]
#[target_feature(enable = "neon")]
fn marker() -> uint32x4_t {
    quad([0x8000_0000, 0, 0, 0])
}

/// Four words of which the last is the length of a message in bits.
#[inline]
#[target_feature(enable = "neon")]
fn length(bytes: u32) -> uint32x4_t {
    quad([0, 0, 0, 8 * bytes])
}

#[inline]
#[target_feature(enable = "neon")]
fn store<const LANES: usize>(states: [State; LANES], digests: &mut [Hash; LANES]) {
    for lane in 0..LANES {
        let (low, high) = digests[lane].0.split_at_mut(16);
        // SAFETY: half a digest is 16 writable bytes.
        unsafe {
            vst1q_u8(low.as_mut_ptr(), vrev32q_u8(vreinterpretq_u8_u32(states[lane].abcd)));
            vst1q_u8(high.as_mut_ptr(), vrev32q_u8(vreinterpretq_u8_u32(states[lane].efgh)));
        }
    }
}

/// Four of the round constants.
#[inline]
#[target_feature(enable = "neon")]
fn constants(row: usize, group: usize) -> uint32x4_t {
    let (groups, _) = ROUND[row].as_chunks();
    quad(groups[group])
}

/// Continues every state over one block.
#[inline]
#[target_feature(enable = "sha2")]
fn compress<const LANES: usize>(before: [State; LANES], mut words: [Words; LANES]) -> [State; LANES] {
    let mut states = before;
    for group in 0..4 {
        four_rounds(&mut states, &words, 0, group);
    }
    scheduled_rows(&mut states, &mut words, 3);
    vectors!(before[0]; |lane| add(states[lane], before[lane]))
}

/// Sixteen rounds for each of the first rows after row 0, on words made from the sixteen before.
#[inline]
#[target_feature(enable = "sha2")]
fn scheduled_rows<const LANES: usize>(states: &mut [State; LANES], words: &mut [Words; LANES], rows: usize) {
    for row in 1..=rows {
        for group in 0..4 {
            schedule(words, group);
            four_rounds(states, words, row, group);
        }
    }
}

/// Four rounds on the words of one group.
#[inline]
#[target_feature(enable = "sha2")]
fn four_rounds<const LANES: usize>(states: &mut [State; LANES], words: &[Words; LANES], row: usize, group: usize) {
    let constants = constants(row, group);
    for (state, words) in states.iter_mut().zip(words) {
        let sums = vaddq_u32(words[group], constants);
        *state = State {
            abcd: vsha256hq_u32(state.abcd, state.efgh, sums),
            efgh: vsha256h2q_u32(state.efgh, state.abcd, sums),
        };
    }
}

/// Replaces a group of words by those sixteen rounds later.
#[inline]
#[target_feature(enable = "sha2")]
fn schedule<const LANES: usize>(words: &mut [Words; LANES], group: usize) {
    for words in words {
        let (next, third, last) = (words[(group + 1) % 4], words[(group + 2) % 4], words[(group + 3) % 4]);
        words[group] = vsha256su1q_u32(vsha256su0q_u32(words[group], next), third, last);
    }
}
