//! `config.toml`: what a node's owner decides alone.

use std::{fmt::Write, net::SocketAddr};

use serde::{Deserialize, Serialize};

use crate::text::CheckpointText;

/// `config.toml`. Every field has a default, so that a file may name only what differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where to accept connections.
    pub(crate) listen: SocketAddr,
    /// Nodes to stay connected with.
    pub(crate) connect: Vec<SocketAddr>,
    /// Threads that search for blocks; 0 for one per core.
    pub(crate) mining_threads: usize,
    /// How often `run` says where the node stands, in seconds; 0 for never.
    pub(crate) status_seconds: u32,
    /// A block that the chain has to go through.
    pub(crate) checkpoint: Option<CheckpointText>,
}

const CHECKPOINT_WORDS: &str = "\
# A block that the chain has to go through, as somebody trustworthy names it. Under pos and bft a node that is new, or was away for more
# blocks than genesis.toml says under evidence_blocks, needs one that is younger than that.";

/// This machine alone.
pub(crate) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7070);

impl Default for Config {
    fn default() -> Self {
        Self { listen: DEFAULT_LISTEN, connect: Vec::new(), mining_threads: 0, status_seconds: 30, checkpoint: None }
    }
}

impl Config {
    /// The file, with a word on each field.
    pub(crate) fn to_file(&self) -> String {
        let Self { listen, connect, mining_threads, status_seconds, checkpoint } = self;
        let connect: Vec<String> = connect.iter().map(|address| format!("\"{address}\"")).collect();
        let mut file = String::from("# How this node runs. Every line may be left out.\n\n");
        let fields = [
            (
                "Where to accept connections (UDP). 127.0.0.1 is this machine alone, 0.0.0.0 all networks it is in.",
                format!("listen = \"{listen}\""),
            ),
            ("Nodes to stay connected with, by IP address and port.", format!("connect = [{}]", connect.join(", "))),
            ("Threads that search for blocks; 0 for one per core.", format!("mining_threads = {mining_threads}")),
            (
                "How often `run` says where the node stands, in seconds; 0 for never.",
                format!("status_seconds = {status_seconds}"),
            ),
        ];
        for (words, line) in fields {
            writeln!(file, "# {words}\n{line}\n").expect("a string takes any text");
        }
        let (mark, text) = match checkpoint {
            Some(checkpoint) => ("", String::from(*checkpoint)),
            None => ("# ", "HEIGHT:BLOCK".into()),
        };
        writeln!(file, "{CHECKPOINT_WORDS}\n{mark}checkpoint = \"{text}\"").expect("a string takes any text");
        file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_reads_back() {
        let config = Config {
            listen: "[::]:7071".parse().unwrap(),
            connect: vec![DEFAULT_LISTEN, "10.0.0.1:9".parse().unwrap()],
            mining_threads: 3,
            status_seconds: 4,
            checkpoint: Some(format!("7:{}", "ab".repeat(32)).try_into().unwrap()),
        };
        assert_eq!(toml::from_str::<Config>(&config.to_file()).unwrap(), config);
        assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
        assert!(toml::from_str::<Config>("lisen = \"127.0.0.1:1\"").is_err());
    }
}
