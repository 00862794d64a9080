//! The search for a nonce on two streams of sixteen lanes.

use core::arch::naked_asm;

use super::{Avx512, definitions, end_of_definitions, sixteen_rounds};
use crate::{
    search::Puzzle,
    sha256::{INITIAL, ROUND, rounds, small_sigma0, small_sigma1},
};

/// Everything that a search reads and writes, in the first half of a page or the second: of a whole page, LLVM 22 forgets to
/// align the stack.
#[repr(C, align(2048))]
struct Context {
    /// The message words.
    words: [[[u32; 16]; 2]; 16],
    /// The nonces of this pass.
    nonces: [[u32; 16]; 2],
    /// Which byte goes where when all words are reversed.
    byte_order: [u8; 64],
    /// The second block of the header: sums of its words and constants, what is known of the sixteen words after them, the
    /// first two of these with their constants, and the states around the block.
    inner_sums: [u32; 16],
    inner_known: [u32; 16],
    inner_known_sums: [u32; 2],
    after_four: [u32; 8],
    midstate: [u32; 8],
    /// The block of the second hash likewise, and the state after its first round on a zero.
    outer_sums: [u32; 16],
    outer_known: [u32; 16],
    after_one: [u32; 8],
    /// What is added to the last word of the state.
    last: u32,
    /// The most that the top 32 bits of a hash may be.
    limit: u32,
    /// Nonces in a pass.
    step: u32,
}

impl Context {
    fn new(puzzle: &Puzzle, first: u32) -> Self {
        let mut inner_words = [0; 16];
        inner_words[..3].copy_from_slice(&puzzle.tail);
        inner_words[4] = 0x8000_0000;
        inner_words[15] = 80 * 8;
        let mut outer_words = [0; 16];
        outer_words[8] = 0x8000_0000;
        outer_words[15] = 32 * 8;
        let inner_known = known_terms(&inner_words, |index| index != 3);
        let sums = |words: &[u32; 16]| core::array::from_fn(|index| words[index].wrapping_add(ROUND[0][index]));
        let nonce = |stream: u32, lane: usize| first.wrapping_add(16 * stream).wrapping_add(lane as u32);
        Self {
            words: [[[0; 16]; 2]; 16],
            nonces: [0, 1].map(|stream| core::array::from_fn(|lane| nonce(stream, lane))),
            byte_order: core::array::from_fn(|index| (index % 16) as u8 ^ 3),
            inner_sums: sums(&inner_words),
            inner_known,
            inner_known_sums: [0, 1].map(|index| inner_known[index].wrapping_add(ROUND[1][index])),
            after_four: puzzle.after_four,
            midstate: puzzle.midstate,
            outer_sums: sums(&outer_words),
            outer_known: known_terms(&outer_words, |index| index >= 8),
            after_one: rounds(&INITIAL, &[0]),
            last: INITIAL[7],
            limit: puzzle.limit,
            step: 32,
        }
    }
}

/// Of each of the sixteen words after those of a block, the sum of the terms that are known, where of the block some words are.
/// A word is known if all of its terms are.
fn known_terms(block: &[u32; 16], in_block: impl Fn(usize) -> bool) -> [u32; 16] {
    let mut words = [0; 32];
    let mut known = [false; 32];
    for index in 0..16 {
        words[index] = block[index];
        known[index] = in_block(index);
    }
    for index in 16..32 {
        let terms = [
            (index - 16, words[index - 16]),
            (index - 15, small_sigma0(words[index - 15])),
            (index - 7, words[index - 7]),
            (index - 2, small_sigma1(words[index - 2])),
        ];
        known[index] = terms.iter().all(|(from, _)| known[*from]);
        words[index] =
            terms.iter().filter(|(from, _)| known[*from]).fold(0, |sum: u32, (_, term)| sum.wrapping_add(*term));
    }
    core::array::from_fn(|index| words[16 + index])
}

/// [`crate::arch::engine::Engine::search`] on 32 lanes.
pub(in super::super) fn search(_: Avx512, puzzle: &Puzzle, first: u32, batches: u64) -> Option<(u32, u32)> {
    if batches == 0 {
        return None;
    }
    let mut context = Context::new(puzzle, first);
    // SAFETY: the token proves AVX-512 F and BW; there is a batch.
    let lanes = unsafe { search_in_context(&mut context, &ROUND, batches) };
    (lanes != 0).then_some((context.nonces[0][0], lanes))
}

/// Passes over 32 nonces each until one may be a hit: a bit per lane, and `context.nonces` are those of that pass. Zero
/// after `batches` passes without.
///
/// # Safety
/// Needs AVX-512 F and BW, and a batch.
#[unsafe(naked)]
#[rustfmt::skip] // It moves raw strings further in every time.
unsafe extern "sysv64" fn search_in_context(context: &mut Context, constants: &[[u32; 16]; 4], batches: u64) -> u32 {
    naked_asm!(
        definitions!(),
        r"
    // The word of round i, for the stream whose words begin at o, from the terms that are named: those of the words 16, 15,
    // 7 and 2 rounds before, and the sum of what is the same in every lane. Left in t0 and among the words.
    .macro terms o, i, w16, w15, w7, w2, known, t0, t1, t2, t3
    .ifnb \w15
        small_sigma \t0, 128*((\i+1)%16)+\o, 7, 18, 3, \t1, \t2
        .ifnb \w2
        small_sigma \t1, 128*((\i+14)%16)+\o, 17, 19, 10, \t2, \t3
        vpaddd zmm\t0, zmm\t0, zmm\t1
        .endif
    .else
        .ifnb \w2
        small_sigma \t0, 128*((\i+14)%16)+\o, 17, 19, 10, \t1, \t2
        .else
        vpxord zmm\t0, zmm\t0, zmm\t0
        .endif
    .endif
    .ifnb \w16
        vpaddd zmm\t0, zmm\t0, [rdi + 128*\i+\o]
    .endif
    .ifnb \w7
        vpaddd zmm\t0, zmm\t0, [rdi + 128*((\i+9)%16)+\o]
    .endif
    .ifnb \known
        vpaddd zmm\t0, zmm\t0, dword ptr [rdi + \known]{{1to16}}
    .endif
        vmovdqa64 [rdi + 128*\i+\o], zmm\t0
    .endm

    // A round on that word.
    .macro round_of_terms i, a, b, c, d, e, f, g, h, w16, w15, w7, w2, known
        terms 0, \i, \w16, \w15, \w7, \w2, \known, 20, 21, 22, 23
        vpaddd zmm\h, zmm\h, dword ptr [rsi + 4*\i]{{1to16}}
        vpaddd zmm\h, zmm\h, zmm20
        terms 64, \i, \w16, \w15, \w7, \w2, \known, 24, 25, 26, 27
        vpaddd zmm1\h, zmm1\h, dword ptr [rsi + 4*\i]{{1to16}}
        vpaddd zmm1\h, zmm1\h, zmm24
        both_halves \a, \b, \c, \d, \e, \f, \g, \h
    .endm

    mov rcx, rdx
    mov r9, rsi
    vmovdqa64 zmm28, [rdi + {byte_order}]
    vpbroadcastd zmm30, dword ptr [rdi + {limit}]
    vpbroadcastd zmm31, dword ptr [rdi + {step}]
    .p2align 6
2:
    vmovdqa64 zmm20, [rdi + {nonces}]
    vmovdqa64 zmm24, [rdi + {nonces} + 64]
    vpshufb zmm20, zmm20, zmm28
    vpshufb zmm24, zmm24, zmm28
    vmovdqa64 [rdi + 128*3], zmm20
    vmovdqa64 [rdi + 128*3 + 64], zmm24
    // The state after four rounds: here a is in zmm4, so that sixteen rounds end with it in zmm0.
    .macro spread to, from
        vpbroadcastd zmm\to, dword ptr [rdi + \from]
        vmovdqa64 zmm1\to, zmm\to
    .endm
    spread 5, {after_four}+4
    spread 6, {after_four}+8
    spread 7, {after_four}+12
    spread 1, {after_four}+20
    spread 2, {after_four}+24
    spread 3, {after_four}+28
    vpaddd zmm4, zmm20, dword ptr [rdi + {after_four}]{{1to16}}
    vpaddd zmm14, zmm24, dword ptr [rdi + {after_four}]{{1to16}}
    vpaddd zmm0, zmm20, dword ptr [rdi + {after_four} + 16]{{1to16}}
    vpaddd zmm10, zmm24, dword ptr [rdi + {after_four} + 16]{{1to16}}
    round_known {inner_sums}+16, 4, 5, 6, 7, 0, 1, 2, 3
    round_known {inner_sums}+20, 3, 4, 5, 6, 7, 0, 1, 2
    round_known {inner_sums}+24, 2, 3, 4, 5, 6, 7, 0, 1
    round_known {inner_sums}+28, 1, 2, 3, 4, 5, 6, 7, 0
    round_known {inner_sums}+32, 0, 1, 2, 3, 4, 5, 6, 7
    round_known {inner_sums}+36, 7, 0, 1, 2, 3, 4, 5, 6
    round_known {inner_sums}+40, 6, 7, 0, 1, 2, 3, 4, 5
    round_known {inner_sums}+44, 5, 6, 7, 0, 1, 2, 3, 4
    round_known {inner_sums}+48, 4, 5, 6, 7, 0, 1, 2, 3
    round_known {inner_sums}+52, 3, 4, 5, 6, 7, 0, 1, 2
    round_known {inner_sums}+56, 2, 3, 4, 5, 6, 7, 0, 1
    round_known {inner_sums}+60, 1, 2, 3, 4, 5, 6, 7, 0
    // The next sixteen words: of most terms it is known beforehand what they are, and mostly that they are zero.
    lea rsi, [r9 + 64]
    .irp i, 0, 1
        vpbroadcastd zmm29, dword ptr [rdi + {inner_known} + 4*\i]
        vmovdqa64 [rdi + 128*\i], zmm29
        vmovdqa64 [rdi + 128*\i + 64], zmm29
    .endr
    round_known {inner_known_sums}, 0, 1, 2, 3, 4, 5, 6, 7
    round_known {inner_known_sums}+4, 7, 0, 1, 2, 3, 4, 5, 6
    round_of_terms 2, 6, 7, 0, 1, 2, 3, 4, 5, w15=y, known={inner_known}+4*2
    round_of_terms 3, 5, 6, 7, 0, 1, 2, 3, 4, w16=y, known={inner_known}+4*3
    round_of_terms 4, 4, 5, 6, 7, 0, 1, 2, 3, w2=y, known={inner_known}+4*4
    round_of_terms 5, 3, 4, 5, 6, 7, 0, 1, 2, w2=y
    round_of_terms 6, 2, 3, 4, 5, 6, 7, 0, 1, w2=y, known={inner_known}+4*6
    round_of_terms 7, 1, 2, 3, 4, 5, 6, 7, 0, w2=y, known={inner_known}+4*7
    round_of_terms 8, 0, 1, 2, 3, 4, 5, 6, 7, w2=y, known={inner_known}+4*8
    round_of_terms 9, 7, 0, 1, 2, 3, 4, 5, 6, w7=y, w2=y
    round_of_terms 10, 6, 7, 0, 1, 2, 3, 4, 5, w7=y, w2=y
    round_of_terms 11, 5, 6, 7, 0, 1, 2, 3, 4, w7=y, w2=y
    round_of_terms 12, 4, 5, 6, 7, 0, 1, 2, 3, w7=y, w2=y
    round_of_terms 13, 3, 4, 5, 6, 7, 0, 1, 2, w7=y, w2=y
    round_of_terms 14, 2, 3, 4, 5, 6, 7, 0, 1, w7=y, w2=y, known={inner_known}+4*14
    round_of_terms 15, 1, 2, 3, 4, 5, 6, 7, 0, w7=y, w2=y, known={inner_known}+4*15
    add rsi, 64
    mov r8d, 4
    call {sixteen_rounds}

    // The digest is the first half of the next block.
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7
        vpaddd zmm\i, zmm\i, dword ptr [rdi + {midstate} + 4*\i]{{1to16}}
        vpaddd zmm1\i, zmm1\i, dword ptr [rdi + {midstate} + 4*\i]{{1to16}}
        vmovdqa64 [rdi + 128*\i], zmm\i
        vmovdqa64 [rdi + 128*\i + 64], zmm1\i
    .endr
    // The state after one round, for which a belongs into zmm7.
    vpaddd zmm7, zmm0, dword ptr [rdi + {after_one}]{{1to16}}
    vpaddd zmm17, zmm10, dword ptr [rdi + {after_one}]{{1to16}}
    vpaddd zmm3, zmm0, dword ptr [rdi + {after_one} + 16]{{1to16}}
    vpaddd zmm13, zmm10, dword ptr [rdi + {after_one} + 16]{{1to16}}
    spread 0, {after_one}+4
    spread 1, {after_one}+8
    spread 2, {after_one}+12
    spread 4, {after_one}+20
    spread 5, {after_one}+24
    spread 6, {after_one}+28
    .purgem spread
    mov rsi, r9
    round_of_block 1, 7, 0, 1, 2, 3, 4, 5, 6
    round_of_block 2, 6, 7, 0, 1, 2, 3, 4, 5
    round_of_block 3, 5, 6, 7, 0, 1, 2, 3, 4
    round_of_block 4, 4, 5, 6, 7, 0, 1, 2, 3
    round_of_block 5, 3, 4, 5, 6, 7, 0, 1, 2
    round_of_block 6, 2, 3, 4, 5, 6, 7, 0, 1
    round_of_block 7, 1, 2, 3, 4, 5, 6, 7, 0
    round_known {outer_sums}+32, 0, 1, 2, 3, 4, 5, 6, 7
    round_known {outer_sums}+36, 7, 0, 1, 2, 3, 4, 5, 6
    round_known {outer_sums}+40, 6, 7, 0, 1, 2, 3, 4, 5
    round_known {outer_sums}+44, 5, 6, 7, 0, 1, 2, 3, 4
    round_known {outer_sums}+48, 4, 5, 6, 7, 0, 1, 2, 3
    round_known {outer_sums}+52, 3, 4, 5, 6, 7, 0, 1, 2
    round_known {outer_sums}+56, 2, 3, 4, 5, 6, 7, 0, 1
    round_known {outer_sums}+60, 1, 2, 3, 4, 5, 6, 7, 0
    lea rsi, [r9 + 64]
    round_of_terms 0, 0, 1, 2, 3, 4, 5, 6, 7, w16=y, w15=y
    round_of_terms 1, 7, 0, 1, 2, 3, 4, 5, 6, w16=y, w15=y, known={outer_known}+4*1
    round_of_terms 2, 6, 7, 0, 1, 2, 3, 4, 5, w16=y, w15=y, w2=y
    round_of_terms 3, 5, 6, 7, 0, 1, 2, 3, 4, w16=y, w15=y, w2=y
    round_of_terms 4, 4, 5, 6, 7, 0, 1, 2, 3, w16=y, w15=y, w2=y
    round_of_terms 5, 3, 4, 5, 6, 7, 0, 1, 2, w16=y, w15=y, w2=y
    round_of_terms 6, 2, 3, 4, 5, 6, 7, 0, 1, w16=y, w15=y, w2=y, known={outer_known}+4*6
    round_of_terms 7, 1, 2, 3, 4, 5, 6, 7, 0, w16=y, w7=y, w2=y, known={outer_known}+4*7
    round_of_terms 8, 0, 1, 2, 3, 4, 5, 6, 7, w7=y, w2=y, known={outer_known}+4*8
    round_of_terms 9, 7, 0, 1, 2, 3, 4, 5, 6, w7=y, w2=y
    round_of_terms 10, 6, 7, 0, 1, 2, 3, 4, 5, w7=y, w2=y
    round_of_terms 11, 5, 6, 7, 0, 1, 2, 3, 4, w7=y, w2=y
    round_of_terms 12, 4, 5, 6, 7, 0, 1, 2, 3, w7=y, w2=y
    round_of_terms 13, 3, 4, 5, 6, 7, 0, 1, 2, w7=y, w2=y
    round_of_terms 14, 2, 3, 4, 5, 6, 7, 0, 1, w7=y, w2=y, known={outer_known}+4*14
    round_of_terms 15, 1, 2, 3, 4, 5, 6, 7, 0, w15=y, w7=y, w2=y, known={outer_known}+4*15
    // Rounds 32 to 56.
    add rsi, 64
    mov r8d, 3
    call {sixteen_rounds}
    // Round 60 makes the e that is the h of round 63; nothing reads the a of the four rounds before it.
    round_last 9, 7, 0, 1, 2, 3, 4, 5, 6
    round_last 10, 6, 7, 0, 1, 2, 3, 4, 5
    round_last 11, 5, 6, 7, 0, 1, 2, 3, 4
    round_last 12, 4, 5, 6, 7, 0, 1, 2, 3

    vpaddd zmm7, zmm7, dword ptr [rdi + {last}]{{1to16}}
    vpaddd zmm17, zmm17, dword ptr [rdi + {last}]{{1to16}}
    vpshufb zmm7, zmm7, zmm28
    vpshufb zmm17, zmm17, zmm28
    vpcmpleud k1, zmm7, zmm30
    vpcmpleud k2, zmm17, zmm30
    kortestw k1, k2
    jnz 3f
    vpaddd zmm20, zmm31, [rdi + {nonces}]
    vpaddd zmm24, zmm31, [rdi + {nonces} + 64]
    vmovdqa64 [rdi + {nonces}], zmm20
    vmovdqa64 [rdi + {nonces} + 64], zmm24
    dec rcx
    jnz 2b
3:
    kmovw eax, k1
    kmovw edx, k2
    shl edx, 16
    or eax, edx
    vzeroupper
    ret
    .purgem terms
    .purgem round_of_terms
",
        end_of_definitions!(),
        sixteen_rounds = sym sixteen_rounds,
        nonces = const core::mem::offset_of!(Context, nonces),
        byte_order = const core::mem::offset_of!(Context, byte_order),
        inner_sums = const core::mem::offset_of!(Context, inner_sums),
        inner_known = const core::mem::offset_of!(Context, inner_known),
        inner_known_sums = const core::mem::offset_of!(Context, inner_known_sums),
        after_four = const core::mem::offset_of!(Context, after_four),
        midstate = const core::mem::offset_of!(Context, midstate),
        outer_sums = const core::mem::offset_of!(Context, outer_sums),
        outer_known = const core::mem::offset_of!(Context, outer_known),
        after_one = const core::mem::offset_of!(Context, after_one),
        last = const core::mem::offset_of!(Context, last),
        limit = const core::mem::offset_of!(Context, limit),
        step = const core::mem::offset_of!(Context, step),
    );
}

const _: () =
    assert!(core::mem::offset_of!(Context, words) == 0, "the schedule is read and written at the context itself");
