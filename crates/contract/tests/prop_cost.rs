//! What a spend costs against what is told of it beforehand: not in seconds, but in work that is counted step by step.
#![allow(clippy::unwrap_used)]

#[path = "common/compare.rs"]
mod compare;

use compare::Fake;
use health_chain_contract::{
    Scripts,
    limits::SCRIPT_BYTES_PER_SIGNATURE_CHECK,
    script::{Flags, Opcode, Step, assemble, number, verify_witness_observed},
    scripts::Template,
};
use health_chain_data::{Lock, Witness};
use health_chain_incentive::ports::SpendCheck;
use proptest::prelude::*;

/// How many times what was told a run may take. What a check costs is counted as [`SCRIPT_BYTES_PER_SIGNATURE_CHECK`] units of
/// work here, so two come from rounding down, and the rest from 201 operations that move long items or
/// many of them, which no count by bytes sees.
const MOST: usize = 5;

/// What a step begins with: how many items there are, and the uppermost.
struct Before {
    items: usize,
    top: Vec<u8>,
}

impl Before {
    fn of(stack: &[Vec<u8>]) -> Self {
        Self { items: stack.len(), top: stack.last().cloned().unwrap_or_default() }
    }
}

/// Work in units of about the time that a small instruction takes: an instruction with its item; the items that it copies; the hash of
/// an item, by its length; moving those above an item by one place.
fn work(step: &Step<'_>, before: &Before) -> usize {
    if !step.executed {
        return 1;
    }
    1 + match step.instruction.opcode {
        Opcode::RIPEMD160 | Opcode::SHA1 | Opcode::SHA256 | Opcode::HASH160 | Opcode::HASH256 => before.top.len() / 10,
        Opcode::ROLL => number::decode(&before.top, true, 4).unwrap() as usize / 80,
        _ => step.machine.stack().len().saturating_sub(before.items),
    }
}

/// The work of a run, what was told of it, and whether it succeeds. What signatures cost is told one by one and not this test's.
fn run(lock: &[u8], items: Vec<Vec<u8>>) -> (usize, usize, bool) {
    let told = Scripts.signature_checks(&Lock(lock.to_vec()), &Witness::new(items.clone()));
    let (mut done, mut before) = (0, Before::of(&items));
    let flags = Flags::CONSENSUS.without(Flags::BIP340);
    let verdict = verify_witness_observed(items, lock, flags, &mut Fake, &mut |step| {
        done += work(step, &before);
        before = Before::of(step.machine.stack());
    });
    (done, told as usize, verdict.is_ok())
}

fn within(done: usize, told: usize) -> bool {
    told > 0 && done <= MOST * told * SCRIPT_BYTES_PER_SIGNATURE_CHECK
}

/// What an author of expensive scripts would write, some of it for the work and some to come to a clean end.
fn part() -> impl Strategy<Value = String> {
    let long = format!("<{}>", "ab".repeat(520));
    let one = prop_oneof![
        Just(long),
        Just("3DUP".to_owned()),
        Just("DUP".to_owned()),
        Just("2DUP".to_owned()),
        Just("2DROP".to_owned()),
        Just("DROP".to_owned()),
        Just("1 1 1 1 1 1 1 1".to_owned()),
        Just("DUP RIPEMD160".to_owned()),
        Just("HASH256".to_owned()),
        Just("SHA1".to_owned()),
        (1_u32..400).prop_map(|depth| format!("{depth} ROLL")),
        (1_u32..400).prop_map(|depth| format!("{depth} PICK")),
        Just("1 IF".to_owned()),
        Just("ENDIF".to_owned()),
        Just("0 0 0 CHECKMULTISIG".to_owned()),
    ];
    (one, 1_usize..60).prop_map(|(part, times)| format!("{part} ").repeat(times))
}

proptest! {
    /// Whether it succeeds or not, as a lock and behind a hash.
    #[test]
    fn work_is_told_beforehand(parts in prop::collection::vec(part(), 0..8), stack in 0_usize..400) {
        let lock = assemble(&parts.concat()).unwrap();
        let items = vec![vec![1]; stack];
        let behind = [items.clone(), vec![lock.clone()]].concat();
        for (lock, items) in [(lock.clone(), items), (Template::script_hash(&lock).lock().0, behind)] {
            let (done, told, _) = run(&lock, items);
            prop_assert!(within(done, told), "{done} units of work, where {told} checks were told: {}", parts.concat());
        }
    }
}

/// The dearest that were thought of, each of which succeeds.
#[test]
fn the_dearest_known_scripts_are_told() {
    let long = format!("<{}>", "ab".repeat(520));
    let copies = format!("{long} DUP DUP {} 2DROP DROP 1", "3DUP 2DROP DROP ".repeat(65));
    let hashes = format!("{long} {} DROP 1", "DUP RIPEMD160 DROP ".repeat(66));
    let rolls = format!("{} {} {} 1", "1 ".repeat(200), "199 ROLL ".repeat(98), "2DROP ".repeat(100));
    let pushes = format!("{} {} 1", "1 ".repeat(400), "2DROP ".repeat(200));
    let longest = format!("{} 1", format!("{long} DROP ").repeat(19));
    for (script, at_least) in [(&copies, 400), (&hashes, 3_000), (&rolls, 500), (&pushes, 600), (&longest, 38)] {
        let (done, told, succeeds) = run(&assemble(script).unwrap(), vec![]);
        assert!(succeeds, "{script}");
        assert!(done >= at_least, "the work of {script} is counted: {done}");
        assert!(within(done, told), "{done} units of work, where {told} checks were told: {script}");
    }
}

/// A block holds as many spends as there are checks at most, so its work is bounded, whatever its locks: none counts nothing.
#[test]
fn no_lock_is_run_for_nothing() {
    let idle = format!("{} {} 1", "1 ".repeat(300), "2DROP ".repeat(150));
    for lock in ["1", "DEPTH 0 EQUAL", "SIZE 0 EQUALVERIFY HASH160 DROP 1", idle.as_str()] {
        let (done, told, _) = run(&assemble(lock).unwrap(), vec![]);
        assert!(told >= 1 && within(done, told), "{lock}");
    }
}
