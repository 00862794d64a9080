//! What a person hands out so that records can be shared with them.

use serde::{Deserialize, Serialize};

use super::{PUBLIC_KEY_BYTES, PublicKey, SIGNATURE_BYTES, SecretKey, Signature, SignatureError};
use crate::{
    Hash,
    codec::Wire,
    tagged_hash,
    wrap::{KEM_PUBLIC_KEY_BYTES, KemPublicKey},
};

/// A person's public keys, signed by the spend key so that nobody can put another encryption key beside it. The keys
/// that sign, recognise and decrypt are three, so that none is used for two purposes.
///
/// The card says that its keys belong together, not whose they are: that is known from where it was received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactCard {
    /// One-time keys are made from it; it signs the card.
    pub spend: PublicKey,
    /// One-time keys are recognised by it.
    pub scan: PublicKey,
    /// Data keys are wrapped to it.
    pub kem: KemPublicKey,
    /// The spend key's signature over all three.
    pub signature: Signature,
}

impl Wire for ContactCard {
    const MAX_BYTES: usize = 2 * PUBLIC_KEY_BYTES + KEM_PUBLIC_KEY_BYTES + SIGNATURE_BYTES;
}

impl ContactCard {
    /// Makes and signs a card. `entropy` as for [`SecretKey::sign`].
    pub fn sign(spend: &SecretKey, scan: PublicKey, kem: KemPublicKey, entropy: &[u8; 32]) -> Self {
        let signature = spend.sign(&digest(&spend.public_key(), &scan, &kem), entropy);
        Self { spend: spend.public_key(), scan, kem, signature }
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// The rule of [`SignatureError`] that is broken.
    pub fn verify(&self) -> Result<(), SignatureError> {
        self.spend.verify(&digest(&self.spend, &self.scan, &self.kem), &self.signature)
    }
}

fn digest(spend: &PublicKey, scan: &PublicKey, kem: &KemPublicKey) -> Hash {
    tagged_hash("HC/contact/v1", &[spend.as_bytes(), scan.as_bytes(), kem.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, encode};

    #[test]
    fn a_changed_card_is_refused() {
        let spend = SecretKey::from_bytes(&[1; 32]).unwrap();
        let scan = SecretKey::from_bytes(&[2; 32]).unwrap().public_key();
        let card = ContactCard::sign(&spend, scan, KemPublicKey([3; 32]), &[4; 32]);
        assert_eq!(card.verify(), Ok(()));
        let bytes = encode(&card);
        assert_eq!(bytes.len(), ContactCard::MAX_BYTES);
        assert_eq!(decode(&bytes), Ok(card));
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            assert!(decode::<ContactCard>(&changed).map_or(true, |card| card.verify().is_err()), "byte {index}");
        }
    }
}
