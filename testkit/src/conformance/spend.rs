//! The suite of [`SpendCheck`].

use health_chain::{
    data::{
        Amount, ChainId, Height, Input, Kind, Lock, OutPoint, Output, Timestamp, TokenId, Transaction, TxId, Witness,
        ports::{SingleVerifier, Verifier},
        sha256,
        transaction::spent_outputs_hash,
    },
    incentive::ports::{Spend, SpendCheck},
};

/// Checks a spend check with a lock that `unlock` makes witnesses for, by signing [`Spend::message`], and locks that nobody may use. An
/// implementation must
///
/// - take the lock, and refuse the others by a rule with a name;
/// - accept the witness, and no witness that was made for another input, transaction or chain, or in which a bit has
///   changed, whether it verifies signatures itself or leaves that to the claims;
/// - claim no more signatures than it counts, and give equal results for equal inputs.
///
/// # Panics
/// With the rule that the implementation breaks.
pub fn spend_check(check: &dyn SpendCheck, lock: &Lock, unlock: impl Fn(&Spend<'_>) -> Witness, refused: &[Lock]) {
    assert!(check.check_lock(lock).is_ok(), "a sound lock is taken");
    for lock in refused {
        let rejection = check.check_lock(lock).expect_err("a lock that nobody could use");
        assert!(!rejection.rule.is_empty(), "a rule has a name");
    }
    let chain = ChainId(sha256(b"chain"));
    let true_witness = with_spend(lock, &chain, 0, 5, &Witness::default(), &unlock);
    let opens = |witness: &Witness, chain: &ChainId, index, amount| {
        with_spend(lock, chain, index, amount, witness, |spend| holds(check, spend))
    };
    assert!(opens(&true_witness, &chain, 0, 5), "the true witness opens the lock");
    assert!(!opens(&true_witness, &chain, 1, 5), "not for another input");
    assert!(!opens(&true_witness, &chain, 0, 6), "not for another transaction");
    assert!(!opens(&true_witness, &ChainId(sha256(b"another")), 0, 5), "not on another chain");
    assert!(!opens(&Witness::default(), &chain, 0, 5), "nothing opens nothing");
    for item in 0..true_witness.0.len() {
        let without = true_witness.0.iter().enumerate().filter(|(at, _)| *at != item);
        assert!(!opens(&Witness(without.map(|(_, item)| item.clone()).collect()), &chain, 0, 5), "every item counts");
        for bit in (0..true_witness.0[item].0.len() * 8).step_by(7) {
            let mut changed = true_witness.clone();
            changed.0[item].0[bit / 8] ^= 1 << (bit % 8);
            assert!(!opens(&changed, &chain, 0, 5), "bit {bit} of item {item} counts");
        }
    }
}

/// Shows a spend of output `index` of two to `look`, in a transaction that pays out `amount`.
fn with_spend<R>(
    lock: &Lock,
    chain: &ChainId,
    index: u32,
    amount: u64,
    witness: &Witness,
    look: impl FnOnce(&Spend<'_>) -> R,
) -> R {
    let output = |amount| Output { token: TokenId(1), amount: Amount(amount), lock: lock.clone() };
    let mut transaction = Transaction::new(Kind(2), Vec::new());
    let previous = |index| OutPoint { transaction: TxId(sha256(b"spent")), index };
    transaction.inputs = [0, 1].map(|index| Input { previous: previous(index), sequence: Input::FINAL }).to_vec();
    transaction.outputs = vec![output(amount)];
    transaction.witnesses = vec![witness.clone(); 2];
    let spent = [output(7), output(8)];
    look(&Spend {
        chain,
        id: &transaction.id(),
        transaction: &transaction,
        input_index: index,
        spent: &spent[index as usize],
        spent_outputs: &spent_outputs_hash(&spent),
        height: Height(100),
        median_time_past: Timestamp(1_800_000_000),
    })
}

fn holds(check: &dyn SpendCheck, spend: &Spend<'_>) -> bool {
    let once = || {
        let mut claims = Vec::new();
        let outcome = check.check(spend, &mut claims).map_err(|rejection| rejection.rule);
        (outcome, claims)
    };
    let (outcome, claims) = once();
    assert_eq!((&outcome, &claims), (&once().0, &once().1), "equal inputs have equal results");
    let counted = check.signature_checks(&spend.spent.lock, spend.witness()) as usize;
    assert!(claims.len() <= counted, "no more signatures are claimed than counted");
    outcome.is_ok() && SingleVerifier.verify(&claims).is_ok()
}
