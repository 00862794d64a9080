//! Batches of any size on kernels of fixed width: as many full batches as there are, the rest on narrower kernels.

use crate::{
    arch::{engine::Engine, portable::Portable},
    kernel::Proof,
};

/// Items that can be hashed side by side.
pub(crate) trait Work {
    /// Works on the items that are left, up to `LANES` at a time, until fewer than `at_least` are left.
    fn advance<E: Engine<LANES>, const LANES: usize>(&mut self, engine: E, at_least: usize);
}

/// Sees all of the work done.
///
/// The widths at which to go on with the next narrower kernel were measured on Zen 5: sixteen lanes take the time of
/// eight messages through the SHA instructions, and a second sixteen beside them almost nothing until the core is full.
pub(crate) fn complete(proof: Proof, work: &mut impl Work) {
    match proof {
        Proof::Portable => {
            work.advance::<_, 1>(Portable, 1);
        }
        #[cfg(target_arch = "x86_64")]
        Proof::ShaNi(token) => interleave(token, work),
        #[cfg(target_arch = "x86_64")]
        Proof::Avx2(token) => work.advance::<_, 8>(token, 1),
        #[cfg(target_arch = "x86_64")]
        Proof::Avx512(token, narrow) => {
            work.advance::<_, 32>(token, 17);
            match narrow {
                None => work.advance::<_, 16>(token, 1),
                Some(narrow) => {
                    work.advance::<_, 16>(token, 8);
                    interleave(narrow, work);
                }
            }
        }
        #[cfg(target_arch = "aarch64")]
        Proof::ArmSha2(token) => interleave(token, work),
    }
}

/// By instructions that work on one message: four of them at a time, or as many as are left.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn interleave<E: Engine<4> + Engine<2> + Engine<1>>(engine: E, work: &mut impl Work) {
    work.advance::<_, 4>(engine, 3);
    work.advance::<_, 2>(engine, 2);
    work.advance::<_, 1>(engine, 1);
}
