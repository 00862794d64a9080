//! What transactions about stake may do: everything is checked before anything is written.

use alloc::vec::Vec;

use health_chain_consensus::{
    ports::{BlockContext, ExecuteError, Offence},
    validators,
};
use health_chain_data::{
    Amount, Hash, Height, Kind, PublicKey, Signature, TokenId, Transaction, codec,
    ports::{SignatureClaim, StateView, StoreError},
    state::Overlay,
};

use super::{Bond, Deposit, Leaving, Notice, Stake, StakeError, Withdrawal, epochs};
use crate::{
    kinds::{BOND, EVIDENCE, UNBOND, WITHDRAW},
    limits::MAX_LEAVING,
    supply::{self, Supply},
};

/// What a transaction about stake comes to, once nothing can fail any more.
pub(crate) struct Operation {
    pub(crate) flow: Option<Flow>,
    pub(crate) signature_checks: u32,
    token: TokenId,
    supply: Supply,
    validator: PublicKey,
    bond: Bond,
}

/// Tokens that enter or leave a bond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// They leave the coins.
    Bonded(TokenId, Amount),
    /// They become coins.
    Withdrawn(TokenId, Amount),
}

impl Operation {
    pub(crate) fn write(&self, state: &mut Overlay<'_>) {
        self.supply.write(state, self.token);
        self.bond.write(state, &self.validator);
    }
}

impl Stake {
    /// What `transaction` does to the bonds; `None` where it is not about stake.
    pub(crate) fn check(
        &self,
        view: &dyn StateView,
        transaction: &Transaction,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<Option<Operation>, ExecuteError> {
        let operation = match transaction.kind {
            BOND => self.deposit(view, transaction, context, claims)?,
            UNBOND => self.notice(view, transaction, context, claims)?,
            WITHDRAW => self.withdrawal(view, transaction, context, claims)?,
            EVIDENCE => self.offence(view, transaction, context, claims)?,
            _ => return Ok(None),
        };
        Ok(Some(operation))
    }

    fn deposit(
        &self,
        view: &dyn StateView,
        transaction: &Transaction,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<Operation, ExecuteError> {
        let deposit: Deposit = decode(transaction)?;
        let Deposit { validator, owner, amount, signature } = deposit;
        let unit = self.parameters.unit;
        if amount < unit {
            return Err(StakeError::BelowUnit { amount, unit }.into());
        }
        epochs(view)?.ok_or(StakeError::NoValidators)?;
        let bond = Bond::read(view, &validator)?;
        let mut bond = bond.unwrap_or(Bond { owner, amount: Amount::ZERO, leaving: Vec::new(), jailed: None });
        if bond.jailed.is_some() {
            return Err(StakeError::Jailed { validator }.into());
        }
        if bond.owner != owner {
            return Err(StakeError::OtherOwner { validator }.into());
        }
        claims.push(SignatureClaim {
            key: validator,
            message: deposit.message(&context.chain, transaction),
            signature,
        });
        let mut supply = supply::declared(view, self.parameters.token)?;
        // More than there is unspent can't be bonded; the ledger's balance says so.
        supply.unspent = supply.unspent.checked_sub(amount.0).ok_or(StakeError::BeyondSupply { amount })?;
        supply.bonded = supply.bonded.checked_add(amount.0).ok_or(supply::DAMAGED)?;
        bond.amount = bond.amount.checked_add(amount.0).ok_or(supply::DAMAGED)?;
        let flow = Some(Flow::Bonded(self.parameters.token, amount));
        Ok(self.operation(flow, 1, supply, validator, bond))
    }

    fn notice(
        &self,
        view: &dyn StateView,
        transaction: &Transaction,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<Operation, ExecuteError> {
        let notice: Notice = decode(transaction)?;
        let Notice { validator, amount, signature } = notice;
        let message = notice.message(&context.chain, transaction);
        let mut bond = owners_bond(view, validator, message, signature, claims)?;
        if amount == Amount::ZERO {
            return Err(StakeError::NothingToUnbond { validator }.into());
        }
        let left = bond.amount.checked_sub(amount.0);
        bond.amount = left.ok_or(StakeError::BeyondBond { validator, bonded: bond.amount, amount })?;
        let since = context.height;
        let is_full = bond.leaving.len() == MAX_LEAVING;
        match bond.leaving.last_mut().filter(|last| last.since == since) {
            Some(last) => last.amount = last.amount.checked_add(amount.0).ok_or(supply::DAMAGED)?,
            None if is_full => return Err(StakeError::TooManyNotices { validator }.into()),
            None => bond.leaving.push(Leaving { since, amount }),
        }
        let supply = supply::declared(view, self.parameters.token)?;
        Ok(self.operation(None, 1, supply, validator, bond))
    }

    fn withdrawal(
        &self,
        view: &dyn StateView,
        transaction: &Transaction,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<Operation, ExecuteError> {
        let withdrawal: Withdrawal = decode(transaction)?;
        let Withdrawal { validator, since, signature } = withdrawal;
        let message = withdrawal.message(&context.chain, transaction);
        let mut bond = owners_bond(view, validator, message, signature, claims)?;
        let position = bond.leaving.iter().position(|leaving| leaving.since == since);
        let leaving = bond.leaving.remove(position.ok_or(StakeError::NoNotice { validator, since })?);
        let from = leaving.free_from(epochs(view)?.ok_or(StakeError::NoValidators)?);
        if context.height < from {
            return Err(StakeError::StillLocked { validator, from }.into());
        }
        if bond.jailed.is_none() && self.is_outweighed(view, &validator, bond.total(), context.height)? {
            return Err(StakeError::StillInOffice { validator }.into());
        }
        let mut supply = supply::declared(view, self.parameters.token)?;
        supply.bonded = supply.bonded.checked_sub(leaving.amount.0).ok_or(supply::DAMAGED)?;
        supply.unspent = supply.unspent.checked_add(leaving.amount.0).ok_or(supply::DAMAGED)?;
        let flow = Some(Flow::Withdrawn(self.parameters.token, leaving.amount));
        Ok(self.operation(flow, 1, supply, validator, bond))
    }

    fn offence(
        &self,
        view: &dyn StateView,
        transaction: &Transaction,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<Operation, ExecuteError> {
        let (offence, epochs) = validators::offence(view, &*self.evidence, &transaction.payload, context, claims)?;
        let Offence { offender, height } = offence;
        let mut bond = Bond::read(view, &offender)?.ok_or(StakeError::NoBond { validator: offender })?;
        if bond.jailed.is_some() {
            return Err(StakeError::Jailed { validator: offender }.into());
        }
        bond.jailed = Some(height);
        let share = u128::from(self.parameters.slash_per_mille);
        let mut slashed = 0_u64;
        let is_locked = |leaving: &Leaving| context.height < leaving.free_from(epochs);
        let locked = bond.leaving.iter().filter(|leaving| is_locked(leaving));
        let held = locked.fold(bond.amount, |sum, leaving| sum.saturating_add(leaving.amount.0));
        let all = self.is_outweighed(view, &offender, held, context.height)?;
        let lost_of = bond.leaving.iter_mut().filter(|leaving| all || is_locked(leaving));
        for amount in [&mut bond.amount].into_iter().chain(lost_of.map(|leaving| &mut leaving.amount)) {
            let lost = u128::from(amount.0) * share / 1000;
            let lost = u64::try_from(lost).expect("at most the whole: the share was checked to be at most one");
            *amount = amount.saturating_sub(lost);
            slashed = slashed.checked_add(lost).ok_or(supply::DAMAGED)?;
        }
        // What is gone needs no withdrawing.
        bond.leaving.retain(|leaving| leaving.amount > Amount::ZERO);
        let mut supply = supply::declared(view, self.parameters.token)?;
        supply.bonded = supply.bonded.checked_sub(slashed).ok_or(supply::DAMAGED)?;
        supply.slashed = supply.slashed.checked_add(slashed).ok_or(supply::DAMAGED)?;
        Ok(self.operation(None, self.evidence.signature_checks(), supply, offender, bond))
    }

    /// Whether `held` backs less than the power that `validator` can still be called to account for: it stayed in office after its stake had
    /// ceased to count, or was there before it had any.
    fn is_outweighed(
        &self,
        view: &dyn StateView,
        validator: &PublicKey,
        held: Amount,
        now: Height,
    ) -> Result<bool, StoreError> {
        let power = validators::answerable_power(view, validator, now)?;
        Ok(u128::from(held.0) < u128::from(power) * u128::from(self.parameters.unit.0))
    }

    const fn operation(
        &self,
        flow: Option<Flow>,
        signature_checks: u32,
        supply: Supply,
        validator: PublicKey,
        bond: Bond,
    ) -> Operation {
        Operation { flow, signature_checks, token: self.parameters.token, supply, validator, bond }
    }
}

/// What stands behind `validator`, claiming that its owner has signed `message`.
fn owners_bond(
    view: &dyn StateView,
    validator: PublicKey,
    message: Hash,
    signature: Signature,
    claims: &mut Vec<SignatureClaim>,
) -> Result<Bond, ExecuteError> {
    let bond = Bond::read(view, &validator)?.ok_or(StakeError::NoBond { validator })?;
    claims.push(SignatureClaim { key: bond.owner, message, signature });
    Ok(bond)
}

fn decode<T: codec::Wire>(transaction: &Transaction) -> Result<T, StakeError> {
    let kind: Kind = transaction.kind;
    codec::decode(&transaction.payload).map_err(|source| StakeError::Payload { kind, source })
}
