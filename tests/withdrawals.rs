//! A gateway remembers every withdrawal that a block has carried, also one from an object that the tip does not know.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use common::{
    AUTHORITY, GATEWAY, GRANTEE, HOSPITAL, OWNER, START, block_on, contracts, fund, gateway, gateway_id, genesis, key,
    mint, open, public, solo, store_operation,
};
use health_chain::{
    application::{
        authorize::{Access, AccessRequest, DenySet, Turn},
        gateway::{Gateway, GatewayParts, Request, Response},
        node::{Node, NodeBuilder, Service},
        objects::MemoryObjects,
        payload::Payload,
        ports::SeededEntropy,
        records::{self, Grant, GrantTerms, Permissions, Position, Purpose, Revoke, RotateOwner},
    },
    consensus::{Accepted, Chain, ConsensusParameters, Solo},
    data::{
        Block, ChainId, Genesis, Header, Millis, Timestamp, Transaction, codec, ports::ChainStore, sha256,
        state::MemoryStore,
    },
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
    let store = Box::new(SledStore::open(folder).unwrap());
    start(&MemoryHub::new(), "node", &[], store, Solo::follower(solo()))
}

fn start(hub: &MemoryHub, name: &str, peers: &[&str], store: Box<dyn ChainStore>, engine: Solo) -> Node {
    let (executor, rewards) = contracts();
    let address = |name: &str| Address(name.into());
    let transport = hub.join(PeerId(sha256(name.as_bytes())), address(name));
    let (objects, entropy) = (Arc::new(MemoryObjects::default()), Box::new(SeededEntropy::new(1)));
    let gateway = Gateway::new(GatewayParts::new(Box::new(key(GATEWAY)), objects, entropy));
    let begun = Instant::now();
    let begin = Millis::from(Timestamp(START.0 + 1_000));
    NodeBuilder::new(document(), store, Box::new(engine), executor, rewards, Box::new(transport))
        .clock(Arc::new(move || begin.saturating_add(begun.elapsed().as_millis() as u64)))
        .listen(address(name))
        .peers(peers.iter().map(|peer| address(peer)).collect())
        .service(Box::new(gateway))
        .start()
        .unwrap()
}

fn terms() -> GrantTerms {
    GrantTerms {
        grantee: public(GRANTEE),
        permissions: Permissions::READ,
        purpose: Purpose::TREATMENT,
        not_before: START,
        not_after: Timestamp(START.0 + 100_000),
        wrap_commit: sha256(b"wrap"),
        payment: None,
    }
}

/// The object's log: stored, granted, revoked.
fn operations() -> [Transaction; 3] {
    let store = store_operation(chain());
    let at = |seq| Position { seq, ..store.position };
    let grant = Grant::sign(at(1), terms(), &key(OWNER), &[0; 32]).unwrap();
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

/// What waits in the pool behind operations of its object that wait, too, is nobody's word yet at the tip.
#[test]
fn in_the_pool_behind_a_change_of_owners() {
    let folder = tempfile::tempdir().unwrap();
    let running = node(folder.path());
    let coins = mint(chain(), 1, &[5; 4]);
    let store = store_operation(chain());
    let pay = |operation: Transaction, index| fund(operation, chain(), &coins, index, 1);
    let first = vec![coins.clone(), pay(store.transaction(), 0)];
    let first = block_on(&document().block().header, Timestamp(START.0 + 1), first);
    offer(&running, &first);

    // The hospital's key stands for the next owner's.
    let at = |owner_epoch, seq| Position { seq, owner_epoch, ..store.position };
    let rotation = RotateOwner::sign(at(0, 1), &key(OWNER), &key(HOSPITAL), &[0; 32]).unwrap();
    let grant = Grant::sign(at(1, 2), terms(), &key(HOSPITAL), &[0; 32]).unwrap();
    let revoke = Revoke::sign(at(1, 3), public(GRANTEE), &key(HOSPITAL), &[0; 32]).unwrap();
    let waiting = [pay(rotation.transaction(), 1), pay(grant.transaction(), 2), pay(revoke.transaction(), 3)];
    for transaction in &waiting {
        running.submit(transaction.clone()).unwrap().unwrap();
    }
    // A block maker who has not heard of the withdrawal.
    let second = block_on(&first.header, Timestamp(START.0 + 2), waiting[..2].to_vec());
    assert!(matches!(offer(&running, &second), Accepted::Connected(_)));
    assert_eq!(withdrawn(&running), Some(Turn { owner_epoch: 1, seq: 3 }));
}

/// Who withdraws what he has just granted is heard in the right order, and in the end in any order.
#[test]
fn behind_its_grant_on_the_way_to_the_block_maker() {
    let coins = mint(chain(), 1, &[5; 3]);
    let [store, grant, revoke] = operations();
    let pay = |operation: Transaction, index| fund(operation, chain(), &coins, index, 1);
    let first = vec![coins.clone(), pay(store, 0)];
    let first = block_on(&document().block().header, Timestamp(START.0 + 1), first);
    let hub = MemoryHub::new();
    let memory = || Box::<MemoryStore>::default();
    let holder = start(&hub, "holder", &[], memory(), Solo::follower(solo()));
    offer(&holder, &first);
    holder.submit(pay(grant, 1)).unwrap().unwrap();
    holder.submit(pay(revoke, 2)).unwrap().unwrap();

    let maker = start(&hub, "maker", &["holder"], memory(), Solo::authority(solo(), Box::new(key(AUTHORITY))));
    offer(&maker, &first);
    maker.mine(None).unwrap();
    let seq = || {
        let object = store_operation(chain()).position.object;
        maker.read(move |chain, _| records::object(chain.state(), &object).unwrap().unwrap().seq).unwrap()
    };
    let deadline = Instant::now() + Duration::from_secs(30);
    while seq() < 2 {
        assert!(Instant::now() < deadline, "the object's log has come to {} only", seq());
        thread::sleep(Duration::from_millis(5));
    }
}

/// The process dies when the chain has moved, and the gateway has not been told.
#[test]
fn on_a_branch_that_became_the_chain_in_a_crash() {
    let mut chain = open(Box::<MemoryStore>::default(), &document());
    let mut running = gateway(&mut chain);
    let root = document().block().header;
    let (mut main, mut side) = (root.clone(), root);
    let mut accept = |chain: &mut Chain, block: &Block| {
        running.saw_block(chain, block).unwrap();
        let accepted = chain.accept_block(Millis::from(Timestamp(START.0 + 1_000)), block.clone()).unwrap();
        running.took_block(chain).unwrap();
        if let Accepted::Connected(change) = &accepted {
            running.tip_moved(chain, change.disconnected.len()).unwrap();
        }
    };
    for height in 1..=13 {
        let next = block(&main, height, 1, &[]);
        accept(&mut chain, &next);
        main = next.header;
    }
    for (height, operation) in (1..=13).zip(operations().iter().map(Some).chain(std::iter::repeat(None))) {
        let next = block(&side, height, 2, operation.map_or(&[], std::slice::from_ref));
        accept(&mut chain, &next);
        side = next.header;
    }
    let last = block(&side, 14, 2, &[]);
    let connected = chain.accept_block(Millis::from(Timestamp(START.0 + 1_000)), last).unwrap();
    assert!(matches!(connected, Accepted::Connected(change) if change.disconnected.len() == 13));

    let mut again = gateway(&mut chain);
    let object = store_operation(chain.chain_id()).position.object;
    let withdrawn = |chain: &Chain| DenySet::load(chain.state()).unwrap().withdrawn(&object, &public(GRANTEE));
    assert_eq!(withdrawn(&chain), REVOKED);
    assert_eq!(refusal(&mut again, &mut chain).as_deref(), Some("access-reorganisation"));
    // As long as nobody has looked at it, whatever happens.
    let mut once_more = gateway(&mut chain);
    assert_eq!(refusal(&mut once_more, &mut chain).as_deref(), Some("access-reorganisation"));
    once_more.clear_reorganisation();
    assert_eq!(refusal(&mut once_more, &mut chain), None);
    assert_eq!(refusal(&mut gateway(&mut chain), &mut chain), None);
}

/// The rule by which the owner may not read; none where she may.
fn refusal(gateway: &mut Gateway, chain: &mut Chain) -> Option<String> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let (requester, permission, purpose) = (public(OWNER), Permissions::READ, Purpose::TREATMENT);
    let access = Access {
        object: store_operation(chain.chain_id()).position.object,
        version: 0,
        requester,
        permission,
        purpose,
    };
    let now = Timestamp(START.0 + 100 * (1 + MADE.fetch_add(1, Ordering::Relaxed)));
    let request =
        AccessRequest::sign(chain.chain_id(), gateway_id(), access, now, [0; 32], &key(OWNER), &[0; 32]).unwrap();
    let body = codec::encode(&Request::Open(request));
    let answer = gateway.request(now.into(), chain, 0, &PeerId(sha256(b"owner")), &body).unwrap();
    match codec::decode(&answer).unwrap() {
        Response::Refused { rule, .. } => Some(rule),
        Response::Opened(_) => None,
        other => panic!("no answer to that: {other:?}"),
    }
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
