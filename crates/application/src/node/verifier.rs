//! Verifying the signatures of a block on all cores.

use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use health_chain_data::{
    batch::BatchVerifier,
    ports::{FalseClaim, SignatureClaim, Verifier},
};

/// Fewer claims than this take no longer than starting a thread pays for.
const MIN_THREAD_CLAIMS: usize = 32;
/// Claims of one batch: more in one gain little, and fewer let the cores finish together, also where one of them starts late.
const MAX_PIECE_CLAIMS: usize = 128;

/// Verifies claims on several cores where there are enough of them, on each with a verifier for one core. Its verdicts are
/// those of [`SingleVerifier`](health_chain_data::ports::SingleVerifier), the position of the first false claim included.
///
/// What the [node](crate::node::NodeBuilder) takes where it is not told otherwise, in batches.
#[derive(Debug, Clone, Copy)]
pub struct ParallelVerifier<V = BatchVerifier> {
    of_core: V,
    threads: NonZeroUsize,
}

impl ParallelVerifier {
    /// Verifies in batches, on so many threads, the caller's among them.
    pub const fn new(threads: NonZeroUsize) -> Self {
        Self::over(BatchVerifier, threads)
    }
}

impl<V> ParallelVerifier<V> {
    /// Verifies with `of_core`, on so many threads, the caller's among them.
    pub const fn over(of_core: V, threads: NonZeroUsize) -> Self {
        Self { of_core, threads }
    }
}

impl Default for ParallelVerifier {
    /// One thread for every core that the system lends to the process.
    fn default() -> Self {
        Self::new(thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
    }
}

impl<V: Verifier> Verifier for ParallelVerifier<V> {
    fn verify(&self, claims: &[SignatureClaim]) -> Result<(), FalseClaim> {
        let threads = self.threads.get().min(claims.len() / MIN_THREAD_CLAIMS);
        if threads <= 1 {
            return self.of_core.verify(claims);
        }
        let rounds = claims.len().div_ceil(threads * MAX_PIECE_CLAIMS);
        let work = Work {
            of_core: &self.of_core,
            claims,
            piece: claims.len().div_ceil(threads * rounds),
            next: AtomicUsize::new(0),
            first_false: AtomicUsize::new(claims.len()),
        };
        thread::scope(|scope| {
            for _ in 1..threads {
                // Where the system gives no thread, those that there are do its part.
                let _ = thread::Builder::new().name("verifier".into()).spawn_scoped(scope, || work.run());
            }
            work.run();
        });
        match work.first_false.into_inner() {
            index if index < claims.len() => Err(FalseClaim { index }),
            _ => Ok(()),
        }
    }
}

/// Claims that several threads take pieces of.
struct Work<'a, V> {
    of_core: &'a V,
    claims: &'a [SignatureClaim],
    /// Claims of one piece.
    piece: usize,
    /// The first claim that nobody has taken.
    next: AtomicUsize,
    /// The lowest position of a false claim found so far; the number of claims where there is none.
    first_false: AtomicUsize,
}

impl<V: Verifier> Work<'_, V> {
    fn run(&self) {
        loop {
            let from = self.next.fetch_add(self.piece, Ordering::Relaxed);
            // Pieces are taken in order: all before a false claim are verified, those behind it don't matter.
            if from >= self.first_false.load(Ordering::Relaxed) {
                return;
            }
            let piece = &self.claims[from..self.claims.len().min(from + self.piece)];
            if let Err(FalseClaim { index }) = self.of_core.verify(piece) {
                self.first_false.fetch_min(from + index, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use health_chain_data::{SecretKey, ports::SingleVerifier, sha256};

    use super::*;

    #[test]
    fn verdicts_are_those_of_single_verification() {
        let true_claims: Vec<SignatureClaim> = (0..70_u8)
            .map(|index| {
                let key = SecretKey::from_bytes(&[index + 1; 32]).unwrap();
                let message = sha256(&[index]);
                SignatureClaim { key: key.public_key(), message, signature: key.sign(&message, &[1; 32]) }
            })
            .collect();
        for threads in [1, 2, 3, 7] {
            let verifier = ParallelVerifier::new(NonZeroUsize::new(threads).unwrap());
            for count in [0, 1, 63, 64, 70, 1_500] {
                let mut claims: Vec<SignatureClaim> = true_claims.iter().copied().cycle().take(count).collect();
                assert_eq!(verifier.verify(&claims), Ok(()), "{count} on {threads}");
                for index in [count.saturating_sub(1), count / 2, count / 3].into_iter().filter(|index| *index < count)
                {
                    claims[index].message = sha256(b"other");
                    let found = verifier.verify(&claims);
                    assert_eq!(found, Err(FalseClaim { index }), "{index} of {count} on {threads}");
                }
            }
            let few = [&true_claims[..9], &[SignatureClaim { message: sha256(b"other"), ..true_claims[9] }]].concat();
            assert_eq!(verifier.verify(&few), SingleVerifier.verify(&few));
        }
    }
}
