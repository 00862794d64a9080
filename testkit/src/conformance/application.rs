//! The suites of the application layer's small seams: [`AccessPolicy`], [`RecordFormat`], [`Entropy`].

use std::collections::BTreeSet;

use health_chain::{
    application::{
        authorize::Access,
        limits::{MAX_MEDIA_TYPE_BYTES, MAX_RULE_BYTES},
        ports::{AccessPolicy, Entropy, RecordFormat},
        records::{Content, GatewayId, Grant, GrantState, GrantTerms, ObjectState, Permissions, Position, Purpose},
    },
    data::{ChainId, Commitment, Height, ObjectId, SecretKey, Timestamp, sha256},
};

/// Checks a house's own rules on an owner and a grantee, whatever they ask for. An implementation must
///
/// - give equal answers to equal questions;
/// - give each refusal a name that fits the audit log, since that is where it is written;
/// - expect no grant where the owner asks.
///
/// # Panics
/// With the rule that the policy breaks.
pub fn access_policy(policy: &dyn AccessPolicy) {
    let key = |seed| SecretKey::from_bytes(&[seed; 32]).expect("a small number is a secret key");
    let (owner, grantee) = (key(1), key(2));
    let (chain, object) = (ChainId(sha256(b"chain")), ObjectId(sha256(b"object")));
    let gateway = GatewayId(sha256(b"gateway"));
    let content = Content { commitment: Commitment(sha256(b"record")), ct_root: sha256(b"sealed"), length: 1_000 };
    let state = ObjectState {
        owner: owner.public_key(),
        owner_epoch: 0,
        version: 0,
        epoch: 0,
        seq: 1,
        content,
        gateway,
        stored_at: Height(1),
        deleted_at: None,
        live_grants: 1,
    };
    for permission in [Permissions::READ, Permissions::HISTORY, Permissions::KNOWN] {
        for purpose in [Purpose::TREATMENT, Purpose::RESEARCH, Purpose(u16::MAX)] {
            let terms = GrantTerms {
                grantee: grantee.public_key(),
                permissions: permission,
                purpose,
                not_before: Timestamp(1),
                not_after: Timestamp::MAX,
                wrap_commit: sha256(b"wrap"),
                payment: None,
            };
            let position = Position { chain, gateway, object, owner_epoch: 0, version: 0, epoch: 0, seq: 1 };
            let grant = Grant::sign(position, terms, &owner, &[0; 32]).expect("a key in memory signs");
            let grant = GrantState { grant, height: Height(2) };
            for (requester, grant) in [(&owner, None), (&grantee, Some(&grant))] {
                let access = Access { object, version: 0, requester: requester.public_key(), permission, purpose };
                let answer = policy.check(&access, &state, grant);
                assert_eq!(answer, policy.check(&access, &state, grant), "equal questions have equal answers");
                if let Err(refusal) = answer {
                    assert!((1..=MAX_RULE_BYTES).contains(&refusal.rule.len()), "a rule has a name for the audit log");
                }
            }
        }
    }
}

/// Checks a format with documents that are of it and others that are not. An implementation must
///
/// - have one media type, of the form `type/subtype`;
/// - take the first and refuse the others, with a rule's name and a place within the document;
/// - judge any bytes without a panic: the beginnings of each document are tried, too.
///
/// # Panics
/// With the rule that the format breaks.
pub fn record_format(format: &dyn RecordFormat, well_formed: &[&[u8]], malformed: &[&[u8]]) {
    let media_type = format.media_type();
    assert_eq!(media_type, format.media_type(), "a format has one media type");
    assert!(media_type.len() <= MAX_MEDIA_TYPE_BYTES, "a media type is short");
    let parts: Vec<&str> = media_type.split('/').collect();
    let is_part = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    assert!(parts.len() == 2 && parts.iter().all(is_part), "{media_type:?} is a type and a subtype");
    for document in well_formed {
        assert_eq!(format.check(document), Ok(()), "a document of the format is taken");
    }
    for document in malformed {
        assert!(format.check(document).is_err(), "a document that is none is refused");
    }
    for document in well_formed.iter().chain(malformed) {
        for end in 0..=document.len().min(2_000) {
            let beginning = &document[..end];
            let answer = format.check(beginning);
            assert_eq!(answer, format.check(beginning), "equal documents have equal answers");
            if let Err(error) = answer {
                assert!(!error.rule.is_empty() && error.offset <= end, "a rule has a name, and is broken somewhere");
            }
        }
    }
}

/// Checks a source of randomness as far as looking at it can: it never gives the same bytes again, and every bit of
/// them is set about half of the time. That nobody can guess them is for its maker to show.
///
/// # Panics
/// With the rule that the source breaks.
pub fn entropy(entropy: &mut dyn Entropy) {
    const DRAWS: usize = 2_000;
    let mut seen = BTreeSet::new();
    let mut set = [0_usize; 256];
    for _ in 0..DRAWS {
        let bytes = *entropy.draw().expect("the source gives bytes");
        for (bit, count) in set.iter_mut().enumerate() {
            *count += usize::from(bytes[bit / 8] >> (bit % 8) & 1);
        }
        assert!(seen.insert(bytes), "the same bytes are never given again");
    }
    // Nine standard deviations: chance alone does not get there.
    let off = 9 * (DRAWS as f64 / 4.0).sqrt() as usize;
    for (bit, count) in set.iter().enumerate() {
        assert!(count.abs_diff(DRAWS / 2) < off, "bit {bit} was set {count} times of {DRAWS}");
    }
}
