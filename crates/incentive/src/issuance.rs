//! The payload of MINT and REDEEM: fiat tokens entering and leaving the chain on the word of their issuers.

use alloc::vec::Vec;

use health_chain_data::{
    Amount, ChainId, Hash, Input, Output, Signature, TokenId, Transaction, Witness,
    codec::{self, CodecError, Wire},
    keys::PublicKey,
    tagged_hash,
};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    kinds::{MINT, REDEEM},
    limits::{MAX_ISSUANCE_BYTES, MAX_ISSUERS},
    parameters::TokenRule,
};

/// The payload of a MINT or REDEEM transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Issuance {
    /// Which token.
    pub token: TokenId,
    /// How much of it enters or leaves.
    pub amount: Amount,
    /// One more than the last serial of this token ([`crate::Supply::serial`]), so that nothing the issuers sign works twice.
    pub serial: u64,
    /// Signatures of exactly as many issuers as the token's threshold, in strictly ascending order of their positions.
    #[serde(deserialize_with = "codec::at_most::<MAX_ISSUERS, _, _>")]
    pub signatures: Vec<IssuerSignature>,
}

/// One issuer's signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IssuerSignature {
    /// The issuer's position in [`TokenRule::issuers`].
    pub issuer: u8,
    /// Its signature of [`Issuance::message`].
    pub signature: Signature,
}

impl Wire for Issuance {
    const MAX_BYTES: usize = MAX_ISSUANCE_BYTES;
}

/// Why a mint or redemption can't be built or signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IssuanceError {
    /// The outputs of the token add up to more than fits.
    #[error("the outputs of token {token:?} overflow")]
    AmountOverflow {
        /// The token.
        token: TokenId,
    },
    /// The payload is not an [`Issuance`].
    #[error("the payload is no issuance")]
    Payload(#[from] CodecError),
    /// The key is not an issuer of the token.
    #[error("{key} does not issue token {token:?}")]
    NotAnIssuer {
        /// The key.
        key: PublicKey,
        /// The token.
        token: TokenId,
    },
    /// As many signatures as a payload can hold are there already.
    #[error("{MAX_ISSUERS} signatures are there already")]
    TooManySignatures,
}

impl Issuance {
    /// A MINT of `serial` that makes `outputs`, all of them in `token`; its amount is their sum. To be signed by the issuers.
    /// Inputs that pay a fee may be added before that, with outputs for their change.
    ///
    /// # Errors
    /// [`IssuanceError::AmountOverflow`].
    pub fn mint(token: TokenId, serial: u64, outputs: Vec<Output>) -> Result<Transaction, IssuanceError> {
        let amount = (outputs.iter().filter(|output| output.token == token))
            .try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.amount.0))
            .ok_or(IssuanceError::AmountOverflow { token })?;
        let payload = Self { token, amount, serial, signatures: Vec::new() };
        let mut transaction = Transaction::new(MINT, codec::encode(&payload));
        transaction.outputs = outputs;
        Ok(transaction)
    }

    /// A REDEEM of `serial` that takes `amount` out of what `inputs` spend; `outputs` are the change. To be signed by the issuers first,
    /// then by the owners of the inputs, whose signatures cover those of the issuers.
    pub fn redeem(
        token: TokenId,
        amount: Amount,
        serial: u64,
        inputs: Vec<Input>,
        outputs: Vec<Output>,
    ) -> Transaction {
        let payload = Self { token, amount, serial, signatures: Vec::new() };
        let mut transaction = Transaction::new(REDEEM, codec::encode(&payload));
        transaction.witnesses = alloc::vec![Witness::default(); inputs.len()];
        transaction.inputs = inputs;
        transaction.outputs = outputs;
        transaction
    }

    /// The message that an issuer signs: `TH("HC/issuance/v1", chain_id || id of the transaction without any issuer's signature)`. It
    /// covers the kind, the payload's token, amount and serial, all inputs, all outputs and the lock time: what one
    /// issuance pays to whom is not for others to change.
    ///
    /// # Errors
    /// Where the payload is no [`Issuance`].
    pub fn message(chain: &ChainId, transaction: &Transaction) -> Result<Hash, CodecError> {
        Ok(codec::decode::<Self>(&transaction.payload)?.message_of(chain, transaction))
    }

    /// [`Issuance::message`] of a transaction whose payload has been decoded to `self`.
    pub(crate) fn message_of(&self, chain: &ChainId, transaction: &Transaction) -> Hash {
        let unsigned = Transaction {
            payload: codec::encode(&Self { signatures: Vec::new(), ..*self }),
            inputs: transaction.inputs.clone(),
            outputs: transaction.outputs.clone(),
            witnesses: Vec::new(),
            ..*transaction
        };
        tagged_hash("HC/issuance/v1", &[chain.as_bytes(), unsigned.id().as_bytes()])
    }

    /// Puts an issuer's signature of [`Issuance::message`] into the payload, at its place; it replaces one by the same issuer.
    ///
    /// # Errors
    /// Where the payload is no [`Issuance`], or `key` is not an issuer of `rule`.
    pub fn add_signature(
        transaction: &mut Transaction,
        rule: &TokenRule,
        key: &PublicKey,
        signature: Signature,
    ) -> Result<(), IssuanceError> {
        let mut payload: Self = codec::decode(&transaction.payload)?;
        let position = rule.issuers.iter().position(|issuer| issuer == key);
        let issuer = (position.and_then(|position| u8::try_from(position).ok()))
            .ok_or(IssuanceError::NotAnIssuer { key: *key, token: rule.token })?;
        let entry = IssuerSignature { issuer, signature };
        match payload.signatures.binary_search_by_key(&issuer, |signature| signature.issuer) {
            Ok(place) => payload.signatures[place] = entry,
            Err(_) if payload.signatures.len() == MAX_ISSUERS => return Err(IssuanceError::TooManySignatures),
            Err(place) => payload.signatures.insert(place, entry),
        }
        transaction.payload = codec::encode(&payload);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::{
        Reward,
        common::{EUR, key, parameters, pay},
    };

    #[test]
    fn the_largest_payload_fits_its_limit() {
        let signature = |issuer| IssuerSignature { issuer, signature: Signature([0xff; 64]) };
        let largest = Issuance {
            token: TokenId(u32::MAX),
            amount: Amount::MAX,
            serial: u64::MAX,
            signatures: (0..MAX_ISSUERS as u8).map(signature).collect(),
        };
        assert_eq!(codec::decode(&codec::encode(&largest)), Ok(largest.clone()));
        let mut larger = largest;
        larger.signatures.push(signature(200));
        assert!(codec::decode::<Issuance>(&codec::encode(&larger)).is_err());
    }

    #[test]
    fn each_way_not_to_build_one_has_its_error() {
        assert_eq!(
            Issuance::mint(EUR, 1, vec![pay(EUR, u64::MAX, 1), pay(EUR, 1, 1)]),
            Err(IssuanceError::AmountOverflow { token: EUR })
        );
        let rule = parameters(Reward::Immediate).tokens[0].clone();
        let (issuer, stranger) = (key(101).public_key(), key(7).public_key());
        let signature = Signature([1; 64]);
        let mut mint = Issuance::mint(EUR, 1, vec![pay(EUR, 1, 1)]).unwrap();
        assert_eq!(
            Issuance::add_signature(&mut mint, &rule, &stranger, signature),
            Err(IssuanceError::NotAnIssuer { key: stranger, token: EUR })
        );
        let foreign = (1..=MAX_ISSUERS as u8).map(|issuer| IssuerSignature { issuer, signature }).collect();
        let full = Issuance { token: EUR, amount: Amount(1), serial: 1, signatures: foreign };
        mint.payload = codec::encode(&full);
        assert_eq!(
            Issuance::add_signature(&mut mint, &rule, &issuer, signature),
            Err(IssuanceError::TooManySignatures)
        );
        mint.payload.clear();
        let unreadable = Issuance::add_signature(&mut mint, &rule, &issuer, signature);
        assert_eq!(unreadable, Err(IssuanceError::Payload(CodecError::Malformed)));
    }

    #[test]
    fn signatures_find_their_places_and_do_not_change_the_message() {
        let rule = parameters(Reward::Immediate).tokens[0].clone();
        let chain = ChainId::default();
        let mut mint = Issuance::mint(EUR, 1, vec![pay(EUR, 1, 1)]).unwrap();
        let message = Issuance::message(&chain, &mint).unwrap();
        for (seed, byte) in [(103, 3), (101, 1), (102, 2), (101, 9)] {
            let signature = Signature([byte; 64]);
            Issuance::add_signature(&mut mint, &rule, &key(seed).public_key(), signature).unwrap();
        }
        let payload: Issuance = codec::decode(&mint.payload).unwrap();
        let places: Vec<_> = payload.signatures.iter().map(|entry| (entry.issuer, entry.signature.0[0])).collect();
        assert_eq!(places, vec![(0, 9), (1, 2), (2, 3)]);
        assert_eq!(Issuance::message(&chain, &mint), Ok(message));
        mint.kind = REDEEM;
        assert_ne!(Issuance::message(&chain, &mint), Ok(message));
    }
}
