//! What the compiler does not get right, in assembly: sixteen rounds of two streams without a variable in memory, and a
//! search for a nonce that fits the cache of decoded instructions.
//!
//! Streams of sixteen lanes each: the variables of the first are in zmm0 to zmm7, those of the second in zmm10 to zmm17, so
//! that a `1` before the number names the second. zmm20 to zmm27 hold what a round needs for itself. The sixteen message
//! words are in memory, first stream and second side by side, and every new one replaces the oldest.
//!
//! A round with its share of the schedule is 28 instructions of arithmetic for a stream, of which Zen 5 does four in a
//! cycle: 14 cycles for both streams, about 16 in practice.

use core::arch::{naked_asm, x86_64::__m512i};

use super::Avx512;
use crate::{
    search::Puzzle,
    sha256::{INITIAL, ROUND, rounds},
};

/// A vector of each stream.
pub(super) type Both = [__m512i; 2];

/// Defines the parts of a round. Arguments of the round are the numbers of the registers that hold a to h.
macro_rules! definitions {
    () => {
        r"
    // The word of a round, made from those of 16, 15, 7 and 2 rounds before, at the given places; also left in t0.
    .macro schedule w16, w15, w7, w2, t0, t1, t2, t3
        vprord zmm\t0, [rdi + \w15], 7
        vprord zmm\t1, [rdi + \w15], 18
        vpsrld zmm\t2, [rdi + \w15], 3
        vpternlogd zmm\t0, zmm\t1, zmm\t2, 0x96
        vpaddd zmm\t0, zmm\t0, [rdi + \w16]
        vpaddd zmm\t0, zmm\t0, [rdi + \w7]
        vprord zmm\t1, [rdi + \w2], 17
        vprord zmm\t2, [rdi + \w2], 19
        vpsrld zmm\t3, [rdi + \w2], 10
        vpternlogd zmm\t1, zmm\t2, zmm\t3, 0x96
        vpaddd zmm\t0, zmm\t0, zmm\t1
        vmovdqa64 [rdi + \w16], zmm\t0
    .endm

    // What goes into the next e: h, to which word and constant have been added, then Ch and the large sigma 1 of e.
    .macro upper s, a, b, c, d, e, f, g, h, t0, t1, t2, t3
        vprord zmm\t1, zmm\s\e, 6
        vprord zmm\t2, zmm\s\e, 11
        vprord zmm\t3, zmm\s\e, 25
        vpternlogd zmm\t1, zmm\t2, zmm\t3, 0x96
        vmovdqa64 zmm\t0, zmm\s\e
        vpternlogd zmm\t0, zmm\s\f, zmm\s\g, 0xca
        vpaddd zmm\s\h, zmm\s\h, zmm\t0
        vpaddd zmm\s\h, zmm\s\h, zmm\t1
        vpaddd zmm\s\d, zmm\s\d, zmm\s\h
    .endm

    // What makes the next a of that: Maj and the large sigma 0 of a.
    .macro lower s, a, b, c, d, e, f, g, h, t0, t1, t2, t3
        vprord zmm\t1, zmm\s\a, 2
        vprord zmm\t2, zmm\s\a, 13
        vprord zmm\t3, zmm\s\a, 22
        vpternlogd zmm\t1, zmm\t2, zmm\t3, 0x96
        vmovdqa64 zmm\t0, zmm\s\a
        vpternlogd zmm\t0, zmm\s\b, zmm\s\c, 0xe8
        vpaddd zmm\s\h, zmm\s\h, zmm\t0
        vpaddd zmm\s\h, zmm\s\h, zmm\t1
    .endm

    // Both words of round i, added to h with the constant.
    .macro scheduled_words i, h
        schedule 128*\i, 128*((\i+1)%16), 128*((\i+9)%16), 128*((\i+14)%16), 20, 21, 22, 23
        vpaddd zmm\h, zmm\h, dword ptr [rsi + 4*\i]{{1to16}}
        vpaddd zmm\h, zmm\h, zmm20
        schedule 128*\i+64, 128*((\i+1)%16)+64, 128*((\i+9)%16)+64, 128*((\i+14)%16)+64, 24, 25, 26, 27
        vpaddd zmm1\h, zmm1\h, dword ptr [rsi + 4*\i]{{1to16}}
        vpaddd zmm1\h, zmm1\h, zmm24
    .endm

    .macro both_upper a, b, c, d, e, f, g, h
        upper , \a, \b, \c, \d, \e, \f, \g, \h, 20, 21, 22, 23
        upper 1, \a, \b, \c, \d, \e, \f, \g, \h, 24, 25, 26, 27
    .endm

    .macro both_halves a, b, c, d, e, f, g, h
        upper , \a, \b, \c, \d, \e, \f, \g, \h, 20, 21, 22, 23
        lower , \a, \b, \c, \d, \e, \f, \g, \h, 20, 21, 22, 23
        upper 1, \a, \b, \c, \d, \e, \f, \g, \h, 24, 25, 26, 27
        lower 1, \a, \b, \c, \d, \e, \f, \g, \h, 24, 25, 26, 27
    .endm

    // A round on the next word of the schedule.
    .macro round_scheduled i, a, b, c, d, e, f, g, h
        scheduled_words \i, \h
        both_halves \a, \b, \c, \d, \e, \f, \g, \h
    .endm

    // The same where the next a is of no use.
    .macro round_last i, a, b, c, d, e, f, g, h
        scheduled_words \i, \h
        both_upper \a, \b, \c, \d, \e, \f, \g, \h
    .endm

    // A round on a word of the block.
    .macro round_of_block i, a, b, c, d, e, f, g, h
        vpaddd zmm\h, zmm\h, [rdi + 128*\i]
        vpaddd zmm\h, zmm\h, dword ptr [rsi + 4*\i]{{1to16}}
        vpaddd zmm1\h, zmm1\h, [rdi + 128*\i + 64]
        vpaddd zmm1\h, zmm1\h, dword ptr [rsi + 4*\i]{{1to16}}
        both_halves \a, \b, \c, \d, \e, \f, \g, \h
    .endm

    // A round on a word that is the same in every lane and has its constant added already.
    .macro round_known sum, a, b, c, d, e, f, g, h
        vpaddd zmm\h, zmm\h, dword ptr [rdi + \sum]{{1to16}}
        vpaddd zmm1\h, zmm1\h, dword ptr [rdi + \sum]{{1to16}}
        both_halves \a, \b, \c, \d, \e, \f, \g, \h
    .endm
"
    };
}

/// Takes the definitions back: the next function brings them along again.
macro_rules! end_of_definitions {
    () => {
        r"
    .irp name, schedule, upper, lower, scheduled_words, both_upper, both_halves, round_scheduled, round_last, round_of_block, round_known
        .purgem \name
    .endr
"
    };
}

/// Sixteen rounds on the schedule, `r8` times. In: the state in registers, the words at `rdi`, the constants at `rsi`.
/// Changes nothing but these, `r8` and the flags.
///
/// # Safety
/// Not to be called but from the assembly here, with AVX-512 F.
#[unsafe(naked)]
#[rustfmt::skip] // It moves raw strings further in every time.
unsafe extern "sysv64" fn sixteen_rounds() {
    naked_asm!(
        definitions!(),
        r"
    .p2align 6
2:
    round_scheduled 0, 0, 1, 2, 3, 4, 5, 6, 7
    round_scheduled 1, 7, 0, 1, 2, 3, 4, 5, 6
    round_scheduled 2, 6, 7, 0, 1, 2, 3, 4, 5
    round_scheduled 3, 5, 6, 7, 0, 1, 2, 3, 4
    round_scheduled 4, 4, 5, 6, 7, 0, 1, 2, 3
    round_scheduled 5, 3, 4, 5, 6, 7, 0, 1, 2
    round_scheduled 6, 2, 3, 4, 5, 6, 7, 0, 1
    round_scheduled 7, 1, 2, 3, 4, 5, 6, 7, 0
    round_scheduled 8, 0, 1, 2, 3, 4, 5, 6, 7
    round_scheduled 9, 7, 0, 1, 2, 3, 4, 5, 6
    round_scheduled 10, 6, 7, 0, 1, 2, 3, 4, 5
    round_scheduled 11, 5, 6, 7, 0, 1, 2, 3, 4
    round_scheduled 12, 4, 5, 6, 7, 0, 1, 2, 3
    round_scheduled 13, 3, 4, 5, 6, 7, 0, 1, 2
    round_scheduled 14, 2, 3, 4, 5, 6, 7, 0, 1
    round_scheduled 15, 1, 2, 3, 4, 5, 6, 7, 0
    add rsi, 64
    dec r8
    jnz 2b
    ret
",
        end_of_definitions!(),
    );
}

/// Continues the states of both streams by sixteen rounds for every row of constants.
#[inline(always)]
pub(super) fn scheduled_rounds(_: Avx512, state: &mut [Both; 8], words: &mut [Both; 16], rows: &[[u32; 16]]) {
    if rows.is_empty() {
        return;
    }
    // SAFETY: the token proves AVX-512 F; the pointers are those of what the function says, and there is a row.
    unsafe { scheduled_rounds_in_memory(words, rows.as_ptr(), state, rows.len() as u64) }
}

/// # Safety
/// Needs AVX-512 F, and `count` rows, at least one, at `rows`.
#[unsafe(naked)]
#[rustfmt::skip] // It moves raw strings further in every time.
unsafe extern "sysv64" fn scheduled_rounds_in_memory(
    words: &mut [Both; 16],
    rows: *const [u32; 16],
    state: &mut [Both; 8],
    count: u64,
) {
    naked_asm!(
        r"
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7
        vmovdqa64 zmm\i, [rdx + 128*\i]
        vmovdqa64 zmm1\i, [rdx + 128*\i + 64]
    .endr
    mov r8, rcx
    call {sixteen_rounds}
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7
        vmovdqa64 [rdx + 128*\i], zmm\i
        vmovdqa64 [rdx + 128*\i + 64], zmm1\i
    .endr
    ret
",
        sixteen_rounds = sym sixteen_rounds,
    );
}

/// All rounds over one block of both streams.
#[inline(always)]
pub(super) fn all_rounds(_: Avx512, state: &mut [Both; 8], words: &mut [Both; 16]) {
    // SAFETY: the token proves AVX-512 F.
    unsafe { all_rounds_in_memory(words, &ROUND, state) }
}

/// # Safety
/// Needs AVX-512 F.
#[unsafe(naked)]
#[rustfmt::skip] // It moves raw strings further in every time.
unsafe extern "sysv64" fn all_rounds_in_memory(
    words: &mut [Both; 16],
    constants: &[[u32; 16]; 4],
    state: &mut [Both; 8],
) {
    naked_asm!(
        definitions!(),
        r"
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7
        vmovdqa64 zmm\i, [rdx + 128*\i]
        vmovdqa64 zmm1\i, [rdx + 128*\i + 64]
    .endr
    round_of_block 0, 0, 1, 2, 3, 4, 5, 6, 7
    round_of_block 1, 7, 0, 1, 2, 3, 4, 5, 6
    round_of_block 2, 6, 7, 0, 1, 2, 3, 4, 5
    round_of_block 3, 5, 6, 7, 0, 1, 2, 3, 4
    round_of_block 4, 4, 5, 6, 7, 0, 1, 2, 3
    round_of_block 5, 3, 4, 5, 6, 7, 0, 1, 2
    round_of_block 6, 2, 3, 4, 5, 6, 7, 0, 1
    round_of_block 7, 1, 2, 3, 4, 5, 6, 7, 0
    round_of_block 8, 0, 1, 2, 3, 4, 5, 6, 7
    round_of_block 9, 7, 0, 1, 2, 3, 4, 5, 6
    round_of_block 10, 6, 7, 0, 1, 2, 3, 4, 5
    round_of_block 11, 5, 6, 7, 0, 1, 2, 3, 4
    round_of_block 12, 4, 5, 6, 7, 0, 1, 2, 3
    round_of_block 13, 3, 4, 5, 6, 7, 0, 1, 2
    round_of_block 14, 2, 3, 4, 5, 6, 7, 0, 1
    round_of_block 15, 1, 2, 3, 4, 5, 6, 7, 0
    add rsi, 64
    mov r8d, 3
    call {sixteen_rounds}
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7
        vmovdqa64 [rdx + 128*\i], zmm\i
        vmovdqa64 [rdx + 128*\i + 64], zmm1\i
    .endr
    ret
",
        end_of_definitions!(),
        sixteen_rounds = sym sixteen_rounds,
    );
}

/// All rounds over one block of one stream.
#[inline(always)]
pub(super) fn all_rounds_of_one(_: Avx512, state: &mut [__m512i; 8], words: &[__m512i; 16]) {
    // SAFETY: the token proves AVX-512 F.
    unsafe { all_rounds_in_registers(words, &ROUND, state) }
}

/// Alone, a stream's words fit into registers as well: the oldest is in zmm8.
///
/// # Safety
/// Needs AVX-512 F.
#[unsafe(naked)]
#[rustfmt::skip] // It moves raw strings further in every time.
unsafe extern "sysv64" fn all_rounds_in_registers(
    words: &[__m512i; 16],
    constants: &[[u32; 16]; 4],
    state: &mut [__m512i; 8],
) {
    naked_asm!(
        r"
    .macro single_schedule w16, w15, w7, w2
        vprord zmm24, zmm\w15, 7
        vprord zmm25, zmm\w15, 18
        vpsrld zmm26, zmm\w15, 3
        vpternlogd zmm24, zmm25, zmm26, 0x96
        vpaddd zmm\w16, zmm\w16, zmm24
        vpaddd zmm\w16, zmm\w16, zmm\w7
        vprord zmm24, zmm\w2, 17
        vprord zmm25, zmm\w2, 19
        vpsrld zmm26, zmm\w2, 10
        vpternlogd zmm24, zmm25, zmm26, 0x96
        vpaddd zmm\w16, zmm\w16, zmm24
    .endm

    // With nothing beside it, the time is that of the longest chain. So the next e is summed up apart from h, beginning
    // with what is there first: the large sigma 1 comes last, six cycles after the e before.
    .macro single_upper i, w, a, b, c, d, e, f, g, h
        vpaddd zmm\h, zmm\h, dword ptr [rsi + 4*\i]{{1to16}}
        vpaddd zmm\h, zmm\h, zmm\w
        vpaddd zmm\d, zmm\d, zmm\h
        vprord zmm27, zmm\e, 6
        vprord zmm28, zmm\e, 11
        vprord zmm29, zmm\e, 25
        vpternlogd zmm27, zmm28, zmm29, 0x96
        vmovdqa64 zmm28, zmm\e
        vpternlogd zmm28, zmm\f, zmm\g, 0xca
        vpaddd zmm\d, zmm\d, zmm28
        vpaddd zmm\d, zmm\d, zmm27
    .endm

    .macro single_lower a, b, c, d, e, f, g, h
        vpaddd zmm\h, zmm\h, zmm28
        vpaddd zmm\h, zmm\h, zmm27
        vprord zmm29, zmm\a, 2
        vprord zmm30, zmm\a, 13
        vprord zmm31, zmm\a, 22
        vpternlogd zmm29, zmm30, zmm31, 0x96
        vmovdqa64 zmm30, zmm\a
        vpternlogd zmm30, zmm\b, zmm\c, 0xe8
        vpaddd zmm\h, zmm\h, zmm30
        vpaddd zmm\h, zmm\h, zmm29
    .endm

    .macro single_plain i, w, a, b, c, d, e, f, g, h
        single_upper \i, \w, \a, \b, \c, \d, \e, \f, \g, \h
        single_lower \a, \b, \c, \d, \e, \f, \g, \h
    .endm

    // A round that makes the word of the second round after it, so that it does not wait for its own.
    .macro single_scheduled i, w, next16, next15, next7, next2, a, b, c, d, e, f, g, h
        single_upper \i, \w, \a, \b, \c, \d, \e, \f, \g, \h
        single_schedule \next16, \next15, \next7, \next2
        single_lower \a, \b, \c, \d, \e, \f, \g, \h
    .endm

    .irp i, 0, 1, 2, 3, 4, 5, 6, 7
        vmovdqa64 zmm\i, [rdx + 64*\i]
    .endr
    .irp i, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23
        vmovdqa64 zmm\i, [rdi + 64*(\i - 8)]
    .endr
    single_plain 0, 8, 0, 1, 2, 3, 4, 5, 6, 7
    single_plain 1, 9, 7, 0, 1, 2, 3, 4, 5, 6
    single_plain 2, 10, 6, 7, 0, 1, 2, 3, 4, 5
    single_plain 3, 11, 5, 6, 7, 0, 1, 2, 3, 4
    single_plain 4, 12, 4, 5, 6, 7, 0, 1, 2, 3
    single_plain 5, 13, 3, 4, 5, 6, 7, 0, 1, 2
    single_plain 6, 14, 2, 3, 4, 5, 6, 7, 0, 1
    single_plain 7, 15, 1, 2, 3, 4, 5, 6, 7, 0
    single_plain 8, 16, 0, 1, 2, 3, 4, 5, 6, 7
    single_plain 9, 17, 7, 0, 1, 2, 3, 4, 5, 6
    single_plain 10, 18, 6, 7, 0, 1, 2, 3, 4, 5
    single_plain 11, 19, 5, 6, 7, 0, 1, 2, 3, 4
    single_plain 12, 20, 4, 5, 6, 7, 0, 1, 2, 3
    single_plain 13, 21, 3, 4, 5, 6, 7, 0, 1, 2
    single_scheduled 14, 22, 8, 9, 17, 22, 2, 3, 4, 5, 6, 7, 0, 1
    single_scheduled 15, 23, 9, 10, 18, 23, 1, 2, 3, 4, 5, 6, 7, 0
    mov ecx, 3
    .p2align 6
2:
    add rsi, 64
    single_scheduled 0, 8, 10, 11, 19, 8, 0, 1, 2, 3, 4, 5, 6, 7
    single_scheduled 1, 9, 11, 12, 20, 9, 7, 0, 1, 2, 3, 4, 5, 6
    single_scheduled 2, 10, 12, 13, 21, 10, 6, 7, 0, 1, 2, 3, 4, 5
    single_scheduled 3, 11, 13, 14, 22, 11, 5, 6, 7, 0, 1, 2, 3, 4
    single_scheduled 4, 12, 14, 15, 23, 12, 4, 5, 6, 7, 0, 1, 2, 3
    single_scheduled 5, 13, 15, 16, 8, 13, 3, 4, 5, 6, 7, 0, 1, 2
    single_scheduled 6, 14, 16, 17, 9, 14, 2, 3, 4, 5, 6, 7, 0, 1
    single_scheduled 7, 15, 17, 18, 10, 15, 1, 2, 3, 4, 5, 6, 7, 0
    single_scheduled 8, 16, 18, 19, 11, 16, 0, 1, 2, 3, 4, 5, 6, 7
    single_scheduled 9, 17, 19, 20, 12, 17, 7, 0, 1, 2, 3, 4, 5, 6
    single_scheduled 10, 18, 20, 21, 13, 18, 6, 7, 0, 1, 2, 3, 4, 5
    single_scheduled 11, 19, 21, 22, 14, 19, 5, 6, 7, 0, 1, 2, 3, 4
    single_scheduled 12, 20, 22, 23, 15, 20, 4, 5, 6, 7, 0, 1, 2, 3
    single_scheduled 13, 21, 23, 8, 16, 21, 3, 4, 5, 6, 7, 0, 1, 2
    single_scheduled 14, 22, 8, 9, 17, 22, 2, 3, 4, 5, 6, 7, 0, 1
    single_scheduled 15, 23, 9, 10, 18, 23, 1, 2, 3, 4, 5, 6, 7, 0
    dec ecx
    jnz 2b
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7
        vmovdqa64 [rdx + 64*\i], zmm\i
    .endr
    .irp name, single_schedule, single_upper, single_lower, single_plain, single_scheduled
        .purgem \name
    .endr
    ret
",
    );
}

/// Everything that a search reads and writes, in the first half of a page or the second: of a whole page, LLVM 22 forgets to align the stack.
#[repr(C, align(2048))]
struct Context {
    /// The message words; those of the nonce are vectors from the start, the others are spread on every pass.
    words: [[[u32; 16]; 2]; 16],
    /// The nonces of this pass.
    nonces: [[u32; 16]; 2],
    /// Which byte goes where when all words are reversed.
    byte_order: [u8; 64],
    /// The second block of the header: its words, the sums of words and constants, and the states around it.
    inner_words: [u32; 16],
    inner_sums: [u32; 16],
    after_four: [u32; 8],
    midstate: [u32; 8],
    /// The block of the second hash, of which eight words are known, and the state after its first round on a zero.
    outer_words: [u32; 16],
    outer_sums: [u32; 16],
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
        let sums = |words: &[u32; 16]| core::array::from_fn(|index| words[index].wrapping_add(ROUND[0][index]));
        let nonce = |stream: u32, lane: usize| first.wrapping_add(16 * stream).wrapping_add(lane as u32);
        Self {
            words: [[[0; 16]; 2]; 16],
            nonces: [0, 1].map(|stream| core::array::from_fn(|lane| nonce(stream, lane))),
            byte_order: core::array::from_fn(|index| (index % 16) as u8 ^ 3),
            inner_words,
            inner_sums: sums(&inner_words),
            after_four: puzzle.after_four,
            midstate: puzzle.midstate,
            outer_words,
            outer_sums: sums(&outer_words),
            after_one: rounds(&INITIAL, &[0]),
            last: INITIAL[7],
            limit: puzzle.limit,
            step: 32,
        }
    }
}

/// [`crate::arch::engine::Engine::search`] on 32 lanes.
pub(super) fn search(_: Avx512, puzzle: &Puzzle, first: u32, batches: u64) -> Option<(u32, u32)> {
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
    mov rcx, rdx
    mov r9, rsi
    vmovdqa64 zmm28, [rdi + {byte_order}]
    vpbroadcastd zmm30, dword ptr [rdi + {limit}]
    vpbroadcastd zmm31, dword ptr [rdi + {step}]
    .p2align 6
2:
    // The block: the nonces, everything else spread over the lanes.
    .irp i, 0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        vpbroadcastd zmm29, dword ptr [rdi + {inner_words} + 4*\i]
        vmovdqa64 [rdi + 128*\i], zmm29
        vmovdqa64 [rdi + 128*\i + 64], zmm29
    .endr
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
    lea rsi, [r9 + 64]
    mov r8d, 3
    call {sixteen_rounds}

    // The digest is the first half of the next block.
    .irp i, 0, 1, 2, 3, 4, 5, 6, 7
        vpaddd zmm\i, zmm\i, dword ptr [rdi + {midstate} + 4*\i]{{1to16}}
        vpaddd zmm1\i, zmm1\i, dword ptr [rdi + {midstate} + 4*\i]{{1to16}}
        vmovdqa64 [rdi + 128*\i], zmm\i
        vmovdqa64 [rdi + 128*\i + 64], zmm1\i
    .endr
    .irp i, 8, 9, 10, 11, 12, 13, 14, 15
        vpbroadcastd zmm29, dword ptr [rdi + {outer_words} + 4*\i]
        vmovdqa64 [rdi + 128*\i], zmm29
        vmovdqa64 [rdi + 128*\i + 64], zmm29
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
    mov r8d, 2
    call {sixteen_rounds}
    round_scheduled 0, 0, 1, 2, 3, 4, 5, 6, 7
    round_scheduled 1, 7, 0, 1, 2, 3, 4, 5, 6
    round_scheduled 2, 6, 7, 0, 1, 2, 3, 4, 5
    round_scheduled 3, 5, 6, 7, 0, 1, 2, 3, 4
    round_scheduled 4, 4, 5, 6, 7, 0, 1, 2, 3
    round_scheduled 5, 3, 4, 5, 6, 7, 0, 1, 2
    round_scheduled 6, 2, 3, 4, 5, 6, 7, 0, 1
    round_scheduled 7, 1, 2, 3, 4, 5, 6, 7, 0
    round_scheduled 8, 0, 1, 2, 3, 4, 5, 6, 7
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
",
        end_of_definitions!(),
        sixteen_rounds = sym sixteen_rounds,
        nonces = const core::mem::offset_of!(Context, nonces),
        byte_order = const core::mem::offset_of!(Context, byte_order),
        inner_words = const core::mem::offset_of!(Context, inner_words),
        inner_sums = const core::mem::offset_of!(Context, inner_sums),
        after_four = const core::mem::offset_of!(Context, after_four),
        midstate = const core::mem::offset_of!(Context, midstate),
        outer_words = const core::mem::offset_of!(Context, outer_words),
        outer_sums = const core::mem::offset_of!(Context, outer_sums),
        after_one = const core::mem::offset_of!(Context, after_one),
        last = const core::mem::offset_of!(Context, last),
        limit = const core::mem::offset_of!(Context, limit),
        step = const core::mem::offset_of!(Context, step),
    );
}

const _: () =
    assert!(core::mem::offset_of!(Context, words) == 0, "the schedule is read and written at the context itself");
