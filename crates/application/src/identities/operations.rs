//! What accreditors and institutions sign. Each operation's message is `TH("HC/identity/v1", chain_id || kind u16 || fields)`,
//! integers little-endian, a name last.

use health_chain_data::{
    ChainId, Hash, Kind, PublicKey, Signature, codec,
    ports::{Signer, SignerError},
    tagged_hash,
};
use serde::{Deserialize, Serialize};

use super::InstitutionId;
use crate::{
    limits::MAX_ACCREDITORS,
    payload::{Payload, operations},
};

/// An accreditor's signature under an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Approval {
    /// Position of the key among the genesis document's accreditors.
    pub accreditor: u8,
    /// Its signature of the operation's message.
    pub signature: Signature,
}

impl Approval {
    /// Signs `message` as the accreditor at that position.
    ///
    /// # Errors
    /// Where the signer fails.
    pub fn sign(accreditor: u8, message: &Hash, signer: &dyn Signer, entropy: &[u8; 32]) -> Result<Self, SignerError> {
        Ok(Self { accreditor, signature: signer.sign(message, entropy)? })
    }

    /// Puts it among the others at its place, instead of one of the same accreditor.
    pub fn add_to(self, approvals: &mut Vec<Self>) {
        match approvals.binary_search_by_key(&self.accreditor, |other| other.accreditor) {
            Ok(place) => approvals[place] = self,
            Err(place) => approvals.insert(place, self),
        }
    }
}

/// Admits an institution. Made by the institution ([`Register::sign`]); the accreditors add their approvals.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Register {
    /// The chain it is signed for.
    pub chain: ChainId,
    /// The institution's name.
    pub name: String,
    /// Its first key.
    pub key: PublicKey,
    /// That key's signature: whoever asks for it holds it.
    pub possession: Signature,
    /// In ascending order of accreditors.
    #[serde(deserialize_with = "codec::at_most::<MAX_ACCREDITORS, _, _>")]
    pub approvals: Vec<Approval>,
}

impl Register {
    /// The institution's part: name and key, signed by that key.
    ///
    /// # Errors
    /// Where the signer fails.
    pub fn sign(
        chain: ChainId,
        name: impl Into<String>,
        signer: &dyn Signer,
        entropy: &[u8; 32],
    ) -> Result<Self, SignerError> {
        let key = signer.public_key();
        let mut register = Self { chain, name: name.into(), key, possession: UNSIGNED, approvals: Vec::new() };
        register.possession = signer.sign(&register.message(), entropy)?;
        Ok(register)
    }

    /// What the key and the accreditors sign.
    pub fn message(&self) -> Hash {
        message(&self.chain, Self::KIND, &[self.key.as_bytes(), self.name.as_bytes()])
    }
}

/// Gives an institution another key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RotateKey {
    /// The chain it is signed for.
    pub chain: ChainId,
    /// The institution.
    pub institution: InstitutionId,
    /// One more than the institution's.
    pub seq: u64,
    /// The key from the next block on.
    pub new_key: PublicKey,
    /// The new key's signature: whoever brings it holds it.
    pub possession: Signature,
    /// Who allows it.
    pub authority: Authority,
}

/// Who allows a change of keys.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Authority {
    /// The institution itself, by its old key.
    OldKey(Signature),
    /// The accreditors, where the old key is lost. In ascending order.
    Accreditors(#[serde(deserialize_with = "codec::at_most::<MAX_ACCREDITORS, _, _>")] Vec<Approval>),
}

impl RotateKey {
    /// Signed by the new key and the old one.
    ///
    /// # Errors
    /// Where a signer fails.
    pub fn sign(
        chain: ChainId,
        institution: InstitutionId,
        seq: u64,
        old: &dyn Signer,
        new: &dyn Signer,
        entropy: &[u8; 32],
    ) -> Result<Self, SignerError> {
        let mut rotation = Self::sign_new(chain, institution, seq, new, entropy)?;
        rotation.authority = Authority::OldKey(old.sign(&rotation.message(), entropy)?);
        Ok(rotation)
    }

    /// Signed by the new key only; the accreditors add their approvals.
    ///
    /// # Errors
    /// Where the signer fails.
    pub fn sign_new(
        chain: ChainId,
        institution: InstitutionId,
        seq: u64,
        new: &dyn Signer,
        entropy: &[u8; 32],
    ) -> Result<Self, SignerError> {
        let authority = Authority::Accreditors(Vec::new());
        let new_key = new.public_key();
        let mut rotation = Self { chain, institution, seq, new_key, possession: UNSIGNED, authority };
        rotation.possession = new.sign(&rotation.message(), entropy)?;
        Ok(rotation)
    }

    /// What the new key and the authority sign.
    pub fn message(&self) -> Hash {
        let fields = [self.institution.0.as_ref(), &self.seq.to_le_bytes(), self.new_key.as_bytes()];
        message(&self.chain, Self::KIND, &fields)
    }
}

/// Dismisses an institution; the accreditors add their approvals.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Retire {
    /// The chain it is signed for.
    pub chain: ChainId,
    /// The institution.
    pub institution: InstitutionId,
    /// One more than the institution's.
    pub seq: u64,
    /// In ascending order of accreditors.
    #[serde(deserialize_with = "codec::at_most::<MAX_ACCREDITORS, _, _>")]
    pub approvals: Vec<Approval>,
}

impl Retire {
    /// What the accreditors sign.
    pub fn message(&self) -> Hash {
        message(&self.chain, Self::KIND, &[self.institution.0.as_ref(), &self.seq.to_le_bytes()])
    }
}

/// Stands where a signature is about to be put; it signs nothing.
const UNSIGNED: Signature = Signature([0; 64]);

fn message(chain: &ChainId, kind: Kind, fields: &[&[u8]]) -> Hash {
    let kind = kind.0.to_le_bytes();
    let parts: Vec<&[u8]> = [chain.as_bytes(), &kind[..]].into_iter().chain(fields.iter().copied()).collect();
    tagged_hash("HC/identity/v1", &parts)
}

operations!(Register = REGISTER, RotateKey = ROTATE_KEY, Retire = RETIRE);
