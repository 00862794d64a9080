//! What the compiler does not get right, in assembly: sixteen rounds of two streams without a variable in memory, all rounds
//! of one, and a search for a nonce that fits the cache of decoded instructions.
//!
//! Streams of sixteen lanes each: the variables of the first are in zmm0 to zmm7, those of the second in zmm10 to zmm17, so
//! that a `1` before the number names the second. zmm20 to zmm27 hold what a round needs for itself. The sixteen message
//! words are in memory, first stream and second side by side, and every new one replaces the oldest. A word that is used
//! three times is loaded once: with a load for each use, Golden Cove waited for its loads (104 cycles for a nonce, not 98).
//!
//! A round with its share of the schedule is 28 instructions of arithmetic for a stream. Zen 5 does four of them in a cycle,
//! 14 cycles for both streams; Golden Cove does two, and 28 cycles.

mod search;
mod single;

use core::arch::{naked_asm, x86_64::__m512i};

use super::Avx512;
use crate::sha256::ROUND;

pub(super) use self::{search::search, single::all_rounds as all_rounds_of_one};

/// A vector of each stream.
pub(super) type Both = [__m512i; 2];

/// Defines the parts of a round. Arguments of the round are the numbers of the registers that hold a to h.
macro_rules! definitions {
    () => {
        r"
    // A small sigma of the word at the given place.
    .macro small_sigma to, from, rotation, other, shift, t1, t2
        vmovdqa64 zmm\t2, [rdi + \from]
        vprord zmm\to, zmm\t2, \rotation
        vprord zmm\t1, zmm\t2, \other
        vpsrld zmm\t2, zmm\t2, \shift
        vpternlogd zmm\to, zmm\t1, zmm\t2, 0x96
    .endm

    // The word of a round, made from those of 16, 15, 7 and 2 rounds before, at the given places; also left in t0.
    .macro schedule w16, w15, w7, w2, t0, t1, t2, t3
        small_sigma \t0, \w15, 7, 18, 3, \t1, \t2
        vpaddd zmm\t0, zmm\t0, [rdi + \w16]
        vpaddd zmm\t0, zmm\t0, [rdi + \w7]
        small_sigma \t1, \w2, 17, 19, 10, \t2, \t3
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
use definitions;

/// Takes the definitions back: the next function brings them along again.
macro_rules! end_of_definitions {
    () => {
        r"
    .irp name, small_sigma, schedule, upper, lower, scheduled_words, both_upper, both_halves, round_scheduled, round_last, round_of_block, round_known
        .purgem \name
    .endr
"
    };
}
use end_of_definitions;

/// Rounds on the schedule in `r8` parts, of nine rounds and of seven in turn. In: the state in registers, the words at `rdi`,
/// the constants at `rsi`, which go on by a row after every second part. Changes nothing but these, `r8` and the flags.
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
    dec r8
    jz 3f
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
3:
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
    lea r8, [rcx + rcx]
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
    mov r8d, 6
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
