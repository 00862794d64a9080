//! Hostile and random frames: a message has one byte form, and everything else is a typed error.

mod common;

use common::{Puppet, World, address, block_on, genesis, peer_id, transaction};
use health_chain_data::{BlockId, ChainId, Hash, Height, Kind, TxId, codec};
use health_chain_network::{
    Address, EncodedTransaction, Event, Hello, Item, Message, TipView, Transport, message::PROTOCOL_VERSION,
};
use proptest::{collection::vec, option, prelude::*};

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        hash().prop_map(|hash| Item::Block(BlockId(hash))),
        hash().prop_map(|hash| Item::Transaction(TxId(hash))),
        hash().prop_map(|hash| Item::Revocation(TxId(hash))),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..300)
}

fn hello() -> impl Strategy<Value = Hello> {
    (any::<(u32, u32, u64)>(), "[a-z]{0,64}", hash(), hash(), option::of("[a-z.:0-9]{0,256}")).prop_map(
        |((version, height, nonce), network, genesis, tip, listen)| Hello {
            version,
            network,
            genesis: ChainId(genesis),
            tip: BlockId(tip),
            height: Height(height),
            listen: listen.map(Address),
            nonce,
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    let header = (hash(), any::<u32>()).prop_map(|(parent, salt)| block_on(BlockId(parent), salt, vec![]).header);
    prop_oneof![
        hello().prop_map(Message::Hello),
        Just(Message::Ready),
        vec(item(), 0..20).prop_map(Message::Announce),
        vec(item(), 0..20).prop_map(Message::Request),
        vec(item(), 0..20).prop_map(Message::NotFound),
        vec(bytes().prop_map(EncodedTransaction), 0..5).prop_map(Message::Transactions),
        bytes().prop_map(Message::Block),
        vec(hash().prop_map(BlockId), 0..64).prop_map(|locator| Message::GetHeaders { locator }),
        vec(header, 0..10).prop_map(Message::Headers),
        Just(Message::GetPeers),
        vec("[a-z.:0-9]{0,256}".prop_map(Address), 0..10).prop_map(Message::Peers),
        any::<u64>().prop_map(|nonce| Message::Ping { nonce }),
        any::<u64>().prop_map(|nonce| Message::Pong { nonce }),
        (any::<u64>(), bytes()).prop_map(|(id, body)| Message::AppRequest { id, body }),
        (any::<u64>(), bytes()).prop_map(|(id, body)| Message::AppResponse { id, body }),
    ]
}

proptest! {
    #[test]
    fn a_message_reads_back(message in message()) {
        prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn what_decodes_is_what_would_be_encoded(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }
}

/// SplitMix64: plain, seeded, repeatable.
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

fn samples() -> Vec<Vec<u8>> {
    let block = block_on(BlockId(genesis().0), 5, vec![transaction(Kind(2), "in a block")]);
    let id = transaction(Kind(2), "payment").id();
    let hello = Hello {
        version: PROTOCOL_VERSION,
        network: common::NETWORK.into(),
        genesis: genesis(),
        tip: BlockId(genesis().0),
        height: Height(0),
        listen: Some(address("127.0.0.1:7070")),
        nonce: 3,
    };
    let messages = [
        Message::Hello(hello),
        Message::Ready,
        Message::Announce(vec![Item::Transaction(id), Item::Revocation(id), Item::Block(block.id())]),
        Message::Request(vec![Item::Transaction(id), Item::Block(BlockId(genesis().0))]),
        Message::NotFound(vec![Item::Transaction(id)]),
        Message::Transactions(vec![EncodedTransaction(codec::encode(&transaction(Kind(2), "payment")))]),
        Message::Block(codec::encode(&block)),
        Message::GetHeaders { locator: vec![BlockId(genesis().0); 3] },
        Message::Headers(vec![block.header.clone()]),
        Message::GetPeers,
        Message::Peers(vec![address("127.0.0.1:7070"), address("node")]),
        Message::Ping { nonce: 300 },
        Message::Pong { nonce: 300 },
        Message::AppRequest { id: 1, body: b"question".to_vec() },
        Message::AppResponse { id: 1, body: b"answer".to_vec() },
    ];
    messages.iter().map(Message::encode).collect()
}

fn mutate(frame: &mut Vec<u8>, seeded: &mut Seeded) {
    for _ in 0..=seeded.below(3) {
        let at = seeded.below(frame.len().max(1));
        match seeded.below(5) {
            0 if !frame.is_empty() => frame[at] ^= 1 << seeded.below(8),
            1 if !frame.is_empty() => frame[at] = [0, 0x7f, 0x80, 0xff][seeded.below(4)],
            2 => frame.truncate(at),
            3 => frame.insert(at, seeded.below(256) as u8),
            _ => frame.extend_from_within(at..),
        }
    }
}

/// 100,000 mutated frames, decoded alone, and thrown at a node that answers whatever it takes for a message.
#[test]
fn mutated_frames_are_typed_errors_and_nothing_worse() {
    const SEED: u64 = 20_261_121;
    let samples = samples();
    let mut seeded = Seeded(SEED);
    let (mut refused, mut accepted) = (0, 0);
    let mut world = World::new();
    world.add("node", &[]);
    let mut puppet: Option<Puppet> = None;
    for round in 0..100_000 {
        let mut frame = samples[seeded.below(samples.len())].clone();
        mutate(&mut frame, &mut seeded);
        match Message::decode(&frame) {
            Ok(message) => {
                accepted += 1;
                assert_eq!(message.encode(), frame, "seed {SEED}, round {round}");
            }
            Err(_) => refused += 1,
        }
        // A new identity whenever the last one was banned.
        let connected =
            puppet.as_ref().is_some_and(|puppet| world.hub.is_connected(&puppet.transport.local(), &peer_id("node")));
        if !connected {
            let mut next = Puppet::join(&world.hub, &format!("puppet {round}"));
            next.greet(&mut world, "node");
            puppet = Some(next);
        }
        let puppet = puppet.as_mut().expect("made just now");
        puppet.transport.send(&peer_id("node"), health_chain_network::Priority::Bulk, frame).expect("connected");
        world.settle();
        world.nodes[0].rest.clear();
        while let Some(event) = puppet.transport.poll(core::time::Duration::ZERO) {
            if let Event::Received { frame, .. } = event {
                Message::decode(&frame).expect("the node sends messages");
            }
        }
    }
    assert!(refused > 30_000 && accepted > 10_000, "both happen: {refused} refused, {accepted} accepted");
    assert!(world.nodes[0].chain.height() <= 1_000, "{}", world.nodes[0].chain.tip().1);
    assert!(!world.nodes[0].network.bans().is_empty());
}
