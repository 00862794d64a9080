//! What a reader takes from a gateway that does not keep the rules.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use common::{
    GATEWAY, OWNER, START, contracts, gateway, gateway_id, genesis, granted, key, public, solo, store_operation,
};
use health_chain::{
    application::{
        audit::{GrowthError, ReceiptTerms},
        authorize::{Access, AccessRequest},
        gateway::{ClientError, Gateway, GatewayClient, Response},
        node::{Node, NodeBuilder, Service},
        records::{Permissions, Purpose},
    },
    consensus::{Chain, ConsensusParameters, Solo},
    data::{
        Block, ChainId, Hash, Millis, ObjectId, Signature, Timestamp, Transaction, codec, ports::StoreError, sha256,
        state::MemoryStore,
    },
    network::{Address, MemoryHub, PeerId},
};

/// Changes what a gateway answers.
struct Liar {
    gateway: Gateway,
    lie: fn(&mut Response),
}

impl Service for Liar {
    fn opened(&mut self, chain: &mut Chain) -> Result<(), StoreError> {
        self.gateway.opened(chain)
    }

    fn request(
        &mut self,
        now: Millis,
        chain: &mut Chain,
        waiting: usize,
        peer: &PeerId,
        body: &[u8],
    ) -> Option<Vec<u8>> {
        let answer = self.gateway.request(now, chain, waiting, peer, body)?;
        let mut answer = codec::decode(&answer).unwrap();
        (self.lie)(&mut answer);
        Some(codec::encode(&answer))
    }

    fn saw_transaction(&mut self, chain: &mut Chain, transaction: &Transaction) -> Result<(), StoreError> {
        self.gateway.saw_transaction(chain, transaction)
    }

    fn tip_moved(&mut self, chain: &mut Chain, disconnected: usize) -> Result<(), StoreError> {
        self.gateway.tip_moved(chain, disconnected)
    }

    fn left(&mut self, peer: &PeerId) {
        self.gateway.left(peer);
    }
}

/// The gateway's node, and one that asks it.
struct Network {
    holder: Node,
    asker: Node,
    chain: ChainId,
    object: ObjectId,
}

fn id(name: &str) -> PeerId {
    PeerId(sha256(name.as_bytes()))
}

fn start(hub: &MemoryHub, name: &str, peers: &[&str], block: &Block, service: Option<Liar>) -> Node {
    let (executor, rewards) = contracts();
    let address = |name: &str| Address(name.into());
    let transport = Box::new(hub.join(id(name), address(name)));
    let begun = Instant::now();
    let begin = Millis::from(Timestamp(START.0 + 100));
    let (store, engine) = (Box::<MemoryStore>::default(), Box::new(Solo::follower(solo())));
    let genesis = genesis("clock", ConsensusParameters::default());
    let mut builder = NodeBuilder::new(genesis, store, engine, executor, rewards, transport)
        .clock(Arc::new(move || begin.saturating_add(begun.elapsed().as_millis() as u64)))
        .listen(address(name))
        .peers(peers.iter().map(|peer| address(peer)).collect());
    if let Some(service) = service {
        builder = builder.service(Box::new(service));
    }
    let node = builder.start().unwrap();
    node.submit_block(block.clone()).unwrap().unwrap();
    node
}

impl Network {
    fn new(lie: fn(&mut Response)) -> Self {
        let mut chain = granted();
        let block = chain.block(&chain.tip().id).unwrap().unwrap();
        let hub = MemoryHub::new();
        let liar = Liar { gateway: gateway(&mut chain), lie };
        let holder = start(&hub, "holder", &[], &block, Some(liar));
        let asker = start(&hub, "asker", &["holder"], &block, None);
        let deadline = Instant::now() + Duration::from_secs(30);
        while asker.status().unwrap().peers.is_empty() {
            assert!(Instant::now() < deadline, "the two don't find each other");
            thread::sleep(Duration::from_millis(5));
        }
        let (chain, object) = (chain.chain_id(), store_operation(chain.chain_id()).position.object);
        Self { holder, asker, chain, object }
    }

    fn client(&self) -> GatewayClient<'_> {
        GatewayClient::new(&self.asker, id("holder"))
    }

    /// A request of the owner's.
    fn request(&self, permission: Permissions, number: u8) -> AccessRequest {
        let (requester, purpose) = (public(OWNER), Purpose::PATIENT_REQUEST);
        let access = Access { object: self.object, version: 0, requester, permission, purpose };
        let time = Timestamp(START.0 + 100);
        AccessRequest::sign(self.chain, gateway_id(), access, time, [number; 32], &key(OWNER), &[0; 32]).unwrap()
    }

    fn terms(&self) -> (ReceiptTerms, Signature) {
        let terms = ReceiptTerms {
            chain: self.chain,
            object: self.object,
            version: 0,
            reader: public(OWNER),
            gateway: public(GATEWAY),
            at: START,
            bytes: 1_000,
        };
        (terms, key(OWNER).sign(&terms.message(), &[0; 32]))
    }
}

#[test]
fn an_honest_answer_is_taken() {
    let network = Network::new(|_| {});
    let client = network.client();
    let before = client.about().unwrap().checkpoint;
    let opened = client.open(network.request(Permissions::READ, 1)).unwrap();
    let (terms, signature) = network.terms();
    let receipt = client.confirm(&opened, terms, signature).unwrap();
    let history = client.history(network.request(Permissions::HISTORY, 2), 0).unwrap();
    assert_eq!(history.verify(&public(GATEWAY), Hash::ZERO).unwrap(), receipt.hash());
    let now = client.growth(&before).unwrap();
    assert_eq!((before.terms.size, now.terms.size), (0, 3));
    assert_eq!(client.growth(&now).unwrap().terms.root, now.terms.root);
    let mut beyond = now;
    beyond.terms.size += 1;
    assert!(matches!(client.growth(&beyond), Err(ClientError::Refused { rule, .. }) if rule == "audit-size"));
    network.holder.stop();
}

/// The reader would sign that it had read what it never asked for.
#[test]
fn another_object_is_not_taken() {
    let network = Network::new(|answer| match answer {
        Response::Opened(opened) => opened.object = ObjectId(sha256(b"another")),
        Response::History(answer) => answer.object = ObjectId(sha256(b"another")),
        _ => {}
    });
    let opened = network.client().open(network.request(Permissions::READ, 1));
    assert_eq!(opened, Err(ClientError::OtherAnswer));
    let history = network.client().history(network.request(Permissions::HISTORY, 2), 0);
    assert_eq!(history, Err(ClientError::OtherAnswer));
}

#[test]
fn a_receipt_that_the_gateway_did_not_sign_is_not_taken() {
    let network = Network::new(|answer| {
        if let Response::Receipt(receipt) = answer {
            receipt.gateway_signature = receipt.reader_signature;
        }
    });
    let opened = network.client().open(network.request(Permissions::READ, 1)).unwrap();
    let (terms, signature) = network.terms();
    assert_eq!(network.client().confirm(&opened, terms, signature), Err(ClientError::OtherAnswer));
}

#[test]
fn a_log_that_does_not_begin_with_what_it_was_is_not_taken() {
    let network = Network::new(|answer| {
        if let Response::Growth(growth) = answer {
            growth.proof.path[0] = Hash::ZERO;
        }
    });
    let client = network.client();
    client.open(network.request(Permissions::READ, 1)).unwrap();
    let before = client.about().unwrap().checkpoint;
    client.open(network.request(Permissions::READ, 2)).unwrap();
    assert!(matches!(client.growth(&before), Err(ClientError::Growth(GrowthError::Rewritten(_)))));
}
