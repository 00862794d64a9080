//! Sealing and opening a record, against the encryption alone: ring's, and the one that is used here.
//!
//! A sealed object is more than encryption: it is padded, and under a Merkle root. `RUSTFLAGS="--cfg chacha20_avx512"`
//! lets the encryption used here find AVX-512; ring does so by itself.

mod turns;

use std::{hint::black_box, sync::Arc};

use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
use health_chain::{
    data::{
        Hash, ObjectId,
        ports::{BatchHasher, ScalarHasher},
        seal::{Opener, OpeningKey, Sealer, SealingKey, ct_root_by, sealed_bytes},
    },
    data_simd::LaneHasher,
};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};

use self::turns::{compare, contestant};

const OBJECT: ObjectId = ObjectId(Hash([7; 32]));
const CHUNK_BYTES: usize = 64 * 1024;

/// Seals, in pieces of a mebibyte, into `out`.
fn sealed(plaintext: &[u8], hasher: &Arc<dyn BatchHasher>, out: &mut Vec<u8>) -> OpeningKey {
    out.clear();
    let sealer = Sealer::new(SealingKey::new(&[1; 32]), &OBJECT, 1, &[2; 24], plaintext.len() as u64, out);
    let mut sealer = sealer.expect("short enough").hash_by(Arc::clone(hasher));
    for piece in plaintext.chunks(1 << 20) {
        sealer.write(piece, out).expect("as announced");
    }
    sealer.finish(out).expect("as announced").key
}

fn opened(object: &[u8], key: &OpeningKey, out: &mut Vec<u8>) {
    out.clear();
    let (header, chunks) = object.split_first_chunk().expect("an object has a header");
    let mut opener = Opener::new(key, &OBJECT, 1, header).expect("the object");
    opener.write(chunks, out).expect("as sealed");
    opener.finish(out).expect("as sealed");
}

fn compare_at(title: &str, bytes: usize) {
    let gigabytes = bytes as f64 / 1e9;
    let plaintext: Vec<u8> = (0..bytes).map(|index| (index % 251) as u8).collect();
    let scalar: Arc<dyn BatchHasher> = Arc::new(ScalarHasher);
    let lanes: Arc<dyn BatchHasher> = Arc::new(LaneHasher::detect());
    let ring = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &[1; 32]).expect("32 bytes"));
    let nonce = || Nonce::assume_unique_for_key([0; 12]);
    let cipher = ChaCha20Poly1305::new(&[1; 32].into());
    let room = || Vec::with_capacity(sealed_bytes(bytes as u64).expect("short enough") as usize);
    let (mut ring_out, mut plain_out, mut scalar_out, mut lanes_out) = (room(), room(), room(), room());
    compare(
        &format!("Sealing {title}"),
        "GB/s",
        vec![
            contestant("ring, encryption alone", gigabytes, || {
                ring_out.clear();
                for chunk in black_box(&plaintext).chunks(CHUNK_BYTES) {
                    let start = ring_out.len();
                    ring_out.extend_from_slice(chunk);
                    let rest = &mut ring_out[start..];
                    let tag = ring.seal_in_place_separate_tag(nonce(), Aad::empty(), rest).expect("short enough");
                    ring_out.extend_from_slice(tag.as_ref());
                }
            }),
            contestant("chacha20poly1305, encryption alone", gigabytes, || {
                plain_out.clear();
                for chunk in black_box(&plaintext).chunks(CHUNK_BYTES) {
                    let start = plain_out.len();
                    plain_out.extend_from_slice(chunk);
                    let rest = (&mut plain_out[start..]).into();
                    let tag = cipher.encrypt_inout_detached(&[0; 12].into(), &[], rest).expect("short enough");
                    plain_out.extend_from_slice(&tag);
                }
            }),
            contestant("sealed, scalar hasher", gigabytes, || {
                sealed(black_box(&plaintext), &scalar, &mut scalar_out);
            }),
            contestant("sealed, lanes", gigabytes, || {
                sealed(black_box(&plaintext), &lanes, &mut lanes_out);
            })
            .aiming_at("E1", 1.0),
        ],
    );

    let mut object = room();
    let key = sealed(&plaintext, &lanes, &mut object);
    let mut chunk = vec![0; CHUNK_BYTES.min(bytes)];
    chunk.copy_from_slice(&plaintext[..CHUNK_BYTES.min(bytes)]);
    ring.seal_in_place_append_tag(nonce(), Aad::empty(), &mut chunk).expect("short enough");
    let chunks = bytes.div_ceil(CHUNK_BYTES);
    let (mut ring_out, mut opened_out, mut checked_out) = (room(), room(), room());
    compare(
        &format!("Opening {title}"),
        "GB/s",
        vec![
            contestant("ring, decryption alone", gigabytes, || {
                ring_out.clear();
                for _ in 0..chunks {
                    let start = ring_out.len();
                    ring_out.extend_from_slice(black_box(&chunk));
                    let plaintext = ring.open_in_place(nonce(), Aad::empty(), &mut ring_out[start..]);
                    let end = start + plaintext.expect("as sealed").len();
                    ring_out.truncate(end);
                }
            }),
            contestant("opened", gigabytes, || opened(black_box(&object), &key, &mut opened_out)).aiming_at("E1", 1.0),
            contestant("root checked by lanes, and opened", gigabytes, || {
                black_box(ct_root_by(&*lanes, black_box(&object)));
                opened(&object, &key, &mut checked_out);
            }),
        ],
    );
}

fn main() {
    compare_at("a record of 4 KiB", 4 << 10);
    compare_at("a record of 1 MiB", 1 << 20);
    compare_at("a record of 16 MiB", 16 << 20);
}
