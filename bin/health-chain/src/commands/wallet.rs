//! `wallet`: the owner's coins.

use std::{collections::BTreeMap, io::Write};

use clap::{Args, Subcommand};
use health_chain::{
    application::{
        ports::{Entropy, SystemEntropy},
        wallet::Wallet,
    },
    data::{Amount, Output, Transaction, ports::StoreError},
    incentive::{Issuance, SingleKey, TokenRule, supply},
};
use serde::{Deserialize, Serialize};

use crate::{
    failure::Failure,
    office::Office,
    text::{self, KeyText},
};

/// What `wallet` takes.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
pub(crate) enum Command {
    /// Show what can be spent.
    Balance,
    /// Make a key to be paid to. Each payment deserves its own; all follow from the words.
    Address,
    /// Pay somebody.
    Send {
        /// How much, as in 12.50.
        amount: String,
        /// A key that the payee's `wallet address` has made.
        #[arg(long, value_name = "KEY", value_parser = text::key)]
        to: KeyText,
        /// The token's symbol; the one in which fees are paid, unless it is given.
        #[arg(long)]
        token: Option<String>,
        /// What whoever makes the block is paid; the least there is, unless it is given.
        #[arg(long)]
        fee: Option<String>,
    },
    /// Bring tokens into the chain, as an issuer whose signature is enough.
    Mint {
        /// How much, as in 12.50.
        amount: String,
        /// A key that the payee's `wallet address` has made; this wallet gets them, unless it is given.
        #[arg(long, value_name = "KEY", value_parser = text::key)]
        to: Option<KeyText>,
        /// The token's symbol; the one in which fees are paid, unless it is given.
        #[arg(long)]
        token: Option<String>,
    },
}

pub(crate) fn carry_out(office: &Office<'_>, command: Command, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        Command::Balance => balance(office, out),
        Command::Address => {
            let key = office.wallet()?.new_relationship_key()?.key.public_key();
            Ok(writeln!(out, "{key}")?)
        }
        Command::Send { amount, to, token, fee } => {
            let rule = office.token(token.as_deref())?;
            let amount = text::in_minor_units(&amount, rule.decimals)?;
            let output = Output { token: rule.token, amount, lock: SingleKey::lock(&to.0) };
            let payment = office.pay(fee.as_deref(), move |wallet, spending| {
                let mut payment = Wallet::payment(vec![output]);
                wallet.fund(&mut payment, spending, &mut SystemEntropy)?;
                Ok(payment)
            })?;
            let id = office.submit(payment)?;
            Ok(writeln!(out, "sent {} in transaction {id}", amount_of(rule, amount))?)
        }
        Command::Mint { amount, to, token } => {
            let rule = office.token(token.as_deref())?;
            let amount = text::in_minor_units(&amount, rule.decimals)?;
            let id = office.submit(mint(office, rule, amount, to)?)?;
            Ok(writeln!(out, "minted {} in transaction {id}", amount_of(rule, amount))?)
        }
    }
}

/// `12.50 EUR`.
pub(crate) fn amount_of(rule: &TokenRule, amount: Amount) -> String {
    format!("{} {}", text::in_major_units(amount.0, rule.decimals), rule.symbol)
}

fn balance(office: &Office<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let (wallet, parameters) = (office.wallet()?, office.rules.incentive.clone());
    let coins = office.look_ahead(move |view, context| wallet.coins(view, &parameters, context))??;
    let mut sums = BTreeMap::new();
    for (_, coin) in coins {
        let sum: &mut Amount = sums.entry(coin.output.token).or_default();
        *sum = sum.saturating_add(coin.output.amount.0);
    }
    for rule in &office.rules.incentive.tokens {
        writeln!(out, "{}", amount_of(rule, sums.get(&rule.token).copied().unwrap_or_default()))?;
    }
    Ok(())
}

/// A MINT that the owner alone signs.
fn mint(office: &Office<'_>, rule: &TokenRule, amount: Amount, to: Option<KeyText>) -> Result<Transaction, Failure> {
    if rule.threshold != 1 {
        return Err(Failure::SeveralIssuers { symbol: rule.symbol.clone(), threshold: rule.threshold });
    }
    let owner = office.owner()?;
    let lock = match to {
        Some(key) => SingleKey::lock(&key.0),
        None => office.wallet()?.new_lock()?,
    };
    let token = rule.token;
    let (serial, chain) = office
        .look_ahead(move |view, context| {
            let serial = supply(view, token)?.unwrap_or_default().serial;
            Ok::<_, StoreError>((serial.saturating_add(1), context.chain))
        })?
        .map_err(Failure::State)?;
    let mut mint = Issuance::mint(token, serial, vec![Output { token, amount, lock }])?;
    let message = Issuance::message(&chain, &mint).expect("it was made as an issuance");
    let signature = owner.sign(&message, &*SystemEntropy.draw()?);
    Issuance::add_signature(&mut mint, rule, &owner.public_key(), signature)?;
    Ok(mint)
}
