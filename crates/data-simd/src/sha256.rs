//! What FIPS 180-4 fixes, and the compression function in scalar code for what is computed once per header or tag.

/// Bytes of a message block.
pub(crate) const BLOCK_BYTES: usize = 64;
/// One message block.
pub(crate) type Block = [u8; BLOCK_BYTES];

/// The initial hash value.
pub(crate) const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The round constants, sixteen to a row: a row is what one pass of a kernel's loop takes.
pub(crate) static ROUND: [[u32; 16]; 4] = [
    [
        0x428a_2f98,
        0x7137_4491,
        0xb5c0_fbcf,
        0xe9b5_dba5,
        0x3956_c25b,
        0x59f1_11f1,
        0x923f_82a4,
        0xab1c_5ed5,
        0xd807_aa98,
        0x1283_5b01,
        0x2431_85be,
        0x550c_7dc3,
        0x72be_5d74,
        0x80de_b1fe,
        0x9bdc_06a7,
        0xc19b_f174,
    ],
    [
        0xe49b_69c1,
        0xefbe_4786,
        0x0fc1_9dc6,
        0x240c_a1cc,
        0x2de9_2c6f,
        0x4a74_84aa,
        0x5cb0_a9dc,
        0x76f9_88da,
        0x983e_5152,
        0xa831_c66d,
        0xb003_27c8,
        0xbf59_7fc7,
        0xc6e0_0bf3,
        0xd5a7_9147,
        0x06ca_6351,
        0x1429_2967,
    ],
    [
        0x27b7_0a85,
        0x2e1b_2138,
        0x4d2c_6dfc,
        0x5338_0d13,
        0x650a_7354,
        0x766a_0abb,
        0x81c2_c92e,
        0x9272_2c85,
        0xa2bf_e8a1,
        0xa81a_664b,
        0xc24b_8b70,
        0xc76c_51a3,
        0xd192_e819,
        0xd699_0624,
        0xf40e_3585,
        0x106a_a070,
    ],
    [
        0x19a4_c116,
        0x1e37_6c08,
        0x2748_774c,
        0x34b0_bcb5,
        0x391c_0cb3,
        0x4ed8_aa4a,
        0x5b9c_ca4f,
        0x682e_6ff3,
        0x748f_82ee,
        0x78a5_636f,
        0x84c8_7814,
        0x8cc7_0208,
        0x90be_fffa,
        0xa450_6ceb,
        0xbef9_a3f7,
        0xc671_78f2,
    ],
];

/// σ0 of FIPS 180-4.
pub(crate) const fn small_sigma0(word: u32) -> u32 {
    word.rotate_right(7) ^ word.rotate_right(18) ^ (word >> 3)
}

/// σ1 of FIPS 180-4.
pub(crate) const fn small_sigma1(word: u32) -> u32 {
    word.rotate_right(17) ^ word.rotate_right(19) ^ (word >> 10)
}

/// The words of all 64 rounds from the sixteen of a block.
pub(crate) const fn expand(block: [u32; 16]) -> [u32; 64] {
    let mut words = [0; 64];
    let mut round = 0;
    while round < 64 {
        words[round] = if round < 16 {
            block[round]
        } else {
            small_sigma0(words[round - 15])
                .wrapping_add(small_sigma1(words[round - 2]))
                .wrapping_add(words[round - 16])
                .wrapping_add(words[round - 7])
        };
        round += 1;
    }
    words
}

/// As many rounds, from the first on, as there are words.
pub(crate) fn rounds(state: &[u32; 8], words: &[u32]) -> [u32; 8] {
    words.iter().zip(ROUND.as_flattened()).fold(*state, |[a, b, c, d, e, f, g, h], (word, constant)| {
        let choice = g ^ (e & (f ^ g));
        let majority = (a & b) | (c & (a | b));
        let partial = h
            .wrapping_add(*word)
            .wrapping_add(*constant)
            .wrapping_add(choice)
            .wrapping_add(e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25));
        let sum = majority.wrapping_add(a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22));
        [partial.wrapping_add(sum), a, b, c, d.wrapping_add(partial), e, f, g]
    })
}

/// Continues a state over one block.
pub(crate) fn compress(state: &[u32; 8], block: &Block) -> [u32; 8] {
    let after = rounds(state, &expand(big_endian_words(block)));
    core::array::from_fn(|index| after[index].wrapping_add(state[index]))
}

/// The words of a block.
pub(crate) fn big_endian_words(block: &Block) -> [u32; 16] {
    let (words, _) = block.as_chunks();
    core::array::from_fn(|index| u32::from_be_bytes(words[index]))
}
