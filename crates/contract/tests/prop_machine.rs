//! The machine against a second interpreter, against itself with a trace, and against any bytes. `PROPTEST_CASES=1000000` runs a
//! million of each.
#![allow(clippy::unwrap_used)]

#[path = "common/compare.rs"]
mod compare;

use compare::{Fake, agree, lock_time_holds, machine, rules, sequence_holds, signature_holds};
use health_chain_contract::{
    Scripts,
    ports::{Need, SignatureCheck, Signed},
    script::{Builder, Flags, Script, assemble, verify_witness, verify_witness_observed},
    scripts::Template,
};
use health_chain_data::{Lock, Witness};
use health_chain_incentive::ports::SpendCheck;
use proptest::prelude::*;

/// Takes every signature on which the verdict hangs as valid, and remembers how many there were and whether one was not.
#[derive(Default)]
struct Deferring {
    asked: u32,
    put_off: usize,
    false_ones: usize,
}

impl Deferring {
    const fn judge(&mut self, holds: bool, need: Need) -> bool {
        self.asked += 1;
        match need {
            Need::Answer => holds,
            Need::Required => {
                self.put_off += 1;
                self.false_ones += !holds as usize;
                true
            }
        }
    }
}

impl SignatureCheck for Deferring {
    fn check_signature(&mut self, signed: &Signed<'_>) -> bool {
        self.judge(signature_holds(signed.key, signed.signature, signed.script_code), signed.need)
    }

    fn check_data(&mut self, key: &[u8], signature: &[u8], message: &[u8], need: Need) -> bool {
        self.judge(signature_holds(key, signature, message), need)
    }

    fn check_lock_time(&mut self, lock_time: i64) -> bool {
        lock_time_holds(lock_time)
    }

    fn check_sequence(&mut self, sequence: i64) -> bool {
        sequence_holds(sequence)
    }
}

fn push(data: &[u8]) -> Vec<u8> {
    Builder::default().data(data).into_bytes()
}

/// One instruction or a few that belong together.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let short = prop::collection::vec(any::<u8>(), 0..6);
    let item = prop::collection::vec(any::<u8>(), 0..3);
    let long = (500_usize..530, any::<u8>()).prop_map(|(length, byte)| push(&vec![byte; length]));
    let multisig = (prop::collection::vec(item.clone(), 0..4), prop::collection::vec(item, 0..5), 0_u8..2).prop_map(
        |(signatures, keys, verify)| {
            let count = |items: &[Vec<u8>]| Builder::default().number(items.len() as i64).into_bytes();
            let pushes = |items: &[Vec<u8>]| items.iter().flat_map(|item| push(item)).collect::<Vec<u8>>();
            let [signed, with] = [pushes(&signatures), pushes(&keys)];
            [&[0], &signed[..], &count(&signatures), &with, &count(&keys), &[0xae + verify]].concat()
        },
    );
    prop_oneof![
        8 => (0x50_u8..=0x60).prop_map(|opcode| vec![if opcode == 0x50 { 0 } else { opcode }]),
        8 => (0x6b_u8..=0x7d).prop_map(|opcode| vec![opcode]),
        8 => (0x87_u8..=0xb2).prop_map(|opcode| vec![opcode]),
        4 => short.clone().prop_map(|data| push(&data)),
        2 => short.prop_map(|data| [&[data.len() as u8][..], &data].concat()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
        2 => prop::sample::select(vec![vec![0x51, 0x63], vec![0x00, 0x63], vec![0x64], vec![0x67], vec![0x68], vec![0x68]]),
        2 => multisig,
        1 => Just(vec![0x6f; 40]),
        1 => long,
    ]
}

fn script() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(part(), 0..24).prop_map(|parts| parts.concat())
}

fn stack() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..12)
}

proptest! {
    /// Both interpreters leave the same stack, or stop for the same reason.
    #[test]
    fn two_interpreters_agree(script in script(), stack in stack(), bits: u8) {
        let _ = agree(&script, stack, bits);
    }

    /// The same on bytes without any sense.
    #[test]
    fn two_interpreters_agree_on_noise(script in prop::collection::vec(any::<u8>(), 0..60), stack in stack(), bits: u8) {
        let _ = agree(&script, stack, bits);
    }

    /// Looking at each step changes nothing, and the last step shows the stack that was left.
    #[test]
    fn a_trace_shows_the_run(script in script(), stack in stack()) {
        let plain_run = verify_witness(stack.clone(), &script, Flags::CONSENSUS, &mut Fake);
        let (mut steps, mut top) = (0, stack.last().cloned());
        let traced = verify_witness_observed(stack, &script, Flags::CONSENSUS, &mut Fake, &mut |step| {
            steps += 1;
            top = step.machine.stack().last().cloned();
            let line = step.to_string();
            assert!(line.contains(&step.instruction.to_string()));
        });
        prop_assert_eq!(plain_run, traced);
        prop_assert!(steps <= script.len());
        if traced.is_ok() {
            prop_assert!(top.is_some_and(|top| top.iter().any(|byte| *byte != 0)));
        }
    }

    /// Signatures that are verified later, all together, change no verdict.
    #[test]
    fn putting_signatures_off_changes_no_verdict(script in script(), stack in stack(), bits: u8) {
        let flags = rules(bits).1;
        let at_once = verify_witness(stack.clone(), &script, flags, &mut Fake);
        let mut deferring = Deferring::default();
        let later = verify_witness(stack, &script, flags, &mut deferring);
        prop_assert_eq!(at_once.is_ok(), later.is_ok() && deferring.false_ones == 0, "{}", Script(&script));
        prop_assert!(deferring.put_off == 0 || flags.contains(Flags::NULLFAIL));
    }

    /// No run asks for more signatures than are counted before it, and a lock that is refused as one that nothing unlocks is not
    /// unlocked: as a lock, and as the script behind a hash.
    #[test]
    fn what_is_told_beforehand_is_so(script in script(), stack in stack(), separators: bool) {
        let script = if separators { script } else { script.into_iter().filter(|byte| *byte != 0xab).collect() };
        let hidden = Template::script_hash(&script).lock();
        let behind = [stack.clone(), vec![script.clone()]].concat();
        for (lock, items) in [(Lock(script), stack), (hidden, behind)] {
            let told = Scripts.signature_checks(&lock, &Witness::new(items.clone()));
            let mut deferring = Deferring::default();
            let flags = Flags::CONSENSUS.without(Flags::BIP340);
            let verdict = verify_witness(items, &lock.0, flags, &mut deferring);
            prop_assert!(deferring.asked <= told, "{} of {told}: {}", deferring.asked, Script(&lock.0));
            let refused = Scripts.check_lock(&lock).is_err_and(|rejection| rejection.rule != "script-empty");
            prop_assert!(!refused || verdict.is_err(), "{}", Script(&lock.0));
        }
    }

    /// Any bytes print as text that assembles to the same bytes, and no text makes the assembler panic.
    #[test]
    fn text_and_bytes_are_the_same(script in prop::collection::vec(any::<u8>(), 0..80), parts in script(), text: String) {
        for script in [script, parts] {
            prop_assert_eq!(assemble(&Script(&script).to_string()), Ok(script.clone()), "{}", Script(&script));
        }
        let _ = assemble(&text);
    }
}

/// The same for m-of-n alone, where it is decided from signature to signature which can wait.
#[test]
fn putting_off_a_multisig_changes_no_verdict() {
    let (mut opened, mut put_off) = (0, 0);
    for case in 0_u32..60_000 {
        // Up to three signatures and four keys of one byte, 0 standing for an empty signature.
        let digits: Vec<u8> = (0..9).map(|place| (case / 3_u32.pow(place) % 3) as u8).collect();
        let (signatures, keys) = (usize::from(digits[7]) + 1, usize::from(digits[8]) + 2);
        let signed = digits[..signatures].iter().map(|digit| if *digit == 0 { vec![] } else { vec![*digit] });
        let stack: Vec<Vec<u8>> = [vec![]].into_iter().chain(signed).collect();
        let script = Builder::default().number(signatures as i64);
        let script = digits[3..3 + keys].iter().fold(script, |script, digit| script.data(&[*digit + 16]));
        let script = script.number(keys as i64).raw(&[0xae]).into_bytes();
        let at_once = verify_witness(stack.clone(), &script, Flags::CONSENSUS.without(Flags::BIP340), &mut Fake);
        let mut deferring = Deferring::default();
        let later = verify_witness(stack, &script, Flags::CONSENSUS.without(Flags::BIP340), &mut deferring);
        assert_eq!(at_once.is_ok(), later.is_ok() && deferring.false_ones == 0, "{}", Script(&script));
        opened += usize::from(at_once.is_ok());
        put_off += deferring.put_off;
    }
    assert!(opened > 1_000 && put_off > 1_000, "{opened} {put_off}");
}

/// The comparison reaches what it is meant to compare: scripts that succeed, and most reasons for failing.
#[test]
fn the_generator_reaches_most_reasons() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    use std::collections::BTreeMap;

    let mut runner = TestRunner::deterministic();
    let strategy = (script(), stack(), any::<u8>());
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..4_000 {
        let (script, stack, bits) = strategy.new_tree(&mut runner).unwrap().current();
        let outcome = machine(&script, stack, rules(bits).1);
        *outcomes.entry(outcome.map_or_else(|reason| reason, |_| "OK")).or_default() += 1;
    }
    assert!(outcomes["OK"] > 100, "{outcomes:?}");
    assert!(outcomes.len() >= 18, "{outcomes:?}");
}

/// One script of the trace as it prints, skipped branch included.
#[test]
fn a_trace_reads_well() {
    let lock = assemble("IF 2 ELSE 3 TOALTSTACK 1 ENDIF").unwrap();
    let mut lines = Vec::new();
    let traced = verify_witness_observed(vec![vec![]], &lock, Flags::CONSENSUS, &mut Fake, &mut |step| {
        lines.push(step.to_string());
    });
    assert_eq!(traced, Ok(()));
    let expected = [
        "lock       0  IF  []",
        "lock       1  2 (skipped)  []",
        "lock       2  ELSE  []",
        "lock       3  3  [03]",
        "lock       4  TOALTSTACK  []  alternate [03]",
        "lock       5  1  [01]  alternate [03]",
        "lock       6  ENDIF  [01]  alternate [03]",
    ];
    assert_eq!(lines, expected);
}
