//! One stream alone: sixteen lanes, all of whose variables and words fit into registers.

use core::arch::{naked_asm, x86_64::__m512i};

use super::Avx512;
use crate::sha256::ROUND;

/// All rounds over one block of one stream.
#[inline(always)]
pub(in super::super) fn all_rounds(_: Avx512, state: &mut [__m512i; 8], words: &[__m512i; 16]) {
    // SAFETY: the token proves AVX-512 F.
    unsafe { all_rounds_in_registers(words, &ROUND, state) }
}

/// The state is in zmm0 to zmm7, the oldest word in zmm8.
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
