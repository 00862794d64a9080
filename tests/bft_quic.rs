//! Validators as whole nodes over QUIC on loopback, with stores on disk. One is a process of its own and dies by SIGKILL; the others
//! go on deciding. Started again over the same folder it fetches what it missed and signs again, and nobody has anything to hold
//! against it.
//!
//! The test runs itself as the victim: a child that says on its standard output which height it has reached.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod bft_nodes;

use std::{
    env,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use bft_nodes::{VALIDATORS, genesis, height, parameters, secret, start};
use health_chain::{
    application::node::{Node, NodeEvent},
    consensus_bft::{BftParameters, Certificate},
    data::Height,
    network::Address,
    network_quic::{QuicConfig, QuicTransport},
};

const FOLDER: &str = "HEALTH_CHAIN_BFT_QUIC_FOLDER";
const PEERS: &str = "HEALTH_CHAIN_BFT_QUIC_PEERS";
const PATIENCE: Duration = Duration::from_secs(120);
/// Certificates name the first ones that sign; the victim is the very first, so that its word is seen again.
const VICTIM: u8 = 0;
/// How far the others get without it.
const HEIGHTS_WITHOUT: u32 = 5;

/// Short enough that a missing proposer costs little.
fn quick() -> BftParameters {
    BftParameters { propose_millis: 500, vote_millis: 300, ..parameters() }
}

fn bind(number: u8) -> (QuicTransport, Address) {
    let config = QuicConfig { listen: (Ipv4Addr::LOCALHOST, 0).into(), node_key: secret(20 + number) };
    let transport = QuicTransport::bind(config).unwrap();
    let address = Address(SocketAddr::to_string(&transport.local_address()));
    (transport, address)
}

/// Not a test of its own: what the child process does until it is killed.
#[test]
fn victim() {
    let Ok(folder) = env::var(FOLDER) else { return };
    let peers = env::var(PEERS).unwrap().split(' ').map(|peer| Address(peer.into())).collect();
    let (transport, address) = bind(VICTIM);
    let node = start(&genesis(&quick()), Path::new(&folder), VICTIM, Box::new(transport), address, peers);
    let events = node.events().unwrap();
    println!("height {}", height(&node));
    for event in events {
        if let NodeEvent::Tip { height, .. } = event {
            println!("height {}", height.0);
        }
    }
}

struct Victim {
    child: Child,
    heights: Receiver<u32>,
}

impl Victim {
    fn start(folder: &Path, peers: &[Address]) -> Self {
        let peers: Vec<&str> = peers.iter().map(|peer| peer.0.as_str()).collect();
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["victim", "--exact", "--nocapture"])
            .env(FOLDER, folder)
            .env(PEERS, peers.join(" "))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, heights) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let said = lines.filter_map(|line| line.strip_prefix("height ").and_then(|height| height.parse().ok()));
        thread::spawn(move || said.into_iter().try_for_each(|height| sender.send(height)));
        Self { child, heights }
    }

    fn wait_for(&self, wanted: u32) -> u32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let height = self.heights.recv_timeout(left).unwrap_or_else(|_| panic!("the victim never got to {wanted}"));
            if height >= wanted {
                return height;
            }
        }
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.code().is_none(), "it died of the signal, not of itself: {status}");
    }
}

/// Waits until `node` has a tip that `is_enough` of.
fn wait_until(node: &Node, events: &Receiver<NodeEvent>, what: &str, is_enough: impl Fn(u32) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_enough(height(node)) {
        let left = deadline.saturating_duration_since(Instant::now());
        events.recv_timeout(left).unwrap_or_else(|_| panic!("waited in vain: {what}, at height {}", height(node)));
    }
}

/// Whether the certificate of this height has the victim's signature.
fn has_signed(node: &Node, at: u32) -> bool {
    let seal = node.read(move |chain, _| {
        let id = chain.block_id_at(Height(at)).unwrap();
        chain.header(&id).unwrap().seal
    });
    let certificate = Certificate::from_bytes(&seal.unwrap(), VALIDATORS.into()).unwrap();
    certificate.signatures.iter().any(|(index, _)| *index == usize::from(VICTIM))
}

#[test]
fn a_validator_killed_and_started_again_catches_up_and_signs_again() {
    let folder = tempfile::tempdir().unwrap();
    let genesis = genesis(&quick());
    let bound: Vec<(QuicTransport, Address)> = (1..VALIDATORS).map(bind).collect();
    let addresses: Vec<Address> = bound.iter().map(|(_, address)| address.clone()).collect();
    let nodes: Vec<Node> = (1..VALIDATORS)
        .zip(bound)
        .map(|(number, (transport, address))| {
            let others = addresses.iter().filter(|other| **other != address).cloned().collect();
            start(&genesis, folder.path(), number, Box::new(transport), address, others)
        })
        .collect();
    let events: Vec<Receiver<NodeEvent>> = nodes.iter().map(|node| node.events().unwrap()).collect();
    let first = &nodes[0];

    let victim = Victim::start(folder.path(), &addresses);
    let began = victim.wait_for(3);
    wait_until(first, &events[0], "the victim's first signature", |height| {
        (1..=height).any(|at| has_signed(first, at))
    });
    victim.kill();

    let without = height(first);
    for (node, events) in nodes.iter().zip(&events) {
        wait_until(node, events, "three of four are a quorum", |height| height >= without + HEIGHTS_WITHOUT);
    }
    let missed = height(first);
    assert!(missed > began, "there is something to catch up with");
    // What was under way when it died is decided or not; of what came after, it knows nothing.
    assert!((without + 2..=missed).all(|at| !has_signed(first, at)), "the dead don't sign");

    let victim = Victim::start(folder.path(), &addresses);
    assert!(victim.wait_for(missed + 1) > missed, "it has fetched what it missed");
    wait_until(first, &events[0], "the victim's signature", |height| {
        (missed + 1..=height).any(|at| has_signed(first, at))
    });
    victim.kill();

    for (node, events) in nodes.iter().zip(&events) {
        let tip = height(first);
        wait_until(node, events, "one chain", |height| height >= tip);
        let block = |node: &Node| node.read(move |chain, _| chain.block_id_at(Height(tip)).unwrap()).unwrap();
        assert_eq!(block(node), block(first), "one block at one height");
        assert!(events.try_iter().all(|event| !matches!(event, NodeEvent::Accused { .. })), "nobody is accused");
    }
}
