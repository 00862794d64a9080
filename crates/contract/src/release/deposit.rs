//! What an owner deposits.

use alloc::vec::Vec;

use health_chain_consensus::ports::{BlockContext, ExecuteError};
use health_chain_data::{
    ChainId, Hash, PublicKey, SecretKey, Signature, Transaction,
    codec::{self, Wire},
    ports::SignatureClaim,
    state::Overlay,
    tagged_hash,
    wrap::KemPublicKey,
};
use serde::{Deserialize, Serialize};

use super::{DEPOSIT, DEPOSITS, Moment, Release, ReleaseError, Stage, Standing, put};
use crate::{
    limits::{MAX_DEPOSIT_BYTES, MAX_SHARES},
    scripts::Multisig,
    sharing::Commitments,
};

/// A key in shares, who guards them, whom they are for, and the hash of when.
///
/// Fresh commitments make each deposit another one. Keys should be fresh too: who knows a key reads here whose will it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Deposit {
    /// Whose signature renews and withdraws it.
    pub owner: PublicKey,
    /// Who gets the shares.
    pub beneficiary: Beneficiary,
    /// Who guards them: the first has share 1. No key twice.
    #[serde(deserialize_with = "codec::at_most::<MAX_SHARES, _, _>")]
    pub stakeholders: Vec<PublicKey>,
    /// What the shares are checked against; as many as shares are needed.
    pub commitments: Commitments,
    /// [`super::Condition::hash`]: the condition itself shows when it is met.
    pub condition: Hash,
}

/// Who gets the shares.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Beneficiary {
    /// By this one data keys are wrapped, as the grantee's ([`health_chain_data::wrap::WrapContext`]).
    pub key: PublicKey,
    /// To this one shares are wrapped.
    pub kem: KemPublicKey,
}

/// A deposit's name: `TH("HC/deposit/v1", chain id || E(deposit))`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct DepositId(pub Hash);

/// The payload of a DEPOSIT transaction.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SignedDeposit {
    /// What is deposited.
    pub deposit: Deposit,
    /// The owner's signature of [`Deposit::id`].
    pub signature: Signature,
}

impl Wire for Deposit {
    const MAX_BYTES: usize = MAX_DEPOSIT_BYTES;
}

impl Wire for SignedDeposit {
    const MAX_BYTES: usize = MAX_DEPOSIT_BYTES + 64;
}

impl Deposit {
    /// The deposit's name on a chain. It covers all there is to it, so it is also what the owner signs.
    pub fn id(&self, chain: &ChainId) -> DepositId {
        DepositId(tagged_hash("HC/deposit/v1", &[chain.as_bytes(), &codec::encode(self)]))
    }

    /// Signs the deposit. `entropy` is as for [`SecretKey::sign`].
    pub fn sign(self, chain: &ChainId, owner: &SecretKey, entropy: &[u8; 32]) -> SignedDeposit {
        SignedDeposit { signature: owner.sign(&self.id(chain).0, entropy), deposit: self }
    }

    /// The key of the stakeholder who guards a share.
    pub fn stakeholder(&self, position: u8) -> Option<&PublicKey> {
        self.stakeholders.get(usize::from(position).checked_sub(1)?)
    }
}

impl SignedDeposit {
    /// The transaction, inputs and outputs still missing.
    pub fn transaction(&self) -> Transaction {
        Transaction::new(DEPOSIT, codec::encode(self))
    }

    /// One for the signature, and reading a point takes less than one.
    pub(super) fn signature_checks(&self) -> u32 {
        1 + self.deposit.commitments.threshold() as u32
    }

    pub(super) fn apply(
        self,
        state: &mut Overlay<'_>,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        let Self { deposit, signature } = self;
        let (owner, condition) = (deposit.owner, deposit.condition);
        Multisig::new(deposit.commitments.threshold(), deposit.stakeholders.clone())
            .map_err(ReleaseError::Stakeholders)?;
        let id = deposit.id(&context.chain);
        if Release::standing(&*state, &id)?.is_some() {
            return Err(ReleaseError::AlreadyDeposited.into());
        }
        state.put(DEPOSITS, id.0.as_bytes().to_vec(), codec::encode(&deposit));
        let since = Moment::from(context);
        put(state, &id, &Standing { owner, condition, renewals: 0, since, stage: Stage::Waiting });
        claims.push(SignatureClaim { key: owner, message: id.0, signature });
        Ok(())
    }
}
