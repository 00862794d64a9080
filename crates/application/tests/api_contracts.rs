//! Records and money together, as blocks apply them: who pays, what is free, and what is one.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use common::{GRANTEE, NOW, OWNER, World, chain, id, key, parameters, public, store_operation, terms};
use health_chain_application::{
    identities::Identities,
    payload::Payload,
    records::{Grant, GrantTerms, Position, Records, Revoke, RevokeAll, grant, object, payment_hash},
};
use health_chain_consensus::ports::{BlockContext, Effect, ExecuteError, Executor};
use health_chain_contract::{Contracts, Scripts, scripts::Template};
use health_chain_data::{
    Amount, Genesis, Height, Input, OutPoint, Output, Timestamp, TokenId, Transaction,
    ports::{ChainStore, SingleVerifier, Verifier},
    state::{MemoryStore, Overlay, state_hash},
};
use health_chain_incentive::{IncentiveParameters, Issuance, Ledger, LedgerError, Reward, SingleKey, TokenRule, coins};

const EURO: TokenId = TokenId(1);
const ISSUER: u8 = 30;
/// Somebody who pays, and has nothing to do with the record.
const SPONSOR: u8 = 31;

fn money() -> IncentiveParameters {
    let rule =
        TokenRule { token: EURO, symbol: "EUR".into(), decimals: 2, threshold: 1, issuers: vec![public(ISSUER)] };
    IncentiveParameters { fee_token: EURO, tokens: vec![rule], coinbase_maturity: 1, reward: Reward::Immediate }
}

fn output(amount: u64, to: u8) -> Output {
    Output { token: EURO, amount: Amount(amount), lock: Template::Key(public(to)).lock() }
}

/// The chain id is that of the other tests; the ledger takes it from the context only.
fn context() -> BlockContext {
    BlockContext { chain: chain(), height: Height(20), median_time_past: NOW }
}

struct Money {
    contracts: Contracts,
    store: MemoryStore,
}

impl Money {
    /// The object is stored, and the sponsor has two coins.
    fn new() -> (Self, [OutPoint; 2]) {
        let programs: [Arc<dyn health_chain_contract::ports::Program>; 2] =
            [Arc::new(Records), Arc::new(Identities::new(parameters()).unwrap())];
        let contracts = Contracts::new(Ledger::new(money(), Arc::new(Scripts)).unwrap(), programs.to_vec()).unwrap();
        let genesis = Genesis::new("test", Timestamp(0), vec![]).with(&parameters()).with(&money());
        let mut store = World::stored().store;
        let mut state = Overlay::new(&store);
        contracts.genesis(&mut state, &genesis).unwrap();
        let changes = state.into_changes().unwrap();
        store.commit(&changes).unwrap();
        let mut money_in = Self { contracts, store };
        let mut mint = Issuance::mint(EURO, 1, vec![output(100, SPONSOR), output(700, SPONSOR)]).unwrap();
        let message = Issuance::message(&chain(), &mint).unwrap();
        let signature = key(ISSUER).sign(&message, &[0; 32]);
        Issuance::add_signature(&mut mint, &money().tokens[0], &public(ISSUER), signature).unwrap();
        money_in.apply(&mint).unwrap();
        (money_in, [0, 1].map(|index| OutPoint { transaction: mint.id(), index }))
    }

    fn apply(&mut self, transaction: &Transaction) -> Result<Effect, ExecuteError> {
        let (mut state, mut claims) = (Overlay::new(&self.store), Vec::new());
        let effect = self.contracts.apply(&mut state, transaction, &context(), &mut claims)?;
        assert!(claims.len() <= effect.signature_checks as usize);
        SingleVerifier.verify(&claims).unwrap();
        let changes = state.into_changes().unwrap();
        self.store.commit(&changes).unwrap();
        Ok(effect)
    }

    fn position(&self) -> Position {
        Position::next(chain(), id(), &object(&self.store, &id()).unwrap().unwrap()).unwrap()
    }
}

fn is_unpaid(error: &ExecuteError) -> bool {
    let ExecuteError::Rejected(rejection) = error else { return false };
    matches!(rejection.source.downcast_ref(), Some(LedgerError::NoInputs))
}

/// Spends the sponsor's coin for `transaction`.
fn sponsored(mut transaction: Transaction, coin: OutPoint, amount: u64) -> Transaction {
    transaction.inputs = vec![Input { previous: coin, sequence: Input::FINAL }];
    transaction.witnesses = vec![Default::default()];
    let spent = [output(amount, SPONSOR)];
    SingleKey::sign(&mut transaction, &chain(), &spent, &key(SPONSOR), &[0; 32]).unwrap();
    transaction
}

#[test]
fn a_sponsor_pays_for_granting_and_nobody_for_withdrawing() {
    let (mut money, [coin, second]) = Money::new();
    let granted = Grant::sign(money.position(), terms(), &key(OWNER), &[0; 32]).unwrap();
    assert!(is_unpaid(&money.apply(&granted.transaction()).unwrap_err()));
    let effect = money.apply(&sponsored(granted.transaction(), coin, 100)).unwrap();
    assert_eq!(effect, Effect { fee: Amount(100), signature_checks: 2 });

    let revoked = Revoke::sign(money.position(), public(GRANTEE), &key(OWNER), &[0; 32]).unwrap();
    let effect = money.apply(&revoked.transaction()).unwrap();
    assert_eq!(effect, Effect { fee: Amount::ZERO, signature_checks: 1 });
    // One live grant, one revocation: the second one is not free, it is refused.
    let again = Revoke::sign(money.position(), public(GRANTEE), &key(OWNER), &[0; 32]).unwrap();
    money.apply(&again.transaction()).unwrap_err();

    let granted = Grant::sign(money.position(), terms(), &key(OWNER), &[0; 32]).unwrap();
    money.apply(&sponsored(granted.transaction(), second, 700)).unwrap();
    let all = RevokeAll::sign(money.position(), &key(OWNER), &[0; 32]).unwrap();
    assert_eq!(money.apply(&all.transaction()).unwrap().fee, Amount::ZERO);
    let again = RevokeAll::sign(money.position(), &key(OWNER), &[0; 32]).unwrap();
    money.apply(&again.transaction()).unwrap_err();
}

#[test]
fn a_priced_grant_is_payment_and_grant_or_neither() {
    let (mut money, [_, coin]) = Money::new();
    let price = output(690, OWNER);
    let priced = GrantTerms { payment: Some(payment_hash(&price)), ..terms() };
    let granted = Grant::sign(money.position(), priced, &key(OWNER), &[0; 32]).unwrap();
    let before = state_hash(&money.store).unwrap();

    // The grant without its payment: neither.
    money.apply(&sponsored(granted.transaction(), coin, 700)).unwrap_err();
    // The payment with a grant whose turn has passed: neither.
    let mut late = granted;
    late.position.seq = 9;
    let mut transaction = late.transaction();
    transaction.outputs = vec![price.clone()];
    money.apply(&sponsored(transaction, coin, 700)).unwrap_err();
    assert_eq!(state_hash(&money.store).unwrap(), before);

    let mut transaction = granted.transaction();
    transaction.outputs = vec![price.clone()];
    assert_eq!(money.apply(&sponsored(transaction, coin, 700)).unwrap().fee, Amount(10));
    assert!(grant(&money.store, &id(), &public(GRANTEE)).unwrap().is_some());
    assert_eq!(coins(&money.store, &price.lock).unwrap().len(), 1);
}

#[test]
fn storing_is_paid_for_too() {
    let (mut money, _) = Money::new();
    assert!(is_unpaid(&money.apply(&store_operation().transaction()).unwrap_err()));
}
