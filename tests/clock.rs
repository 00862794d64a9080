//! Setting a gateway's clock back revives no grant.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{GRANT_SECONDS as END, GRANTEE, START, gateway, gateway_id, granted, key, public, store_operation};
use health_chain::{
    application::{
        authorize::{Access, AccessRequest},
        gateway::{Gateway, Request, Response},
        node::Service,
        records::{Permissions, Purpose},
    },
    consensus::Chain,
    data::{Millis, Timestamp, codec, sha256},
    network::PeerId,
};

/// The rule by which the grantee is refused when the gateway's clock shows `seconds` after the chain's start. The request is
/// dated `dated` seconds after it.
fn rule(gateway: &mut Gateway, chain: &mut Chain, seconds: u32, dated: u32) -> String {
    let object = store_operation(chain.chain_id()).position.object;
    let (requester, permission, purpose) = (public(GRANTEE), Permissions::READ, Purpose::TREATMENT);
    let access = Access { object, version: 0, requester, permission, purpose };
    let (time, nonce) = (START.saturating_add(dated), sha256(&seconds.to_le_bytes()).0);
    let request =
        AccessRequest::sign(chain.chain_id(), gateway_id(), access, time, nonce, &key(GRANTEE), &[0; 32]).unwrap();
    let now = Millis::from(Timestamp(START.0 + seconds));
    let body = codec::encode(&Request::Open(request));
    let answer = gateway.request(now, chain, 0, &PeerId(sha256(b"peer")), &body).unwrap();
    match codec::decode(&answer).unwrap() {
        Response::Refused { rule, .. } => rule,
        other => panic!("nothing can be opened here: {other:?}"),
    }
}

const PERMITTED: &str = "object-not-found";

#[test]
fn a_grant_that_was_over_stays_over() {
    let mut chain = granted();
    let mut gateway = gateway(&mut chain);
    assert_eq!(rule(&mut gateway, &mut chain, END - 100, END - 100), PERMITTED);
    assert_eq!(rule(&mut gateway, &mut chain, END + 10, END + 10), "access-over");
    assert_eq!(rule(&mut gateway, &mut chain, END - 50, END - 50), "access-over", "the clock was set back");
    let mut again = self::gateway(&mut chain);
    for dated in [END - 40, END + 10, END + 40, END + 50] {
        let rule = rule(&mut again, &mut chain, END - 40, dated);
        assert_ne!(rule, PERMITTED, "and the gateway started anew");
    }
}

/// As long as it runs the gateway takes no request from before that time, which it might have forgotten; started anew it does.
#[test]
fn a_clock_that_was_far_ahead_does_no_lasting_harm() {
    let mut chain = granted();
    let mut gateway = gateway(&mut chain);
    assert_eq!(rule(&mut gateway, &mut chain, 100_000, 100_000), "access-stale-tip");
    let mut again = self::gateway(&mut chain);
    assert_eq!(rule(&mut again, &mut chain, END - 100, END - 100), PERMITTED);
}
