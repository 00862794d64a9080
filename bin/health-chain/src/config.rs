//! `config.toml`: what a node's owner decides alone.

use std::{fmt::Write, net::SocketAddr};

use serde::{Deserialize, Serialize};

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
}

/// This machine alone.
pub(crate) const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7070);

impl Default for Config {
    fn default() -> Self {
        Self { listen: DEFAULT_LISTEN, connect: Vec::new(), mining_threads: 0, status_seconds: 30 }
    }
}

impl Config {
    /// The file, with a word on each field.
    pub(crate) fn to_file(&self) -> String {
        let Self { listen, connect, mining_threads, status_seconds } = self;
        let connect: Vec<String> = connect.iter().map(|address| format!("\"{address}\"")).collect();
        let mut file = String::from("# How this node runs. Every line may be left out.\n\n");
        let fields = [
            (
                "Where to accept connections (UDP). 127.0.0.1 is this machine alone, 0.0.0.0 all networks it is in.",
                format!("listen = \"{listen}\""),
            ),
            ("Nodes to stay connected with.", format!("connect = [{}]", connect.join(", "))),
            ("Threads that search for blocks; 0 for one per core.", format!("mining_threads = {mining_threads}")),
            (
                "How often `run` says where the node stands, in seconds; 0 for never.",
                format!("status_seconds = {status_seconds}"),
            ),
        ];
        for (words, line) in fields {
            writeln!(file, "# {words}\n{line}\n").expect("a string takes any text");
        }
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
        };
        assert_eq!(toml::from_str::<Config>(&config.to_file()).unwrap(), config);
        assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
        assert!(toml::from_str::<Config>("lisen = \"127.0.0.1:1\"").is_err());
    }
}
