//! One sound value of everything that the mutations start from.

use health_chain::{
    application::{
        attestation::{Attestation, AttestationTerms},
        audit::{
            Access as Accessed, Answer, AuditEvent, AuditLog, Checkpoint, Growth, Outcome, ReadReceipt, ReceiptTerms,
        },
        authorize::{Access, AccessRequest},
        flows::{ShareRequest, ShareRequestTerms},
        gateway::{About, Opened, Request, Response},
        identities::{Approval, Authority, InstitutionId, Register, Retire, RotateKey},
        limits::MAX_ANSWER_ENTRIES,
        records::{
            Content, Delete, GatewayId, Grant, GrantTerms, Issue, NewVersion, Permissions, Position, Purpose, Revoke,
            RevokeAll, RotateOwner, Store, object_id,
        },
    },
    consensus::ConsensusParameters,
    data::{
        Amount, Block, BlockId, Body, ChainId, Commitment, Genesis, Hash, Header, Height, Input, Kind, Lock, ObjectId,
        OutPoint, Output, SecretKey, Signature, Timestamp, TokenId, Transaction, TxId, Witness, codec,
        keys::ContactCard,
        limits::{MAX_BLOCK_TRANSACTIONS, MAX_INPUTS, MAX_OUTPUTS},
        merkle::{leaf_hash, root_of_hashes},
        ports::ChainStore,
        seal::{self, OpeningKey, SealingKey},
        sha256,
        state::{Changes, MemoryStore},
        transaction::WitnessItem,
        wrap::{KemSecretKey, KeyWrap, WrapContext, WrappedSecrets, wrap as wrap_key},
    },
    incentive::{Issuance, TokenRule},
    network::{Address, EncodedTransaction, Hello, Item, Message, message::PROTOCOL_VERSION},
};

const NOW: Timestamp = Timestamp(1_800_000_000);

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).unwrap()
}

pub(crate) fn owner() -> SecretKey {
    key(1)
}

pub(crate) fn gateway() -> SecretKey {
    key(2)
}

fn grantee() -> SecretKey {
    key(3)
}

fn gateway_id() -> GatewayId {
    GatewayId::of(&gateway().public_key())
}

fn chain() -> ChainId {
    genesis().chain_id()
}

pub(crate) fn object() -> ObjectId {
    object_id(&chain(), &owner().public_key(), &[7; 32])
}

fn signature() -> Signature {
    owner().sign(&sha256(b"anything"), &[0; 32])
}

pub(crate) fn transaction() -> Transaction {
    let mut transaction = Transaction::new(Kind(2), vec![7; 120]);
    transaction.inputs = (0..3)
        .map(|index| Input {
            previous: OutPoint { transaction: TxId(sha256(b"spent")), index },
            sequence: Input::FINAL,
        })
        .collect();
    transaction.witnesses = vec![Witness::new([[5_u8; 64]]); 3];
    transaction.outputs = vec![output(900); 2];
    transaction
}

fn output(amount: u64) -> Output {
    Output { token: TokenId(1), amount: Amount(amount), lock: Lock(vec![0x20; 34]) }
}

pub(crate) fn block() -> Block {
    Block { header: header(), body: Body(vec![transaction(); 20]) }
}

fn header() -> Header {
    Header { version: 1, parent: BlockId(sha256(b"parent")), root: sha256(b"root"), time: NOW, seal: vec![1; 8] }
}

pub(crate) fn unsealed_header() -> Header {
    Header { seal: Vec::new(), ..header() }
}

/// Blocks that take much more room than their bytes: as many outputs of one transaction as there may be, as many empty items of
/// witnesses, as many such transactions, as many empty ones.
pub(crate) fn growing() -> [Block; 4] {
    let nothing = Transaction::new(Kind(2), Vec::new());
    let output = Output { token: TokenId(1), amount: Amount(1), lock: Lock(Vec::new()) };
    let outputs = Transaction { outputs: vec![output; MAX_OUTPUTS], ..nothing.clone() };
    let witness = Witness(vec![WitnessItem(Vec::new()); 98]);
    let witnesses = Transaction { witnesses: vec![witness; MAX_INPUTS], ..nothing.clone() };
    let block = |transaction: Transaction, count| Block { header: header(), body: Body(vec![transaction; count]) };
    [block(outputs, 1), block(witnesses.clone(), 1), block(witnesses, 40), block(nothing, MAX_BLOCK_TRANSACTIONS)]
}

/// As many entries as an answer may have, each as short as can be.
pub(crate) fn long_answer() -> Answer {
    let answer = answer();
    let mut entry = answer.entries[1].clone();
    entry.proof.path.clear();
    Answer { entries: vec![entry; MAX_ANSWER_ENTRIES], ..answer }
}

pub(crate) fn genesis() -> Genesis {
    Genesis::new("hostile", NOW, vec![1; 8]).with(&ConsensusParameters::default())
}

/// One message of each kind.
pub(crate) fn messages() -> [Message; 15] {
    let id = sha256(b"id");
    let items = vec![Item::Block(BlockId(id)), Item::Revocation(TxId(id)), Item::Transaction(TxId(id))];
    let encoded = EncodedTransaction(codec::encode(&transaction()));
    let hello = Hello {
        version: PROTOCOL_VERSION,
        network: "hostile".into(),
        genesis: chain(),
        tip: BlockId(id),
        height: Height(70_000),
        listen: Some(Address("127.0.0.1:7070".into())),
        nonce: 9,
    };
    [
        Message::Hello(hello),
        Message::Ready,
        Message::Announce(items.clone()),
        Message::Request(items.clone()),
        Message::NotFound(items),
        Message::Transactions(vec![encoded; 3]),
        Message::Block(codec::encode(&block())),
        Message::GetHeaders { locator: vec![BlockId(id); 8] },
        Message::Headers(vec![header(); 8]),
        Message::GetPeers,
        Message::Peers(vec![Address("10.0.0.1:1".into()); 8]),
        Message::Ping { nonce: u64::MAX },
        Message::Pong { nonce: 3 },
        Message::AppRequest { id: 4, body: vec![4; 100] },
        Message::AppResponse { id: 4, body: vec![4; 100] },
    ]
}

/// One request of each kind.
pub(crate) fn requests() -> [Request; 9] {
    let (session, terms) = (sha256(b"session"), receipt_terms());
    [
        Request::About,
        Request::Collect { message: sha256(b"message"), offset: 70_000 },
        Request::Letter(codec::encode(&share_request())),
        Request::Open(access_request()),
        Request::Read { session, offset: 1 << 40 },
        Request::Confirm { session, terms, signature: signature() },
        Request::withdraw(&transaction()),
        Request::History { request: access_request(), from: 5 },
        Request::Growth { size: 70_000 },
    ]
}

/// One answer of each kind.
pub(crate) fn responses() -> [Response; 8] {
    let about = About {
        chain: chain(),
        gateway: gateway_id(),
        key: gateway().public_key(),
        height: 70_000,
        tip: sha256(b"tip"),
        waiting: 3,
        checkpoint: checkpoint(),
    };
    let opened = Opened { session: sha256(b"session"), object: object(), content: content(0), wrap: Some(wrap()) };
    [
        Response::About(about),
        Response::Piece { length: 1 << 40, bytes: vec![8; 300] },
        Response::Taken,
        Response::Opened(opened),
        Response::Receipt(Box::new(receipt())),
        Response::History(Box::new(answer())),
        Response::Refused { rule: "access-version".into(), reason: "version 1 was asked for, and 2 is at hand".into() },
        Response::Growth(Box::new(growth())),
    ]
}

fn content(number: u8) -> Content {
    Content { commitment: Commitment(sha256(&[number, 1])), ct_root: sha256(&[number, 2]), length: 100_000 }
}

fn position() -> Position {
    let (chain, gateway, object) = (chain(), gateway_id(), object());
    Position { chain, gateway, object, owner_epoch: 1, version: 3, epoch: 300, seq: 70_000 }
}

pub(crate) fn store() -> Store {
    Store::sign(chain(), gateway_id(), [7; 32], content(0), &owner(), &[0; 32]).unwrap()
}

pub(crate) fn grant() -> Grant {
    let terms = GrantTerms {
        grantee: grantee().public_key(),
        permissions: Permissions::READ | Permissions::HISTORY,
        purpose: Purpose::RESEARCH,
        not_before: NOW,
        not_after: Timestamp(NOW.0 + 1_000),
        wrap_commit: sha256(b"wrap"),
        payment: Some(sha256(b"payment")),
    };
    Grant::sign(position(), terms, &owner(), &[0; 32]).unwrap()
}

pub(crate) fn revoke() -> Revoke {
    Revoke::sign(position(), grantee().public_key(), &owner(), &[0; 32]).unwrap()
}

pub(crate) fn revoke_all() -> RevokeAll {
    RevokeAll::sign(position(), &owner(), &[0; 32]).unwrap()
}

pub(crate) fn new_version() -> NewVersion {
    NewVersion::sign(position(), content(1), content(0).commitment, gateway_id(), &owner(), &[0; 32]).unwrap()
}

pub(crate) fn rotate_owner() -> RotateOwner {
    RotateOwner::sign(position(), &owner(), &grantee(), &[0; 32]).unwrap()
}

pub(crate) fn delete() -> Delete {
    Delete::sign(position(), &owner(), &[0; 32]).unwrap()
}

pub(crate) fn issue() -> Issue {
    Issue::sign(chain(), sha256(b"attestations"), 1 << 20, &key(4), &[0; 32]).unwrap()
}

pub(crate) fn attestation() -> Attestation {
    let terms = AttestationTerms {
        chain: chain(),
        commitment: content(0).commitment,
        owner: owner().public_key(),
        issued_at: NOW,
        record_type: "LOINC 18842-5".into(),
        supersedes: Some(content(1).commitment),
    };
    Attestation::sign(terms, &key(4), &[0; 32]).unwrap()
}

pub(crate) fn access_request() -> AccessRequest {
    let access = Access {
        object: object(),
        version: 3,
        requester: grantee().public_key(),
        permission: Permissions::READ,
        purpose: Purpose::RESEARCH,
    };
    AccessRequest::sign(chain(), gateway_id(), access, NOW, [9; 32], &grantee(), &[0; 32]).unwrap()
}

pub(crate) fn contact_card() -> ContactCard {
    ContactCard::sign(&grantee(), key(5).public_key(), reader().public_key(), &[0; 32])
}

pub(crate) fn share_request() -> ShareRequest {
    let terms = ShareRequestTerms {
        chain: chain(),
        object: object(),
        card: contact_card(),
        permissions: Permissions::READ,
        purpose: Purpose::RESEARCH,
        not_before: NOW,
        not_after: Timestamp(NOW.0 + 1_000),
    };
    ShareRequest::sign(terms, &grantee(), &[0; 32]).unwrap()
}

/// The payload of a MINT by two issuers.
pub(crate) fn issuance() -> Vec<u8> {
    let issuers = [key(6), key(7)];
    let public = issuers.iter().map(SecretKey::public_key).collect();
    let rule = TokenRule { token: TokenId(1), symbol: "EUR".into(), decimals: 2, threshold: 2, issuers: public };
    let mut mint = Issuance::mint(rule.token, 300, vec![output(70_000)]).unwrap();
    let message = Issuance::message(&chain(), &mint).unwrap();
    for issuer in issuers {
        Issuance::add_signature(&mut mint, &rule, &issuer.public_key(), issuer.sign(&message, &[0; 32])).unwrap();
    }
    mint.payload
}

fn approvals(message: &Hash) -> Vec<Approval> {
    (0..3).map(|index| Approval::sign(index, message, &key(20 + index), &[0; 32]).unwrap()).collect()
}

pub(crate) fn register() -> Register {
    let mut register = Register::sign(chain(), "General Hospital", &key(4), &[0; 32]).unwrap();
    register.approvals = approvals(&register.message());
    register
}

fn institution() -> InstitutionId {
    InstitutionId::of(&chain(), &key(4).public_key())
}

/// One by the old key, one by the accreditors.
pub(crate) fn rotate_keys() -> [RotateKey; 2] {
    let by_key = RotateKey::sign(chain(), institution(), 300, &key(4), &key(8), &[0; 32]).unwrap();
    let mut by_accreditors = RotateKey::sign_new(chain(), institution(), 300, &key(8), &[0; 32]).unwrap();
    by_accreditors.authority = Authority::Accreditors(approvals(&by_accreditors.message()));
    [by_key, by_accreditors]
}

pub(crate) fn retire() -> Retire {
    let mut retire = Retire { chain: chain(), institution: institution(), seq: 2, approvals: Vec::new() };
    retire.approvals = approvals(&retire.message());
    retire
}

/// The leaves of a tree, and its root.
pub(crate) fn tree() -> (Vec<Hash>, Hash) {
    let leaves: Vec<Hash> = (0..11_u8).map(|leaf| leaf_hash(&[leaf])).collect();
    let root = root_of_hashes(&leaves);
    (leaves, root)
}

fn receipt_terms() -> ReceiptTerms {
    ReceiptTerms {
        chain: chain(),
        object: object(),
        version: 3,
        reader: grantee().public_key(),
        gateway: gateway().public_key(),
        at: NOW,
        bytes: 100_000,
    }
}

fn receipt() -> ReadReceipt {
    let signature = grantee().sign(&receipt_terms().message(), &[0; 32]);
    ReadReceipt::countersign(receipt_terms(), signature, Hash::ZERO, &gateway(), &[0; 32]).unwrap()
}

/// One event of each kind.
pub(crate) fn events() -> [AuditEvent; 3] {
    let access = |outcome| Accessed {
        object: object(),
        version: 3,
        requester: grantee().public_key(),
        permission: Permissions::READ,
        purpose: Purpose::RESEARCH,
        at: NOW,
        request: access_request().message(),
        outcome,
    };
    [
        AuditEvent::Access(access(Outcome::deny("access-version"))),
        AuditEvent::Access(access(Outcome::Permit)),
        AuditEvent::Receipt(receipt()),
    ]
}

/// A log of three events about one object, between others about another, and the tables that it stands in.
fn log() -> (AuditLog, MemoryStore) {
    let (mut log, mut store) = (AuditLog::default(), MemoryStore::default());
    let mut append =
        |event: &AuditEvent| log.append(event, |changes: &Changes| store.commit(changes)).map(drop).unwrap();
    for mut event in events() {
        append(&event);
        if let AuditEvent::Access(access) = &mut event {
            access.object = ObjectId(sha256(b"another object"));
            append(&event);
        }
    }
    (log, store)
}

pub(crate) fn checkpoint() -> Checkpoint {
    Checkpoint::sign(&log().0, chain(), NOW, &gateway(), &[0; 32]).unwrap()
}

pub(crate) fn answer() -> Answer {
    let (log, store) = log();
    let answer = log.answer(&store, &object(), checkpoint(), 0, 100).unwrap();
    assert_eq!(answer.entries.len(), 3);
    answer
}

fn growth() -> Growth {
    Growth { checkpoint: checkpoint(), proof: log().0.consistency_proof(3, 5).unwrap() }
}

pub(crate) fn reader() -> KemSecretKey {
    KemSecretKey::from_seed(&[6; 32])
}

pub(crate) fn wrap_context() -> WrapContext {
    let (owner, grantee) = (owner().public_key(), grantee().public_key());
    WrapContext { chain: chain(), object: object(), version: 3, epoch: 300, owner, grantee }
}

pub(crate) fn wrap() -> KeyWrap {
    let secrets = WrappedSecrets { key: sealed(1).1, blinding: [8; 32].into(), document_digest: sha256(b"document") };
    wrap_key(&reader().public_key(), &wrap_context(), &secrets, &[9; 32]).unwrap()
}

/// A sealed object, and the key that opens it.
pub(crate) fn sealed(plaintext_bytes: usize) -> (Vec<u8>, OpeningKey) {
    let plaintext: Vec<u8> = (0..plaintext_bytes).map(|at| at as u8).collect();
    let sealed = seal::seal(SealingKey::new(&[3; 32]), &object(), 3, &[4; 24], &plaintext).unwrap();
    (sealed.bytes, sealed.receipt.key)
}
