//! Signatures, verified once for all nodes.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use health_chain::data::{
    Hash, PublicKey, SecretKey, Signature,
    ports::{FalseClaim, SignatureClaim, Signer, SignerError, Verifier},
};

/// How many settled claims are remembered before they are forgotten.
const MAX_REMEMBERED_CLAIMS: usize = 100_000;

/// A claim's key, message and signature.
type Claim = ([u8; 32], Hash, [u8; 64]);

/// A validator's key, of which every signature is known to verify: k256 looks at each that it makes.
pub(super) struct RememberingSigner {
    pub(super) key: SecretKey,
    pub(super) known: Arc<RememberingVerifier>,
}

impl Signer for RememberingSigner {
    fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    fn sign(&self, message: &Hash, entropy: &[u8; 32]) -> Result<Signature, SignerError> {
        let signature = self.key.sign(message, entropy);
        self.known.remember(&SignatureClaim { key: self.key.public_key(), message: *message, signature });
        Ok(signature)
    }
}

/// Verifies each claim once for all nodes: the outcome depends on nothing else.
#[derive(Default)]
pub(super) struct RememberingVerifier(Mutex<HashMap<Claim, bool>>);

impl RememberingVerifier {
    fn holds(&self, claim: &SignatureClaim) -> bool {
        self.look_up(claim, || claim.key.verify(&claim.message, &claim.signature).is_ok())
    }

    /// Notes a claim that holds.
    fn remember(&self, claim: &SignatureClaim) {
        self.look_up(claim, || true);
    }

    fn look_up(&self, claim: &SignatureClaim, verify: impl FnOnce() -> bool) -> bool {
        let SignatureClaim { key, message, signature } = claim;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() > MAX_REMEMBERED_CLAIMS {
            known.clear();
        }
        *known.entry((*key.as_bytes(), *message, signature.0)).or_insert_with(verify)
    }
}

impl Verifier for RememberingVerifier {
    fn verify(&self, claims: &[SignatureClaim]) -> Result<(), FalseClaim> {
        match claims.iter().position(|claim| !self.holds(claim)) {
            None => Ok(()),
            Some(index) => Err(FalseClaim { index }),
        }
    }
}
