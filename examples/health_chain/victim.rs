//! A node in a process of its own, so that it can be killed for real: the example runs itself again.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use health_chain::{
    application::node::NodeEvent,
    data::{BlockId, Genesis, Hash, codec},
};

use crate::{
    Failure, ensure,
    setup::{Network, Role, fresh_key},
};

/// Names the folder of the node to be killed; set in its process only.
const FOLDER: &str = "HEALTH_CHAIN_EXAMPLE_VICTIM";

/// The folder, if this process is the victim.
pub(crate) fn folder() -> Option<PathBuf> {
    env::var_os(FOLDER).map(PathBuf::from)
}

/// Runs a node until somebody kills it. Reads the genesis document and a peer's address, a line each, and says every tip that
/// is on its disk.
pub(crate) fn run(folder: &Path) -> Result<(), Failure> {
    let mut lines = io::stdin().lines();
    let mut line = || lines.next().ok_or("the parent has said nothing")?.map_err(Failure::from);
    let genesis = hex::decode(line()?).map_err(|error| error.to_string())?;
    let genesis: Genesis = codec::decode(&genesis)?;
    let peer: SocketAddr = line()?.parse()?;
    let network = Network::join(genesis)?;
    let site = network.node(folder, fresh_key()?, fresh_key()?, Role::Follower, &[peer])?;
    for event in site.node.events()? {
        if let NodeEvent::Tip { id, .. } = event {
            println!("{id}");
            io::stdout().flush()?;
        }
    }
    Err("the victim's node has stopped by itself".into())
}

/// The other process.
pub(crate) struct Victim {
    child: Child,
    tips: io::Lines<BufReader<ChildStdout>>,
}

impl Victim {
    pub(crate) fn start(network: &Network, folder: &Path, peer: SocketAddr) -> Result<Self, Failure> {
        let mut child = Command::new(env::current_exe()?)
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().ok_or("no way to talk to the victim")?;
        writeln!(stdin, "{}\n{peer}", hex::encode(codec::encode(&network.genesis)))?;
        let stdout = child.stdout.take().ok_or("no way to hear the victim")?;
        Ok(Self { child, tips: BufReader::new(stdout).lines() })
    }

    /// Waits for the next tip that it has on its disk.
    pub(crate) fn next_tip(&mut self) -> Result<BlockId, Failure> {
        let line = self.tips.next().ok_or("the victim has died by itself")??;
        Ok(BlockId(Hash::from_hex(&line).ok_or("the victim does not speak clearly")?))
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) -> Result<(), Failure> {
        self.child.kill()?;
        let status = self.child.wait()?;
        ensure(status.code().is_none(), "the victim dies of the signal")
    }
}
