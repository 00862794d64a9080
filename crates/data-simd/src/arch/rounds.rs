//! SHA-256 over vectors: what all kernels without SHA instructions share. Everything here is inlined into a function
//! that is compiled for its instruction set.

use health_chain_data::Hash;

use super::vector::{Vector, vectors};
use crate::{
    search::Puzzle,
    sha256::{Block, INITIAL, ROUND, expand},
};

/// One round on eight variables, which keep their names: what was `d` is the next `e`, what was `h` the next `a`.
macro_rules! round {
    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $word:expr) => {
        let partial = $h.add($word).add($e.choose($f, $g)).add($e.big_sigma1());
        $d = $d.add(partial);
        $h = partial.add($a.majority($b, $c)).add($a.big_sigma0());
    };
}

/// Sixteen rounds; `$word!(index)` is the sum of message word and constant. After eight, every variable is back in its place.
macro_rules! sixteen_rounds {
    ($state:expr, |$index:ident| $word:expr) => {
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *$state;
        sixteen_rounds!(@eight a b c d e f g h, $index, $word, 0 1 2 3 4 5 6 7);
        sixteen_rounds!(@eight a b c d e f g h, $index, $word, 8 9 10 11 12 13 14 15);
        *$state = [a, b, c, d, e, f, g, h];
    };
    (@eight $a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $index:ident, $word:expr,
     $i0:literal $i1:literal $i2:literal $i3:literal $i4:literal $i5:literal $i6:literal $i7:literal) => {
        round!($a $b $c $d $e $f $g $h, { let $index: usize = $i0; $word });
        round!($h $a $b $c $d $e $f $g, { let $index: usize = $i1; $word });
        round!($g $h $a $b $c $d $e $f, { let $index: usize = $i2; $word });
        round!($f $g $h $a $b $c $d $e, { let $index: usize = $i3; $word });
        round!($e $f $g $h $a $b $c $d, { let $index: usize = $i4; $word });
        round!($d $e $f $g $h $a $b $c, { let $index: usize = $i5; $word });
        round!($c $d $e $f $g $h $a $b, { let $index: usize = $i6; $word });
        round!($b $c $d $e $f $g $h $a, { let $index: usize = $i7; $word });
    };
}

/// The word of round 16 or later that replaces the one from sixteen rounds before.
#[inline(always)]
fn schedule<V: Vector<LANES>, const LANES: usize>(words: &mut [V; 16], index: usize) -> V {
    let old = words[index].add(words[(index + 9) % 16]);
    let new = old.add(words[(index + 1) % 16].small_sigma0()).add(words[(index + 14) % 16].small_sigma1());
    words[index] = new;
    new
}

/// Sixteen rounds on message words as they are.
#[inline(always)]
fn plain<V: Vector<LANES>, const LANES: usize>(token: V::Token, state: &mut [V; 8], words: &[V; 16], row: usize) {
    sixteen_rounds!(state, |index| words[index].add(V::splat(token, ROUND[row][index])));
}

/// Sixteen rounds of which every one first makes its word from the sixteen before it.
#[inline(always)]
pub(super) fn scheduled<V: Vector<LANES>, const LANES: usize>(
    token: V::Token,
    state: &mut [V; 8],
    words: &mut [V; 16],
    constants: &[u32; 16],
) {
    sixteen_rounds!(state, |index| schedule(words, index).add(V::splat(token, constants[index])));
}

/// As many times sixteen rounds as there are rows of constants.
#[inline(always)]
pub(super) fn scheduled_rows<V: Vector<LANES>, const LANES: usize>(
    token: V::Token,
    state: &mut [V; 8],
    words: &mut [V; 16],
    rows: &[[u32; 16]],
) {
    // What an assembly kernel is given has an address: a copy, so that the caller's words can still be folded.
    let mut later = *words;
    V::scheduled_rounds(token, state, &mut later, rows);
    *words = later;
}

/// The compression function on one block per lane, without the final sum.
#[inline(always)]
pub(super) fn all_rounds<V: Vector<LANES>, const LANES: usize>(
    token: V::Token,
    state: &mut [V; 8],
    mut words: [V; 16],
) {
    plain(token, state, &words, 0);
    scheduled_rows(token, state, &mut words, &ROUND[1..]);
}

/// The same where most words are known when the kernel is compiled: the first rows are folded for those words.
#[inline(always)]
fn all_rounds_folded<V: Vector<LANES>, const LANES: usize>(token: V::Token, state: &mut [V; 8], mut words: [V; 16]) {
    plain(token, state, &words, 0);
    scheduled(token, state, &mut words, &ROUND[1]);
    scheduled_rows(token, state, &mut words, &ROUND[2..]);
}

/// A state that is the same in every lane.
#[inline(always)]
fn splat_all<V: Vector<LANES>, const LANES: usize>(token: V::Token, state: &[u32; 8]) -> [V; 8] {
    vectors!(V::splat(token, state[0]); |index| V::splat(token, state[index]))
}

#[inline(always)]
fn sum<V: Vector<LANES>, const LANES: usize>(state: [V; 8], before: [V; 8]) -> [V; 8] {
    vectors!(state[0]; |index| state[index].add(before[index]))
}

/// Continues the states of all lanes over one block each.
#[inline(always)]
pub(super) fn compress<V: Vector<LANES>, const LANES: usize>(
    token: V::Token,
    before: [V; 8],
    blocks: [&Block; LANES],
) -> [V; 8] {
    let mut state = before;
    V::all_rounds(token, &mut state, V::load_blocks(token, blocks));
    sum(state, before)
}

/// RFC 6962 nodes: `SHA256(0x01 || left || right)`, 65 bytes and so two blocks, of the second of which one byte is not
/// known beforehand. `children` are the 64 bytes of each pair.
#[inline(always)]
pub(super) fn nodes<V: Vector<LANES>, const LANES: usize>(
    token: V::Token,
    children: [&Block; LANES],
    digests: &mut [Hash; LANES],
) {
    let zero = V::splat(token, 0);
    let initial: [V; 8] = splat_all(token, &INITIAL);
    let words = V::load_blocks(token, children);
    // The prefix moves everything one byte on: each word takes the last byte of the one before.
    let mut first = [V::splat(token, 0x0100_0000).or(words[0].shift_right::<8>()); 16];
    for index in 1..first.len() {
        first[index] = words[index - 1].shift_left::<24>().or(words[index].shift_right::<8>());
    }
    let mut state = initial;
    V::all_rounds(token, &mut state, first);
    let between = sum(state, initial);

    let mut second = [zero; 16];
    second[0] = words[15].shift_left::<24>().or(V::splat(token, 0x0080_0000));
    second[15] = V::splat(token, 65 * 8);
    state = between;
    all_rounds_folded(token, &mut state, second);
    V::store_digests(sum(state, between), digests);
}

/// Bitcoin's nodes: SHA-256d of `left || right`. The padding block is known entirely, the second hash by half.
#[inline(always)]
pub(super) fn double_nodes<V: Vector<LANES>, const LANES: usize>(
    token: V::Token,
    children: [&Block; LANES],
    digests: &mut [Hash; LANES],
) {
    let initial: [V; 8] = splat_all(token, &INITIAL);
    let between = compress(token, initial, children);
    let mut state = between;
    for constants in &PADDING_AFTER_64 {
        sixteen_rounds!(&mut state, |index| V::splat(token, constants[index]));
    }
    let digest = sum(state, between);
    state = initial;
    all_rounds_folded(token, &mut state, digest_block(token, digest));
    V::store_digests(sum(state, initial), digests);
}

/// Words plus constants of all rounds over the block that pads a message of 64 bytes.
static PADDING_AFTER_64: [[u32; 16]; 4] = {
    let words = expand([0x8000_0000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64 * 8]);
    let mut sums = ROUND;
    let mut round = 0;
    while round < 64 {
        let constant = &mut sums[round / 16][round % 16];
        *constant = constant.wrapping_add(words[round]);
        round += 1;
    }
    sums
};

/// The only block of a message that is itself a digest.
#[inline(always)]
fn digest_block<V: Vector<LANES>, const LANES: usize>(token: V::Token, digest: [V; 8]) -> [V; 16] {
    let mut words = [V::splat(token, 0); 16];
    words[..8].copy_from_slice(&digest);
    words[8] = V::splat(token, 0x8000_0000);
    words[15] = V::splat(token, 32 * 8);
    words
}

/// Tries nonces from `first` on, `LANES` at a time in `batches` steps. Stops at the first step with a hash whose top 32 bits
/// are at most the target's and says its first nonce and which of its lanes they are.
#[inline(always)]
pub(super) fn search<V: Vector<LANES>, const LANES: usize>(
    token: V::Token,
    puzzle: &Puzzle,
    first: u32,
    batches: u64,
) -> Option<(u32, u32)> {
    let initial: [V; 8] = splat_all(token, &INITIAL);
    let midstate: [V; 8] = splat_all(token, &puzzle.midstate);
    let lane = V::from_words(token, &core::array::from_fn(|lane| lane as u32));
    let limit = V::splat(token, puzzle.limit);
    let mut base = first;
    for _ in 0..batches {
        let nonce = lane.add(V::splat(token, base)).swap_bytes();

        // The second block of the header: three words, the nonce, padding. Rounds 0 to 3 are done but for the nonce.
        let mut state: [V; 8] = splat_all(token, &puzzle.after_four);
        state[0] = state[0].add(nonce);
        state[4] = state[4].add(nonce);
        let mut words = [V::splat(token, 0); 16];
        for index in 0..puzzle.tail.len() {
            words[index] = V::splat(token, puzzle.tail[index]);
        }
        words[3] = nonce;
        words[4] = V::splat(token, 0x8000_0000);
        words[15] = V::splat(token, 80 * 8);
        twelve_rounds(token, &mut state, &words);
        scheduled_rows(token, &mut state, &mut words, &ROUND[1..]);
        let digest = sum(state, midstate);

        // The hash of that digest, up to the round that settles its last word.
        words = digest_block(token, digest);
        state = initial;
        plain(token, &mut state, &words, 0);
        scheduled_rows(token, &mut state, &mut words, &ROUND[1..3]);
        let last = thirteen_rounds(token, state, &mut words).add(initial[7]);

        let lanes = last.swap_bytes().at_most(limit);
        if lanes != 0 {
            return Some((base, lanes));
        }
        base = base.wrapping_add(LANES as u32);
    }
    None
}

/// Rounds 4 to 15, on a state that stands in its places after round 3.
#[inline(always)]
fn twelve_rounds<V: Vector<LANES>, const LANES: usize>(token: V::Token, state: &mut [V; 8], words: &[V; 16]) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    macro_rules! word {
        ($index:literal) => {
            words[$index].add(V::splat(token, ROUND[0][$index]))
        };
    }
    round!(a b c d e f g h, word!(4));
    round!(h a b c d e f g, word!(5));
    round!(g h a b c d e f, word!(6));
    round!(f g h a b c d e, word!(7));
    round!(e f g h a b c d, word!(8));
    round!(d e f g h a b c, word!(9));
    round!(c d e f g h a b, word!(10));
    round!(b c d e f g h a, word!(11));
    round!(a b c d e f g h, word!(12));
    round!(h a b c d e f g, word!(13));
    round!(g h a b c d e f, word!(14));
    round!(f g h a b c d e, word!(15));
    *state = [e, f, g, h, a, b, c, d];
}

/// Rounds 48 to 60, after which `e` is what `h` is after round 63. Nothing reads the `a` of the last four: they are not made.
#[inline(always)]
fn thirteen_rounds<V: Vector<LANES>, const LANES: usize>(token: V::Token, state: [V; 8], words: &mut [V; 16]) -> V {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
    macro_rules! word {
        ($index:literal) => {
            schedule(words, $index).add(V::splat(token, ROUND[3][$index]))
        };
    }
    macro_rules! half_round {
        ($d:ident $e:ident $f:ident $g:ident $h:ident, $word:expr) => {
            $d = $d.add($h.add($word).add($e.choose($f, $g)).add($e.big_sigma1()));
        };
    }
    round!(a b c d e f g h, word!(0));
    round!(h a b c d e f g, word!(1));
    round!(g h a b c d e f, word!(2));
    round!(f g h a b c d e, word!(3));
    round!(e f g h a b c d, word!(4));
    round!(d e f g h a b c, word!(5));
    round!(c d e f g h a b, word!(6));
    round!(b c d e f g h a, word!(7));
    round!(a b c d e f g h, word!(8));
    half_round!(c d e f g, word!(9));
    half_round!(b c d e f, word!(10));
    half_round!(a b c d e, word!(11));
    half_round!(h a b c d, word!(12));
    h
}
