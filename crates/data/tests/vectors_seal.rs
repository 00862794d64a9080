//! The sealed object, written a second time from its description, with the primitives alone.

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{Aead, Payload},
};
use health_chain_data::{
    Hash, ObjectId,
    merkle::{leaf_hash, root_of_hashes},
    seal::{SealingKey, padme, seal},
    tagged_hash,
};
use hkdf::Hkdf;
use sha2::Sha256;

const KEY: [u8; 32] = [1; 32];
const NONCE: [u8; 24] = [2; 24];
const OBJECT: [u8; 32] = [7; 32];
const VERSION: u32 = 0x0102_0304;

/// The object's header and chunks.
fn described(plaintext: &[u8]) -> Vec<Vec<u8>> {
    let expand = |tag: &[u8], length: usize| {
        let mut output = vec![0; length];
        let info = [tag, &OBJECT, &[4, 3, 2, 1]].concat();
        Hkdf::<Sha256>::new(Some(&NONCE), &KEY).expand(&info, &mut output).expect("short output");
        output
    };
    let header = [b"HCSO", &[1, 0][..], &OBJECT, &[4, 3, 2, 1], &NONCE, &expand(b"HC/kc/v1", 32)].concat();
    let aad = tagged_hash("HC/seal/v1", &[&header]);
    let stream = expand(b"HC/stream/v1", 39);
    let cipher = ChaCha20Poly1305::new_from_slice(&stream[..32]).expect("32 bytes");

    let mut content = [&(plaintext.len() as u64).to_le_bytes(), plaintext].concat();
    content.resize(padme(content.len() as u64) as usize, 0);
    let count = content.chunks(65536).count();
    let chunks = content.chunks(65536).enumerate().map(|(index, chunk)| {
        let last = u8::from(index + 1 == count);
        let nonce: Vec<u8> = [&stream[32..], &(index as u32).to_be_bytes(), &[last]].concat();
        let nonce = nonce.as_slice().try_into().expect("12 bytes");
        cipher.encrypt(&nonce, Payload { msg: chunk, aad: aad.as_bytes() }).expect("a short chunk")
    });
    let chunks: Vec<Vec<u8>> = chunks.collect();
    [vec![header], chunks].concat()
}

#[test]
fn sealing_follows_the_description() {
    for length in [0, 1, 1000, 65_528, 65_529, 200_000] {
        let plaintext: Vec<u8> = (0..length).map(|index| (index % 253) as u8).collect();
        let sealed = seal(SealingKey::new(&KEY), &ObjectId(Hash(OBJECT)), VERSION, &NONCE, &plaintext).unwrap();
        let parts = described(&plaintext);
        assert!(sealed.bytes == parts.concat(), "{length} bytes");
        let hashes: Vec<Hash> = parts.iter().map(|part| leaf_hash(part)).collect();
        assert_eq!(sealed.receipt.ct_root, root_of_hashes(&hashes));
    }
}
