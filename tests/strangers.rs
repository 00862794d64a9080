//! What a gateway writes down and keeps for those whom it refuses is bounded, and holds up nobody else.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{GRANTEE, OWNER, START, gateway, gateway_id, granted, key, public, store_operation};
use health_chain::{
    application::{
        authorize::{Access, AccessRequest},
        gateway::{Gateway, Request, Response},
        limits::{
            DECISIONS_MILLIS, MAX_PEER_LETTERS, MAX_PEER_SESSIONS, MAX_PEER_WRITTEN_DENIALS, MAX_REQUESTER_SESSIONS,
        },
        node::Service,
        records::{GatewayId, Permissions, Purpose},
    },
    consensus::Chain,
    data::{Hash, Millis, Timestamp, codec, sha256},
    network::PeerId,
};

const STRANGER: u8 = 9;
/// What somebody with a grant gets: the rule that a permitted request fails at here, since the gateway has no wrapped key.
const PERMITTED: &str = "object-not-found";

struct World {
    chain: Chain,
    gateway: Gateway,
    now: Millis,
    made: u64,
}

impl World {
    fn new() -> Self {
        let mut chain = granted();
        let gateway = gateway(&mut chain);
        Self { chain, gateway, now: Millis::from(Timestamp(START.0 + 100)), made: 0 }
    }

    fn ask(&mut self, peer: &str, request: &Request) -> Response {
        let body = codec::encode(request);
        let peer = PeerId(sha256(peer.as_bytes()));
        codec::decode(&self.gateway.request(self.now, &mut self.chain, 0, &peer, &body).unwrap()).unwrap()
    }

    /// A request of `requester`'s that was never made before.
    fn request(&mut self, requester: u8, gateway: GatewayId, time: Timestamp) -> AccessRequest {
        self.made += 1;
        let object = store_operation(self.chain.chain_id()).position.object;
        let (permission, purpose) = (Permissions::READ, Purpose::TREATMENT);
        let access = Access { object, version: 0, requester: public(requester), permission, purpose };
        let nonce = sha256(&self.made.to_le_bytes()).0;
        AccessRequest::sign(self.chain.chain_id(), gateway, access, time, nonce, &key(requester), &[0; 32]).unwrap()
    }

    /// The rule by which the request is refused; none where it is not.
    fn rule(&mut self, peer: &str, request: AccessRequest) -> Option<String> {
        match self.ask(peer, &Request::Open(request)) {
            Response::Refused { rule, .. } => Some(rule),
            Response::Opened(_) => None,
            other => panic!("no answer to that: {other:?}"),
        }
    }

    fn asks(&mut self, peer: &str, requester: u8) -> Option<String> {
        let request = self.request(requester, gateway_id(), self.now.timestamp());
        self.rule(peer, request)
    }

    /// The rule by which nothing is read in the session: here, where the gateway has no objects, there is always one.
    fn reads(&mut self, peer: &str, session: Hash) -> String {
        match self.ask(peer, &Request::Read { session, offset: 0 }) {
            Response::Refused { rule, .. } => rule,
            other => panic!("no answer to that: {other:?}"),
        }
    }

    /// How many entries the audit log has.
    fn entries(&mut self) -> u64 {
        match self.ask("auditor", &Request::About) {
            Response::About(about) => about.checkpoint.terms.size,
            other => panic!("no answer to that: {other:?}"),
        }
    }
}

#[test]
fn a_denied_request_is_written_down_once() {
    let mut world = World::new();
    let request = world.request(STRANGER, gateway_id(), world.now.timestamp());
    assert_eq!(world.rule("peer", request).unwrap(), "access-no-grant");
    assert_eq!(world.entries(), 1);
    for _ in 0..3 {
        assert_eq!(world.rule("peer", request).unwrap(), "access-request-replayed");
    }
    assert_eq!(world.entries(), 1);
}

#[test]
fn what_is_no_request_to_this_gateway_now_is_not_written_down() {
    let mut world = World::new();
    let now = world.now.timestamp();
    let elsewhere = world.request(STRANGER, GatewayId(sha256(b"another")), now);
    let old = world.request(STRANGER, gateway_id(), START);
    let forged = AccessRequest { nonce: [0; 32], ..world.request(STRANGER, gateway_id(), now) };
    world.now = world.now.saturating_add(60_000);
    for (request, expected) in
        [(elsewhere, "access-gateway"), (old, "access-request-age"), (forged, "access-request-signature")]
    {
        assert_eq!(world.rule("peer", request).unwrap(), expected);
    }
    assert_eq!(world.entries(), 0);
}

#[test]
fn one_peers_denials_are_written_down_at_a_rate() {
    let mut world = World::new();
    for number in 0..2 * MAX_PEER_WRITTEN_DENIALS {
        let expected = if number < MAX_PEER_WRITTEN_DENIALS { "access-no-grant" } else { "access-busy" };
        assert_eq!(world.asks("flood", STRANGER).unwrap(), expected);
    }
    assert_eq!(world.entries(), MAX_PEER_WRITTEN_DENIALS as u64);
    assert_eq!(world.asks("other", STRANGER).unwrap(), "access-no-grant");
    assert_eq!(world.asks("flood", GRANTEE).unwrap(), PERMITTED, "what is permitted is not held up");
    world.now = world.now.saturating_add(DECISIONS_MILLIS);
    assert_eq!(world.asks("flood", STRANGER).unwrap(), "access-no-grant");
}

/// Nobody else, and not itself either: its oldest sessions make place.
#[test]
fn who_opens_and_never_confirms_locks_out_nobody() {
    const { assert!(MAX_REQUESTER_SESSIONS < MAX_PEER_SESSIONS) };
    let mut world = World::new();
    let mut sessions = Vec::new();
    for _ in 0..=MAX_REQUESTER_SESSIONS {
        let request = world.request(OWNER, gateway_id(), world.now.timestamp());
        let Response::Opened(opened) = world.ask("idle", &Request::Open(request)) else { panic!("it is the owner") };
        sessions.push(opened.session);
        world.now = world.now.saturating_add(1);
    }
    let rules: Vec<String> = sessions.into_iter().map(|session| world.reads("idle", session)).collect();
    let (oldest, others) = rules.split_first().unwrap();
    assert_eq!(oldest, "session-unknown");
    assert!(others.iter().all(|rule| rule == PERMITTED), "{others:?}");
    assert_eq!(world.asks("idle", GRANTEE).unwrap(), PERMITTED);
}

#[test]
fn one_peer_leaves_place_for_the_letters_of_others() {
    let mut world = World::new();
    let letter = Request::Letter(vec![7; 100]);
    for number in 0..2 * MAX_PEER_LETTERS {
        let is_taken = world.ask("flood", &letter) == Response::Taken;
        assert_eq!(is_taken, number < MAX_PEER_LETTERS);
    }
    assert_eq!(world.ask("other", &letter), Response::Taken);
    assert_eq!(world.gateway.take_letters().len(), MAX_PEER_LETTERS + 1);
    assert_eq!(world.ask("flood", &letter), Response::Taken, "they have been read");
}

#[test]
fn a_letter_that_was_taken_is_handed_out_though_the_gateway_has_died() {
    let mut world = World::new();
    let letter = |number: u8| Request::Letter(vec![number; 100]);
    let read = |world: &World| -> Vec<u8> {
        let letters = world.gateway.take_letters();
        letters.iter().for_each(|(sender, _)| assert_eq!(*sender, PeerId(sha256(b"peer"))));
        letters.into_iter().map(|(_, letter)| letter[0]).collect()
    };
    for number in [1, 2] {
        assert_eq!(world.ask("peer", &letter(number)), Response::Taken);
    }
    world.gateway = gateway(&mut world.chain);
    assert_eq!(world.ask("peer", &letter(3)), Response::Taken);
    assert_eq!(read(&world), [1, 2, 3]);
    assert_eq!(read(&world), []);

    // It has given no answer since.
    world.gateway = gateway(&mut world.chain);
    assert_eq!(read(&world), [1, 2, 3]);
    assert_eq!(world.ask("peer", &letter(4)), Response::Taken);
    world.gateway = gateway(&mut world.chain);
    assert_eq!(read(&world), [4]);
}
