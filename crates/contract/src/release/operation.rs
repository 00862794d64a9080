//! What a living owner does with her deposit.

use alloc::vec::Vec;

use health_chain_consensus::ports::{BlockContext, ExecuteError};
use health_chain_data::{
    ChainId, Hash, Kind, SecretKey, Signature, Transaction,
    codec::{self, Wire},
    ports::SignatureClaim,
    state::Overlay,
    tagged_hash,
};
use serde::{Deserialize, Serialize};

use super::{DepositId, Moment, RENEW, ReleaseError, Stage, TAKE_BACK, put, waiting};

/// The payload of a RENEW transaction: the owner lives. The deposit's age begins anew, and signatures that were made to open it
/// count no longer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Renew {
    /// The deposit.
    pub deposit: DepositId,
    /// How often it has been renewed before, so that none can be replayed.
    pub renewals: u32,
    /// The condition from now on, the same or another one.
    pub condition: Hash,
    /// The owner's.
    pub signature: Signature,
}

/// The payload of a TAKE_BACK transaction. It names no renewals, so that none can get in its way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Withdraw {
    /// The deposit.
    pub deposit: DepositId,
    /// The owner's.
    pub signature: Signature,
}

impl Wire for Renew {
    const MAX_BYTES: usize = 32 + 5 + 32 + 64;
}

impl Wire for Withdraw {
    const MAX_BYTES: usize = 32 + 64;
}

impl Renew {
    /// Signs a renewal of a deposit that has been renewed so often. `entropy` is as for [`SecretKey::sign`].
    pub fn sign(
        chain: &ChainId,
        deposit: DepositId,
        renewals: u32,
        condition: Hash,
        owner: &SecretKey,
        entropy: &[u8; 32],
    ) -> Self {
        let message = Self::message(chain, &deposit, renewals, &condition);
        Self { deposit, renewals, condition, signature: owner.sign(&message, entropy) }
    }

    /// The transaction, inputs and outputs still missing.
    pub fn transaction(&self) -> Transaction {
        Transaction::new(RENEW, codec::encode(self))
    }

    fn message(chain: &ChainId, deposit: &DepositId, renewals: u32, condition: &Hash) -> Hash {
        operation(chain, deposit, RENEW, &[renewals.to_le_bytes().as_slice(), condition.as_bytes()].concat())
    }

    pub(super) fn apply(
        self,
        state: &mut Overlay<'_>,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        let mut standing = waiting(&*state, &self.deposit)?;
        let (expected, found) = (standing.renewals, self.renewals);
        if expected != found {
            return Err(ReleaseError::Renewals { expected, found }.into());
        }
        let message = Self::message(&context.chain, &self.deposit, found, &self.condition);
        claims.push(SignatureClaim { key: standing.owner, message, signature: self.signature });
        standing.renewals = expected.saturating_add(1);
        standing.condition = self.condition;
        standing.since = Moment::from(context);
        put(state, &self.deposit, &standing);
        Ok(())
    }
}

impl Withdraw {
    /// Signs a withdrawal. `entropy` is as for [`SecretKey::sign`].
    pub fn sign(chain: &ChainId, deposit: DepositId, owner: &SecretKey, entropy: &[u8; 32]) -> Self {
        let message = operation(chain, &deposit, TAKE_BACK, &[]);
        Self { deposit, signature: owner.sign(&message, entropy) }
    }

    /// The transaction, which needs no inputs.
    pub fn transaction(&self) -> Transaction {
        Transaction::new(TAKE_BACK, codec::encode(self))
    }

    pub(super) fn apply(
        self,
        state: &mut Overlay<'_>,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        let mut standing = waiting(&*state, &self.deposit)?;
        let message = operation(&context.chain, &self.deposit, TAKE_BACK, &[]);
        claims.push(SignatureClaim { key: standing.owner, message, signature: self.signature });
        standing.stage = Stage::Withdrawn(Moment::from(context));
        put(state, &self.deposit, &standing);
        Ok(())
    }
}

/// `TH("HC/deposit-operation/v1", chain id || deposit || kind u16 || terms)`.
fn operation(chain: &ChainId, deposit: &DepositId, kind: Kind, terms: &[u8]) -> Hash {
    let parts = [chain.as_bytes().as_slice(), deposit.0.as_bytes(), &kind.0.to_le_bytes(), terms];
    tagged_hash("HC/deposit-operation/v1", &parts)
}
