//! A chain's state for transactions to act on: coins under locks of every form, an object with a grant, an institution, a date.

use std::sync::{Arc, LazyLock};

use health_chain::{
    application::{
        identities::{ApplicationParameters, Identities, InitialInstitution},
        payload::Payload,
        records::{Content, GatewayId, Grant, GrantTerms, Permissions, Position, Purpose, Records, Store, object},
    },
    consensus::ports::{BlockContext, Executor},
    contract::{
        Contracts, Scripts,
        notary::{NOTARIZE, Notarization, Notary},
        ports::Program,
        quorum::SignerSignature,
        script::assemble,
        scripts::{Escrow, HashLock, Multisig, OraclePayout, Template},
    },
    data::{
        Amount, ChainId, Commitment, Genesis, Height, Input, Lock, ObjectId, OutPoint, Output, PublicKey, SecretKey,
        Timestamp, TokenId, Transaction, TxId, Witness, codec,
        ports::ChainStore,
        sha256,
        state::{MemoryStore, Overlay},
    },
    incentive::{IncentiveParameters, Issuance, Ledger, Reward, TokenRule},
};

/// Mints, and is the only accreditor.
pub const AUTHORITY: u8 = 1;
/// Owns coins and an object.
pub const OWNER: u8 = 2;
pub const GRANTEE: u8 = 3;
pub const GATEWAY: u8 = 4;
pub const HOSPITAL: u8 = 5;

/// Fees are paid in this one.
pub const EURO: TokenId = TokenId(1);
pub const YEN: TokenId = TokenId(2);
/// What each coin is worth.
pub const COIN: u64 = 1_000;
pub const NOW: Timestamp = Timestamp(1_800_000_000);
/// Coins under the owner's key, which come first.
pub const OWN_COINS: u32 = 8;

pub struct World {
    pub contracts: Contracts,
    pub store: MemoryStore,
    /// What its transactions paid so far, which nobody has taken yet.
    pub fees: u128,
}

/// The one world. Everything in it is the same in every run, so that a corpus keeps its meaning.
pub static WORLD: LazyLock<World> = LazyLock::new(World::new);

pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).expect("small numbers are keys")
}

pub fn public(seed: u8) -> PublicKey {
    key(seed).public_key()
}

pub fn gateway() -> GatewayId {
    GatewayId::of(&public(GATEWAY))
}

pub fn chain() -> ChainId {
    static CHAIN: LazyLock<ChainId> = LazyLock::new(|| genesis().chain_id());
    *CHAIN
}

/// Of the block that everything stands in.
pub fn context() -> BlockContext {
    BlockContext { chain: chain(), height: Height(100), median_time_past: NOW }
}

pub fn content(number: u8) -> Content {
    Content { commitment: Commitment(sha256(&[number, 1])), ct_root: sha256(&[number, 2]), length: 1_000 }
}

pub fn store_operation() -> Store {
    Store::sign(chain(), gateway(), [7; 32], content(0), &key(OWNER), &[0; 32]).expect("keys sign")
}

pub fn stored_object() -> ObjectId {
    store_operation().position.object
}

pub fn grant_terms() -> GrantTerms {
    GrantTerms {
        grantee: public(GRANTEE),
        permissions: Permissions::READ,
        purpose: Purpose::TREATMENT,
        not_before: NOW,
        not_after: Timestamp(NOW.0 + 1_000),
        wrap_commit: sha256(b"wrap"),
        payment: None,
    }
}

/// A statement of two signers.
pub fn notarization(number: u8) -> Transaction {
    let signers = vec![public(OWNER), public(HOSPITAL)];
    let mut payload = Notarization { commitment: sha256(&[number]), threshold: 2, signers, signatures: vec![] };
    let message = payload.message(&chain());
    payload.signatures = [OWNER, HOSPITAL]
        .into_iter()
        .enumerate()
        .map(|(signer, seed)| SignerSignature { signer: signer as u8, signature: key(seed).sign(&message, &[0; 32]) })
        .collect();
    Transaction::new(NOTARIZE, codec::encode(&payload))
}

/// Lets the owner's coin at `index` pay for `transaction`. Nobody verifies the signature: what is tried is what is claimed.
pub fn paid_by(mut transaction: Transaction, index: u32) -> Transaction {
    transaction.inputs.push(Input { previous: point(index), sequence: Input::FINAL });
    transaction.witnesses.push(Witness::new([[7_u8; 64]]));
    transaction
}

pub fn point(index: u32) -> OutPoint {
    static COINS: LazyLock<TxId> = LazyLock::new(|| mint().id());
    OutPoint { transaction: *COINS, index }
}

pub fn money() -> IncentiveParameters {
    let rule = |token, symbol: &str| TokenRule {
        token,
        symbol: symbol.into(),
        decimals: 2,
        threshold: 1,
        issuers: vec![public(AUTHORITY)],
    };
    let tokens = vec![rule(EURO, "EUR"), rule(YEN, "JPY")];
    IncentiveParameters { fee_token: EURO, tokens, coinbase_maturity: 1, reward: Reward::Immediate }
}

/// The owner's coins, then one under each other form of lock.
pub fn locks() -> Vec<Lock> {
    let [a, b, c] = [OWNER, GRANTEE, HOSPITAL].map(public);
    let text = |text: &str| Lock(assemble(text).expect("a script"));
    let forms = [
        Template::multisig(2, vec![a, b, c]).expect("three keys"),
        Template::key_hash(&a),
        Template::script_hash(&text("ADD 5 NUMEQUAL").0),
        Template::NotBefore { lock_time: 50, key: a },
        Template::Aged { sequence: 10, key: a },
        Template::Escrow(Escrow::new(a, b, c, 50).expect("three parties")),
        Template::HashLock(HashLock { digest: sha256(&[7; 32]), recipient: b, payer: a, refund_from: 50 }),
        Template::OraclePayout(OraclePayout {
            statement: sha256(b"it happened"),
            oracles: Multisig::new(1, vec![b, c]).expect("two keys"),
            beneficiary: c,
            payer: a,
            refund_from: 50,
        }),
    ];
    let own = (0..OWN_COINS).map(|_| Template::Key(a).lock());
    own.chain(forms.iter().map(Template::lock)).chain([text("ADD 5 NUMEQUAL"), text("DEPTH 0 EQUAL")]).collect()
}

fn genesis() -> Genesis {
    Genesis::new("fuzz", NOW, vec![]).with(&money()).with(&people())
}

fn people() -> ApplicationParameters {
    let institutions = vec![InitialInstitution { name: "a hospital".into(), key: public(HOSPITAL) }];
    ApplicationParameters { accreditors: vec![public(AUTHORITY)], threshold: 1, institutions }
}

pub fn minted(token: TokenId, serial: u64, outputs: Vec<Output>) -> Transaction {
    let mut mint = Issuance::mint(token, serial, outputs).expect("amounts fit");
    let message = Issuance::message(&chain(), &mint).expect("a mint");
    let signature = key(AUTHORITY).sign(&message, &[0; 32]);
    let rule = money().tokens.into_iter().find(|rule| rule.token == token).expect("a token of this chain");
    Issuance::add_signature(&mut mint, &rule, &public(AUTHORITY), signature).expect("the issuer signed");
    mint
}

fn mint() -> Transaction {
    let output = |lock| Output { token: EURO, amount: Amount(COIN), lock };
    minted(EURO, 1, locks().into_iter().map(output).collect())
}

impl World {
    fn new() -> Self {
        let programs: Vec<Arc<dyn Program>> = vec![
            Arc::new(Notary),
            Arc::new(Records),
            Arc::new(Identities::new(people()).expect("possible parameters")),
        ];
        let ledger = Ledger::new(money(), Arc::new(Scripts)).expect("possible parameters");
        let contracts = Contracts::new(ledger, programs).expect("no two programs claim the same");
        let mut store = MemoryStore::default();
        let mut state = Overlay::new(&store);
        contracts.genesis(&mut state, &genesis()).expect("its own genesis");
        let mut fees = 0;
        let mut apply = |state: &mut Overlay<'_>, transaction: &Transaction, height: u32| {
            let context = BlockContext { height: Height(height), ..context() };
            let effect = contracts.apply(state, transaction, &context, &mut Vec::new()).expect("a valid beginning");
            fees += u128::from(effect.fee.0);
        };
        let yen = Output { token: YEN, amount: Amount(COIN), lock: locks()[0].clone() };
        apply(&mut state, &mint(), 1);
        apply(&mut state, &minted(YEN, 1, vec![yen]), 1);
        apply(&mut state, &paid_by(store_operation().transaction(), 0), 2);
        apply(&mut state, &paid_by(notarization(0), 1), 2);
        let object = object(&state, &stored_object()).expect("memory").expect("stored a moment ago");
        let position = Position::next(chain(), stored_object(), &object).expect("a new object");
        let grant = Grant::sign(position, grant_terms(), &key(OWNER), &[0; 32]).expect("keys sign");
        apply(&mut state, &paid_by(grant.transaction(), 2), 3);
        let changes = state.into_changes().expect("memory");
        store.commit(&changes).expect("memory");
        Self { contracts, store, fees }
    }
}
