//! What a gateway gives to those who may read, and when it stops.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::sync::Arc;

use common::{
    GATEWAY, GRANTEE, OWNER, START, block_on, fund, gateway_id, genesis, key, mint, open, public, store_operation,
};
use health_chain::{
    application::{
        audit::{AuditEvent, Outcome},
        authorize::{Access, AccessRequest, GatewayRules},
        gateway::{Gateway, GatewayParts, Opened, Request, Response},
        limits::{DECISIONS_MILLIS, MAX_REQUESTER_PERMITS},
        node::Service,
        objects::MemoryObjects,
        payload::Payload,
        ports::{ObjectName, SeededEntropy},
        records::{Content, Grant, GrantTerms, Permissions, Position, Purpose, Revoke, Store},
    },
    consensus::{Chain, ConsensusParameters},
    data::{
        Commitment, Millis, ObjectId, SecretKey, Timestamp, Transaction, codec, sha256,
        state::MemoryStore,
        wrap::{KeyWrap, SUITE_X25519_CHACHA20},
    },
    network::PeerId,
};

/// Has a record of its own at the same gateway.
const STRANGER: u8 = 9;
/// When the grants end, in seconds after the chain's start.
const END: u32 = 1_000;

/// A record with a grant, and the gateway that keeps both.
struct World {
    chain: Chain,
    gateway: Gateway,
    now: Millis,
    made: u64,
}

fn wrap() -> KeyWrap {
    KeyWrap { suite: SUITE_X25519_CHACHA20, enc: vec![1; 32], ciphertext: vec![2; 112] }
}

fn terms(grantee: u8) -> GrantTerms {
    GrantTerms {
        grantee: public(grantee),
        permissions: Permissions::READ,
        purpose: Purpose::TREATMENT,
        not_before: START,
        not_after: START.saturating_add(END),
        wrap_commit: wrap().commitment(),
        payment: None,
    }
}

fn grant(store: &Store, terms: GrantTerms, owner: &SecretKey) -> Transaction {
    Grant::sign(Position { seq: 1, ..store.position }, terms, owner, &[0; 32]).unwrap().transaction()
}

fn strangers_store(chain: &Chain) -> Store {
    let content = Content { commitment: Commitment(sha256(b"own")), ct_root: sha256(b"own"), length: 10 };
    Store::sign(chain.chain_id(), gateway_id(), [8; 32], content, &key(STRANGER), &[0; 32]).unwrap()
}

impl World {
    /// The stranger has read on the chain under which commitment the wrapped key is kept.
    fn new() -> Self {
        let mut chain = open(Box::<MemoryStore>::default(), &genesis("reads", ConsensusParameters::default()));
        let id = chain.chain_id();
        let (store, strangers) = (store_operation(id), strangers_store(&chain));
        let operations = [
            store.transaction(),
            grant(&store, terms(GRANTEE), &key(OWNER)),
            strangers.transaction(),
            grant(&strangers, terms(GRANTEE), &key(STRANGER)),
        ];
        let coins = mint(id, 1, &[10; 4]);
        let funded = operations.into_iter().zip(0..).map(|(operation, index)| fund(operation, id, &coins, index, 0));
        let transactions = [coins.clone()].into_iter().chain(funded).collect();
        let block = block_on(&chain.tip().header, START.saturating_add(1), transactions);
        chain.accept_block(Millis::from(block.header.time), block).unwrap();

        let (objects, entropy) = (Arc::new(MemoryObjects::default()), Box::new(SeededEntropy::new(1)));
        let rules = GatewayRules { store_depth: 1, ..GatewayRules::default() };
        let mut gateway =
            Gateway::new(GatewayParts { rules, ..GatewayParts::new(Box::new(key(GATEWAY)), objects, entropy) });
        let object = store.position.object;
        gateway.objects().put(&ObjectName { object, version: 0 }, &mut &[7; 1_000][..]).unwrap();
        gateway.keep_wrap(&object, &wrap()).unwrap();
        gateway.opened(&mut chain).unwrap();
        Self { chain, gateway, now: Millis::from(Timestamp(START.0 + 100)), made: 0 }
    }

    fn object(&self) -> ObjectId {
        store_operation(self.chain.chain_id()).position.object
    }

    fn ask(&mut self, request: &Request) -> Response {
        let body = codec::encode(request);
        let answer = self.gateway.request(self.now, &mut self.chain, 0, &PeerId(sha256(b"peer")), &body);
        codec::decode(&answer.unwrap()).unwrap()
    }

    /// A request that was never made before.
    fn request(&mut self, object: ObjectId, requester: u8, permission: Permissions) -> AccessRequest {
        self.made += 1;
        let access =
            Access { object, version: 0, requester: public(requester), permission, purpose: Purpose::TREATMENT };
        let (time, nonce) = (self.now.timestamp(), sha256(&self.made.to_le_bytes()).0);
        AccessRequest::sign(self.chain.chain_id(), gateway_id(), access, time, nonce, &key(requester), &[0; 32])
            .unwrap()
    }

    fn opens(&mut self, object: ObjectId, requester: u8) -> Result<Opened, String> {
        let request = self.request(object, requester, Permissions::READ);
        match self.ask(&Request::Open(request)) {
            Response::Opened(opened) => Ok(opened),
            Response::Refused { rule, .. } => Err(rule),
            other => panic!("no answer to that: {other:?}"),
        }
    }

    /// Bytes from the beginning of what was opened.
    fn reads(&mut self, opened: &Opened) -> Result<usize, String> {
        match self.ask(&Request::Read { session: opened.session, offset: 0 }) {
            Response::Piece { bytes, .. } => Ok(bytes.len()),
            Response::Refused { rule, .. } => Err(rule),
            other => panic!("no answer to that: {other:?}"),
        }
    }

    /// What the audit log has about the owner's object.
    fn outcomes(&mut self) -> Vec<Outcome> {
        let request = self.request(self.object(), OWNER, Permissions::HISTORY);
        let Response::History(answer) = self.ask(&Request::History { request, from: 0 }) else { panic!("her own") };
        let events = answer.entries.into_iter().map(|entry| entry.event);
        let accesses = events.filter_map(|event| match event {
            AuditEvent::Access(access) if access.requester == public(GRANTEE) => Some(access.outcome),
            _ => None,
        });
        accesses.collect()
    }
}

fn revoke(world: &World) -> Transaction {
    let position = Position { seq: 2, ..store_operation(world.chain.chain_id()).position };
    Revoke::sign(position, public(GRANTEE), &key(OWNER), &[0; 32]).unwrap().transaction()
}

#[test]
fn a_wrapped_key_is_handed_out_for_its_own_record_only() {
    let mut world = World::new();
    let opened = world.opens(world.object(), GRANTEE).unwrap();
    assert_eq!(opened.wrap, Some(wrap()));
    let own = strangers_store(&world.chain).position.object;
    assert_eq!(world.opens(own, GRANTEE).err().as_deref(), Some("object-not-found"));
}

#[test]
fn nothing_is_read_any_more_once_a_withdrawal_is_acknowledged() {
    let mut world = World::new();
    let opened = world.opens(world.object(), GRANTEE).unwrap();
    assert_eq!(world.reads(&opened), Ok(1_000));
    let withdrawal = Request::withdraw(&revoke(&world));
    assert_eq!(world.ask(&withdrawal), Response::Taken);
    assert_eq!(world.reads(&opened), Err("access-withdrawn".into()));
}

#[test]
fn a_clock_that_is_set_back_does_not_keep_a_decision_alive() {
    let mut world = World::new();
    world.now = Millis::from(Timestamp(START.0 + END - 1));
    let opened = world.opens(world.object(), GRANTEE).unwrap();
    world.now = world.now.saturating_add(500);
    assert_eq!(world.reads(&opened), Ok(1_000));
    world.now = world.now.saturating_add(2_000);
    assert_eq!(world.reads(&opened), Err("access-over".into()));
    world.now = Millis::from(Timestamp(START.0 + END - 1));
    assert_eq!(world.opens(world.object(), GRANTEE), Err("access-over".into()), "that it was over is remembered");
}

#[test]
fn where_reading_is_stopped_the_log_says_so() {
    let mut world = World::new();
    let opened = world.opens(world.object(), GRANTEE).unwrap();
    world.now = Millis::from(Timestamp(START.0 + END));
    assert_eq!(world.reads(&opened), Err("access-over".into()));
    assert_eq!(world.outcomes(), [Outcome::Permit, Outcome::deny("access-over")]);
}

/// Who reads is told from who asks who has read, and what for.
#[test]
fn the_log_says_what_was_asked_for() {
    let mut world = World::new();
    world.opens(world.object(), GRANTEE).unwrap();
    let request = world.request(world.object(), OWNER, Permissions::HISTORY);
    let Response::History(answer) = world.ask(&Request::History { request, from: 0 }) else { panic!("her own") };
    let events = answer.entries.into_iter().map(|entry| match entry.event {
        AuditEvent::Access(access) => (access.requester, access.permission, access.purpose),
        event => panic!("nobody has confirmed: {event:?}"),
    });
    let asked = |requester, permission| (public(requester), permission, Purpose::TREATMENT);
    assert_eq!(events.collect::<Vec<_>>(), [asked(GRANTEE, Permissions::READ), asked(OWNER, Permissions::HISTORY)]);
}

/// A reader that asks again and again makes the log grow at a rate, and takes nobody else's place.
#[test]
fn one_readers_permits_are_given_at_a_rate() {
    let mut world = World::new();
    for number in 0..MAX_REQUESTER_PERMITS + 10 {
        let answer = world.opens(world.object(), GRANTEE);
        assert_eq!(answer.err().as_deref(), (number >= MAX_REQUESTER_PERMITS).then_some("access-busy"));
    }
    assert!(world.opens(world.object(), OWNER).is_ok(), "another one's");
    world.now = world.now.saturating_add(DECISIONS_MILLIS);
    assert!(world.opens(world.object(), GRANTEE).is_ok());
}
