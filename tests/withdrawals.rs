//! A gateway remembers every withdrawal that a block has carried, also one from an object that the tip does not know.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{path::Path, sync::Arc};

use common::{
    GATEWAY, GRANTEE, OWNER, START, block_on, contracts, fund, genesis, key, mint, public, solo, store_operation,
};
use health_chain::{
    application::{
        authorize::{DenySet, Turn},
        gateway::{Gateway, GatewayParts},
        node::{Node, NodeBuilder},
        objects::MemoryObjects,
        payload::Payload,
        ports::SeededEntropy,
        records::{Grant, GrantTerms, Permissions, Position, Purpose, Revoke},
    },
    consensus::{Accepted, ConsensusParameters, Solo},
    data::{Block, ChainId, Genesis, Header, Millis, Timestamp, Transaction, sha256},
    data_sled::SledStore,
    network::{Address, MemoryHub, PeerId},
};

fn document() -> Genesis {
    genesis("withdrawals", ConsensusParameters::default())
}

fn chain() -> ChainId {
    document().chain_id()
}

fn node(folder: &Path) -> Node {
    let (executor, rewards) = contracts();
    let transport = MemoryHub::new().join(PeerId(sha256(b"node")), Address("node".into()));
    let store = Box::new(SledStore::open(folder).unwrap());
    let engine = Box::new(Solo::follower(solo()));
    let (objects, entropy) = (Arc::new(MemoryObjects::default()), Box::new(SeededEntropy::new(1)));
    let gateway = Gateway::new(GatewayParts::new(Box::new(key(GATEWAY)), objects, entropy));
    NodeBuilder::new(document(), store, engine, executor, rewards, Box::new(transport))
        .clock(Arc::new(|| Millis::from(Timestamp(START.0 + 1_000))))
        .service(Box::new(gateway))
        .start()
        .unwrap()
}

/// The object's log: stored, granted, revoked.
fn operations() -> [Transaction; 3] {
    let store = store_operation(chain());
    let at = |seq| Position { seq, ..store.position };
    let terms = GrantTerms {
        grantee: public(GRANTEE),
        permissions: Permissions::READ,
        purpose: Purpose::TREATMENT,
        not_before: START,
        not_after: Timestamp(START.0 + 100_000),
        wrap_commit: sha256(b"wrap"),
        payment: None,
    };
    let grant = Grant::sign(at(1), terms, &key(OWNER), &[0; 32]).unwrap();
    let revoke = Revoke::sign(at(2), public(GRANTEE), &key(OWNER), &[0; 32]).unwrap();
    [store.transaction(), grant.transaction(), revoke.transaction()]
}

/// A block at `height` that mints `amount` for each of `operations` and pays for it with that.
fn block(parent: &Header, height: u32, amount: u64, operations: &[Transaction]) -> Block {
    let mint = mint(chain(), height.into(), &vec![amount; operations.len().max(1)]);
    let funded = operations.iter().zip(0..).map(|(operation, index)| fund(operation.clone(), chain(), &mint, index, 0));
    let transactions = [mint.clone()].into_iter().chain(funded).collect();
    block_on(parent, Timestamp(START.0 + height), transactions)
}

fn offer(node: &Node, block: &Block) -> Accepted {
    node.submit_block(block.clone()).unwrap().unwrap()
}

/// Of what is durable: when the grantee's access was last withdrawn.
fn withdrawn(node: &Node) -> Option<Turn> {
    let object = store_operation(chain()).position.object;
    let look = move |chain: &health_chain::consensus::Chain, _: &_| {
        DenySet::load(chain.state()).unwrap().withdrawn(&object, &public(GRANTEE))
    };
    node.read(look).unwrap()
}

const REVOKED: Option<Turn> = Some(Turn { owner_epoch: 0, seq: 2 });

#[test]
fn on_a_branch_that_is_connected_later() {
    let folder = tempfile::tempdir().unwrap();
    let running = node(folder.path());
    let root = document().block().header;
    let mut tip = root.clone();
    for height in 1..=3 {
        let next = block(&tip, height, 1, &[]);
        assert!(matches!(offer(&running, &next), Accepted::Connected(_)));
        tip = next.header;
    }
    let mut side = root;
    for (operation, height) in operations().iter().zip(1..) {
        let next = block(&side, height, 2, std::slice::from_ref(operation));
        assert!(matches!(offer(&running, &next), Accepted::Side));
        side = next.header;
    }
    assert_eq!(withdrawn(&running), None, "nobody knows yet whose object it is");
    // It is remembered over a restart, and counts once the branch is the chain.
    running.stop();
    let running = node(folder.path());
    let last = block(&side, 4, 2, &[]);
    assert!(matches!(offer(&running, &last), Accepted::Connected(_)));
    assert_eq!(withdrawn(&running), REVOKED);
}

#[test]
fn on_a_branch_that_never_is() {
    let folder = tempfile::tempdir().unwrap();
    let running = node(folder.path());
    let root = document().block().header;
    let [store, grant, revoke] = operations();
    let first = block(&root, 1, 1, &[]);
    let second = block(&first.header, 2, 1, &[]);
    offer(&running, &first);
    offer(&running, &second);
    let side = block(&root, 1, 2, &[store.clone(), grant.clone(), revoke]);
    assert!(matches!(offer(&running, &side), Accepted::Side));
    // The chain itself gets the object and the grant, and not the withdrawal.
    let third = block(&second.header, 3, 1, &[store, grant]);
    assert!(matches!(offer(&running, &third), Accepted::Connected(_)));
    assert_eq!(withdrawn(&running), REVOKED);
}

#[test]
fn in_the_block_that_stores_the_object() {
    let folder = tempfile::tempdir().unwrap();
    let running = node(folder.path());
    let only = block(&document().block().header, 1, 1, &operations());
    assert!(matches!(offer(&running, &only), Accepted::Connected(_)));
    assert_eq!(withdrawn(&running), REVOKED);
}

/// A block that nobody sealed pushes nothing out and leaves nothing behind.
#[test]
fn not_from_a_block_that_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let running = node(folder.path());
    let root = document().block().header;
    let [store, grant, revoke] = operations();
    let mut unsealed = block(&root, 1, 1, &[store.clone(), grant.clone(), revoke]);
    unsealed.header.seal = vec![0; 64];
    assert!(running.submit_block(unsealed).unwrap().is_err());
    let block = block(&root, 1, 1, &[store, grant]);
    assert!(matches!(offer(&running, &block), Accepted::Connected(_)));
    assert_eq!(withdrawn(&running), None);
}
