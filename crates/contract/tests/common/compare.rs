//! Both interpreters on one script, with the same answers about its transaction. Shared with the fuzz targets.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "of each of its users, none uses all of it")]

mod core_names;
mod plain;

use health_chain_contract::{
    ports::{Need, SignatureCheck, Signed},
    script::{Flags, Machine, Script},
};

use core_names::core_name;
use plain::{Answers, Rules};

/// A signature holds by what it looks like, and by the script code's length, so that both answers are frequent.
pub fn signature_holds(key: &[u8], signature: &[u8], code: &[u8]) -> bool {
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>();
    !(sum(key) + sum(signature) + code.len()).is_multiple_of(3)
}

pub const fn lock_time_holds(lock_time: i64) -> bool {
    lock_time % 2 == 0
}

pub const fn sequence_holds(sequence: i64) -> bool {
    sequence % 3 == 0
}

const ANSWERS: Answers = Answers { signature: signature_holds, lock_time: lock_time_holds, sequence: sequence_holds };

/// Answers a script's questions so.
pub struct Fake;

impl SignatureCheck for Fake {
    fn check_signature(&mut self, signed: &Signed<'_>) -> bool {
        signature_holds(signed.key, signed.signature, signed.script_code)
    }

    fn check_data(&mut self, key: &[u8], signature: &[u8], message: &[u8], _: Need) -> bool {
        signature_holds(key, signature, message)
    }

    fn check_lock_time(&mut self, lock_time: i64) -> bool {
        lock_time_holds(lock_time)
    }

    fn check_sequence(&mut self, sequence: i64) -> bool {
        sequence_holds(sequence)
    }
}

/// Runs `script` by both. They leave the same stack, or stop for the same reason.
///
/// # Panics
/// Where they don't, or where the machine goes beyond one of its limits on the way.
pub fn agree(script: &[u8], stack: Vec<Vec<u8>>, bits: u8) -> Result<Vec<Vec<u8>>, &'static str> {
    let (rules, flags) = rules(bits);
    let expected = plain::run(script, stack.clone(), rules, &ANSWERS);
    let found = machine(script, stack, flags);
    assert_eq!(found, expected, "{}", Script(script));
    found
}

/// The rules of these bits, as each interpreter names them.
pub fn rules(bits: u8) -> (Rules, Flags) {
    let on = |bit: u8| bits >> bit & 1 == 1;
    let rules = Rules {
        minimal_data: on(0),
        minimal_if: on(1),
        null_dummy: on(2),
        null_fail: on(3),
        discourage_nops: on(4),
        lock_time: on(5),
        sequence: on(6),
        constant_code: on(7),
    };
    let flags = [
        (rules.minimal_data, Flags::MINIMALDATA),
        (rules.minimal_if, Flags::MINIMALIF),
        (rules.null_dummy, Flags::NULLDUMMY),
        (rules.null_fail, Flags::NULLFAIL),
        (rules.discourage_nops, Flags::DISCOURAGE_UPGRADABLE_NOPS),
        (rules.lock_time, Flags::CHECKLOCKTIMEVERIFY),
        (rules.sequence, Flags::CHECKSEQUENCEVERIFY),
        (rules.constant_code, Flags::CONST_SCRIPTCODE),
    ];
    let flags = flags.into_iter().filter(|(on, _)| *on).fold(Flags::NONE, |all, (_, flag)| all | flag);
    (rules, flags)
}

/// The machine's stack or reason, within its limits at every step.
pub fn machine(script: &[u8], stack: Vec<Vec<u8>>, flags: Flags) -> Result<Vec<Vec<u8>>, &'static str> {
    let run = || {
        let mut machine = Machine::new(script, stack, flags)?;
        let mut steps = 0;
        while machine.step(&mut Fake)?.is_some() {
            steps += 1;
            assert!(steps <= script.len() && machine.operations() <= 201);
            assert!(machine.stack().len() + machine.alternate_stack().len() <= 1_000);
            assert!(machine.stack().iter().all(|item| item.len() <= 520));
        }
        Ok(machine.stack().to_vec())
    };
    run().map_err(|fault| core_name(&fault))
}
