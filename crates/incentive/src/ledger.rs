//! The ledger of unspent outputs: what a transaction may spend and make, whatever its kind.

mod error;
mod locks;
#[cfg(test)]
mod tests;

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};
use core::fmt;

use health_chain_consensus::ports::{BlockContext, Effect, EvidenceCheck, ExecuteError};
use health_chain_data::{
    Amount, Genesis, Kind, OutPoint, Output, TokenId, Transaction, TxId, codec,
    genesis::GenesisError,
    ports::{SignatureClaim, StateView},
    state::Overlay,
    transaction::spent_outputs_hash,
};

pub use error::LedgerError;

use crate::{
    coin::Coin,
    issuance::Issuance,
    kinds::{self, EVIDENCE, MINT, REDEEM, TRANSFER, WITHDRAW},
    limits::MAX_TRANSACTION_SIGNATURE_CHECKS,
    parameters::{IncentiveParameters, ParametersError},
    ports::{Spend, SpendCheck},
    stake::{Flow, Operation, Stake, StakeError, StakeParameters, StakeParametersError},
    supply::{self, Supply},
};

/// Whether a transaction must bring inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Funding {
    /// At least one input. Exempt are a MINT, of which its issuers' signatures bound how many there are, and a WITHDRAW, which brings
    /// something else.
    Required,
    /// None is needed: the program of the kind bounds how many such transactions there can be (withdrawing consent costs nothing).
    Free,
}

/// Applies the money side of transactions: spends their inputs, makes their outputs, takes their fee.
pub struct Ledger {
    parameters: IncentiveParameters,
    spends: Arc<dyn SpendCheck>,
    stake: Option<Stake>,
}

impl Ledger {
    /// A ledger under these parameters, whose outputs are spent as `spends` allows.
    ///
    /// # Errors
    /// The rule that the parameters break.
    pub fn new(parameters: IncentiveParameters, spends: Arc<dyn SpendCheck>) -> Result<Self, ParametersError> {
        parameters.check()?;
        Ok(Self { parameters, spends, stake: None })
    }

    /// The ledger of a chain where stake decides: it takes bonds, and from those whom `evidence` proves to have broken the engine's rules a
    /// part of theirs.
    ///
    /// # Errors
    /// The rule that the parameters break.
    pub fn with_stake(
        mut self,
        parameters: StakeParameters,
        evidence: Arc<dyn EvidenceCheck>,
    ) -> Result<Self, StakeParametersError> {
        parameters.check(&self.parameters)?;
        self.stake = Some(Stake { parameters, evidence });
        Ok(self)
    }

    /// Whether transactions of this kind are all the ledger's, payload included.
    pub fn decides(&self, kind: Kind) -> bool {
        kinds::ALL.contains(&kind) || kind == EVIDENCE && self.stake.is_some()
    }

    /// The parameters.
    pub const fn parameters(&self) -> &IncentiveParameters {
        &self.parameters
    }

    /// The check on spending.
    pub const fn spends(&self) -> &Arc<dyn SpendCheck> {
        &self.spends
    }

    /// Writes the counters of every token, all zero.
    ///
    /// # Errors
    /// Where the document's section is missing, malformed, or not what this ledger was made with.
    pub fn genesis(&self, state: &mut Overlay<'_>, genesis: &Genesis) -> Result<(), ExecuteError> {
        let section: IncentiveParameters = genesis.section().map_err(LedgerError::Genesis)?;
        let stake = match genesis.section::<StakeParameters>() {
            Err(GenesisError::MissingSection { .. }) => None,
            section => Some(section.map_err(LedgerError::Genesis)?),
        };
        if section != self.parameters || stake != self.stake.as_ref().map(|stake| stake.parameters) {
            return Err(LedgerError::OtherParameters.into());
        }
        for rule in &self.parameters.tokens {
            Supply::default().write(state, rule.token);
        }
        Ok(())
    }

    /// Applies one transaction (`id` is its id) to `state`, all of it or nothing: on an error neither `state` nor `claims` has changed.
    /// For kinds that it decides ([`Ledger::decides`]) that is everything there is to do; the payload of any other kind is left to that
    /// kind's program. The outcome counts once the signatures pushed to `claims` are verified.
    ///
    /// # Errors
    /// The rule of [`LedgerError`] that the transaction breaks, or the state can't be read.
    pub fn apply(
        &self,
        state: &mut Overlay<'_>,
        transaction: &Transaction,
        id: &TxId,
        context: &BlockContext,
        funding: Funding,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<Effect, ExecuteError> {
        let claims_before = claims.len();
        let checked = self.check(&*state, transaction, id, context, funding, claims);
        if checked.is_err() {
            claims.truncate(claims_before);
        }
        let checked = checked?;
        if let Some((token, supply)) = checked.supply {
            supply.write(state, token);
        }
        if let Some(operation) = &checked.operation {
            operation.write(state);
        }
        for input in &transaction.inputs {
            Coin::remove(state, &input.previous);
        }
        make_coins(state, transaction, id, context, false);
        Ok(checked.effect)
    }

    /// Everything that can fail; writes nothing.
    fn check(
        &self,
        view: &dyn StateView,
        transaction: &Transaction,
        id: &TxId,
        context: &BlockContext,
        funding: Funding,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<Checked, ExecuteError> {
        transaction.check().map_err(LedgerError::Malformed)?;
        let issuance = issuance(transaction)?;
        let is_exempt = matches!(transaction.kind, MINT | WITHDRAW) || self.is_evidence(transaction.kind);
        if transaction.inputs.is_empty() && funding == Funding::Required && !is_exempt {
            return Err(LedgerError::NoInputs.into());
        }
        locks::check_lock_time(transaction, context)?;
        let spent = self.spent_outputs(view, transaction, context)?;
        self.check_outputs(&transaction.outputs)?;
        let operation = self.stake_operation(view, transaction, context, claims)?;
        let flow = operation.as_ref().and_then(|operation| operation.flow);
        let fee = self.balance(transaction.kind, &spent, &transaction.outputs, issuance.as_ref(), flow)?;

        let (mut supply, mut signature_checks) = (None, operation.as_ref().map_or(0, |one| one.signature_checks));
        if let Some(issuance) = &issuance {
            let counted = self.check_issuance(view, transaction, issuance, context, claims)?;
            supply = Some((issuance.token, counted));
            signature_checks += issuance.signatures.len() as u32;
        }
        for (output, witness) in spent.iter().zip(&transaction.witnesses) {
            signature_checks = signature_checks.saturating_add(self.spends.signature_checks(&output.lock, witness));
        }
        if signature_checks > MAX_TRANSACTION_SIGNATURE_CHECKS {
            return Err(LedgerError::TooManySignatureChecks { found: signature_checks }.into());
        }
        self.check_spends(transaction, id, &spent, context, claims)?;
        Ok(Checked { effect: Effect { fee, signature_checks }, supply, operation })
    }

    fn is_evidence(&self, kind: Kind) -> bool {
        kind == EVIDENCE && self.stake.is_some()
    }

    fn stake_operation(
        &self,
        view: &dyn StateView,
        transaction: &Transaction,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<Option<Operation>, ExecuteError> {
        match &self.stake {
            Some(stake) => stake.check(view, transaction, context, claims),
            None if kinds::STAKE.contains(&transaction.kind) => Err(StakeError::NoStake.into()),
            None => Ok(None),
        }
    }

    /// The outputs that the inputs spend, in their order, all of them unspent, mature and past their relative locks.
    fn spent_outputs(
        &self,
        view: &dyn StateView,
        transaction: &Transaction,
        context: &BlockContext,
    ) -> Result<Vec<Output>, ExecuteError> {
        let mut spent = Vec::with_capacity(transaction.inputs.len());
        for input in &transaction.inputs {
            let previous = input.previous;
            let coin = Coin::read(view, &previous)?.ok_or(LedgerError::MissingCoin { previous })?;
            let from = coin.spendable_from(self.parameters.coinbase_maturity);
            if context.height < from {
                return Err(LedgerError::ImmatureCoinbase { previous, from }.into());
            }
            locks::check_sequence(input, &coin, context)?;
            spent.push(coin.output);
        }
        Ok(spent)
    }

    fn check_outputs(&self, outputs: &[Output]) -> Result<(), LedgerError> {
        for (index, output) in outputs.iter().enumerate() {
            if self.parameters.token(output.token).is_none() {
                return Err(LedgerError::UnknownToken { token: output.token });
            }
            self.spends.check_lock(&output.lock).map_err(|source| LedgerError::Lock { index, source })?;
        }
        Ok(())
    }

    /// `inputs + minted + withdrawn = outputs + redeemed + bonded + fee` for each token, the fee in the fee token only. What is minted or
    /// withdrawn must stand whole in the outputs, and what is redeemed or bonded whole in the inputs, so that neither pays a fee.
    /// Returns the fee.
    fn balance(
        &self,
        kind: Kind,
        spent: &[Output],
        made: &[Output],
        issuance: Option<&Issuance>,
        flow: Option<Flow>,
    ) -> Result<Amount, ExecuteError> {
        let mut totals: BTreeMap<TokenId, (Amount, Amount)> = BTreeMap::new();
        for output in spent {
            let (inputs, _) = totals.entry(output.token).or_default();
            *inputs =
                (inputs.checked_add(output.amount.0)).ok_or(LedgerError::AmountOverflow { token: output.token })?;
        }
        for output in made {
            let (_, outputs) = totals.entry(output.token).or_default();
            *outputs =
                (outputs.checked_add(output.amount.0)).ok_or(LedgerError::AmountOverflow { token: output.token })?;
        }
        if let Some(&Issuance { token, amount, .. }) = issuance {
            let (inputs, outputs) = totals.entry(token).or_default();
            if kind == MINT {
                *outputs = (outputs.checked_sub(amount.0)).ok_or(LedgerError::MintedOutputs {
                    token,
                    amount,
                    outputs: *outputs,
                })?;
            } else {
                *inputs = (inputs.checked_sub(amount.0)).ok_or(LedgerError::RedeemedInputs {
                    token,
                    amount,
                    inputs: *inputs,
                })?;
            }
        }
        match flow {
            None => {}
            Some(Flow::Bonded(token, amount)) => {
                let (inputs, _) = totals.entry(token).or_default();
                let rest = inputs.checked_sub(amount.0);
                *inputs = rest.ok_or(StakeError::BondedInputs { amount, inputs: *inputs })?;
            }
            Some(Flow::Withdrawn(token, amount)) => {
                let (_, outputs) = totals.entry(token).or_default();
                let rest = outputs.checked_sub(amount.0);
                *outputs = rest.ok_or(StakeError::WithdrawnOutputs { amount, outputs: *outputs })?;
            }
        }
        let mut fee = Amount::ZERO;
        for (token, (inputs, outputs)) in totals {
            let rest =
                (inputs.checked_sub(outputs.0)).ok_or(LedgerError::OutputsExceedInputs { token, inputs, outputs })?;
            if token == self.parameters.fee_token {
                fee = rest;
            } else if rest != Amount::ZERO {
                return Err(LedgerError::TokenImbalance { token, inputs, outputs }.into());
            }
        }
        Ok(fee)
    }

    /// Checks serial, threshold and issuers, claims their signatures, and returns the token's counters after the issuance.
    fn check_issuance(
        &self,
        view: &dyn StateView,
        transaction: &Transaction,
        issuance: &Issuance,
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<Supply, ExecuteError> {
        let &Issuance { token, amount, serial, .. } = issuance;
        let rule = self.parameters.token(token).ok_or(LedgerError::UnknownToken { token })?;
        if amount == Amount::ZERO {
            return Err(LedgerError::ZeroIssuance { token }.into());
        }
        let mut counted = supply::declared(view, token)?;
        // A serial at its maximum has no successor: the token can then neither be minted nor redeemed.
        if counted.serial.checked_add(1) != Some(serial) {
            return Err(LedgerError::Serial { token, last: counted.serial, found: serial }.into());
        }
        counted.serial = serial;
        if transaction.kind == MINT {
            counted.minted = counted.minted.checked_add(amount.0).ok_or(LedgerError::MintOverflow { token, amount })?;
            counted.unspent = counted.unspent.checked_add(amount.0).ok_or(supply::DAMAGED)?;
        } else {
            counted.redeemed = counted.redeemed.checked_add(amount.0).ok_or(supply::DAMAGED)?;
            counted.unspent = counted.unspent.checked_sub(amount.0).ok_or(supply::DAMAGED)?;
        }

        let found = issuance.signatures.len();
        if found != usize::from(rule.threshold) {
            return Err(LedgerError::IssuerSignatures { token, threshold: rule.threshold, found }.into());
        }
        if !issuance.signatures.is_sorted_by(|left, right| left.issuer < right.issuer) {
            return Err(LedgerError::IssuerOrder { token }.into());
        }
        let message = issuance.message_of(&context.chain, transaction);
        for entry in &issuance.signatures {
            let issuer = entry.issuer;
            let key = *rule.issuers.get(usize::from(issuer)).ok_or(LedgerError::UnknownIssuer { token, issuer })?;
            claims.push(SignatureClaim { key, message, signature: entry.signature });
        }
        Ok(counted)
    }

    fn check_spends(
        &self,
        transaction: &Transaction,
        id: &TxId,
        spent: &[Output],
        context: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), LedgerError> {
        if spent.is_empty() {
            return Ok(());
        }
        let spent_outputs = spent_outputs_hash(spent);
        for (index, output) in spent.iter().enumerate() {
            let spend = Spend {
                chain: &context.chain,
                transaction,
                id,
                input_index: index as u32,
                spent: output,
                spent_outputs: &spent_outputs,
                height: context.height,
                median_time_past: context.median_time_past,
            };
            self.spends.check(&spend, claims).map_err(|source| LedgerError::Unlock { index, source })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("parameters", &self.parameters).finish_non_exhaustive()
    }
}

/// What a transaction will do, once nothing can fail any more.
struct Checked {
    effect: Effect,
    supply: Option<(TokenId, Supply)>,
    operation: Option<Operation>,
}

/// The issuance in the payload, where the kind has one, and the rules on kinds.
fn issuance(transaction: &Transaction) -> Result<Option<Issuance>, LedgerError> {
    match transaction.kind {
        kind @ (Kind::GENESIS | Kind::COINBASE) => Err(LedgerError::ReservedKind { kind }),
        TRANSFER if !transaction.payload.is_empty() => {
            Err(LedgerError::TransferPayload { bytes: transaction.payload.len() })
        }
        MINT | REDEEM => codec::decode(&transaction.payload).map(Some).map_err(LedgerError::IssuancePayload),
        _ => Ok(None),
    }
}

/// Writes the outputs of `transaction` as coins. No coin is ever overwritten: an id covers the inputs, which are spent once, or a serial
/// number, or a coinbase's height; without any of them a transaction makes no outputs.
pub(crate) fn make_coins(
    state: &mut Overlay<'_>,
    transaction: &Transaction,
    id: &TxId,
    context: &BlockContext,
    coinbase: bool,
) {
    for (index, output) in transaction.outputs.iter().enumerate() {
        let coin = Coin {
            output: output.clone(),
            height: context.height,
            median_time_past: context.median_time_past,
            coinbase,
        };
        coin.write(state, &OutPoint { transaction: *id, index: index as u32 });
    }
}
