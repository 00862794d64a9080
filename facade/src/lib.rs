#![doc = include_str!("../README.md")]
#![no_std]

pub use health_chain_application as application;
pub use health_chain_consensus as consensus;
pub use health_chain_contract as contract;
pub use health_chain_data as data;
pub use health_chain_incentive as incentive;
pub use health_chain_network as network;

#[cfg(feature = "consensus-bft")]
pub use health_chain_consensus_bft as consensus_bft;
#[cfg(feature = "consensus-pos")]
pub use health_chain_consensus_pos as consensus_pos;
#[cfg(feature = "consensus-pow")]
pub use health_chain_consensus_pow as consensus_pow;
#[cfg(feature = "data-simd")]
pub use health_chain_data_simd as data_simd;
#[cfg(feature = "data-sled")]
pub use health_chain_data_sled as data_sled;
#[cfg(feature = "network-quic")]
pub use health_chain_network_quic as network_quic;

/// The project's front page, so that its examples compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct FrontPage;
