//! BIP340 against its own vectors: signing, verification, and every refusal.

use health_chain_data::{Hash, PublicKey, SecretKey, Signature};

fn unhex(digits: &str) -> Vec<u8> {
    hex::decode(digits).expect("hexadecimal digits")
}

#[test]
fn bip340() {
    let (mut signed, mut refused) = (0, 0);
    let lines = include_str!("data/bip340.csv").lines().skip(1);
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let [index, secret, public, entropy, message, signature, valid, comment] = fields[..] else {
            panic!("eight fields: {line}")
        };
        let (public, message) = (unhex(public).try_into().unwrap(), unhex(message));
        let signature = Signature(unhex(signature).try_into().unwrap());
        if !secret.is_empty() {
            let secret = SecretKey::from_bytes(&unhex(secret).try_into().unwrap()).unwrap();
            let entropy = unhex(entropy).try_into().unwrap();
            assert_eq!(secret.public_key().as_bytes(), &public, "{index}");
            assert_eq!(secret.sign_bytes(&message, &entropy), signature, "{index}");
            if let Ok(digest) = message.clone().try_into().map(Hash) {
                assert_eq!(secret.sign(&digest, &entropy), signature, "{index}");
            }
            signed += 1;
        }
        let accepted = PublicKey::from_bytes(&public).is_ok_and(|key| key.verify_bytes(&message, &signature).is_ok());
        assert_eq!(accepted, valid == "TRUE", "{index}: {comment}");
        refused += usize::from(!accepted);
    }
    assert_eq!((signed, refused), (8, 10));
}
