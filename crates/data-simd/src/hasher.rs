//! The batch hasher.

use health_chain_data::{Hash, ports::BatchHasher};

use crate::{
    arch::portable::Portable,
    kernel::{Kernel, Proof, UnsupportedKernel},
    messages::{Format, hash_alike, hash_mixed},
    search::search,
    tree,
};

/// Bytes of a chunk of a large record.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Hashes many messages at once with the kernel it was made for.
#[derive(Debug, Clone, Copy)]
pub struct LaneHasher {
    proof: Proof,
}

impl LaneHasher {
    /// With the fastest kernel that this processor can run, and what is left over of a wide batch by the SHA instructions
    /// where it has those as well.
    pub fn detect() -> Self {
        Self { proof: Proof::best() }
    }

    /// With `kernel` and no other.
    ///
    /// # Errors
    /// Where this processor can't run it.
    pub fn with(kernel: Kernel) -> Result<Self, UnsupportedKernel> {
        Proof::of(kernel).map(|proof| Self { proof }).ok_or(UnsupportedKernel { kernel })
    }

    /// The kernel.
    pub const fn kernel(&self) -> Kernel {
        self.proof.kernel()
    }

    /// BIP340's tagged hash of each message: ids of transactions, for instance. Messages may have any lengths; those of
    /// similar length are hashed side by side.
    pub fn hash_tagged(&self, tag: &str, messages: &[&[u8]]) -> Vec<Hash> {
        hash_mixed(self.proof, Format::tagged(tag), messages)
    }

    /// The root of the RFC 6962 tree over a record's chunks of [`CHUNK_BYTES`], of which the last may be shorter: an id for
    /// a large record that is computed many chunks at a time, and under which a range can be proven. The empty record has
    /// no chunk.
    pub fn content_root(&self, record: &[u8]) -> Hash {
        let chunks: Vec<&[u8]> = record.chunks(CHUNK_BYTES).collect();
        self.merkle_root(&self.hash_leaves(&chunks))
    }

    /// SHA-256d of the 64 bytes of each pair: the nodes of Bitcoin's transaction trees.
    ///
    /// # Panics
    /// If there is not one digest for every pair.
    pub fn double_nodes(&self, pairs: &[[Hash; 2]], digests: &mut [Hash]) {
        assert_eq!(pairs.len(), digests.len(), "one digest per pair");
        tree::double_nodes(self.proof, pairs, digests);
    }
}

impl Default for LaneHasher {
    fn default() -> Self {
        Self::detect()
    }
}

impl BatchHasher for LaneHasher {
    fn name(&self) -> &'static str {
        self.kernel().name()
    }

    fn hash_equal(&self, message_bytes: usize, messages: &[u8], digests: &mut [Hash]) {
        assert_eq!(messages.len(), digests.len() * message_bytes, "one digest per message");
        let message = |index: usize| &messages[index * message_bytes..][..message_bytes];
        hash_alike(self.proof, Format::PLAIN, message, digests);
    }

    fn hash_leaves(&self, leaves: &[&[u8]]) -> Vec<Hash> {
        hash_mixed(self.proof, Format::LEAF, leaves)
    }

    fn merkle_root(&self, leaf_hashes: &[Hash]) -> Hash {
        tree::root(self.proof, leaf_hashes)
    }

    fn search_nonce(&self, header: &[u8; 80], target: &[u8; 32], first: u32, count: u64) -> Option<u32> {
        match self.proof {
            Proof::Portable => search::<_, 1>(Portable, header, target, first, count),
            #[cfg(target_arch = "x86_64")]
            Proof::ShaNi(token) => search::<_, 4>(token, header, target, first, count),
            #[cfg(target_arch = "x86_64")]
            Proof::Avx2(token) => search::<_, 8>(token, header, target, first, count),
            #[cfg(target_arch = "x86_64")]
            Proof::Avx512(token, _) => search::<_, 32>(token, header, target, first, count),
            #[cfg(target_arch = "aarch64")]
            Proof::ArmSha2(token) => search::<_, 4>(token, header, target, first, count),
        }
    }
}

#[cfg(test)]
mod tests {
    use health_chain_data::{merkle, pow, sha256, sha256d};

    use super::*;
    use crate::kernels;

    /// Small enough for Miri, which then sees every pointer of the kernels that are not assembly.
    #[test]
    fn a_little_of_everything_on_every_kernel() {
        let bytes: Vec<u8> = (0..600).map(|index| (index * index) as u8).collect();
        let leaves: Vec<&[u8]> =
            (0..7).map(|index| &bytes[index..100 * index]).filter(|leaf| !leaf.is_empty()).collect();
        let pairs = [[sha256(b"left"), sha256(b"right")]; 3];
        let double = sha256d(&[pairs[0][0].0, pairs[0][1].0].concat());
        let header: [u8; 80] = *bytes.first_chunk().expect("600 bytes begin with 80");
        let target = sha256d(&header).0;
        let nonce = u32::from_le_bytes([bytes[76], bytes[77], bytes[78], bytes[79]]);
        for kernel in kernels() {
            let hasher = LaneHasher::with(kernel).expect("it is among those that can run");
            assert_eq!(hasher.merkle_root(&hasher.hash_leaves(&leaves)), merkle::root(&leaves));
            let mut digests = [Hash::ZERO; 3];
            hasher.double_nodes(&pairs, &mut digests);
            assert_eq!(digests, [double; 3]);
            let expected = pow::search_nonce(&header, &target, nonce.wrapping_sub(2), 5);
            assert!(expected.is_some());
            assert_eq!(hasher.search_nonce(&header, &target, nonce.wrapping_sub(2), 5), expected);
        }
    }
}
