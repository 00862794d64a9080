//! `mine`: so many blocks, with a progress bar.

use std::{io::Write, sync::mpsc::RecvTimeoutError, time::Instant};

use clap::Args;
use health_chain::application::node::{NodeEvent, Stopped};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::run::PATIENCE;
use crate::{
    compose,
    config::Config,
    failure::Failure,
    folder::{self, Folder},
    interrupt::Interrupt,
};

/// What `mine` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// How many blocks to make.
    #[arg(long, short = 'n', default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    blocks: u64,
}

const BAR: &str = "{wide_bar} {pos}/{len} blocks, {elapsed}, {msg}";

/// Every block is printed when it is on disk, and not before.
pub(crate) fn run(folder: &Folder, options: &Options, out: &mut impl Write) -> Result<(), Failure> {
    folder.check()?;
    let interrupt = Interrupt::install()?;
    let config: Config = folder::read_toml(&folder.config())?;
    let site = compose::start(folder, &config, true)?;
    let events = site.node.events()?;
    let bar = ProgressBar::new(options.blocks);
    bar.set_style(ProgressStyle::with_template(BAR).expect("the template is well-formed"));
    let begun = Instant::now();
    site.node.mine_blocks(options.blocks, site.payout)?;
    let mut made = 0;
    while made < options.blocks && !interrupt.is_raised() {
        match events.recv_timeout(PATIENCE) {
            Ok(NodeEvent::Mined { id, height }) => {
                made += 1;
                bar.suspend(|| writeln!(out, "block {height} {id}"))?;
                bar.inc(1);
            }
            Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Stopped.into()),
        }
        bar.set_message(rate(site.node.status()?.hashes, begun));
    }
    let rate = rate(site.node.status()?.hashes, begun);
    bar.finish_and_clear();
    site.node.stop();
    writeln!(out, "made {made} of {} blocks at {rate}", options.blocks)?;
    Ok(())
}

fn rate(hashes: u64, since: Instant) -> String {
    let per_second = hashes as f64 / since.elapsed().as_secs_f64();
    format!("{} hashes/s", HumanCount(per_second as u64))
}
