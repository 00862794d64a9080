//! Whatever is measured is right first: published vectors through every part that runs.

use health_chain::{
    data::{
        Hash, ObjectId, PublicKey, Signature, merkle,
        ports::{BatchHasher, FalseClaim, SignatureClaim, Verifier},
        seal::{SealingKey, open, seal},
    },
    data_simd::{CHUNK_BYTES, LaneHasher},
};
use thiserror::Error;

/// Which part is wrong, and about what.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{part} is wrong about {vector}")]
pub(crate) struct Wrong {
    part: String,
    vector: String,
}

/// More messages than the widest kernel takes at a time, with some left over: a vector is checked in every lane.
const LANES: usize = 35;
/// NIST, "SHA-256 examples" and FIPS 180-2, appendix B: messages and digests.
const NIST: [(&str, &str); 4] = [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ),
    (
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
    ),
];
/// As above: a million times the letter a.
const NIST_MILLION: &str = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
/// The header of Bitcoin's block 0.
const BITCOIN_HEADER: &str = "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b2\
                              7ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d1dac2b7c";
/// Its SHA-256d, in the order of the bytes.
const BITCOIN_ID: &str = "6fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000";
const BITCOIN_NONCE: u32 = 2_083_236_893;
/// The eight leaves that implementations of RFC 6962 are tested on (certificate-transparency, `merkle_tree_test`), and their root.
const TREE_LEAVES: [&[u8]; 8] = [
    b"",
    &[0],
    &[0x10],
    &[0x20, 0x21],
    &[0x30, 0x31],
    &[0x40, 0x41, 0x42, 0x43],
    &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
    &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
];
const TREE_ROOT: &str = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328";
/// BIP340, test vector 0: the key, and a signature of 32 zeros.
const BIP340_KEY: &str = "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9";
const BIP340_SIGNATURE: &str = "e907831f80848d1069a5371b402410364bdf1c5f8307b0084c55f1ce2dca8215\
                                25f66a4a85ea8b71e482a74f382d2ce5ebeee8fdb2172f477df4900d310536c0";
/// Enough claims that several threads take part.
const CLAIMS: usize = 96;

/// Everything that a kernel is measured at.
pub(crate) fn kernel(hasher: &LaneHasher) -> Result<(), Wrong> {
    batch_hasher(hasher)?;
    // Two chunks and a short one.
    let record: Vec<u8> = (0..2 * CHUNK_BYTES + 77).map(|index| (index % 251) as u8).collect();
    let expected = merkle::root(record.chunks(CHUNK_BYTES));
    require(hasher.content_root(&record) == expected, hasher.name(), "the root of a record's chunks")
}

fn batch_hasher(hasher: &dyn BatchHasher) -> Result<(), Wrong> {
    let name = hasher.name();
    for (message, digest) in NIST {
        let what = format!("NIST's message of {} bytes", message.len());
        require(is_in_every_lane(hasher, message.as_bytes(), hash(digest)), name, &what)?;
    }
    let mut digest = [Hash::ZERO];
    hasher.hash_equal(1_000_000, &[b'a'; 1_000_000], &mut digest);
    require(digest == [hash(NIST_MILLION)], name, "NIST's million letters")?;

    let header: [u8; 80] = bytes(BITCOIN_HEADER);
    let mut first = [Hash::ZERO];
    hasher.hash_equal(header.len(), &header, &mut first);
    require(is_in_every_lane(hasher, first[0].as_bytes(), hash(BITCOIN_ID)), name, "the id of Bitcoin's block 0")?;
    // What 0x1d00ffff stands for: 0xffff, 26 bytes up.
    let target: [u8; 32] = std::array::from_fn(|index| if matches!(index, 26 | 27) { 0xff } else { 0 });
    for before in 0..LANES as u32 {
        let start = BITCOIN_NONCE - before;
        let found = hasher.search_nonce(&header, &target, start, LANES as u64);
        require(found == Some(BITCOIN_NONCE), name, "the nonce of Bitcoin's block 0")?;
        let none = hasher.search_nonce(&header, &target, start, before.into());
        require(none.is_none(), name, "the nonces before the one of Bitcoin's block 0")?;
    }

    let root = hasher.merkle_root(&hasher.hash_leaves(&TREE_LEAVES));
    require(root == hash(TREE_ROOT), name, "the tree of certificate transparency")?;
    let leaves: Vec<Hash> = (0..1_000_u32).map(|index| merkle::leaf_hash(&index.to_le_bytes())).collect();
    require(hasher.merkle_root(&leaves) == merkle::root_of_hashes(&leaves), name, "a tree of a thousand leaves")
}

/// Whether the digest is right in each of many messages side by side, of which the others differ.
fn is_in_every_lane(hasher: &dyn BatchHasher, message: &[u8], expected: Hash) -> bool {
    let mut digests = [Hash::ZERO; LANES];
    hasher.hash_equal(message.len(), &message.repeat(LANES), &mut digests);
    digests == [expected; LANES]
}

/// A true signature holds, and among many the one that is false is found.
pub(crate) fn verifier(name: &str, verifier: &dyn Verifier) -> Result<(), Wrong> {
    let key = PublicKey::from_bytes(&bytes(BIP340_KEY)).expect("a key of BIP340's vectors");
    let signature = Signature(bytes(BIP340_SIGNATURE));
    let claim = SignatureClaim { key, message: Hash::ZERO, signature };
    require(verifier.verify(&[claim]) == Ok(()), name, "the signature of BIP340's vector 0")?;
    let mut claims = [claim; CLAIMS];
    require(verifier.verify(&claims) == Ok(()), name, "true signatures")?;
    for index in [CLAIMS - 1, CLAIMS / 2, 0] {
        claims[index].message = Hash([1; 32]);
        require(verifier.verify(&claims) == Err(FalseClaim { index }), name, "a false signature")?;
    }
    Ok(())
}

/// What was sealed opens, and changed it does not.
pub(crate) fn sealing() -> Result<(), Wrong> {
    let object = ObjectId(Hash([3; 32]));
    let record: Vec<u8> = (0..CHUNK_BYTES + 77).map(|index| (index % 251) as u8).collect();
    let sealed = seal(SealingKey::new(&[1; 32]), &object, 1, &[2; 24], &record).ok();
    let opens = |bytes: &[u8]| {
        sealed
            .as_ref()
            .is_some_and(|sealed| open(&sealed.receipt.key, &object, 1, bytes).is_ok_and(|back| back == record))
    };
    let mut bytes = sealed.as_ref().map(|sealed| sealed.bytes.clone()).unwrap_or_default();
    require(opens(&bytes), "sealing", "a record that it has sealed itself")?;
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    require(!opens(&bytes), "sealing", "a record that was changed")
}

fn require(holds: bool, part: &str, vector: &str) -> Result<(), Wrong> {
    if holds { Ok(()) } else { Err(Wrong { part: part.into(), vector: vector.into() }) }
}

fn hash(digits: &str) -> Hash {
    Hash(bytes(digits))
}

fn bytes<const N: usize>(digits: &str) -> [u8; N] {
    let mut bytes = [0; N];
    hex::decode_to_slice(digits, &mut bytes).expect("the vectors are hexadecimal digits of the right number");
    bytes
}

#[cfg(test)]
mod tests {
    use health_chain::data::ports::{ScalarHasher, SingleVerifier};

    use super::*;

    /// Wrong in one method only.
    enum Broken {
        Lane,
        EarlyNonce,
        MissedNonce,
        Root,
    }

    impl BatchHasher for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }

        fn hash_equal(&self, message_bytes: usize, messages: &[u8], digests: &mut [Hash]) {
            ScalarHasher.hash_equal(message_bytes, messages, digests);
            if let (Self::Lane, Some(digest)) = (self, digests.get_mut(31)) {
                digest.0[0] ^= 1;
            }
        }

        fn merkle_root(&self, leaf_hashes: &[Hash]) -> Hash {
            let kept = if matches!(self, Self::Root) { leaf_hashes.len().min(8) } else { leaf_hashes.len() };
            merkle::root_of_hashes(&leaf_hashes[..kept])
        }

        fn search_nonce(&self, header: &[u8; 80], target: &[u8; 32], first: u32, count: u64) -> Option<u32> {
            match self {
                Self::EarlyNonce => Some(first),
                Self::MissedNonce if first != BITCOIN_NONCE => None,
                _ => ScalarHasher.search_nonce(header, target, first, count),
            }
        }
    }

    #[test]
    fn the_vectors_are_right_and_what_is_wrong_is_named() {
        assert_eq!(batch_hasher(&ScalarHasher), Ok(()));
        for (broken, vector) in [
            (Broken::Lane, "NIST's message of 0 bytes"),
            (Broken::EarlyNonce, "the nonces before the one of Bitcoin's block 0"),
            (Broken::MissedNonce, "the nonce of Bitcoin's block 0"),
            (Broken::Root, "a tree of a thousand leaves"),
        ] {
            assert_eq!(batch_hasher(&broken), Err(Wrong { part: "broken".into(), vector: vector.into() }));
        }
    }

    /// Says the same of all claims.
    struct Indifferent(Result<(), FalseClaim>);

    impl Verifier for Indifferent {
        fn verify(&self, _: &[SignatureClaim]) -> Result<(), FalseClaim> {
            self.0
        }
    }

    #[test]
    fn a_verifier_is_asked_for_both_verdicts() {
        assert_eq!(verifier("single", &SingleVerifier), Ok(()));
        let said = |verdict| verifier("broken", &Indifferent(verdict)).unwrap_err().to_string();
        assert_eq!(said(Ok(())), "broken is wrong about a false signature");
        assert_eq!(said(Err(FalseClaim { index: 0 })), "broken is wrong about the signature of BIP340's vector 0");
        assert_eq!(sealing(), Ok(()));
    }
}
