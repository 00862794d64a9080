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
        Proof::ShaNi(token) => {
            work.advance::<_, 4>(token, 3);
            work.advance::<_, 2>(token, 2);
            work.advance::<_, 1>(token, 1);
        }
        #[cfg(target_arch = "x86_64")]
        Proof::Avx2(token) => work.advance::<_, 8>(token, 1),
        #[cfg(target_arch = "x86_64")]
        Proof::Avx512(token, narrow) => {
            work.advance::<_, 32>(token, 17);
            match narrow {
                None => work.advance::<_, 16>(token, 1),
                Some(narrow) => {
                    work.advance::<_, 16>(token, 8);
                    complete(Proof::ShaNi(narrow), work);
                }
            }
        }
    }
}
