//! `bond`, `unbond`, `withdraw`, `validators`: who decides, and what stands behind them.

use std::{collections::BTreeMap, io::Write};

use clap::Args;
use health_chain::{
    application::ports::SystemEntropy,
    consensus::{Epochs, Validator, validators},
    data::{Amount, PublicKey, ports::StoreError},
    incentive::{self, StakeParameters, TokenRule, stake},
};
use serde::{Deserialize, Serialize};

use super::wallet::amount_of;
use crate::{failure::Failure, office::Office, text};

/// What `bond` takes.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(crate) struct Bond {
    /// How much of the wallet's coins to put behind this node's identity key, as in 1000.00: at least what a vote costs.
    amount: String,
    /// What whoever makes the block is paid; the least there is, unless it is given.
    #[arg(long)]
    fee: Option<String>,
}

/// What `unbond` takes.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(crate) struct Unbond {
    /// How much of what is bonded shall count no more; all of it, unless it is given.
    amount: Option<String>,
    /// What whoever makes the block is paid; the least there is, unless it is given.
    #[arg(long)]
    fee: Option<String>,
}

/// What `validators` takes.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(crate) struct Validators {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Puts coins behind the owner's key.
pub(crate) fn bond(office: &Office<'_>, options: Bond, out: &mut impl Write) -> Result<(), Failure> {
    let (stake, rule) = stake_of(office)?;
    let amount = text::in_minor_units(&options.amount, rule.decimals)?;
    if amount < stake.unit {
        return Err(Failure::BelowUnit { amount: amount_of(rule, amount), unit: amount_of(rule, stake.unit) });
    }
    let owner = office.owner()?;
    let key = owner.public_key();
    let bond = office.pay(options.fee.as_deref(), move |wallet, spending| {
        wallet.bond(&owner, amount, &stake, spending, &mut SystemEntropy)
    })?;
    let id = office.submit(bond)?;
    writeln!(out, "bonded {} behind {key} in transaction {id}", amount_of(rule, amount))?;
    Ok(writeln!(out, "It counts from the epoch on that begins after its block: see `validators`.")?)
}

/// Gives notice.
pub(crate) fn unbond(office: &Office<'_>, options: Unbond, out: &mut impl Write) -> Result<(), Failure> {
    let (_, rule) = stake_of(office)?;
    let amount = match &options.amount {
        Some(text) => Some(text::in_minor_units(text, rule.decimals)?),
        None => None,
    };
    let key = office.owner()?.public_key();
    let (unbond, amount) = office.pay(options.fee.as_deref(), move |wallet, spending| {
        let bonded = incentive::Bond::read(spending.view, &key)?.map(|bond| bond.amount);
        let amount = amount.or(bonded).unwrap_or_default();
        Ok((wallet.unbond(&key, amount, spending, &mut SystemEntropy)?, amount))
    })?;
    let id = office.submit(unbond)?;
    writeln!(out, "gave notice of {} in transaction {id}", amount_of(rule, amount))?;
    Ok(writeln!(out, "`validators` shows from which height on it can be withdrawn.")?)
}

/// Pays out what is locked no longer.
pub(crate) fn withdraw(office: &Office<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let (stake, rule) = stake_of(office)?;
    let key = office.owner()?.public_key();
    let mut wallet = office.wallet()?;
    let withdrawals = office
        .look_ahead(move |view, context| wallet.withdraw(&key, &stake, view, context, &mut SystemEntropy))?
        .map_err(Failure::Payment)?;
    for withdrawal in withdrawals {
        let amount = withdrawal.outputs.iter().fold(Amount::ZERO, |sum, output| sum.saturating_add(output.amount.0));
        let id = office.submit(withdrawal)?;
        writeln!(out, "withdrew {} in transaction {id}", amount_of(rule, amount))?;
    }
    Ok(())
}

/// Who decides, now and in the next epoch.
#[derive(Serialize)]
struct Standing {
    /// The chain's.
    height: u32,
    /// The last height of the epoch of the next block; none where sets never change.
    epoch_ends: Option<u32>,
    validators: Vec<Entry>,
}

/// One who decides, or has something bonded.
#[derive(Serialize)]
struct Entry {
    key: String,
    /// Votes in the epoch of the next block.
    power: u32,
    /// Votes in the epoch after it, as the state stands.
    next_power: u32,
    bond: Option<BondEntry>,
}

#[derive(Serialize)]
struct BondEntry {
    owner: String,
    /// In minor units, as everywhere here.
    amount: u64,
    leaving: Vec<LeavingEntry>,
    /// The height of an offence.
    jailed: Option<u32>,
}

#[derive(Serialize)]
struct LeavingEntry {
    since: u32,
    amount: u64,
    /// The first height that may pay it out.
    free_from: u32,
}

/// Lists who decides.
pub(crate) fn validators(office: &Office<'_>, options: &Validators, out: &mut impl Write) -> Result<(), Failure> {
    let stakes = office.rules.stakes().ok_or(Failure::NoValidators)?;
    let standing = office
        .look(move |view, context| {
            let height = context.height;
            let epochs = validators::epochs(view)?.unwrap_or_default();
            let now = validators::validators_at(view, height)?.unwrap_or_default();
            let elected = validators::ranked(stakes.validators(view)?);
            let next = if elected.is_empty() || epochs.blocks == 0 { now.clone() } else { elected };
            Ok::<_, StoreError>(Standing {
                height: height.0.saturating_sub(1),
                epoch_ends: (epochs.blocks > 0).then(|| epochs.first(height).0.saturating_add(epochs.blocks - 1)),
                validators: entries(&now, &next, stake::bonds(view)?, epochs),
            })
        })?
        .map_err(Failure::State)?;
    if options.json {
        return Ok(writeln!(out, "{}", text::json(&standing))?);
    }
    writeln!(out, "height      {}", standing.height)?;
    match standing.epoch_ends {
        Some(height) => writeln!(out, "epoch ends  {height}")?,
        None => writeln!(out, "epoch ends  never")?,
    }
    let rule = office.rules.stake().and_then(|stake| office.rules.incentive.token(stake.token));
    for entry in &standing.validators {
        writeln!(out, "{}  votes {}, then {}", entry.key, entry.power, entry.next_power)?;
        if let (Some(bond), Some(rule)) = (&entry.bond, rule) {
            show_bond(bond, rule, out)?;
        }
    }
    Ok(())
}

fn show_bond(bond: &BondEntry, rule: &TokenRule, out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "    bonded {}, owned by {}", amount_of(rule, Amount(bond.amount)), bond.owner)?;
    for leaving in &bond.leaving {
        let amount = amount_of(rule, Amount(leaving.amount));
        writeln!(out, "    leaving {amount} since {}, free from height {}", leaving.since, leaving.free_from)?;
    }
    if let Some(height) = bond.jailed {
        writeln!(out, "    called to account for height {height}: decides nothing any more")?;
    }
    Ok(())
}

fn entries(
    now: &[Validator],
    next: &[Validator],
    bonds: Vec<(PublicKey, incentive::Bond)>,
    epochs: Epochs,
) -> Vec<Entry> {
    let entry = |key: &PublicKey| Entry { key: key.to_string(), power: 0, next_power: 0, bond: None };
    let mut found: BTreeMap<PublicKey, Entry> = BTreeMap::new();
    for Validator { key, power } in now {
        found.entry(*key).or_insert_with(|| entry(key)).power = *power;
    }
    for Validator { key, power } in next {
        found.entry(*key).or_insert_with(|| entry(key)).next_power = *power;
    }
    for (key, bond) in bonds {
        let leaving = bond.leaving.iter().map(|leaving| LeavingEntry {
            since: leaving.since.0,
            amount: leaving.amount.0,
            free_from: leaving.free_from(epochs).0,
        });
        found.entry(key).or_insert_with(|| entry(&key)).bond = Some(BondEntry {
            owner: bond.owner.to_string(),
            amount: bond.amount.0,
            leaving: leaving.collect(),
            jailed: bond.jailed.map(|height| height.0),
        });
    }
    found.into_values().collect()
}

/// The chain's rules on stake, and the token that is bonded.
fn stake_of<'a>(office: &Office<'a>) -> Result<(StakeParameters, &'a TokenRule), Failure> {
    let rules = office.rules;
    let stake = rules.stake().ok_or(Failure::NoStake)?;
    let rule = rules.incentive.token(stake.token).expect("the chain's rules were checked");
    Ok((stake, rule))
}
