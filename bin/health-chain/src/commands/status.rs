//! `status`: where the chain stands, asked of the running node or read from disk.

use std::io::Write;

use clap::Args;
use health_chain::{
    application::ports::{Entropy, SystemEntropy},
    data::{ports::StoreError, state::state_hash},
    incentive::supply,
};
use serde::Serialize;

use crate::{
    compose::{self, Rules},
    config::Config,
    failure::Failure,
    folder::{self, Folder},
    inquiry, secrets, text,
};

/// What `status` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Where the chain stands.
#[derive(Serialize)]
struct Standing {
    network: String,
    chain: String,
    height: u32,
    tip: String,
    #[serde(flatten)]
    source: Source,
}

/// Who said so.
#[derive(Serialize)]
#[serde(tag = "source", rename_all = "lowercase")]
enum Source {
    /// A running node.
    Node { address: String, gateway: String, waiting: u32, audit_entries: u64 },
    /// The folder of a stopped one.
    Store { state_hash: String, supply: Vec<TokenSupply> },
}

/// What there is of one token.
#[derive(Serialize)]
struct TokenSupply {
    symbol: String,
    decimals: u8,
    minted: u64,
    redeemed: u64,
    unspent: u64,
    fee_pool: u64,
}

pub(crate) fn run(folder: &Folder, options: &Options, out: &mut impl Write) -> Result<(), Failure> {
    folder.check()?;
    let rules = Rules::read(folder)?;
    let standing = match stored(folder, &rules) {
        Err(Failure::Store { source: StoreError::Locked, .. }) => asked(folder, &rules)?,
        outcome => outcome?,
    };
    if options.json {
        return Ok(writeln!(out, "{}", text::json(&standing))?);
    }
    match &standing.source {
        Source::Node { address, .. } => writeln!(out, "A node runs at {address}; it says:")?,
        Source::Store { .. } => writeln!(out, "No node runs on this folder; its store says:")?,
    }
    writeln!(out, "network     {}", standing.network)?;
    writeln!(out, "chain       {}", standing.chain)?;
    writeln!(out, "height      {}", standing.height)?;
    writeln!(out, "tip         {}", standing.tip)?;
    match &standing.source {
        Source::Node { gateway, waiting, audit_entries, .. } => {
            writeln!(out, "waiting     {waiting} transactions")?;
            writeln!(out, "gateway     {gateway}")?;
            writeln!(out, "audit log   {audit_entries} entries")?;
        }
        Source::Store { state_hash, supply } => {
            writeln!(out, "state hash  {state_hash}")?;
            for TokenSupply { symbol, decimals, minted, redeemed, unspent, fee_pool } in supply {
                let amount = |minor: &u64| text::in_major_units(*minor, *decimals);
                writeln!(
                    out,
                    "{symbol:<11} {} minted, {} redeemed, {} in coins, {} in the fee pool",
                    amount(minted),
                    amount(redeemed),
                    amount(unspent),
                    amount(fee_pool)
                )?;
            }
        }
    }
    Ok(())
}

/// Reads the folder of a node that does not run.
fn stored(folder: &Folder, rules: &Rules) -> Result<Standing, Failure> {
    let chain = compose::stored_chain(folder, rules)?;
    let mut tokens = Vec::new();
    for rule in &rules.incentive.tokens {
        if let Some(found) = supply(chain.state(), rule.token).map_err(Failure::State)? {
            tokens.push(TokenSupply {
                symbol: rule.symbol.clone(),
                decimals: rule.decimals,
                minted: found.minted.0,
                redeemed: found.redeemed.0,
                unspent: found.unspent.0,
                fee_pool: found.pool.0,
            });
        }
    }
    let state_hash = state_hash(chain.state()).map_err(Failure::State)?.to_hex();
    let tip = chain.tip();
    Ok(Standing {
        network: rules.genesis.network().into(),
        chain: chain.chain_id().to_string(),
        height: tip.height.0,
        tip: tip.id.to_string(),
        source: Source::Store { state_hash, supply: tokens },
    })
}

/// Asks the node that has the store open.
fn asked(folder: &Folder, rules: &Rules) -> Result<Standing, Failure> {
    let config: Config = folder::read_toml(&folder.config())?;
    if config.listen.port() == 0 {
        return Err(Failure::UnknownPort(folder.path().into()));
    }
    let address = inquiry::reachable(config.listen);
    let expected = compose::node_id(&secrets::node_key(folder)?.public_key());
    let (transport, _) = compose::transport(inquiry::any_port(address), secrets::new_key()?)?;
    let about = inquiry::about(transport, &rules.genesis, address, expected, *SystemEntropy.draw()?)
        .map_err(|error| Failure::Inquiry { folder: folder.path().into(), address, source: Box::new(error) })?;
    Ok(Standing {
        network: rules.genesis.network().into(),
        chain: about.chain.to_string(),
        height: about.height,
        tip: about.tip.to_hex(),
        source: Source::Node {
            address: address.to_string(),
            gateway: about.gateway.0.to_hex(),
            waiting: about.waiting,
            audit_entries: about.checkpoint.terms.size,
        },
    })
}
