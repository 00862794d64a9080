//! The kinds of faults, and how often each has fired.

use std::collections::BTreeMap;

use super::Consensus;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A frame is lost, and its connection with it.
    Loss,
    /// A frame overtakes an earlier one of another priority.
    Reordering,
    /// Nodes reach few others, for good, and everything takes several hops. In every second seed.
    Firewalls,
    /// The network falls into two halves.
    Halves,
    /// Nodes reach only their two neighbours.
    Ring,
    /// What one node sends reaches nobody; what others send reaches it.
    OneWay,
    /// A node dies between two turns, and is started again from its disk.
    Crash,
    /// A node dies in a commit, of which nothing is on the disk.
    LostWrite,
    /// A node dies in a commit that is on the disk, before it hears of that.
    UnheardWrite,
    /// One commit fails.
    FailedCommit,
    /// Commits fail for a while.
    FullDisk,
    /// A clock jumps.
    ClockSkew,
    /// A peer announces blocks and transactions, and does not deliver them.
    Withhold,
    /// A peer claims a tip that nobody has.
    FalseTip,
    /// A peer sends blocks that break a rule.
    InvalidBlock,
    /// A peer sends transactions that break a rule.
    InvalidTransaction,
    /// A peer sends again what it sent before.
    Replay,
    /// The authority signs two blocks of one height. Under [`Solo`](health_chain::consensus::Solo) only.
    Equivocation,
    /// From some moment on, a validator says one thing to one half of its peers and another to the other half, votes and proposals alike.
    /// Under [`Bft`](Consensus::Bft) and [`Pos`](Consensus::Pos) only, as are the next three.
    DoubleVote,
    /// A validator says nothing.
    SilentValidator,
    /// A validator proposes blocks that break a rule.
    FalseProposal,
    /// A node dies after its validator has kept something in its journal and acted on it, and of that record the disk has only the beginning,
    /// though the node had heard that it has all.
    TornJournal,
    /// A miner keeps its blocks back, and publishes them when they make the work of others void. Under
    /// [`ProofOfWork`](Consensus::ProofOfWork) only, as is the next.
    SelfishMiner,
    /// A miner mines beside a block that took many fees, and leaves fees to whoever follows its own.
    Undercutter,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Self; 24] = [
        Self::Loss,
        Self::Reordering,
        Self::Firewalls,
        Self::Halves,
        Self::Ring,
        Self::OneWay,
        Self::Crash,
        Self::LostWrite,
        Self::UnheardWrite,
        Self::FailedCommit,
        Self::FullDisk,
        Self::ClockSkew,
        Self::Withhold,
        Self::FalseTip,
        Self::InvalidBlock,
        Self::InvalidTransaction,
        Self::Replay,
        Self::Equivocation,
        Self::DoubleVote,
        Self::SilentValidator,
        Self::FalseProposal,
        Self::TornJournal,
        Self::SelfishMiner,
        Self::Undercutter,
    ];

    /// All kinds that there are under a consensus.
    pub fn all_under(consensus: &Consensus) -> Vec<Self> {
        let fits = |fault: &Self| match fault {
            Self::Equivocation => matches!(consensus, Consensus::Solo),
            Self::TornJournal => consensus.has_validators(),
            fault if fault.is_miners() => matches!(consensus, Consensus::ProofOfWork),
            fault => !fault.is_validators() || consensus.has_validators(),
        };
        Self::ALL.into_iter().filter(fits).collect()
    }

    /// Whether the fault is a peer's own doing: each such kind has a node of its own.
    pub const fn is_byzantine(self) -> bool {
        matches!(self, Self::Withhold | Self::FalseTip | Self::InvalidBlock | Self::InvalidTransaction | Self::Replay)
            || self.is_validators()
            || self.is_miners()
    }

    /// Whether the peer whose doing it is has a vote.
    pub const fn is_validators(self) -> bool {
        matches!(self, Self::DoubleVote | Self::SilentValidator | Self::FalseProposal)
    }

    /// Whether the peer whose doing it is has hash power.
    pub const fn is_miners(self) -> bool {
        matches!(self, Self::SelfishMiner | Self::Undercutter)
    }

    /// Whether the fault begins at a moment that the simulator picks. Others lie in the links, or in a peer.
    pub const fn is_scheduled(self) -> bool {
        !self.is_byzantine() && !matches!(self, Self::Loss | Self::Reordering | Self::Firewalls | Self::Equivocation)
    }
}

/// How often each kind has fired.
pub type Counts = BTreeMap<Fault, u64>;

/// The kinds of `enabled` that have not fired in any of the runs whose counts were added up: a run with one of them has tested
/// less than it says.
pub fn silent(enabled: &[Fault], counts: &Counts) -> Vec<Fault> {
    enabled.iter().filter(|fault| !counts.contains_key(fault)).copied().collect()
}
