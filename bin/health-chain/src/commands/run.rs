//! `run`: the node, until Ctrl-C.

use std::{
    net::SocketAddr,
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant},
};

use clap::Args;
use health_chain::{
    application::{
        gateway::Gateway,
        node::{Node, Stopped},
    },
    data::Height,
};
use tracing::{info, warn};

use crate::{
    compose,
    config::Config,
    counter::Counter,
    failure::Failure,
    folder::{self, Folder},
    interrupt::Interrupt,
    office::Office,
    text,
};

/// What `run` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Make blocks, and take their rewards with this folder's wallet.
    #[arg(long)]
    mine: bool,

    /// A node to stay connected with, beside those in config.toml; may be given more than once.
    #[arg(long, value_name = "ADDRESS", value_parser = text::address)]
    connect: Vec<SocketAddr>,
}

/// How often Ctrl-C is looked for.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

pub(crate) fn run(folder: &Folder, options: Options) -> Result<(), Failure> {
    folder.check()?;
    let interrupt = Interrupt::install()?;
    let mut config: Config = folder::read_toml(&folder.config())?;
    config.connect.extend(options.connect);
    let site = compose::start(folder, &config, options.mine)?;
    // Before anybody is told that the node is up.
    let counter = Counter::open(folder)?;
    let events = site.node.events()?;
    let status = site.node.status()?;
    info!(chain = %status.chain, height = status.height.0, tip = %status.tip, "chain opened");
    info!(node = %site.node.id(), address = %site.address, "accepting connections");
    let (node, gateway, rules) = (site.node, site.gateway, site.rules);
    if options.mine {
        node.mine(site.payout)?;
    }
    let mut reporter = Reporter::new(&config);
    while !interrupt.is_raised() {
        match events.recv_timeout(PATIENCE) {
            // The node itself logs tips and peers.
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Stopped.into()),
        }
        counter.serve(|order| Office::of(folder, &rules, &node, &gateway).carry_out(order));
        reporter.report(&node, &gateway)?;
    }
    info!("stopping");
    drop(counter);
    node.stop();
    Ok(())
}

/// Says now and then where the node stands.
struct Reporter {
    every: Duration,
    last: Instant,
    hashes: u64,
    height: Height,
    /// The configuration names nodes to stay connected with.
    expects_peers: bool,
}

impl Reporter {
    fn new(config: &Config) -> Self {
        Self {
            every: Duration::from_secs(config.status_seconds.into()),
            last: Instant::now(),
            hashes: 0,
            height: Height::ZERO,
            expects_peers: !config.connect.is_empty(),
        }
    }

    fn report(&mut self, node: &Node, gateway: &Gateway) -> Result<(), Stopped> {
        let passed = self.last.elapsed();
        if self.every.is_zero() || passed < self.every {
            return Ok(());
        }
        let status = node.status()?;
        let hashes_per_second = (status.hashes - self.hashes) as f64 / passed.as_secs_f64();
        info!(
            height = status.height.0,
            best_header = status.best_header.0,
            peers = status.peers.len(),
            banned = status.bans,
            is_in_step = status.is_in_step,
            waiting = status.waiting,
            hashes_per_second = hashes_per_second.round(),
            is_silent = status.is_silent,
            "status"
        );
        if self.expects_peers && status.peers.is_empty() {
            warn!(
                "no peer is connected, so nothing is learned of the chain: see `connect` in config.toml, and the firewall for UDP"
            );
        } else if status.height == self.height && status.best_header > status.height {
            let missing = status.best_header.0 - status.height.0;
            warn!(missing, "no block has been taken since the last status, though headers of more are known");
        }
        let blocks = gateway.uncleared_reorganisation();
        if blocks > 0 {
            warn!(
                blocks,
                "the gateway serves nobody since a reorganisation: look at what it undid, then `health-chain resume`"
            );
        }
        (self.last, self.hashes, self.height) = (Instant::now(), status.hashes, status.height);
        Ok(())
    }
}
