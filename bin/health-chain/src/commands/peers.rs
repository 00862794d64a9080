//! `peers`: the nodes that a running one is connected with.

use std::io::Write;

use clap::Args;
use health_chain::network::{PeerInfo, ports::Direction};
use serde::{Deserialize, Serialize};

use crate::{failure::Failure, office::Office, text};

/// What `peers` takes.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(crate) struct Options {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// With whom a node is connected.
#[derive(Serialize)]
struct Company {
    peers: Vec<Entry>,
    /// How many are banned for some time.
    banned: usize,
}

#[derive(Serialize)]
struct Entry {
    id: String,
    /// Where it is, as this node sees it.
    address: String,
    /// Where it accepts connections, if it says so.
    listens: Option<String>,
    dialled: Dialled,
    /// The height of its chain when the connection began.
    greeted_with_height: u32,
    round_trip_millis: Option<u64>,
}

/// Who opened the connection.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Dialled {
    ByThisNode,
    ByThePeer,
}

impl From<PeerInfo> for Entry {
    fn from(peer: PeerInfo) -> Self {
        Self {
            id: peer.id.to_string(),
            address: peer.address.0,
            listens: peer.listen.map(|address| address.0),
            dialled: match peer.direction {
                Direction::Inbound => Dialled::ByThePeer,
                Direction::Outbound => Dialled::ByThisNode,
            },
            greeted_with_height: peer.height.0,
            round_trip_millis: peer.round_trip_millis,
        }
    }
}

pub(crate) fn carry_out(office: &Office<'_>, options: &Options, out: &mut impl Write) -> Result<(), Failure> {
    let status = office.status()?;
    let company = Company { peers: status.peers.into_iter().map(Entry::from).collect(), banned: status.bans };
    if options.json {
        return Ok(writeln!(out, "{}", text::json(&company))?);
    }
    writeln!(out, "{} connected, {} banned", company.peers.len(), company.banned)?;
    for peer in &company.peers {
        let direction = match peer.dialled {
            Dialled::ByThisNode => "to",
            Dialled::ByThePeer => "from",
        };
        write!(out, "{}  {direction} {}", peer.id, peer.address)?;
        match peer.round_trip_millis {
            Some(millis) => writeln!(out, ", answers in {millis} ms")?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}
