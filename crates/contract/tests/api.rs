//! The executor through its public interface: registry, atomicity, ownership of tables, free transactions, bounds.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use health_chain_consensus::ports::{BlockContext, ExecuteError, Executor, Rejection};
use health_chain_contract::{
    ContractError, Contracts, RegistryError, Scripts,
    limits::{ENTRY_BYTES, STATE_BYTES_PER_TRANSACTION_BYTE},
    ports::{NoProgram, Program},
    scripts::{Template, key_witness},
};
use health_chain_data::{
    Amount, ChainId, Genesis, Hash, Height, Input, Kind, OutPoint, Output, SecretKey, Signature, Timestamp, TokenId,
    Transaction, TxId, codec,
    ports::{ChainStore, SignatureClaim, SingleVerifier, StateView, Verifier},
    state::{Changes, MemoryStore, Overlay, Table, state_hash},
    transaction::{spend_hash, spent_outputs_hash},
};
use health_chain_incentive::{IncentiveParameters, Issuance, Ledger, LedgerError, Reward, TokenRule, kinds, tables};

const EURO: TokenId = TokenId(1);
const OWN: Table = Table(200);
const PAID: Kind = Kind(1000);
const FREE: Kind = Kind(1001);

/// Does what the payload's first byte says, so that each test can make it misbehave.
struct Script {
    name: &'static str,
    kinds: &'static [Kind],
    tables: &'static [Table],
}

const SCRIPT: Script = Script { name: "script", kinds: &[PAID, FREE], tables: &[OWN] };

const WRITE: u8 = 0;
const WRITE_THEN_FAIL: u8 = 1;
const WRITE_FOREIGN: u8 = 2;
const CLAIM: u8 = 3;
const TOUCH_FOREIGN: u8 = 4;
/// Writes as many bytes as the rest of the payload says.
const WRITE_MUCH: u8 = 5;
/// Takes away whatever lies there.
const DELETE: u8 = 6;

#[derive(Debug, thiserror::Error)]
#[error("as asked")]
struct AsAsked;

impl Program for Script {
    fn name(&self) -> &'static str {
        self.name
    }

    fn kinds(&self) -> &'static [Kind] {
        self.kinds
    }

    fn tables(&self) -> &'static [Table] {
        self.tables
    }

    fn genesis(&self, state: &mut Overlay<'_>, _: &Genesis) -> Result<(), ExecuteError> {
        state.put(self.tables.first().copied().unwrap_or(Table(201)), *b"genesis", *b"here");
        Ok(())
    }

    fn is_free(&self, transaction: &Transaction) -> bool {
        transaction.kind == FREE
    }

    fn signature_checks(&self, _: &Transaction) -> u32 {
        1
    }

    fn apply(
        &self,
        state: &mut Overlay<'_>,
        transaction: &Transaction,
        _: &TxId,
        _: &BlockContext,
        claims: &mut Vec<SignatureClaim>,
    ) -> Result<(), ExecuteError> {
        let claim = SignatureClaim {
            key: secret(9).public_key(),
            message: Hash::ZERO,
            signature: secret(9).sign(&Hash::ZERO, &[0; 32]),
        };
        state.put(OWN, *b"key", transaction.payload.clone());
        match transaction.payload[0] {
            WRITE => claims.push(claim),
            WRITE_THEN_FAIL => {
                claims.push(claim);
                return Err(Rejection { rule: "as-asked", source: Box::new(AsAsked) }.into());
            }
            WRITE_FOREIGN => state.put(tables::SUPPLY, *b"money", *b"for nothing"),
            CLAIM => claims.extend([claim; 2]),
            TOUCH_FOREIGN => state.delete(tables::SUPPLY, *b"not there"),
            WRITE_MUCH => {
                let bytes = u32::from_be_bytes(transaction.payload[1..].try_into().unwrap());
                state.put(OWN, *b"much", vec![1; bytes as usize]);
            }
            DELETE => state.delete(OWN, *b"much"),
            other => unreachable!("no test asks for {other}"),
        }
        Ok(())
    }
}

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_bytes(&[seed; 32]).unwrap()
}

fn parameters() -> IncentiveParameters {
    let issuers = vec![secret(1).public_key()];
    let rule = TokenRule { token: EURO, symbol: "EUR".into(), decimals: 2, threshold: 1, issuers };
    IncentiveParameters { fee_token: EURO, tokens: vec![rule], coinbase_maturity: 1, reward: Reward::Immediate }
}

fn ledger() -> Ledger {
    Ledger::new(parameters(), Arc::new(Scripts)).unwrap()
}

fn genesis() -> Genesis {
    Genesis::new("test", Timestamp(1_800_000_000), vec![]).with(&parameters())
}

fn context() -> BlockContext {
    BlockContext { chain: genesis().chain_id(), height: Height(1), median_time_past: Timestamp(1_800_000_000) }
}

/// A chain on which key 2 has a coin of 5 cents, and that coin.
fn chain() -> (Contracts, MemoryStore, OutPoint) {
    let contracts = Contracts::new(ledger(), vec![Arc::new(SCRIPT)]).unwrap();
    let mut store = MemoryStore::default();
    let mut state = Overlay::new(&store);
    contracts.genesis(&mut state, &genesis()).unwrap();
    let mut mint = Issuance::mint(EURO, 1, vec![coin()]).unwrap();
    let message = Issuance::message(&genesis().chain_id(), &mint).unwrap();
    let signature = secret(1).sign(&message, &[0; 32]);
    Issuance::add_signature(&mut mint, &parameters().tokens[0], &secret(1).public_key(), signature).unwrap();
    contracts.apply(&mut state, &mint, &context(), &mut Vec::new()).unwrap();
    let changes = state.into_changes().unwrap();
    store.commit(&changes).unwrap();
    (contracts, store, OutPoint { transaction: mint.id(), index: 0 })
}

fn coin() -> Output {
    Output { token: EURO, amount: Amount(5), lock: Template::Key(secret(2).public_key()).lock() }
}

fn paying(coin_at: OutPoint, payload: u8) -> Transaction {
    paying_for(coin_at, vec![payload])
}

fn paying_for(coin_at: OutPoint, payload: Vec<u8>) -> Transaction {
    let mut transaction = Transaction::new(PAID, payload);
    transaction.inputs = vec![Input { previous: coin_at, sequence: Input::FINAL }];
    let spent = spent_outputs_hash(&[coin()]);
    let chain: ChainId = genesis().chain_id();
    let message = spend_hash(&chain, &transaction.id(), &spent, 0, &coin().lock.0);
    transaction.witnesses = vec![key_witness(&secret(2).sign(&message, &[0; 32]))];
    transaction
}

fn contract_error(error: ExecuteError) -> ContractError {
    let ExecuteError::Rejected(rejection) = error else { panic!("a store failed: {error}") };
    *rejection.source.downcast().expect("the executor's own rule")
}

#[test]
fn a_transaction_pays_and_takes_effect() {
    let (contracts, store, coin_at) = chain();
    let mut state = Overlay::new(&store);
    let mut claims = Vec::new();
    let effect = contracts.apply(&mut state, &paying(coin_at, WRITE), &context(), &mut claims).unwrap();
    assert_eq!((effect.fee, effect.signature_checks), (Amount(5), 2));
    assert_eq!(claims.len(), 2);
    SingleVerifier.verify(&claims).unwrap();
    assert_eq!(state.get(OWN, b"key").unwrap(), Some(vec![WRITE]));
    assert_eq!(state.get(OWN, b"genesis").unwrap(), Some(b"here".to_vec()));
}

#[test]
fn what_fails_leaves_no_trace() {
    let (contracts, store, coin_at) = chain();
    let before = state_hash(&store).unwrap();
    let earlier = SignatureClaim { key: secret(3).public_key(), message: Hash::ZERO, signature: Signature([0; 64]) };
    for payload in [WRITE_THEN_FAIL, WRITE_FOREIGN, CLAIM] {
        let mut state = Overlay::new(&store);
        let mut claims = vec![earlier];
        contracts.apply(&mut state, &paying(coin_at, payload), &context(), &mut claims).unwrap_err();
        assert_eq!(claims, [earlier], "claims of a refused transaction are withdrawn");
        assert_eq!(state_hash(&state).unwrap(), before);
        assert!(state.into_changes().unwrap().is_empty());
    }
    let mut state = Overlay::new(&store);
    contracts.apply(&mut state, &paying(coin_at, WRITE), &context(), &mut Vec::new()).unwrap();
    assert_ne!(state_hash(&state).unwrap(), before, "and the coin is still there to be spent");
}

#[test]
fn each_rule_has_its_refusal() {
    let (contracts, store, coin_at) = chain();
    let refusal = |transaction: &Transaction| {
        let mut state = Overlay::new(&store);
        contract_error(contracts.apply(&mut state, transaction, &context(), &mut Vec::new()).unwrap_err())
    };
    assert_eq!(
        refusal(&paying(coin_at, WRITE_FOREIGN)),
        ContractError::ForeignTable { program: "script", table: tables::SUPPLY }
    );
    assert_eq!(
        refusal(&paying(coin_at, CLAIM)),
        ContractError::TooManyClaims { program: "script", claimed: 2, announced: 1 }
    );
    for kind in [Kind::GENESIS, Kind::COINBASE, Kind(999), Kind(u16::MAX)] {
        assert_eq!(refusal(&Transaction::new(kind, vec![])), ContractError::UnknownKind { kind });
    }
}

/// What a transaction may change goes by its own length, whether it is written or taken away.
#[test]
fn what_a_transaction_changes_is_bounded_by_its_length() {
    let (contracts, mut store, coin_at) = chain();
    let writing = |bytes: usize| paying_for(coin_at, [&[WRITE_MUCH][..], &(bytes as u32).to_be_bytes()].concat());
    let max_bytes = codec::encode(&writing(0)).len() * STATE_BYTES_PER_TRANSACTION_BYTE;
    // Beside the many bytes the program writes its payload of 5 bytes under "key".
    let fits = max_bytes - 2 * ENTRY_BYTES - b"much".len() - b"key".len() - 5;
    let mut state = Overlay::new(&store);
    assert!(contracts.apply(&mut state, &writing(fits), &context(), &mut Vec::new()).is_ok());
    let refusal = |store: &MemoryStore, transaction: &Transaction| {
        let mut state = Overlay::new(store);
        let mut claims = Vec::new();
        let error = contracts.apply(&mut state, transaction, &context(), &mut claims).unwrap_err();
        assert!(claims.is_empty() && state.into_changes().unwrap().is_empty());
        contract_error(error)
    };
    let too_much = |bytes| ContractError::TooMuchState { program: "script", bytes, max_bytes };
    assert_eq!(refusal(&store, &writing(fits + 1)), too_much(max_bytes + 1));
    assert!(matches!(refusal(&store, &writing(1 << 28)), ContractError::TooMuchState { .. }));

    // A short transaction can't make the undo data of a block long either.
    let mut earlier = Changes::default();
    earlier.put(OWN, *b"much", vec![1; 100_000]);
    store.commit(&earlier).unwrap();
    assert!(matches!(refusal(&store, &paying(coin_at, DELETE)), ContractError::TooMuchState { bytes: 100_071, .. }));
}

#[test]
fn a_foreign_table_left_as_it_was_is_no_write() {
    let (contracts, store, coin_at) = chain();
    let mut state = Overlay::new(&store);
    assert!(contracts.apply(&mut state, &paying(coin_at, TOUCH_FOREIGN), &context(), &mut Vec::new()).is_ok());
}

#[test]
fn only_what_the_program_calls_free_is_free() {
    let (contracts, store, _) = chain();
    let mut state = Overlay::new(&store);
    let free = Transaction::new(FREE, vec![WRITE]);
    let effect = contracts.apply(&mut state, &free, &context(), &mut Vec::new()).unwrap();
    assert_eq!((effect.fee, effect.signature_checks), (Amount::ZERO, 1));

    let unpaid = Transaction::new(PAID, vec![WRITE]);
    let error = contracts.apply(&mut state, &unpaid, &context(), &mut Vec::new()).unwrap_err();
    let ExecuteError::Rejected(rejection) = error else { panic!("a store failed: {error}") };
    assert!(matches!(rejection.source.downcast_ref(), Some(LedgerError::NoInputs)));
}

#[test]
fn programs_that_collide_are_refused() {
    let refusal = |programs: [Script; 2]| {
        let programs = programs.map(|program| Arc::new(program) as Arc<dyn Program>).to_vec();
        Contracts::new(ledger(), programs).expect_err("they collide")
    };
    let other = |kinds, tables| Script { name: "other", kinds, tables };
    assert_eq!(
        refusal([SCRIPT, other(&[FREE], &[])]),
        RegistryError::KindTaken { first: "script", second: "other", kind: FREE }
    );
    assert_eq!(
        refusal([SCRIPT, other(&[], &[OWN])]),
        RegistryError::TableTaken { first: "script", second: "other", table: OWN }
    );
    for kind in [Kind::GENESIS, Kind::COINBASE, kinds::TRANSFER, kinds::MINT, kinds::REDEEM] {
        let claiming: &'static [Kind] = vec![kind].leak();
        assert_eq!(refusal([SCRIPT, other(claiming, &[])]), RegistryError::KindReserved { program: "other", kind });
    }
    for table in [Table::META, tables::COINS, Table(79)] {
        let claiming: &'static [Table] = vec![table].leak();
        assert_eq!(refusal([SCRIPT, other(&[], claiming)]), RegistryError::TableReserved { program: "other", table });
    }
    assert!(Contracts::new(ledger(), vec![Arc::new(NoProgram), Arc::new(NoProgram), Arc::new(SCRIPT)]).is_ok());
}

#[test]
fn a_program_keeps_to_its_tables_at_genesis_too() {
    let contracts = Contracts::new(ledger(), vec![Arc::new(Script { tables: &[], ..SCRIPT })]).unwrap();
    let store = MemoryStore::default();
    let error = contracts.genesis(&mut Overlay::new(&store), &genesis()).unwrap_err();
    assert_eq!(contract_error(error), ContractError::ForeignTable { program: "script", table: Table(201) });
}
