use health_chain_consensus::ports::BlockContext;
use health_chain_data::{
    Amount, ChainId, Height, Kind, Output, PublicKey, Timestamp, TokenId, Transaction, TxId, codec,
    keys::derivation::DerivationError,
    ports::{SingleVerifier, Verifier},
    sha256,
    state::{MemoryStore, Overlay},
};
use health_chain_incentive::{
    Coin, IncentiveParameters, Reward, SingleKey, ports::Spend, ports::SpendCheck, tables::COINS,
};

use super::*;
use crate::ports::SeededEntropy;

const EURO: TokenId = TokenId(978);
const DOLLAR: TokenId = TokenId(840);

fn words(seed: u8) -> Mnemonic {
    Mnemonic::from_entropy(&[seed; 16]).unwrap()
}

fn wallet(seed: u8) -> Wallet {
    Wallet::open(Box::<MemoryStore>::default(), &words(seed), "").unwrap()
}

fn parameters() -> IncentiveParameters {
    IncentiveParameters { fee_token: EURO, tokens: Vec::new(), coinbase_maturity: 10, reward: Reward::Immediate }
}

fn context() -> BlockContext {
    BlockContext { chain: ChainId(sha256(b"chain")), height: Height(100), median_time_past: Timestamp(0) }
}

/// A state that holds these coins of the wallet, each under a key of its own.
fn state_with(wallet: &mut Wallet, amounts: &[(TokenId, u64)]) -> MemoryStore {
    let mut store = MemoryStore::default();
    let mut changes = Changes::default();
    for (index, (token, amount)) in (0..).zip(amounts) {
        let output = Output { token: *token, amount: Amount(*amount), lock: wallet.new_lock().unwrap() };
        let coin = Coin { output, height: Height(1), median_time_past: Timestamp(0), coinbase: false };
        let key = [&sha256(b"earlier").0[..], &u32::to_be_bytes(index)].concat();
        changes.put(COINS, key, codec::encode(&coin));
    }
    store.commit(&changes).unwrap();
    store
}

/// Whether every input is signed by the key of the coin that it spends.
fn check(transaction: &Transaction, state: &MemoryStore) {
    let context = context();
    let coin = |point| Coin::read(state, point).unwrap().unwrap();
    let spent: Vec<Output> = transaction.inputs.iter().map(|input| coin(&input.previous).output).collect();
    let spent_outputs = health_chain_data::transaction::spent_outputs_hash(&spent);
    let id: TxId = transaction.id();
    let mut claims = Vec::new();
    for (input_index, spent) in (0..).zip(&spent) {
        let spend = Spend {
            chain: &context.chain,
            transaction,
            id: &id,
            input_index,
            spent,
            spent_outputs: &spent_outputs,
            height: context.height,
            median_time_past: context.median_time_past,
        };
        SingleKey.check(&spend, &mut claims).unwrap();
    }
    assert_eq!(claims.len(), transaction.inputs.len());
    SingleVerifier.verify(&claims).unwrap();
}

fn sum(outputs: impl IntoIterator<Item = Output>, token: TokenId) -> u64 {
    outputs.into_iter().filter(|output| output.token == token).map(|output| output.amount.0).sum()
}

#[test]
fn keys_are_never_handed_out_twice() {
    let mut store = MemoryStore::default();
    let mut seen = BTreeSet::new();
    for round in 0..4_u32 {
        let mut wallet = Wallet::open(Box::new(store.clone()), &words(1), "").unwrap();
        assert!(matches!(wallet.record_key(round), Err(WalletError::UnknownKey { .. })));
        let record = wallet.new_record_key().unwrap();
        let relationship = wallet.new_relationship_key().unwrap();
        assert_eq!((record.index, relationship.index), (round, round));
        assert_eq!(wallet.record_key(round).unwrap().public_key(), record.key.public_key());
        assert!(seen.insert(record.key.public_key()) && seen.insert(relationship.key.public_key()));
        let mut changes = Changes::default();
        wallet
            .store
            .scan(WALLET, &[], &mut |key, value| {
                changes.put(WALLET, key, value);
                true
            })
            .unwrap();
        store.commit(&changes).unwrap();
    }
}

#[test]
fn a_store_belongs_to_its_words() {
    let mut store = MemoryStore::default();
    claim(&mut store, &tagged_hash("HC/wallet/v1", &[wallet(1).identity().public_key().as_bytes()])).unwrap();
    let open = |words, passphrase| Wallet::open(Box::new(store.clone()), &words, passphrase);
    assert!(open(words(1), "").is_ok());
    assert!(matches!(open(words(2), ""), Err(WalletError::OtherWallet)));
    assert!(matches!(open(words(1), "passphrase"), Err(WalletError::OtherWallet)));
}

#[test]
fn numbers_end_before_they_wrap() {
    let mut wallet = wallet(1);
    let mut changes = Changes::default();
    changes.put(WALLET, Branch::Record.counter(), (1_u32 << 31).to_le_bytes());
    wallet.store.commit(&changes).unwrap();
    let refused = wallet.new_record_key().unwrap_err();
    assert!(matches!(refused, WalletError::Derivation(DerivationError::IndexOutOfRange { .. })));
}

#[test]
fn a_payment_balances_and_is_signed() {
    let (mut payer, entropy) = (wallet(1), &mut SeededEntropy::new(1));
    let state = state_with(&mut payer, &[(EURO, 5), (EURO, 100), (EURO, 30), (DOLLAR, 50)]);
    let lock = wallet(2).new_lock().unwrap();
    let outputs = vec![
        Output { token: EURO, amount: Amount(110), lock: lock.clone() },
        Output { token: DOLLAR, amount: Amount(50), lock },
    ];
    let mut payment = Wallet::payment(outputs);
    let (parameters, context) = (parameters(), context());
    let spending = |fee| Spending { view: &state, parameters: &parameters, context: &context, fee: Amount(fee) };
    payer.fund(&mut payment, &spending(3), entropy).unwrap();
    check(&payment, &state);
    assert_eq!(payment.inputs.len(), 3, "the fewest coins that suffice");
    assert_eq!(sum(payment.outputs.clone(), EURO), 130 - 3);
    assert_eq!(sum(payment.outputs.clone(), DOLLAR), 50);
    assert_eq!(payment.outputs.len(), 3, "no change of nothing");
    let change = &payment.outputs[2].lock;
    assert!(payment.outputs[..2].iter().all(|output| output.lock != *change), "the change is the payer's");
}

#[test]
fn coins_are_not_promised_twice() {
    let (mut payer, entropy) = (wallet(1), &mut SeededEntropy::new(1));
    let state = state_with(&mut payer, &[(EURO, 10)]);
    let (parameters, context) = (parameters(), context());
    let spending = |fee| Spending { view: &state, parameters: &parameters, context: &context, fee: Amount(fee) };
    let mut first = Transaction::new(Kind(20), vec![1]);
    payer.fund(&mut first, &spending(4), entropy).unwrap();
    let mut second = Transaction::new(Kind(20), vec![2]);
    let refused = payer.fund(&mut second, &spending(4), entropy);
    assert!(matches!(refused, Err(WalletError::Insufficient { available: Amount(0), needed: Amount(4), token: EURO })));
    assert_eq!(second, Transaction::new(Kind(20), vec![2]), "what was refused is as it was");
    payer.release(&first);
    payer.fund(&mut second, &spending(4), entropy).unwrap();
    check(&second, &state);
    let again = payer.fund(&mut second, &spending(4), entropy);
    assert!(matches!(again, Err(WalletError::HasInputs { inputs: 1 })));
}

#[test]
fn immature_coins_wait() {
    let mut payer = wallet(1);
    let state = state_with(&mut payer, &[(EURO, 10)]);
    let (point, mut coin) = payer.coins(&state, &parameters(), &context()).unwrap().remove(0);
    (coin.coinbase, coin.height) = (true, Height(95));
    let mut overlay = Overlay::new(&state);
    overlay.put(COINS, [&point.transaction.0.0[..], &point.index.to_be_bytes()].concat(), codec::encode(&coin));
    assert!(payer.coins(&overlay, &parameters(), &context()).unwrap().is_empty());
    let later = BlockContext { height: Height(105), ..context() };
    assert_eq!(payer.coins(&overlay, &parameters(), &later).unwrap().len(), 1);
}

#[test]
fn a_card_belongs_to_its_wallet() {
    let wallet = wallet(1);
    let card = wallet.contact_card(&mut SeededEntropy::new(1)).unwrap();
    card.verify().unwrap();
    let key: PublicKey = wallet.spend_key().public_key();
    assert_eq!((card.spend, card.scan), (key, wallet.scan_key().public_key()));
    assert_eq!(card.kem, wallet.kem_key().public_key());
}
