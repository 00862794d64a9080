//! What a command may fail of, and what to do then.

use std::{io, net::SocketAddr, path::PathBuf};

use health_chain::{
    application::{
        council::CouncilError,
        node::{StartError, Stopped, SubmitError},
        ports::{EntropyError, ObjectError},
        wallet::WalletError,
    },
    consensus::OpenError,
    contract::script::{AssemblyError, Fault},
    data::{
        PublicKey,
        keys::{derivation::DerivationError, mnemonic::MnemonicError},
        ports::{SignerError, StoreError},
    },
    data_simd::{Kernel, UnknownKernel, UnsupportedKernel, kernels},
    incentive::issuance::IssuanceError,
};
use thiserror::Error;

use crate::{
    bench::self_check::Wrong, compose::ComposeError, folder::FileError, inquiry::InquiryError, paper::PaperError,
    text::TextError,
};

/// Why a command failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// The log filter does not parse.
    #[error("--log is neither a level nor a filter")]
    LogFilter(#[source] tracing_subscriber::filter::ParseError),
    /// A file of the folder is of no use.
    #[error(transparent)]
    File(#[from] FileError),
    /// The folder is made already.
    #[error("{} is a node's folder already; nothing was changed", .0.display())]
    AlreadyMade(PathBuf),
    /// The node is to connect to where it listens.
    #[error("{address} is where this node is to listen, and where it is to connect to")]
    ConnectsToItself { address: SocketAddr },
    /// The genesis document does not make a chain.
    #[error("{} does not describe a chain", .path.display())]
    Genesis {
        path: PathBuf,
        #[source]
        source: ComposeError,
    },
    /// The genesis document can't be written as text.
    #[error("the genesis document can't be written")]
    WriteGenesis(#[from] toml::ser::Error),
    /// The words are none.
    #[error("{} does not hold the words of a wallet", .path.display())]
    WordsFile {
        path: PathBuf,
        #[source]
        source: MnemonicError,
    },
    /// The node's key is none.
    #[error("{} does not hold the 64 hexadecimal digits of a key", .path.display())]
    NodeKeyFile { path: PathBuf },
    /// No words from that much randomness.
    #[error(transparent)]
    Words(#[from] MnemonicError),
    /// No key follows from the words.
    #[error("no key follows from the words")]
    Derivation(#[from] DerivationError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// A store can't be opened.
    #[error("{} can't be opened", .path.display())]
    Store {
        path: PathBuf,
        #[source]
        source: StoreError,
    },
    /// The folder of the records can't be opened.
    #[error("{} can't be opened", .path.display())]
    Objects {
        path: PathBuf,
        #[source]
        source: ObjectError,
    },
    /// The wallet can't be used.
    #[error("the wallet can't be used")]
    Wallet(#[from] WalletError),
    /// The wallet made no transaction.
    #[error("nothing was sent")]
    Payment(#[source] WalletError),
    /// The wallet has not coins enough.
    #[error("{needed} are needed, the fee included, and the wallet can spend {available}")]
    TooFewCoins { needed: String, available: String },
    /// Less than a vote costs.
    #[error("one vote costs {unit}, and {amount} buy none")]
    BelowUnit { amount: String, unit: String },
    /// The node refused a transaction.
    #[error("the node has not taken the transaction")]
    NotTaken(#[source] SubmitError),
    /// Text is not what it should be.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The chain has no such token.
    #[error("this chain has no token {symbol}")]
    NoToken { symbol: String },
    /// One signature is not enough.
    #[error("{threshold} issuers sign together when {symbol} is minted, and this command signs for one")]
    SeveralIssuers { symbol: String, threshold: u8 },
    /// Not an issuer, or too much.
    #[error("nothing was minted")]
    Issuance(#[from] IssuanceError),
    /// Nothing is bonded on this chain.
    #[error("stake does not decide on this chain")]
    NoStake,
    /// Nobody is a validator on this chain.
    #[error("this chain has no validators: its engine is another one")]
    NoValidators,
    /// No council decides on this chain.
    #[error("no council decides on this chain")]
    NoCouncil,
    /// A rule of the council.
    #[error("the council does not take this")]
    Council(#[from] CouncilError),
    /// Neither a member nor an accreditor.
    #[error("{owner} has no seat in the council and admits no institution, so it has no vote on this")]
    NoVote { owner: PublicKey },
    /// Nobody has this seat.
    #[error("no seat in the council has the key {key}")]
    NoSeat { key: PublicKey },
    /// A newcomer without a name.
    #[error("the registry does not know this institution yet, so it needs a name")]
    NoName,
    /// A file holds no paper.
    #[error("this is no paper of the council")]
    Paper(#[from] PaperError),
    /// A key in memory does not sign.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// Only a running node can send something.
    #[error("no node runs on {}, and only a running one can do this", .0.display())]
    NoNode(PathBuf),
    /// The counter can't be opened.
    #[error("the node can't take orders")]
    Counter(#[source] io::Error),
    /// The node was given an order, and nothing came back.
    #[error("the node was given the order, and did not say what came of it")]
    Unanswered(#[source] io::Error),
    /// The node came to an order when its giver may have given up.
    #[error("the node was too busy to begin with the order in time, and has not carried it out")]
    TooLate,
    /// The node failed to carry out an order, for reasons of its own.
    #[error("{0}")]
    Answered(String),
    /// The chain can't be opened.
    #[error("the chain can't be opened")]
    Chain(#[from] OpenError),
    /// The chain's state can't be read.
    #[error("the chain's state can't be read")]
    State(#[source] StoreError),
    /// Nobody else can listen there.
    #[error("cannot accept connections at {listen}")]
    Listen {
        listen: SocketAddr,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The node did not start.
    #[error("the node did not start")]
    Start(#[from] StartError),
    /// The node has stopped by itself.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// Another one makes this chain's blocks.
    #[error("only the authority {authority} makes blocks on this chain, and this node's owner is {owner}")]
    NotTheAuthority { authority: PublicKey, owner: PublicKey },
    /// The validators are others, for good.
    #[error("only the chain's validators agree on its blocks, and this node's owner {owner} is none and never will be")]
    NotAValidator { owner: PublicKey },
    /// The running node does not say where it stands.
    #[error("a node runs on {}, but does not answer at {address}", .folder.display())]
    Inquiry {
        folder: PathBuf,
        address: SocketAddr,
        #[source]
        source: Box<InquiryError>,
    },
    /// Where the running node listens is not known.
    #[error("a node runs on {}, at a port that the system has chosen", .0.display())]
    UnknownPort(PathBuf),
    /// Ctrl-C can't be taken.
    #[error("cannot take signals")]
    Signals(#[from] ctrlc::Error),
    /// No hashing kernel of that name.
    #[error(transparent)]
    UnknownKernel(#[from] UnknownKernel),
    /// The kernel is for other processors.
    #[error(transparent)]
    UnsupportedKernel(#[from] UnsupportedKernel),
    /// What is to be measured computes something else than it should.
    #[error("nothing was measured: a published vector fails")]
    SelfCheck(#[from] Wrong),
    /// No threads to measure on.
    #[error("cannot start the threads to measure on")]
    Threads(#[source] io::Error),
    /// The system's clock is out of the range of a block's time.
    #[error("the system's clock does not show a time between 1970 and 2106")]
    Clock,
    /// A script can't be read.
    #[error("the script cannot be read")]
    Assembly(#[from] AssemblyError),
    /// A lock is not unlocked.
    #[error("not unlocked")]
    NotUnlocked(#[from] Fault),
    /// The output can't be written.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
}

impl Failure {
    /// What to do next, where that is known.
    pub(crate) fn advice(&self) -> Option<String> {
        Some(match self {
            Self::File(FileError::NoFolder(path)) => {
                format!("make it with: health-chain --dir {} init", path.display())
            }
            Self::File(FileError::Half { missing, .. }) => {
                format!("put {} back, or name another folder with --dir; nothing was changed", missing.display())
            }
            Self::File(FileError::Toml { .. }) => "correct the file at the line named".into(),
            Self::AlreadyMade(path) => {
                format!(
                    "start the node with: health-chain --dir {} run; or name another folder with --dir",
                    path.display()
                )
            }
            Self::ConnectsToItself { .. } => "give it an address of its own: --listen".into(),
            Self::Store { path, source: StoreError::Locked } => {
                let folder = path.parent().unwrap_or(path);
                format!(
                    "another health-chain runs on this folder; ask it with: health-chain --dir {} status",
                    folder.display()
                )
            }
            Self::Store { source: StoreError::Damaged { .. } | StoreError::Backend(_), path } => {
                format!(
                    "where the files are damaged, move {} away; the node fetches the chain again. A validator has lost its journal \
                     with it: let it run without --mine until the chain is higher than it had been",
                    path.display()
                )
            }
            Self::Listen { .. } => "set another address or port: `listen` in config.toml".into(),
            Self::Chain(OpenError::OtherChain { .. })
            | Self::Start(StartError::Chain(OpenError::OtherChain { .. })) => {
                "genesis.toml was changed after the first block: put the old one back, or move the folder's chain away"
                    .into()
            }
            Self::NoNode(path) => {
                format!("start it, and leave it running: health-chain --dir {} run", path.display())
            }
            Self::TooFewCoins { .. } => {
                "have somebody pay to what `wallet address` prints, or wait for the next block".into()
            }
            Self::NoName => "say what it is called: --name".into(),
            Self::Council(CouncilError::Sequence { .. }) => {
                "the council has decided something else meanwhile: begin the paper anew".into()
            }
            Self::Payment(WalletError::NothingLeaving { .. }) => "give notice first: health-chain unbond".into(),
            Self::Unanswered(_) => "look whether it was done before you give it again".into(),
            Self::NotTheAuthority { .. } | Self::NotAValidator { .. } => {
                "run this node without making blocks: health-chain run".into()
            }
            Self::Inquiry { .. } => "look at the node's own log; it may have just started".into(),
            Self::UnknownPort(_) => "name a port in config.toml (`listen`), or see the node's log".into(),
            Self::Stopped(_) => {
                "the reason is in the log above; where it is the disk, make room and start again".into()
            }
            Self::WordsFile { .. } => "the file holds the 12 to 24 words that were written down, on one line".into(),
            Self::UnknownKernel(_) | Self::UnsupportedKernel(_) => {
                let names: Vec<&str> = kernels().into_iter().map(Kernel::name).collect();
                format!("this processor has: {}", names.join(", "))
            }
            Self::Threads(_) => "measure on fewer: --threads".into(),
            Self::LogFilter(_) => "try --log info, or --log warn,health_chain_network=debug".into(),
            _ => return None,
        })
    }
}
