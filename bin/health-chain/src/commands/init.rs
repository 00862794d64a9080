//! `init`: makes a node's folder.

use std::{
    fmt::Display,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use clap::{Args, ValueEnum};

use crate::{
    compose::{self, Rules},
    config::{Config, DEFAULT_LISTEN},
    failure::Failure,
    folder::{self, Folder, Made, Readers},
    genesis_file::{ConsensusRules, GenesisFile, InstitutionEntry},
    secrets,
    text::{self, KeyText, TextError},
};

/// What `init` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// The name of the new network.
    #[arg(long, default_value = "development", conflicts_with = "genesis")]
    network: String,

    /// How blocks of the new chain are made: pow is proof of work, pos by whoever has bonded tokens, bft by agreement of institutions, solo
    /// by the owner of this folder alone. Until others join, the owner makes them alone in all four.
    #[arg(long, value_enum, default_value_t = Consensus::Pow, conflicts_with = "genesis")]
    consensus: Consensus,

    /// The name of the owner's institution.
    #[arg(long, default_value = "the owner of this chain", conflicts_with = "genesis")]
    name: String,

    /// Another institution that founds the chain, with the identity key that its own `init` has shown; may be given more than once. Founders
    /// have the same votes, on blocks (pos, bft) and on institutions to be admitted.
    #[arg(long = "founder", value_name = "NAME=KEY", value_parser = founder, conflicts_with = "genesis")]
    founders: Vec<InstitutionEntry>,

    /// Join the chain that this genesis document describes, instead of beginning a new one: another node's genesis.toml.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,

    /// Use the words in this file instead of new ones.
    #[arg(long, value_name = "FILE")]
    words: Option<PathBuf>,

    /// Where the node is to accept connections.
    #[arg(long, value_name = "ADDRESS", value_parser = text::address, default_value_t = DEFAULT_LISTEN)]
    listen: SocketAddr,

    /// A node to stay connected with; may be given more than once.
    #[arg(long, value_name = "ADDRESS", value_parser = text::address)]
    connect: Vec<SocketAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Consensus {
    Pow,
    Pos,
    Bft,
    Solo,
}

/// Bytes of randomness behind new words: 24 of them.
const WORDS_ENTROPY_BYTES: usize = 32;

pub(crate) fn run(folder: &Folder, options: Options, out: &mut impl Write) -> Result<(), Failure> {
    match folder.made() {
        Made::Nothing => {}
        Made::All => return Err(Failure::AlreadyMade(folder.path().into())),
        Made::Half { .. } => folder.check()?,
    }
    if options.connect.contains(&options.listen) {
        return Err(Failure::ConnectsToItself { address: options.listen });
    }
    let words = match &options.words {
        Some(path) => secrets::read_words(path)?,
        None => secrets::new_words(WORDS_ENTROPY_BYTES)?,
    };
    let owner = secrets::identity(&words)?.public_key();
    let (genesis, rules) = match &options.genesis {
        Some(path) => existing(path)?,
        None => {
            let mut founders = vec![InstitutionEntry::new(options.name, KeyText(owner))];
            founders.extend(options.founders);
            let consensus = match options.consensus {
                Consensus::Pow => compose::development_pow(),
                Consensus::Pos => ConsensusRules::development_pos(&founders),
                Consensus::Bft => ConsensusRules::development_bft(&founders),
                Consensus::Solo => compose::development_solo(owner),
            };
            let file = GenesisFile::development(options.network, now()?, consensus, founders);
            let source = |source| Failure::Genesis { path: folder.genesis(), source };
            (file.to_file()?, Rules::new(&file).map_err(source)?)
        }
    };
    let config = Config { listen: options.listen, connect: options.connect, ..Config::default() };
    let node_key = secrets::new_key()?;
    let phrase = words.phrase();

    folder.create()?;
    folder::write_new(&folder.words(), &phrase, Readers::Owner)?;
    folder::write_new(&folder.node_key(), &secrets::key_to_file(&node_key), Readers::Owner)?;
    folder::write_new(&folder.genesis(), &genesis, Readers::Everybody)?;
    folder::write_new(&folder.config(), &config.to_file(), Readers::Everybody)?;

    let joins = options.genesis.is_some();
    let dir = folder.path().display();
    writeln!(out, "Made {dir}:")?;
    writeln!(out, "  config.toml      how this node runs")?;
    writeln!(out, "  genesis.toml     what all nodes of the chain agree on")?;
    writeln!(out, "  words.secret     the words from which all your keys follow: copy them to paper")?;
    writeln!(out, "  node-key.secret  by which other nodes know this one")?;
    writeln!(out)?;
    writeln!(out, "network   {}", rules.genesis.network())?;
    writeln!(out, "chain     {}", rules.genesis.chain_id())?;
    writeln!(out, "node      {}", compose::node_id(&node_key.public_key()))?;
    writeln!(out, "identity  {owner}")?;
    writeln!(out)?;
    if joins {
        if config.connect.is_empty() {
            writeln!(
                out,
                "Name a node of the chain in config.toml (connect), or to: health-chain run --connect ADDRESS"
            )?;
        }
        writeln!(out, "Next: health-chain --dir {dir} run")?;
    } else {
        founded(&dir, &rules, out)?;
    }
    Ok(())
}

/// What the founder of a chain has to know.
fn founded(dir: &impl Display, rules: &Rules, out: &mut impl Write) -> Result<(), Failure> {
    let (accreditors, threshold) = rules.accreditation();
    let (is_alone, count) = (accreditors.len() == 1, accreditors.len());
    write!(out, "This is a development network: ")?;
    if is_alone {
        writeln!(out, "your identity key alone admits institutions and mints its tokens.")?;
    } else {
        writeln!(out, "{threshold} of {count} founders admit institutions, and your identity key mints its tokens.")?;
    }
    writeln!(out, "For anything else, edit genesis.toml before the first block is made.")?;
    if !is_alone {
        writeln!(
            out,
            "The other founders need this genesis.toml in the place of theirs, before they run their nodes."
        )?;
    }
    writeln!(out)?;
    if is_alone {
        writeln!(out, "Next: health-chain --dir {dir} mine --blocks 3")?;
        writeln!(out, "Then: health-chain --dir {dir} run --mine")?;
    } else {
        writeln!(out, "Next: health-chain --dir {dir} run --mine")?;
    }
    Ok(())
}

/// Reads `NAME=KEY`.
fn founder(text: &str) -> Result<InstitutionEntry, TextError> {
    let (name, key) = text.rsplit_once('=').ok_or(TextError::Founder)?;
    Ok(InstitutionEntry::new(name.into(), text::key(key)?))
}

/// A genesis document as it stands, to the letter.
fn existing(path: &Path) -> Result<(String, Rules), Failure> {
    let text = folder::read(path)?;
    let rules =
        Rules::new(&folder::read_toml(path)?).map_err(|source| Failure::Genesis { path: path.into(), source })?;
    Ok((text, rules))
}

fn now() -> Result<u32, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| Failure::Clock)?;
    u32::try_from(since.as_secs()).map_err(|_| Failure::Clock)
}
