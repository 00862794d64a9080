//! Properties of key wraps, contact cards and one-time keys.

use health_chain_data::{
    ChainId, Hash, ObjectId, PublicKey, SecretKey,
    codec::{decode, encode},
    keys::{ContactCard, OneTime},
    seal::{OpeningKey, SealingKey, open, seal},
    sha256,
    wrap::{
        KemPublicKey, KemSecretKey, KeyWrap, WrapContext, WrapError, WrappedSecrets, unwrap, unwrap_secret, wrap,
        wrap_secret,
    },
};
use proptest::prelude::*;
use zeroize::Zeroizing;

fn public(byte: u8) -> PublicKey {
    SecretKey::from_bytes(&[byte; 32]).expect("in range").public_key()
}

fn context() -> WrapContext {
    WrapContext {
        chain: ChainId(sha256(b"chain")),
        object: ObjectId(sha256(b"object")),
        version: 2,
        epoch: 5,
        owner: public(1),
        grantee: public(2),
    }
}

fn secrets(key: &OpeningKey) -> WrappedSecrets {
    WrappedSecrets { key: key.clone(), blinding: Zeroizing::new([8; 32]), document_digest: sha256(b"document") }
}

fn wrapped() -> (KemSecretKey, KeyWrap, Vec<u8>) {
    let sealed = seal(SealingKey::new(&[3; 32]), &context().object, 2, &[4; 24], b"document").expect("short enough");
    let recipient = KemSecretKey::from_seed(&[6; 32]);
    let wrap = wrap(&recipient.public_key(), &context(), &secrets(&sealed.receipt.key), &[7; 32]).expect("a good key");
    (recipient, wrap, sealed.bytes)
}

#[test]
fn the_recipient_can_open_the_record() {
    let (recipient, wrap, object) = wrapped();
    let secrets = unwrap(&recipient, &context(), &wrap).unwrap();
    assert_eq!((*secrets.blinding, secrets.document_digest), ([8; 32], sha256(b"document")));
    assert_eq!(open(&secrets.key, &context().object, 2, &object), Ok(b"document".to_vec()));
    assert_eq!(decode::<KeyWrap>(&encode(&wrap)), Ok(wrap));
}

#[test]
fn the_layout_is_the_documented_one() {
    use hpke::{
        Deserializable, Kem as _, OpModeR, aead::ChaCha20Poly1305, kdf::HkdfSha256, kem::X25519HkdfSha256 as Kem,
    };
    let (_, wrap, _) = wrapped();
    let (secret, _) = Kem::derive_keypair(&[6; 32]);
    let enc = <Kem as hpke::Kem>::EncappedKey::from_bytes(&wrap.enc).unwrap();
    let c = context();
    let info = [
        b"HC/wrap/v1",
        c.chain.as_bytes().as_slice(),
        c.object.as_bytes(),
        &[2, 0, 0, 0],
        &[5, 0, 0, 0],
        c.owner.as_bytes(),
        c.grantee.as_bytes(),
    ]
    .concat();
    let (mode, ciphertext) = (OpModeR::Base, &wrap.ciphertext);
    let plaintext =
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, Kem>(&mode, &secret, &enc, &info, ciphertext, b"");
    assert_eq!(plaintext, Ok([[3; 32], [8; 32], sha256(b"document").0].concat()));
}

#[test]
fn a_stranger_and_another_context_are_refused() {
    let (recipient, wrap, _) = wrapped();
    let refused = |recipient: &KemSecretKey, context: WrapContext| unwrap(recipient, &context, &wrap).err();
    assert_eq!(refused(&KemSecretKey::from_seed(&[9; 32]), context()), Some(WrapError::Refused));
    let others = [
        WrapContext { chain: ChainId(sha256(b"other")), ..context() },
        WrapContext { object: ObjectId(sha256(b"other")), ..context() },
        WrapContext { version: 3, ..context() },
        WrapContext { epoch: 6, ..context() },
        WrapContext { owner: public(3), ..context() },
        WrapContext { grantee: public(3), ..context() },
        WrapContext { owner: public(2), grantee: public(1), ..context() },
    ];
    for other in others {
        assert_eq!(refused(&recipient, other), Some(WrapError::Refused), "{other:?}");
    }
}

#[test]
fn every_changed_byte_is_refused() {
    let (recipient, wrap, _) = wrapped();
    let bytes = encode(&wrap);
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let Ok(changed) = decode::<KeyWrap>(&changed) else { continue };
        // X25519 ignores the highest bit of a coordinate, but the encapsulated key goes into the key schedule as it is.
        assert!(unwrap(&recipient, &context(), &changed).is_err(), "bit {bit}");
        assert!(changed.commitment() != wrap.commitment() || changed.suite != wrap.suite, "bit {bit}");
    }
}

#[test]
fn other_lengths_and_suites_are_named() {
    let (recipient, wrap, _) = wrapped();
    let error = |wrap: KeyWrap| unwrap(&recipient, &context(), &wrap).err();
    assert_eq!(error(KeyWrap { suite: 2, ..wrap.clone() }), Some(WrapError::Suite { found: 2 }));
    for (enc_bytes, ciphertext_bytes) in [(31, 112), (33, 112), (32, 111), (32, 113), (0, 0), (31, 113)] {
        let all = [&wrap.enc[..], &wrap.ciphertext, &[0; 2]].concat();
        let changed = KeyWrap {
            enc: all[..enc_bytes].to_vec(),
            ciphertext: all[enc_bytes..enc_bytes + ciphertext_bytes].to_vec(),
            ..wrap
        };
        assert_eq!(error(changed), Some(WrapError::Length { enc_bytes, ciphertext_bytes }));
    }
}

#[test]
fn points_of_low_order_are_refused_on_both_sides() {
    let sealed = seal(SealingKey::new(&[3; 32]), &context().object, 2, &[4; 24], b"document").unwrap();
    let mut one = [0; 32];
    one[0] = 1;
    for low in [[0; 32], one] {
        let refused = wrap(&KemPublicKey(low), &context(), &secrets(&sealed.receipt.key), &[7; 32]);
        assert_eq!(refused.err(), Some(WrapError::RecipientKey));
        let (recipient, wrap, _) = wrapped();
        let changed = KeyWrap { enc: low.to_vec(), ..wrap };
        assert_eq!(unwrap(&recipient, &context(), &changed).err(), Some(WrapError::Refused));
    }
}

#[test]
fn a_short_secret_opens_for_its_recipient_under_its_info_only() {
    let recipient = KemSecretKey::from_seed(&[6; 32]);
    let wrap = wrap_secret(&recipient.public_key(), b"test/share", &[5; 64], &[7; 32]).unwrap();
    assert_eq!(*unwrap_secret::<64>(&recipient, b"test/share", &wrap).unwrap(), [5; 64]);
    assert_eq!(unwrap_secret::<64>(&recipient, b"test/other", &wrap).err(), Some(WrapError::Refused));
    let stranger = KemSecretKey::from_seed(&[9; 32]);
    assert_eq!(unwrap_secret::<64>(&stranger, b"test/share", &wrap).err(), Some(WrapError::Refused));
    let length = Some(WrapError::Length { enc_bytes: 32, ciphertext_bytes: 80 });
    assert_eq!(unwrap_secret::<63>(&recipient, b"test/share", &wrap).err(), length);
    assert_eq!(unwrap(&recipient, &context(), &wrap).err(), length, "no record's secrets");
}

proptest! {
    #[test]
    fn both_sides_of_a_one_time_key_agree_and_strangers_do_not(seeds in prop::array::uniform4(1_u8..=254), context: [u8; 32]) {
        let [sender, scan, spend, stranger] = [0, 1, 2, 3].map(|role| {
            let mut bytes = [seeds[role]; 32];
            bytes[0] = role as u8;
            SecretKey::from_bytes(&bytes).expect("in range")
        });
        let context = Hash(context);
        let written = OneTime::derive(&sender, &spend.public_key(), &scan.public_key(), &context);
        let recovered = OneTime::recover(&scan, &spend, &sender.public_key(), &context);
        prop_assert_eq!(recovered.public_key(), written);
        prop_assert_eq!(OneTime::recognise(&scan, &spend.public_key(), &sender.public_key(), &context), written);
        let found = OneTime::recognise(&stranger, &spend.public_key(), &sender.public_key(), &context);
        prop_assert_ne!(found, written);
        let taken = OneTime::recover(&scan, &stranger, &sender.public_key(), &context);
        prop_assert_ne!(taken.public_key(), written);
    }

    #[test]
    fn decoders_survive_anything(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let (recipient, _, _) = wrapped();
        if let Ok(wrap) = decode::<KeyWrap>(&bytes) {
            prop_assert!(unwrap(&recipient, &context(), &wrap).is_err());
        }
        if let Ok(card) = decode::<ContactCard>(&bytes) {
            prop_assert!(card.verify().is_err());
        }
    }
}
