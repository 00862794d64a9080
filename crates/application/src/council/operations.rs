//! What the council signs. Each decision's message is `TH("HC/council/v1", chain_id || kind u16 || seq u64 || institution || rest)`, integers
//! little-endian.

use health_chain_data::{
    ChainId, Hash, Kind, PublicKey, Signature,
    codec::{self, Wire},
    ports::{Signer, SignerError},
    tagged_hash,
};
use serde::{Deserialize, Serialize};

use crate::{
    identities::InstitutionId,
    kinds::{ADMIT_VALIDATOR, REMOVE_VALIDATOR},
    limits::{MAX_COUNCIL_OPERATION_BYTES, MAX_SEATS},
    payload::Payload,
};

/// A seat's signature under a decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ballot {
    /// Position of the seat in the council ([`super::Council::seats`]).
    pub seat: u8,
    /// Signature of the decision's message by the seat's key.
    pub signature: Signature,
}

impl Ballot {
    /// Signs `message` for the seat at that position.
    ///
    /// # Errors
    /// Where the signer fails.
    pub fn sign(seat: u8, message: &Hash, signer: &dyn Signer, entropy: &[u8; 32]) -> Result<Self, SignerError> {
        Ok(Self { seat, signature: signer.sign(message, entropy)? })
    }

    /// Puts it among the others at its place, instead of one of the same seat.
    pub fn add_to(self, ballots: &mut Vec<Self>) {
        match ballots.binary_search_by_key(&self.seat, |other| other.seat) {
            Ok(place) => ballots[place] = self,
            Err(place) => ballots.insert(place, self),
        }
    }
}

/// Gives an institution a seat. Made by the institution ([`Admit::sign`]); the council adds its ballots.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Admit {
    /// The chain it is signed for.
    pub chain: ChainId,
    /// One more than the council's.
    pub seq: u64,
    /// The institution.
    pub institution: InstitutionId,
    /// The key for its votes.
    pub key: PublicKey,
    /// How many it gets.
    pub power: u32,
    /// The key's signature: who asks for the seat holds it.
    pub possession: Signature,
    /// In ascending order of seats.
    #[serde(deserialize_with = "codec::at_most::<MAX_SEATS, _, _>")]
    pub ballots: Vec<Ballot>,
}

/// Takes an institution's seat away; the council adds its ballots.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Remove {
    /// The chain it is signed for.
    pub chain: ChainId,
    /// One more than the council's.
    pub seq: u64,
    /// The institution.
    pub institution: InstitutionId,
    /// In ascending order of seats.
    #[serde(deserialize_with = "codec::at_most::<MAX_SEATS, _, _>")]
    pub ballots: Vec<Ballot>,
}

impl Admit {
    /// The institution's part, signed by the key for its votes.
    ///
    /// # Errors
    /// Where the signer fails.
    pub fn sign(
        chain: ChainId,
        seq: u64,
        institution: InstitutionId,
        power: u32,
        signer: &dyn Signer,
        entropy: &[u8; 32],
    ) -> Result<Self, SignerError> {
        let (key, possession) = (signer.public_key(), Signature([0; 64]));
        let mut admit = Self { chain, seq, institution, key, power, possession, ballots: Vec::new() };
        admit.possession = signer.sign(&admit.message(), entropy)?;
        Ok(admit)
    }

    /// What the key and the council sign.
    pub fn message(&self) -> Hash {
        let rest = [self.key.as_bytes(), &self.power.to_le_bytes()[..]].concat();
        message(&self.chain, Self::KIND, self.seq, &self.institution, &rest)
    }
}

impl Remove {
    /// What the council signs.
    pub fn message(&self) -> Hash {
        message(&self.chain, Self::KIND, self.seq, &self.institution, &[])
    }
}

impl Wire for Admit {
    const MAX_BYTES: usize = MAX_COUNCIL_OPERATION_BYTES;
}

impl Payload for Admit {
    const KIND: Kind = ADMIT_VALIDATOR;
}

impl Wire for Remove {
    const MAX_BYTES: usize = MAX_COUNCIL_OPERATION_BYTES;
}

impl Payload for Remove {
    const KIND: Kind = REMOVE_VALIDATOR;
}

fn message(chain: &ChainId, kind: Kind, seq: u64, institution: &InstitutionId, rest: &[u8]) -> Hash {
    let (kind, seq) = (kind.0.to_le_bytes(), seq.to_le_bytes());
    tagged_hash("HC/council/v1", &[chain.as_bytes(), &kind, &seq, institution.0.as_ref(), rest])
}
