//! Any script under any rules.

use health_chain::{
    contract::{
        Scripts,
        ports::{Need, SignatureCheck, Signed},
        script::{Fault, Flags, ecdsa, verify, verify_witness, verify_witness_observed},
        scripts::ScriptError,
    },
    data::{
        Amount, ChainId, Height, Input as Spending, Kind, Lock, OutPoint, Output, Timestamp, TokenId, Transaction,
        TxId, Witness, transaction::spent_outputs_hash,
    },
    incentive::ports::{Spend, SpendCheck},
};

use super::{
    Outcome,
    compare::{Fake, machine},
    input::Input,
};

/// Flags, a lock and an unlocking script behind their lengths, a stack. However it is run, it ends within the limits, watched or
/// not, and asks for no more signatures than were told beforehand.
pub fn script_run(data: &[u8]) -> Outcome {
    let mut input = Input::new(data);
    let bits = input.u16();
    let flags = Flags::ALL.into_iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
    let flags = flags.fold(Flags::NONE, |all, (_, (_, flag))| all | flag);
    let (lock, unlock) = (input.prefixed(), input.prefixed());
    let items = input.stack();

    let _ = machine(lock, items.clone(), flags);
    let _ = verify(unlock, lock, flags, &mut Fake);
    let _ = verify_witness(items.clone(), lock, flags, &mut Ecdsa);
    told_beforehand(lock, &items);
    spent(lock, &items);

    let outcome = verify_witness(items.clone(), lock, flags, &mut Fake);
    let mut steps = 0;
    let watched = verify_witness_observed(items.clone(), lock, flags, &mut Fake, &mut |step| {
        steps += 1;
        assert!(!step.to_string().is_empty());
    });
    assert_eq!(outcome, watched);
    // A script hash runs the uppermost item as well.
    assert!(steps <= lock.len() + items.last().map_or(0, Vec::len));
    outcome.map_or_else(|fault| fault.rule(), |()| "unlocked")
}

/// Under this project's rules no run asks for more signatures than were told, and a lock that is refused as one that nothing
/// unlocks is not unlocked.
fn told_beforehand(lock: &[u8], items: &[Vec<u8>]) {
    let flags = Flags::CONSENSUS.without(Flags::BIP340);
    let mut counting = Counting(0);
    let verdict = verify_witness(items.to_vec(), lock, flags, &mut counting);
    let lock = Lock(lock.to_vec());
    let told = Scripts.signature_checks(&lock, &Witness::new(items.to_vec()));
    assert!(counting.0 <= told, "{} checks, where {told} were told", counting.0);
    let refused = Scripts
        .check_lock(&lock)
        .is_err_and(|rejection| matches!(rejection.source.downcast_ref(), Some(ScriptError::NeverUnlocked(_))));
    assert!(!refused || verdict.is_err());
}

/// As the ledger spends it: the claims are no more than were told, and none are left of what fails.
fn spent(lock: &[u8], items: &[Vec<u8>]) {
    let output = Output { token: TokenId(1), amount: Amount(1), lock: Lock(lock.to_vec()) };
    let mut transaction = Transaction::new(Kind(2), vec![]);
    let previous = OutPoint { transaction: TxId::default(), index: 0 };
    transaction.inputs = vec![Spending { previous, sequence: items.len() as u32 }];
    transaction.witnesses = vec![Witness::new(items.to_vec())];
    let spend = Spend {
        chain: &ChainId::default(),
        transaction: &transaction,
        id: &transaction.id(),
        input_index: 0,
        spent: &output,
        spent_outputs: &spent_outputs_hash(std::slice::from_ref(&output)),
        height: Height(1),
        median_time_past: Timestamp(1),
    };
    let mut claims = Vec::new();
    if let Err(rejection) = Scripts.check(&spend, &mut claims) {
        let fault = rejection.source.downcast_ref::<Fault>().expect("the machine gives its own reasons");
        assert_eq!(fault.rule(), rejection.rule);
    }
    assert!(claims.len() <= Scripts.signature_checks(&output.lock, spend.witness()) as usize);
}

/// Bitcoin's signatures, over a digest that no fuzzer has a signature of: what is tried is how they are read.
struct Ecdsa;

impl SignatureCheck for Ecdsa {
    fn check_signature(&mut self, signed: &Signed<'_>) -> bool {
        ecdsa::verify(signed.key, &[7; 32], signed.signature)
    }

    fn check_data(&mut self, _: &[u8], _: &[u8], _: &[u8], _: Need) -> bool {
        false
    }

    fn check_lock_time(&mut self, _: i64) -> bool {
        true
    }

    fn check_sequence(&mut self, _: i64) -> bool {
        true
    }
}

/// Counts the signatures that it is asked for, of which every other one holds.
struct Counting(u32);

impl SignatureCheck for Counting {
    fn check_signature(&mut self, _: &Signed<'_>) -> bool {
        self.0 += 1;
        self.0 % 2 == 1
    }

    fn check_data(&mut self, _: &[u8], _: &[u8], _: &[u8], _: Need) -> bool {
        self.0 += 1;
        self.0 % 2 == 1
    }

    fn check_lock_time(&mut self, _: i64) -> bool {
        true
    }

    fn check_sequence(&mut self, _: i64) -> bool {
        true
    }
}
