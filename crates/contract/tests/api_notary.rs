//! The notary in a block, and its bundles without one.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use health_chain_consensus::ports::{BlockContext, ExecuteError};
use health_chain_contract::{
    notary::{Bundle, BundleError, Dated, NOTARIZE, Notarization, Notary, NotaryError},
    ports::Program,
    quorum::{QuorumError, SignerSignature},
    scripts::ScriptError,
};
use health_chain_data::{
    Block, BlockId, Body, ChainId, Hash, Header, Height, Kind, PublicKey, SecretKey, Timestamp, Transaction, codec,
    keys::SignatureError,
    ports::{ScalarHasher, SignatureClaim, SingleVerifier, Verifier},
    sha256,
    state::{MemoryStore, Overlay},
};

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).unwrap()
}

fn public(seed: u8) -> PublicKey {
    secret(seed).public_key()
}

/// A statement of keys 1, 2 and 3, two of whom have to sign, signed by those at `signers`.
fn statement(chain: &ChainId, signers: &[u8]) -> Notarization {
    let signed_by = [1, 2, 3];
    let mut notarization = Notarization {
        commitment: sha256(b"a will"),
        threshold: 2,
        signers: signed_by.map(public).to_vec(),
        signatures: vec![],
    };
    let message = notarization.message(chain);
    let sign = |signer: &u8| {
        let seed = signed_by.get(usize::from(*signer)).copied().unwrap_or(9);
        SignerSignature { signer: *signer, signature: secret(seed).sign(&message, &[0; 32]) }
    };
    notarization.signatures = signers.iter().map(sign).collect();
    notarization
}

fn transaction(notarization: &Notarization) -> Transaction {
    Transaction::new(NOTARIZE, codec::encode(notarization))
}

const CONTEXT: BlockContext =
    BlockContext { chain: ChainId(Hash([7; 32])), height: Height(5), median_time_past: Timestamp(1_000) };

fn apply(state: &mut Overlay<'_>, transaction: &Transaction) -> Result<Vec<SignatureClaim>, &'static str> {
    let mut claims = Vec::new();
    let program: Arc<dyn Program> = Arc::new(Notary);
    match program.apply(state, transaction, &transaction.id(), &CONTEXT, &mut claims) {
        Ok(()) => {
            assert_eq!(claims.len(), program.signature_checks(transaction) as usize);
            Ok(claims)
        }
        Err(ExecuteError::Rejected(rejection)) => {
            assert!(claims.is_empty());
            Err(rejection.rule)
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn the_first_date_stays() {
    let store = MemoryStore::default();
    let mut state = Overlay::new(&store);
    let chain = CONTEXT.chain;
    let first = statement(&chain, &[0, 2]);
    let claims = apply(&mut state, &transaction(&first)).unwrap();
    assert!(SingleVerifier.verify(&claims).is_ok());
    let dated = Some(Dated { height: Height(5), time: Timestamp(1_000) });
    assert_eq!(Notary::dated(&state, &first.message(&chain)).unwrap(), dated);
    assert_eq!(apply(&mut state, &transaction(&statement(&chain, &[1, 2]))), Err("notary-already-dated"));
    // Others with the same commitment make a statement of their own, and take nothing away.
    let mut others = statement(&chain, &[0, 1]);
    others.signers.swap(0, 2);
    assert_eq!(Notary::dated(&state, &others.message(&chain)).unwrap(), None);
    let other_chain = first.message(&ChainId(Hash([8; 32])));
    assert_eq!(Notary::dated(&state, &other_chain).unwrap(), None);
}

#[test]
fn each_rule_has_its_refusal() {
    let store = MemoryStore::default();
    let chain = CONTEXT.chain;
    let refusal = |notarization: &Notarization| apply(&mut Overlay::new(&store), &transaction(notarization));
    assert!(refusal(&statement(&chain, &[0, 1])).is_ok());
    assert_eq!(refusal(&statement(&chain, &[0])), Err("notary-signatures"));
    assert_eq!(refusal(&statement(&chain, &[0, 1, 2])), Err("notary-signatures"));
    assert_eq!(refusal(&statement(&chain, &[1, 0])), Err("notary-signature-order"));
    assert_eq!(refusal(&statement(&chain, &[1, 1])), Err("notary-signature-order"));
    assert_eq!(refusal(&statement(&chain, &[1, 3])), Err("notary-unknown-signer"));
    let mut twice = statement(&chain, &[0, 1]);
    twice.signers[1] = twice.signers[0];
    assert_eq!(refusal(&twice), Err("notary-signers"));
    let nobody = Notarization { threshold: 0, signatures: vec![], ..statement(&chain, &[]) };
    assert_eq!(refusal(&nobody), Err("notary-signers"));
    let noise = Transaction::new(NOTARIZE, vec![1, 2, 3]);
    assert_eq!(apply(&mut Overlay::new(&store), &noise), Err("notary-payload"));
    let forged = refusal(&Notarization { commitment: sha256(b"another"), ..statement(&chain, &[0, 1]) }).unwrap();
    assert!(SingleVerifier.verify(&forged).is_err(), "the claims are made and do not hold");
}

fn block(transactions: Vec<Transaction>) -> Block {
    let body = Body(transactions);
    let root = body.root(&ScalarHasher);
    let header = Header { version: 1, parent: BlockId::default(), root, time: Timestamp(2_000), seal: vec![] };
    Block { header, body }
}

#[test]
fn a_bundle_proves_itself_offline() {
    let chain = CONTEXT.chain;
    let other = Transaction::new(Kind(2), vec![]);
    let block = block(vec![other.clone(), transaction(&statement(&chain, &[0, 2])), other]);
    let bundle = Bundle::of(chain, &block, 1).unwrap();
    let kept: Bundle = codec::decode(&codec::encode(&bundle)).unwrap();
    let evidence = kept.verify().unwrap();
    assert_eq!((evidence.block, evidence.time), (block.id(), Timestamp(2_000)));
    assert_eq!((evidence.commitment, evidence.signed_by), (sha256(b"a will"), vec![public(1), public(3)]));
    assert_eq!(Bundle::of(chain, &block, 3), None);

    assert_eq!(Bundle::of(chain, &block, 0).unwrap().verify(), Err(BundleError::Kind));
    let refusal = |change: fn(&mut Bundle)| {
        let mut bundle = kept.clone();
        change(&mut bundle);
        bundle.verify().unwrap_err()
    };
    assert!(matches!(refusal(|bundle| bundle.header.root.0[0] ^= 1), BundleError::Inclusion(_)));
    assert!(matches!(refusal(|bundle| bundle.proof.leaf_index = 0), BundleError::Inclusion(_)));
    assert!(matches!(refusal(|bundle| bundle.transaction.lock_time = 1), BundleError::Inclusion(_)));
    let foreign = refusal(|bundle| bundle.chain.0.0[0] ^= 1);
    assert_eq!(foreign, BundleError::Signature { position: 0, source: SignatureError::Mismatch });
}

/// A block maker can put anything into a block of his own: a bundle checks the rules too.
#[test]
fn a_bundle_of_a_bad_block_proves_nothing() {
    let chain = CONTEXT.chain;
    let of = |payload| Bundle::of(chain, &block(vec![Transaction::new(NOTARIZE, payload)]), 0).unwrap().verify();
    assert!(matches!(of(vec![1]), Err(BundleError::Rule(NotaryError::Payload(_)))));
    let few = codec::encode(&statement(&chain, &[0]));
    assert_eq!(of(few), Err(BundleError::Rule(NotaryError::Signatures(QuorumError::Count { found: 1, threshold: 2 }))));
    let mut twice = statement(&chain, &[0, 1]);
    twice.signers[1] = twice.signers[0];
    let refused = of(codec::encode(&twice));
    assert_eq!(refused, Err(BundleError::Rule(NotaryError::Signers(ScriptError::DuplicateKey { position: 1 }))));
}
