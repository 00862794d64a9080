//! Transactions of any bytes on the executor with every program that is shipped.

use std::collections::BTreeMap;

use health_chain::{
    consensus::ports::{ExecuteError, Executor},
    data::{
        Kind, TokenId, Transaction, codec,
        ports::{SignatureClaim, StateView},
        state::{Overlay, state_hash},
    },
    incentive::{Coin, supply, tables},
};

use super::{
    Outcome,
    input::Input,
    world::{EURO, OWN_COINS, WORLD, World, context, money, paid_by},
};

/// Of one input, so that it stays small.
const MAX_TRANSACTIONS: usize = 8;

/// Up to eight transactions one after the other, each behind a byte that says its form: whole behind its length, or a kind and a payload
/// behind its length for which a coin of the owner pays. Each is applied, or refused by a rule that has a name; what is refused
/// leaves state and claims as they were, what is applied can be undone, and no coin comes from nowhere.
pub fn program_dispatch(data: &[u8]) -> Outcome {
    let (mut input, world) = (Input::new(data), &*WORLD);
    let (mut state, mut claims, mut outcome, mut fees) = (Overlay::new(&world.store), Vec::new(), "nothing", 0_u128);
    for position in 0..MAX_TRANSACTIONS {
        if input.is_empty() {
            break;
        }
        let Some(transaction) = transaction(&mut input, position) else {
            outcome = "no transaction";
            continue;
        };
        match apply(world, &mut state, &transaction, &mut claims) {
            Ok(fee) => {
                fees += u128::from(fee);
                outcome = "applied";
            }
            Err(rule) => outcome = rule,
        }
    }
    conserved(world, &state, fees);
    outcome
}

fn transaction(input: &mut Input<'_>, position: usize) -> Option<Transaction> {
    let form = input.byte();
    if form.is_multiple_of(2) {
        let bytes = input.prefixed();
        let transaction = codec::decode(bytes).ok()?;
        assert_eq!(codec::encode(&transaction), bytes, "a transaction has one form");
        return Some(transaction);
    }
    let (kind, payload) = (Kind(input.u16()), input.prefixed().to_vec());
    // The coins that the world's own beginning has not spent.
    Some(paid_by(Transaction::new(kind, payload), 3 + position as u32 % (OWN_COINS - 3)))
}

/// Returns the fee, or the rule broken.
fn apply(
    world: &World,
    state: &mut Overlay<'_>,
    transaction: &Transaction,
    claims: &mut Vec<SignatureClaim>,
) -> Result<u64, Outcome> {
    let (before, earlier) = (state_hash(&*state).expect("memory"), claims.clone());
    let mut own = Overlay::new(&*state);
    let outcome = world.contracts.apply(&mut own, transaction, &context(), claims);
    assert!(claims.starts_with(&earlier), "claims of others stay");
    match outcome {
        Ok(effect) => {
            let made = claims.len() - earlier.len();
            assert!(made <= effect.signature_checks as usize, "{made} claims, {effect:?}");
            let changes = own.into_changes().expect("memory");
            assert!(changes.iter().all(|(table, ..)| table.is_state()), "an executor writes state tables only");
            let undo = changes.undo(&*state).expect("memory");
            state.absorb(changes.clone());
            state.absorb(undo);
            assert_eq!(state_hash(&*state).expect("memory"), before, "what is undone is gone");
            state.absorb(changes);
            Ok(effect.fee.0)
        }
        Err(ExecuteError::Rejected(rejection)) => {
            assert_eq!(state_hash(&own).expect("memory"), before, "{}: a refusal leaves no trace", rejection.rule);
            assert!(own.into_changes().expect("memory").is_empty());
            assert_eq!(*claims, earlier, "{}: a refusal claims nothing", rejection.rule);
            Err(rejection.rule)
        }
        Err(ExecuteError::Store(error)) => panic!("memory can be read: {error}"),
        Err(other) => panic!("another kind of error: {other}"),
    }
}

/// What all coins are worth, with the fees that no block maker has taken yet, is what has been issued.
fn conserved(world: &World, state: &Overlay<'_>, fees: u128) {
    let mut sums: BTreeMap<TokenId, u128> = BTreeMap::new();
    let mut add = |_: &[u8], value: &[u8]| {
        let coin: Coin = codec::decode(value).expect("a coin");
        *sums.entry(coin.output.token).or_default() += u128::from(coin.output.amount.0);
        true
    };
    state.scan(tables::COINS, &[], &mut add).expect("memory");
    *sums.entry(EURO).or_default() += fees + world.fees;
    for rule in money().tokens {
        let declared = supply(state, rule.token).expect("memory").expect("a token of this chain");
        assert_eq!(sums.get(&rule.token).copied().unwrap_or(0), u128::from(declared.unspent.0), "{declared:?}");
    }
}
