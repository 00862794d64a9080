//! `keys`: words and what follows from them.

use std::io::Write;

use clap::{Args, Subcommand};
use health_chain::{
    application::{ports::SystemEntropy, wallet::Wallet},
    data::{codec, keys::Mnemonic},
};
use tracing::warn;

use crate::{compose, failure::Failure, folder::Folder, secrets};

/// What `keys` takes.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make new words and print them. They are written nowhere: `init --words FILE` uses them.
    New {
        /// How many words: 12 or 24.
        #[arg(long, default_value_t = 24, value_parser = word_count)]
        words: usize,
    },
    /// Print the public keys of this folder's owner and node.
    Show {
        /// Print the secret words, too. Whoever reads them has all your keys, records and coins.
        #[arg(long)]
        secret: bool,
    },
}

pub(crate) fn run(folder: &Folder, options: &Options, out: &mut impl Write) -> Result<(), Failure> {
    match options.command {
        Command::New { words } => {
            // Three words stand for four bytes and their checksum (BIP39).
            let words = secrets::new_words(words / 3 * 4)?;
            show_words(&words, out)?;
            show_public(&words, out)
        }
        Command::Show { secret } => {
            folder.check()?;
            let words = secrets::read_words(&folder.words())?;
            if secret {
                show_words(&words, out)?;
            }
            show_public(&words, out)?;
            let node_key = secrets::node_key(folder)?.public_key();
            writeln!(out, "node          {}", compose::node_id(&node_key))?;
            writeln!(out, "node key      {node_key}")?;
            Ok(())
        }
    }
}

fn show_words(words: &Mnemonic, out: &mut impl Write) -> Result<(), Failure> {
    warn!("whoever reads these words has all keys, records and coins that follow from them");
    writeln!(out, "words         {}", *words.phrase())?;
    Ok(())
}

fn show_public(words: &Mnemonic, out: &mut impl Write) -> Result<(), Failure> {
    let wallet = Wallet::open(compose::memory_store(), words, "")?;
    let card = codec::encode(&wallet.contact_card(&mut SystemEntropy)?);
    writeln!(out, "identity      {}", wallet.identity().public_key())?;
    writeln!(out, "contact card  {}", hex::encode(card))?;
    Ok(())
}

fn word_count(text: &str) -> Result<usize, WordCountError> {
    match text {
        "12" => Ok(12),
        "24" => Ok(24),
        _ => Err(WordCountError),
    }
}

/// Another number of words than the two that are on offer.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("12 or 24 words")]
struct WordCountError;
