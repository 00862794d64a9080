//! The engines that experiments compare, each with an interval that is usual for it.

use health_chain_testkit::sim::{Consensus, Options};

/// An engine under study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Studied {
    Solo,
    Bft,
    Pos,
    ProofOfWork,
}

impl Studied {
    pub(crate) const ALL: [Self; 4] = [Self::Solo, Self::Bft, Self::Pos, Self::ProofOfWork];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Solo => "solo",
            Self::Bft => "bft",
            Self::Pos => "pos",
            Self::ProofOfWork => "pow",
        }
    }

    /// Seconds between blocks.
    pub(crate) const fn interval_seconds(self) -> u32 {
        match self {
            Self::Solo | Self::Bft | Self::Pos => 2,
            Self::ProofOfWork => 60,
        }
    }

    /// A network of `nodes` nodes that run the engine, without faults, patients or payers. Where there are validators, every node is one.
    pub(crate) fn options(self, nodes: usize) -> Options {
        Options {
            consensus: match self {
                Self::Solo => Consensus::Solo,
                Self::Bft => Consensus::Bft,
                Self::Pos => Consensus::Pos,
                Self::ProofOfWork => Consensus::ProofOfWork,
            },
            interval_seconds: self.interval_seconds(),
            nodes,
            gateways: 1,
            patients: 0,
            faults: Vec::new(),
            settled_blocks: u32::MAX,
            healed_millis: 0,
            replays: false,
            ..Options::default()
        }
    }
}
