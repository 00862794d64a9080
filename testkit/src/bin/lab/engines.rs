//! The engines that experiments compare, each with an interval that is usual for it.

use std::sync::Arc;

use health_chain::{
    consensus::ports::Engine,
    consensus_bft::{Bft, BftParameters},
    data::{SecretKey, tagged_hash},
};
use health_chain_testkit::sim::{Consensus, Options, OwnEngine};

/// An engine under study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Studied {
    Solo,
    Bft,
    ProofOfWork,
}

impl Studied {
    pub(crate) const ALL: [Self; 3] = [Self::Solo, Self::Bft, Self::ProofOfWork];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Solo => "solo",
            Self::Bft => "bft",
            Self::ProofOfWork => "pow",
        }
    }

    /// Seconds between blocks.
    pub(crate) const fn interval_seconds(self) -> u32 {
        match self {
            Self::Solo | Self::Bft => 2,
            Self::ProofOfWork => 60,
        }
    }

    /// A network of `nodes` nodes that run the engine, without faults, patients or payers.
    pub(crate) fn options(self, nodes: usize) -> Options {
        let consensus = match self {
            Self::Solo => Consensus::Solo,
            Self::Bft => Consensus::Own(bft(nodes, self.interval_seconds())),
            Self::ProofOfWork => Consensus::ProofOfWork,
        };
        Options {
            consensus,
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

/// Every node is a validator.
fn bft(nodes: usize, interval_seconds: u32) -> OwnEngine {
    let parameters = BftParameters {
        interval_millis: interval_seconds * 1_000,
        ..BftParameters::equal((0..nodes).map(|node| validator(node).public_key()))
    };
    OwnEngine {
        genesis: Arc::new(move |genesis| genesis.with(&parameters)),
        genesis_seal: Vec::new(),
        engine: Arc::new(move |node, genesis| -> Box<dyn Engine> {
            let engine =
                if node < nodes { Bft::validator(genesis, Box::new(validator(node))) } else { Bft::follower(genesis) };
            Box::new(engine.expect("the document names the validators"))
        }),
    }
}

fn validator(node: usize) -> SecretKey {
    let bytes = tagged_hash("HC/laboratory/v1", &[b"validator", &(node as u64).to_le_bytes()]).0;
    SecretKey::from_bytes(&bytes).expect("a hash is hardly ever above the order of the group")
}
