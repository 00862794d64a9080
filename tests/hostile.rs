//! Hostile bytes: 100,000 mutations of each kind of input that reaches a node, a wallet or a reader. Each either decodes to a value
//! whose canonical bytes are exactly the input, or is a typed error; none panics, and none makes the decoder hold more than
//! twice the input and 64 KiB. What carries a signature, a proof or an authenticated cipher is, in addition, never taken for
//! genuine once a byte of it has changed.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

#[path = "hostile/seeds.rs"]
mod seeds;

use std::{fmt::Debug, time::Instant};

use allocation_counter::measure;
use health_chain::{
    application::{
        attestation::Attestation,
        audit::{Answer, AuditEvent, Checkpoint},
        authorize::AccessRequest,
        flows::ShareRequest,
        gateway::{Request, Response},
        identities::{Register, Retire, RotateKey},
        records::{Delete, Grant, Issue, NewVersion, OwnerSigned, Revoke, RevokeAll, RotateOwner, Store},
    },
    data::{
        Block, BlockId, Genesis, Hash, Header, Transaction,
        codec::{self, Wire},
        keys::ContactCard,
        merkle::{ConsistencyProof, InclusionProof},
        seal,
        wrap::{KeyWrap, unwrap},
    },
    incentive::Issuance,
    network::{
        EncodedTransaction, Item, Message,
        limits::{MAX_HEADERS, MAX_ITEMS},
    },
};
const MUTATIONS: u64 = 100_000;
/// For what takes 64 KiB of work each time.
const SLOW_MUTATIONS: u64 = 10_000;
const SLACK_BYTES: usize = 64 * 1024;
/// Bytes in memory for each byte of an input that was made to grow.
const MAX_GROWTH: usize = 40;

/// A small deterministic generator (xorshift64*): the same seed gives the same mutations.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// One to four changes: a bit flipped, a byte set, a cut, an insertion, a run copied elsewhere, a huge length planted.
fn mutate(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(7) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 => bytes.insert(at, random.next() as u8),
            4 => {
                let run = bytes[at..(at + random.below(64)).min(bytes.len())].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, run);
            }
            5 => drop(bytes.splice(at..at, [0xff, 0xff, 0xff, 0xff, 0x0f])),
            _ if !bytes.is_empty() => bytes[at] = [0x00, 0x01, 0x7f, 0x80, 0xff][random.below(5)],
            _ => bytes.push(random.next() as u8),
        }
    }
    bytes
}

/// Feeds mutations of `seeds` to `read`, and shows what it accepts, with the bytes, to `accept`. Prints how many were accepted and how
/// many refused.
fn attack<V, E: Debug>(
    name: &str,
    seeds: &[Vec<u8>],
    read: impl Fn(&[u8]) -> Result<V, E>,
    accept: impl Fn(&V, &[u8]),
) {
    let mutations = if seeds[0].len() > seal::CHUNK_BYTES { SLOW_MUTATIONS } else { MUTATIONS };
    for seed in seeds {
        accept(&read(seed).unwrap_or_else(|error| panic!("{name}: the seed itself is accepted: {error:?}")), seed);
    }
    let seed = 0x9e37_79b9_7f4a_7c15;
    let mut random = Random(seed);
    let (mut accepted, began) = (0, Instant::now());
    for round in 0..mutations {
        let bytes = mutate(&seeds[round as usize % seeds.len()], &mut random);
        let allowed = 2 * bytes.len() + SLACK_BYTES;
        let (outcome, held) = measured(|| read(&bytes));
        assert!(held <= allowed, "{name}, seed {seed:#x}, round {round}: {held} bytes held for {} bytes", bytes.len());
        if let Ok(value) = outcome {
            accept(&value, &bytes);
            accepted += 1;
        }
    }
    let refused = mutations - accepted;
    println!("{name:<18} {accepted:>9} {refused:>9} {:>7}", began.elapsed().as_millis());
    assert!(refused > mutations / 20, "{name}: mutations that change nothing test nothing");
}

/// What `read` gives, and the most bytes that its thread held for it on the way.
fn measured<T>(read: impl FnOnce() -> T) -> (T, usize) {
    let mut outcome = None;
    let held = measure(|| outcome = Some(read())).bytes_max;
    (outcome.expect("it was read"), held as usize)
}

/// Of whatever decodes, the input is the one encoding.
fn decode<T: Wire>(name: &str, seeds: &[Vec<u8>]) {
    attack(name, seeds, codec::decode::<T>, |value, bytes| {
        assert_eq!(codec::encode(value), bytes, "{name}: not canonical")
    });
}

/// As [`decode`]; and `genuine` holds for the seed, and for nothing else.
fn forge<T: Wire>(name: &str, seed: &[u8], genuine: impl Fn(&T) -> bool) {
    attack(name, &[seed.to_vec()], codec::decode::<T>, |value, bytes| {
        assert_eq!(codec::encode(value), bytes, "{name}: not canonical");
        assert_eq!(
            genuine(value),
            bytes == seed,
            "{name}: {} passes for genuine, or the seed does not",
            hex::encode(bytes)
        );
    });
}

fn operation<T: OwnerSigned>(name: &str, operation: &T) {
    let owner = seeds::owner().public_key();
    forge::<T>(name, &codec::encode(operation), |operation| operation.verify(&owner).is_ok());
}

#[test]
fn what_nodes_exchange() {
    let block = seeds::block();
    decode::<Header>("header", &[codec::encode(&block.header)]);
    decode::<Transaction>("transaction", &[codec::encode(&seeds::transaction())]);
    decode::<Block>("block", &[codec::encode(&block)]);
    decode::<Genesis>("genesis", &[codec::encode(&seeds::genesis())]);
    decode::<Message>("frame", &seeds::messages().map(|message| codec::encode(&message)));
    decode::<Request>("gateway request", &seeds::requests().map(|request| codec::encode(&request)));
    decode::<Response>("gateway response", &seeds::responses().map(|response| codec::encode(&response)));
}

#[test]
fn what_owners_sign_for_others() {
    operation::<Store>("store", &seeds::store());
    operation::<Grant>("grant", &seeds::grant());
    operation::<Revoke>("revoke", &seeds::revoke());
    operation::<RevokeAll>("revoke all", &seeds::revoke_all());
}

#[test]
fn what_owners_sign_about_their_objects() {
    operation::<NewVersion>("new version", &seeds::new_version());
    operation::<Delete>("delete", &seeds::delete());
    // Signed twice: by the old owner, and by the new one in acceptance.
    let (owner, rotate) = (seeds::owner().public_key(), codec::encode(&seeds::rotate_owner()));
    forge::<RotateOwner>("rotate owner", &rotate, |rotate| {
        let (message, accepts) = (rotate.message(), &rotate.acceptance);
        rotate.verify(&owner).is_ok() && rotate.new_owner.verify(&message, accepts).is_ok()
    });
}

#[test]
fn what_others_sign() {
    forge::<AccessRequest>("access request", &codec::encode(&seeds::access_request()), |it| it.verify().is_ok());
    forge::<ShareRequest>("share request", &codec::encode(&seeds::share_request()), |it| it.verify().is_ok());
    forge::<Issue>("issue", &codec::encode(&seeds::issue()), |issue| {
        issue.issuer.verify(&issue.message(), &issue.signature).is_ok()
    });
    forge::<ContactCard>("contact card", &codec::encode(&seeds::contact_card()), |card| card.verify().is_ok());
    decode::<Attestation>("attestation", &[codec::encode(&seeds::attestation())]);
    decode::<Issuance>("issuance", &[seeds::issuance()]);
    decode::<Register>("register", &[codec::encode(&seeds::register())]);
    decode::<RotateKey>("rotate key", &seeds::rotate_keys().map(|rotation| codec::encode(&rotation)));
    decode::<Retire>("retire", &[codec::encode(&seeds::retire())]);
}

#[test]
fn what_proves() {
    let (leaves, root) = seeds::tree();
    let inclusion = InclusionProof::build(&leaves, 5).unwrap();
    forge("inclusion proof", &codec::encode(&inclusion), |it: &InclusionProof| {
        // Index and size are the verifier's own, as the type's documentation demands.
        (it.leaf_index, it.tree_size) == (5, 11) && it.verify(&leaves[5], &root).is_ok()
    });
    let old_root = health_chain::data::merkle::root_of_hashes(&leaves[..7]);
    let consistency = ConsistencyProof::build(&leaves, 7).unwrap();
    forge("consistency proof", &codec::encode(&consistency), |it: &ConsistencyProof| {
        (it.old_size, it.new_size) == (7, 11) && it.verify(&old_root, &root).is_ok()
    });
    let gateway = seeds::gateway().public_key();
    forge("checkpoint", &codec::encode(&seeds::checkpoint()), |it: &Checkpoint| it.verify().is_ok());
    forge("audit answer", &codec::encode(&seeds::answer()), |it: &Answer| it.verify(&gateway, Hash::ZERO).is_ok());
    decode::<AuditEvent>("audit event", &seeds::events().map(|event| codec::encode(&event)));
}

/// An element of a byte or three becomes a structure of some dozens. Bounded by counts and not by memory, since whether a block
/// decodes must not depend on the machine: so the factor is larger here, and this pins it.
#[test]
fn what_is_made_to_grow() {
    fn grow<T: Wire>(name: &str, value: &T) {
        let bytes = codec::encode(value);
        let (outcome, held) = measured(|| codec::decode::<T>(&bytes).map(drop));
        assert_eq!(outcome, Ok(()), "{name}");
        println!("{name:<18} {:>9} {held:>9} {:>6.1}x", bytes.len(), held as f64 / bytes.len() as f64);
        assert!(held > bytes.len(), "{name}: what was decoded has been counted");
        assert!(held <= MAX_GROWTH * bytes.len() + SLACK_BYTES, "{name}: {held} bytes held for {}", bytes.len());
    }
    println!("{:<18} {:>9} {:>9}", "input", "bytes", "held");
    let [outputs, witnesses, block_of_witnesses, block_of_nothing] = seeds::growing();
    grow("outputs", &outputs.body);
    grow("witnesses", &witnesses.body);
    grow("block of witnesses", &block_of_witnesses);
    grow("block of nothing", &block_of_nothing);
    grow("announcement", &Message::Announce(vec![Item::Block(BlockId::default()); MAX_ITEMS]));
    grow("transactions", &Message::Transactions(vec![EncodedTransaction(vec![]); MAX_ITEMS]));
    grow("headers", &Message::Headers(vec![seeds::unsealed_header(); MAX_HEADERS]));
    grow("history", &Response::History(Box::new(seeds::long_answer())));
}

#[test]
fn what_is_encrypted() {
    decode::<KeyWrap>("key wrap", &[codec::encode(&seeds::wrap())]);
    let genuine = codec::encode(&seeds::wrap());
    let (reader, context) = (seeds::reader(), seeds::wrap_context());
    let open = |bytes: &[u8]| -> Result<_, Box<dyn std::error::Error>> {
        Ok(unwrap(&reader, &context, &codec::decode::<KeyWrap>(bytes)?)?)
    };
    attack("unwrapping", std::slice::from_ref(&genuine), open, |_, bytes| {
        assert_eq!(bytes, genuine, "a changed wrap opens")
    });

    for plaintext_bytes in [300, seal::CHUNK_BYTES + 300] {
        let (sealed, key) = seeds::sealed(plaintext_bytes);
        let open = |bytes: &[u8]| seal::open(&key, &seeds::object(), 3, bytes);
        let name = if plaintext_bytes < seal::CHUNK_BYTES { "opening" } else { "opening two chunks" };
        attack(name, std::slice::from_ref(&sealed), open, |_, bytes| {
            assert!(bytes == sealed, "a changed object opens")
        });
    }
}
