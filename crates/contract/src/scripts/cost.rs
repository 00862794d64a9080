//! What running a lock may cost, told from its bytes before anything is run.

use health_chain_data::{Lock, Witness};

use crate::{
    limits::{
        HASHES_PER_SIGNATURE_CHECK, MAX_ELEMENT_BYTES, MAX_MULTISIG_KEYS, MAX_NUMBER_BYTES,
        SCRIPT_BYTES_PER_SIGNATURE_CHECK,
    },
    script::{Instruction, Instructions, Opcode, is_script_hash, number},
};

/// What a hash instruction counts as, in bytes of script: it may hash an item of the full length.
const HASH_BYTES: usize = SCRIPT_BYTES_PER_SIGNATURE_CHECK / HASHES_PER_SIGNATURE_CHECK;

/// Upper bound on the signature checks of a spend, and on other work in units of one: no instruction runs twice, so counting
/// those that stand in the script is enough. No spend counts less than one, or small locks by the ten thousand would be run for nothing.
pub(crate) fn signature_checks(lock: &Lock, witness: &Witness) -> u32 {
    let mut cost = Cost::default();
    cost.add(&lock.0);
    match witness.0.last() {
        // A longer item fails before it is run.
        Some(redeem) if is_script_hash(&lock.0) && redeem.0.len() <= MAX_ELEMENT_BYTES => cost.add(&redeem.0),
        _ => {}
    }
    let other = (cost.bytes / SCRIPT_BYTES_PER_SIGNATURE_CHECK) as u32;
    cost.checks.saturating_add(other).max(1)
}

#[derive(Default)]
struct Cost {
    checks: u32,
    /// Bytes of script, and what counts as such.
    bytes: usize,
}

impl Cost {
    fn add(&mut self, script: &[u8]) {
        self.bytes += script.len();
        let mut previous = None;
        // What stands behind a push that is cut off is never run.
        for instruction in Instructions::of(script).map_while(Result::ok) {
            match instruction.opcode {
                Opcode::CHECKSIG | Opcode::CHECKSIGVERIFY | Opcode::CHECKSIGFROMSTACK => self.checks += 1,
                Opcode::CHECKMULTISIG | Opcode::CHECKMULTISIGVERIFY => self.checks += multisig_keys(previous),
                Opcode::RIPEMD160 | Opcode::SHA1 | Opcode::SHA256 | Opcode::HASH160 | Opcode::HASH256 => {
                    self.bytes += HASH_BYTES;
                }
                _ => {}
            }
            previous = Some(instruction);
        }
    }
}

/// The keys of a `CHECKMULTISIG`: what the push right before it says, since it runs exactly where that one does; otherwise the most
/// there can be.
fn multisig_keys(previous: Option<Instruction<'_>>) -> u32 {
    let pushed = previous.and_then(|push| match push.opcode.small_number() {
        Some(number) => Some(number),
        None if push.opcode <= Opcode::PUSHDATA4 => number::decode(push.data, true, MAX_NUMBER_BYTES).ok(),
        None => None,
    });
    let known = pushed.filter(|keys| (0..=MAX_MULTISIG_KEYS as i64).contains(keys));
    known.map_or(MAX_MULTISIG_KEYS as u32, |keys| keys as u32)
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::script::{assemble, hash160};

    fn cost(lock: &str) -> u32 {
        signature_checks(&Lock(assemble(lock).unwrap()), &Witness::default())
    }

    #[test]
    fn every_check_is_counted() {
        assert_eq!(cost("CHECKSIG CHECKSIGVERIFY CHECKSIGFROMSTACK"), 3);
        assert_eq!(cost("0 0 CHECKMULTISIG 2 CHECKMULTISIG 17 CHECKMULTISIGVERIFY"), 19);
        assert_eq!(cost("IF 1 ELSE 20 ENDIF CHECKMULTISIG"), 20, "not known from the instruction before");
        assert_eq!(cost("21 CHECKMULTISIG -1 CHECKMULTISIG DUP CHECKMULTISIG"), 60, "out of range or not a push");
        assert_eq!(cost("CHECKMULTISIG"), 20);
        assert_eq!(cost("CHECKSIG 0x4c CHECKSIG"), 1, "behind a cut push");
    }

    #[test]
    fn other_work_is_counted_in_the_same_unit() {
        assert_eq!(cost(&"HASH256 ".repeat(19)), 1);
        assert_eq!(cost(&"HASH256 ".repeat(200)), 10);
        assert_eq!(cost(&"1 ".repeat(10_000)), 10);
        assert_eq!(cost(&format!("{} CHECKSIG", "HASH256 ".repeat(19))), 1);
        assert_eq!(cost(&format!("{} CHECKSIG", "HASH256 ".repeat(20))), 2);
        assert_eq!(cost(&format!("{}{}", "HASH256 ".repeat(18), "1 ".repeat(1_082))), 2, "hashes and bytes together");
    }

    #[test]
    fn no_spend_is_free() {
        for lock in ["1", "DEPTH 0 EQUAL", "0 0 CHECKMULTISIG"] {
            assert_eq!(cost(lock), 1, "{lock}");
        }
    }

    #[test]
    fn the_script_behind_a_hash_is_counted() {
        let redeem = assemble("2 CHECKMULTISIG").unwrap();
        let lock = Lock([&[0xa9, 20][..], &hash160(&redeem), &[0x87]].concat());
        assert_eq!(signature_checks(&lock, &Witness::new([redeem])), 2);
        assert_eq!(signature_checks(&lock, &Witness::new([[0xac; 521]])), 1, "as any spend");
        assert_eq!(signature_checks(&lock, &Witness::default()), 1, "as any spend");
    }
}
