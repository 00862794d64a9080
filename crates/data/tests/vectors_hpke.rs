//! RFC 9180 against its own vectors (DHKEM(X25519), HKDF-SHA256, ChaCha20-Poly1305 and export-only, all modes): the keys
//! and the encapsulated key through this crate's types where it has the mode, every ciphertext, nonce and export through
//! the library behind it. The inner values of the key schedule are not shown by the library; what follows from them is.

mod common;

use std::convert::Infallible;

use common::{published, unhex};
use health_chain_data::{
    ChainId, Hash, ObjectId, SecretKey, commitment,
    seal::{SealingKey, seal},
    wrap::{KemSecretKey, WrapContext, WrappedSecrets, wrap},
};
use hpke::{
    Deserializable, Kem as _, OpModeR, OpModeS, PskBundle, Serializable,
    aead::{Aead, AeadCtxR, AeadCtxS, ChaCha20Poly1305, ExportOnlyAead},
    kdf::HkdfSha256,
    kem::X25519HkdfSha256 as Kem,
};
use k256::elliptic_curve::rand_core::{TryCryptoRng, TryRng};
use serde_json::Value;
use zeroize::Zeroizing;

type Sender<A> = AeadCtxS<A, HkdfSha256, Kem>;
type Receiver<A> = AeadCtxR<A, HkdfSha256, Kem>;

/// Hands out `ikmE`.
struct Fixed(Vec<u8>);

impl TryRng for Fixed {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("DHKEM draws bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("DHKEM draws bytes")
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Infallible> {
        destination.copy_from_slice(&self.0);
        Ok(())
    }
}

impl TryCryptoRng for Fixed {}

fn field(case: &Value, name: &str) -> Vec<u8> {
    case[name].as_str().map(unhex).unwrap_or_default()
}

/// RFC 9180, appendix A.2.1, for a checkout without the published file.
#[test]
fn first_of_rfc9180() {
    through_our_types(&serde_json::json!({
        "mode": 0,
        "ikmR": "1ac01f181fdf9f352797655161c58b75c656a6cc2716dcb66372da835542e1df",
        "pkRm": "4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a",
        "ikmE": "909a9b35d3dc4713a5e72a4da274b55d3d3821a37e5d099e74a647db583a904b",
        "enc": "1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a",
    }));
}

#[test]
fn rfc9180() {
    let Some(file) = published("crypto/hpke/rfc9180.json") else { return };
    let cases: Value = serde_json::from_str(&file).unwrap();
    let (mut sealed, mut exported) = (0, 0);
    for case in cases.as_array().unwrap() {
        assert_eq!((case["kem_id"].as_u64(), case["kdf_id"].as_u64()), (Some(0x20), Some(1)));
        for party in ["R", "S", "E"].into_iter().filter(|party| case[format!("ikm{party}")].is_string()) {
            let (secret, public) = Kem::derive_keypair(&field(case, &format!("ikm{party}")));
            // The library clamps when it reads a scalar; the RFC prints what was there before.
            let expected = <Kem as hpke::Kem>::PrivateKey::from_bytes(&field(case, &format!("sk{party}m"))).unwrap();
            assert!(secret == expected);
            assert_eq!(public.to_bytes().as_slice(), field(case, &format!("pk{party}m")));
        }
        through_our_types(case);
        match case["aead_id"].as_u64() {
            Some(3) => {
                let (mut sender, mut receiver) = contexts::<ChaCha20Poly1305>(case);
                exported += exports(case, &sender, &receiver);
                sealed += encryptions(case, &mut sender, &mut receiver);
            }
            Some(0xffff) => {
                let (sender, receiver) = contexts::<ExportOnlyAead>(case);
                exported += exports(case, &sender, &receiver);
            }
            other => panic!("a suite beyond this file's: {other:?}"),
        }
    }
    assert_eq!((sealed, exported), (80, 24));
}

/// Our own key pair is the recipient's, and our wrap has the encapsulated key, where the mode is base.
fn through_our_types(case: &Value) {
    let recipient = KemSecretKey::from_seed(&field(case, "ikmR").try_into().expect("a valid vector"));
    assert_eq!(recipient.public_key().as_bytes().as_slice(), field(case, "pkRm"));
    if case["mode"] != 0 {
        return;
    }
    let owner = SecretKey::from_bytes(&[1; 32]).expect("a valid vector").public_key();
    let (chain, object) = (ChainId(Hash::ZERO), ObjectId(Hash::ZERO));
    let context = WrapContext { chain, object, version: 0, epoch: 0, owner, grantee: owner };
    let secrets = WrappedSecrets {
        key: seal(SealingKey::new(&[2; 32]), &object, 0, &[3; 24], b"").expect("a valid vector").receipt.key,
        blinding: Zeroizing::new([4; commitment::BLINDING_BYTES]),
        document_digest: Hash::ZERO,
    };
    let wrapped =
        wrap(&recipient.public_key(), &context, &secrets, &field(case, "ikmE").try_into().expect("a valid vector"))
            .expect("a valid vector");
    assert_eq!(wrapped.enc, field(case, "enc"));
}

fn contexts<A: Aead>(case: &Value) -> (Sender<A>, Receiver<A>) {
    let [psk, psk_id, info] = ["psk", "psk_id", "info"].map(|name| field(case, name));
    let bundle = || PskBundle::new(&psk, &psk_id).expect("a valid vector");
    let own = || Kem::derive_keypair(&field(case, "ikmS"));
    let (to_send, to_receive) = match case["mode"].as_u64() {
        Some(0) => (OpModeS::Base, OpModeR::Base),
        Some(1) => (OpModeS::Psk(bundle()), OpModeR::Psk(bundle())),
        Some(2) => (OpModeS::Auth(own()), OpModeR::Auth(own().1)),
        Some(3) => (OpModeS::AuthPsk(own(), bundle()), OpModeR::AuthPsk(own().1, bundle())),
        other => panic!("mode {other:?}"),
    };
    let (secret, public) = Kem::derive_keypair(&field(case, "ikmR"));
    let (enc, sender) =
        hpke::setup_sender_with_rng::<A, HkdfSha256, Kem>(&to_send, &public, &info, &mut Fixed(field(case, "ikmE")))
            .expect("a valid vector");
    assert_eq!(enc.to_bytes().as_slice(), field(case, "enc"));
    let enc = <Kem as hpke::Kem>::EncappedKey::from_bytes(&field(case, "enc")).expect("a valid vector");
    (sender, hpke::setup_receiver::<A, HkdfSha256, Kem>(&to_receive, &secret, &enc, &info).expect("a valid vector"))
}

fn encryptions<A: Aead>(case: &Value, sender: &mut Sender<A>, receiver: &mut Receiver<A>) -> usize {
    let encryptions = case["encryptions"].as_array().expect("a valid vector");
    for (sequence, step) in encryptions.iter().enumerate() {
        let [aad, plaintext, ciphertext, nonce] = ["aad", "pt", "ct", "nonce"].map(|name| field(step, name));
        let mut expected = field(case, "base_nonce");
        expected[11] ^= sequence as u8;
        assert_eq!(nonce, expected);
        assert_eq!(sender.seal(&plaintext, &aad).expect("a valid vector"), ciphertext);
        assert_eq!(receiver.open(&ciphertext, &aad).expect("a valid vector"), plaintext);
    }
    encryptions.len()
}

fn exports<A: Aead>(case: &Value, sender: &Sender<A>, receiver: &Receiver<A>) -> usize {
    let exports = case["exports"].as_array().expect("a valid vector");
    for export in exports {
        let context = field(export, "exporter_context");
        let (mut sent, mut received) = (vec![0; export["L"].as_u64().expect("a valid vector") as usize], vec![0; 32]);
        sender.export(&context, &mut sent).expect("a valid vector");
        receiver.export(&context, &mut received).expect("a valid vector");
        assert_eq!(sent, field(export, "exported_value"));
        assert_eq!(received, sent);
    }
    exports.len()
}
