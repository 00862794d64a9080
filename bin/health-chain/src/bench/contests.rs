//! What is measured, each thing as a contest.

use std::{hint::black_box, num::NonZeroUsize};

use health_chain::{
    application::node::ParallelVerifier,
    data::{
        Hash, ObjectId, SecretKey,
        batch::BatchVerifier,
        merkle,
        ports::{BatchHasher, SignatureClaim, SingleVerifier, Verifier},
        seal::{NONCE_BYTES, OpeningKey, Receipt, Sealed, SealingKey, open, seal},
        sha256,
    },
    data_simd::{LaneHasher, LaneVerifier, SignatureKernel},
};

use super::{
    self_check::{self, Wrong},
    turns::{Contest, Contestant, LAYOUTS, Layout, MAX_OFFSET},
};

/// Nonces of one repetition: few enough for a slow kernel's turn, and enough that what is done once does not count.
const NONCES: u32 = 1 << 14;
/// Nonces of a header that each thread has for itself.
const THREAD_NONCES: u32 = 1 << 24;
/// Leaves of the tree: as many as a full block has transactions, and more.
const LEAVES: usize = 10_000;
/// Bytes of the record that is hashed, sealed and opened.
const RECORD_BYTES: usize = 4 << 20;
/// Signatures of the block that is verified.
const CLAIMS: usize = 512;
/// One key for all: nothing is kept of what is sealed here.
const KEY: [u8; 32] = [1; 32];
const NONCE: [u8; NONCE_BYTES] = [2; NONCE_BYTES];
const OBJECT: ObjectId = ObjectId(Hash([3; 32]));

/// What the contestants work on.
pub(crate) struct Material {
    hashers: Vec<LaneHasher>,
    threads: Vec<NonZeroUsize>,
    bytes: Vec<u8>,
    leaves: Vec<Hash>,
    claims: Vec<SignatureClaim>,
    /// What opens the sealed record.
    key: OpeningKey,
    /// The sealed record, for each layout behind so many zeros as its offset says.
    objects: [Vec<u8>; LAYOUTS.len()],
}

impl Material {
    /// For these hashers, on so many threads each. The numbers of threads ascend, and the first is one.
    pub(crate) fn new(hashers: Vec<LaneHasher>, threads: Vec<NonZeroUsize>) -> Self {
        let bytes: Vec<u8> = (0..RECORD_BYTES + MAX_OFFSET).map(|index| (index % 251) as u8).collect();
        let leaves = (0..(LEAVES + MAX_OFFSET) as u32).map(|index| merkle::leaf_hash(&index.to_le_bytes())).collect();
        let Sealed { bytes: object, receipt: Receipt { key, .. }, .. } = sealed(&bytes[..RECORD_BYTES]);
        let objects = LAYOUTS.map(|layout| [&vec![0; layout.offset], object.as_slice()].concat());
        let claims = (0..(CLAIMS + MAX_OFFSET) as u32).map(claim).collect();
        Self { hashers, threads, bytes, leaves, claims, key, objects }
    }

    /// Checks all that is going to be measured.
    ///
    /// # Errors
    /// Names the first part that is wrong, and the vector.
    pub(crate) fn check(&self) -> Result<(), Wrong> {
        self.hashers.iter().try_for_each(self_check::kernel)?;
        for (name, _, verifier) in self.verifiers() {
            self_check::verifier(name, verifier.as_ref())?;
        }
        self_check::sealing()
    }

    /// All contests, in the order in which they are held.
    pub(crate) fn contests(&self) -> [Contest<'_>; 6] {
        [
            Contest { measure: "nonce search", unit: "hashes", contestants: self.nonce_search() },
            Contest { measure: "merkle root", unit: "leaves", contestants: self.merkle_root() },
            Contest { measure: "content root", unit: "bytes", contestants: self.content_root() },
            Contest { measure: "verify", unit: "signatures", contestants: self.verify() },
            Contest { measure: "seal", unit: "bytes", contestants: self.seal() },
            Contest { measure: "open", unit: "bytes", contestants: self.open() },
        ]
    }

    /// SHA-256d of a header for one nonce after the other, none of which is good enough.
    fn nonce_search(&self) -> Vec<Contestant<'_>> {
        self.each_hasher_on_each_number_of_threads(NONCES.into(), |hasher, layout, thread| {
            let header = self.bytes[layout.offset..].first_chunk().expect("the material is longer than a header");
            let first = THREAD_NONCES.wrapping_mul(thread as u32);
            black_box(hasher.search_nonce(black_box(header), &[0; 32], first, NONCES.into()));
        })
    }

    /// RFC 6962's root over hashes of leaves.
    fn merkle_root(&self) -> Vec<Contestant<'_>> {
        self.each_hasher_on_each_number_of_threads(LEAVES as u64, |hasher, layout, _| {
            black_box(hasher.merkle_root(black_box(&self.leaves[layout.offset..][..LEAVES])));
        })
    }

    /// The id of a large record.
    fn content_root(&self) -> Vec<Contestant<'_>> {
        self.each_hasher_on_each_number_of_threads(RECORD_BYTES as u64, |hasher, layout, _| {
            black_box(hasher.content_root(black_box(self.record(layout))));
        })
    }

    /// BIP340 signatures of a block.
    fn verify(&self) -> Vec<Contestant<'_>> {
        let contestant = |(name, threads, verifier): (_, _, Box<dyn Verifier>)| {
            let work = move |layout: Layout, _| {
                let claims = &self.claims[layout.offset..][..CLAIMS];
                assert_eq!(verifier.verify(black_box(claims)), Ok(()), "all these signatures are true");
            };
            Contestant::new(name, threads, CLAIMS as u64, work).with_own_threads()
        };
        self.verifiers().into_iter().map(contestant).collect()
    }

    fn seal(&self) -> Vec<Contestant<'_>> {
        self.each_number_of_threads("seal", |layout| {
            black_box(sealed(black_box(self.record(layout))));
        })
    }

    fn open(&self) -> Vec<Contestant<'_>> {
        self.each_number_of_threads("open", |layout| {
            let place = LAYOUTS.iter().position(|other| *other == layout).expect("there are no other layouts");
            let object = &self.objects[place][layout.offset..];
            black_box(open(&self.key, &OBJECT, 1, black_box(object)).expect("it was sealed with this key"));
        })
    }

    fn verifiers(&self) -> Vec<(&'static str, usize, Box<dyn Verifier>)> {
        let mut verifiers: Vec<(_, _, Box<dyn Verifier>)> =
            vec![("single", 1, Box::new(SingleVerifier)), ("batch", 1, Box::new(BatchVerifier))];
        for threads in self.threads.iter().filter(|threads| threads.get() > 1) {
            verifiers.push(("batch", threads.get(), Box::new(ParallelVerifier::new(*threads))));
        }
        if let Ok(lanes) = LaneVerifier::with(SignatureKernel::Ifma) {
            let on = |threads: &NonZeroUsize| (Box::new(ParallelVerifier::over(lanes, *threads)) as _, threads.get());
            verifiers.extend(
                self.threads.iter().map(on).map(|(verifier, threads)| (lanes.kernel().name(), threads, verifier)),
            );
        }
        verifiers
    }

    fn record(&self, layout: Layout) -> &[u8] {
        &self.bytes[layout.offset..][..RECORD_BYTES]
    }

    fn each_hasher_on_each_number_of_threads<'a>(
        &'a self,
        units: u64,
        work: impl Fn(&LaneHasher, Layout, usize) + Copy + Sync + 'a,
    ) -> Vec<Contestant<'a>> {
        let mut contestants = Vec::new();
        for hasher in &self.hashers {
            for threads in &self.threads {
                let work = move |layout, thread| work(hasher, layout, thread);
                contestants.push(Contestant::new(hasher.name(), threads.get(), units, work));
            }
        }
        contestants
    }

    fn each_number_of_threads<'a>(
        &'a self,
        name: &'static str,
        work: impl Fn(Layout) + Copy + Sync + 'a,
    ) -> Vec<Contestant<'a>> {
        let contestant = |threads: &NonZeroUsize| {
            Contestant::new(name, threads.get(), RECORD_BYTES as u64, move |layout, _| work(layout))
        };
        self.threads.iter().map(contestant).collect()
    }
}

fn sealed(record: &[u8]) -> Sealed {
    seal(SealingKey::new(&KEY), &OBJECT, 1, &NONCE, record).expect("the record is not too long")
}

/// A true claim, each of another key.
fn claim(index: u32) -> SignatureClaim {
    let message = sha256(&index.to_le_bytes());
    let key = SecretKey::from_bytes(message.as_bytes()).expect("all but one hash in 2^128 are keys");
    SignatureClaim { key: key.public_key(), message, signature: key.sign(&message, &KEY) }
}
