//! The engine of one authority: what it seals everybody accepts, what anybody else seals nobody does.
#![allow(clippy::unwrap_used, reason = "a test")]

use health_chain_consensus::{
    Solo, SoloParameters, Weight,
    ports::{Action, Ancestry, Engine, Input},
};
use health_chain_data::{
    BlockId, Hash, Header, Height, Millis, PublicKey, SecretKey, Signature, Timestamp,
    ports::{Signer, SignerError},
    state::MemoryStore,
};

struct Key(u8);

impl Key {
    fn secret(&self) -> SecretKey {
        SecretKey::from_bytes(&[self.0; 32]).unwrap()
    }
}

impl Signer for Key {
    fn public_key(&self) -> PublicKey {
        self.secret().public_key()
    }

    fn sign(&self, message: &Hash, entropy: &[u8; 32]) -> Result<Signature, SignerError> {
        Ok(self.secret().sign(message, entropy))
    }
}

/// A device that is not plugged in.
struct Unplugged;

#[derive(Debug, thiserror::Error)]
#[error("not plugged in")]
struct NotPluggedIn;

impl Signer for Unplugged {
    fn public_key(&self) -> PublicKey {
        Key(1).public_key()
    }

    fn sign(&self, _: &Hash, _: &[u8; 32]) -> Result<Signature, SignerError> {
        Err(SignerError(Box::new(NotPluggedIn)))
    }
}

struct Root(Header);

impl Ancestry for Root {
    fn height(&self) -> Height {
        Height::ZERO
    }

    fn header(&self, height: Height) -> Option<Header> {
        (height == Height::ZERO).then(|| self.0.clone())
    }
}

fn candidate(time: u32) -> Header {
    Header { version: 1, parent: BlockId::default(), root: Hash::ZERO, time: Timestamp(time), seal: vec![] }
}

fn parameters() -> SoloParameters {
    SoloParameters { authority: Key(1).public_key(), interval_seconds: 10 }
}

fn sealed_by(key: u8) -> Header {
    let mut engine = Solo::authority(parameters(), Box::new(Key(key)));
    let input = Input::Candidate { header: candidate(120), branch: &Root(candidate(100)) };
    match engine.step(Millis(0), input).pop() {
        Some(Action::Sealed(header)) => header,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_the_authority_seals() {
    let follower = Solo::follower(parameters());
    let branch = Root(candidate(100));
    let sealed = sealed_by(1);
    follower.check_seal(&sealed, &branch).unwrap();
    assert_eq!(follower.weight(&sealed), Weight::from(1));
    let rule = |header: &Header| follower.check_seal(header, &branch).unwrap_err().rule;
    assert_eq!(rule(&sealed_by(2)), "solo-signature");
    assert_eq!(rule(&Header { time: Timestamp(121), ..sealed.clone() }), "solo-signature");
    assert_eq!(rule(&Header { root: Hash([1; 32]), ..sealed.clone() }), "solo-signature");
    assert_eq!(rule(&candidate(120)), "solo-seal-length");
    assert_eq!(rule(&Header { seal: [&sealed.seal[..], &[0]].concat(), ..sealed }), "solo-seal-length");
}

#[test]
fn a_block_is_made_when_it_is_due() {
    let mut engine = Solo::authority(parameters(), Box::new(Key(1)));
    let branch = Root(candidate(100));
    assert_eq!(
        engine.step(Millis(0), Input::Tip { branch: &branch, state: &MemoryStore::default() }),
        [Action::WakeAt(Millis(110_000))]
    );
    assert_eq!(engine.step(Millis(109_999), Input::Tick), []);
    assert_eq!(engine.step(Millis(110_000), Input::Tick), [Action::Build]);
    assert_eq!(engine.step(Millis(110_001), Input::Tick), [], "once");
    assert_eq!(engine.name(), "solo");
}

#[test]
fn a_follower_makes_none() {
    let mut engine = Solo::follower(parameters());
    let branch = Root(candidate(100));
    assert_eq!(engine.step(Millis(0), Input::Tip { branch: &branch, state: &MemoryStore::default() }), []);
    assert_eq!(engine.step(Millis(u64::MAX), Input::Tick), []);
    assert_eq!(engine.step(Millis(0), Input::Candidate { header: candidate(120), branch: &branch }), []);
}

#[test]
fn a_signer_that_fails_is_asked_again() {
    let mut engine = Solo::authority(parameters(), Box::new(Unplugged));
    let branch = Root(candidate(100));
    let input = Input::Candidate { header: candidate(120), branch: &branch };
    assert_eq!(engine.step(Millis(5_000), input), [Action::WakeAt(Millis(6_000))]);
    assert_eq!(engine.step(Millis(6_000), Input::Tick), [Action::Build]);
}
