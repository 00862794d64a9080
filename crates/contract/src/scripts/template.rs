//! The standard forms of locks, their bytes, and the witnesses that satisfy them.

use alloc::{collections::BTreeSet, vec::Vec};

use health_chain_data::{Lock, PublicKey, Signature, Witness, keys::PUBLIC_KEY_BYTES};

use super::ScriptError;
use crate::limits::MAX_MULTISIG_KEYS;

const PUSH_ONE: u8 = 0x01;
const PUSH_KEY: u8 = PUBLIC_KEY_BYTES as u8;
/// `OP_1`; the numbers up to 16 follow it.
const OP_1: u8 = 0x51;
/// The largest number with an opcode of its own; larger ones are pushed as a byte.
const LARGEST_SMALL_NUMBER: u8 = 16;
const OP_CHECKSIG: u8 = 0xac;
const OP_CHECKMULTISIG: u8 = 0xae;

/// A lock of a standard form.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Template {
    /// One key: `PUSH32 <key> OP_CHECKSIG`.
    Key(PublicKey),
    /// Some of several keys: `<m> (PUSH32 <key>)... <n> OP_CHECKMULTISIG`.
    Multisig(Multisig),
}

/// `threshold` of `keys`, checked when it is made: 1 <= threshold <= keys <= [`MAX_MULTISIG_KEYS`], no key twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multisig {
    threshold: usize,
    keys: Vec<PublicKey>,
}

impl Multisig {
    /// How many signatures it takes.
    pub const fn threshold(&self) -> usize {
        self.threshold
    }

    /// Whose, in the order in which their signatures stand in a witness.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }
}

impl Template {
    /// `threshold` of `keys`.
    ///
    /// # Errors
    /// Where there are too many keys or two alike, or the threshold is zero or beyond them.
    pub fn multisig(threshold: usize, keys: Vec<PublicKey>) -> Result<Self, ScriptError> {
        if keys.len() > MAX_MULTISIG_KEYS {
            return Err(ScriptError::TooManyKeys { keys: keys.len() });
        }
        if threshold == 0 || threshold > keys.len() {
            return Err(ScriptError::Threshold { threshold, keys: keys.len() });
        }
        let mut seen = BTreeSet::new();
        match keys.iter().position(|key| !seen.insert(key)) {
            Some(position) => Err(ScriptError::DuplicateKey { position }),
            None => Ok(Self::Multisig(Multisig { threshold, keys })),
        }
    }

    /// Reads a lock. Every lock that is read is written back by [`Template::lock`] with the same bytes.
    ///
    /// # Errors
    /// The rule that the lock breaks.
    pub fn parse(lock: &Lock) -> Result<Self, ScriptError> {
        match lock.0.as_slice() {
            [PUSH_KEY, key @ .., OP_CHECKSIG] if key.len() == PUBLIC_KEY_BYTES => Ok(Self::Key(public_key(key, 0)?)),
            [script @ .., OP_CHECKMULTISIG] => parse_multisig(script),
            _ => Err(ScriptError::UnknownForm),
        }
    }

    /// The lock's bytes.
    pub fn lock(&self) -> Lock {
        let mut script = Vec::new();
        match self {
            Self::Key(key) => {
                push_key(&mut script, key);
                script.push(OP_CHECKSIG);
            }
            Self::Multisig(Multisig { threshold, keys }) => {
                push_number(&mut script, *threshold);
                keys.iter().for_each(|key| push_key(&mut script, key));
                push_number(&mut script, keys.len());
                script.push(OP_CHECKMULTISIG);
            }
        }
        Lock(script)
    }

    /// Upper bound on the signature checks that spending costs.
    pub fn signature_checks(&self) -> u32 {
        match self {
            Self::Key(_) => 1,
            Self::Multisig(multisig) => multisig.keys.len() as u32,
        }
    }
}

/// The witness for [`Template::Key`].
pub fn key_witness(signature: &Signature) -> Witness {
    Witness::new([*signature.as_bytes()])
}

/// The witness for [`Template::Multisig`]: an empty item, because `OP_CHECKMULTISIG` drops one too many, and the signatures in
/// the order of the lock's keys.
pub fn multisig_witness(signatures: &[Signature]) -> Witness {
    Witness::new([&[][..]].into_iter().chain(signatures.iter().map(|signature| &signature.as_bytes()[..])))
}

fn parse_multisig(script: &[u8]) -> Result<Template, ScriptError> {
    let (threshold, mut rest) = read_number(script)?;
    let mut keys = Vec::new();
    while let [PUSH_KEY, tail @ ..] = rest
        && let Some((key, tail)) = tail.split_at_checked(PUBLIC_KEY_BYTES)
    {
        if keys.len() == MAX_MULTISIG_KEYS {
            return Err(ScriptError::TooManyKeys { keys: keys.len() + 1 });
        }
        keys.push(public_key(key, keys.len())?);
        rest = tail;
    }
    match read_number(rest)? {
        (count, []) if count == keys.len() => Template::multisig(threshold, keys),
        _ => Err(ScriptError::UnknownForm),
    }
}

fn public_key(bytes: &[u8], position: usize) -> Result<PublicKey, ScriptError> {
    let bytes = bytes.try_into().map_err(|_| ScriptError::UnknownForm)?;
    PublicKey::from_bytes(bytes).map_err(|_| ScriptError::KeyNotOnCurve { position })
}

fn push_key(script: &mut Vec<u8>, key: &PublicKey) {
    script.push(PUSH_KEY);
    script.extend_from_slice(key.as_bytes());
}

/// Pushes 1 to 20 in the shortest form (BIP62).
fn push_number(script: &mut Vec<u8>, number: usize) {
    let number = u8::try_from(number).expect("a template's numbers are at most 20");
    if number <= LARGEST_SMALL_NUMBER {
        script.push(OP_1 - 1 + number);
    } else {
        script.extend_from_slice(&[PUSH_ONE, number]);
    }
}

/// Reads what [`push_number`] writes, and nothing else.
fn read_number(script: &[u8]) -> Result<(usize, &[u8]), ScriptError> {
    const OP_16: u8 = OP_1 - 1 + LARGEST_SMALL_NUMBER;
    match script {
        [opcode @ OP_1..=OP_16, rest @ ..] => Ok((usize::from(opcode - OP_1 + 1), rest)),
        [PUSH_ONE, number @ 17..=20, rest @ ..] => Ok((usize::from(*number), rest)),
        _ => Err(ScriptError::UnknownForm),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use health_chain_data::SecretKey;

    use super::*;

    fn keys(count: u8) -> Vec<PublicKey> {
        (1..=count).map(|seed| SecretKey::from_bytes(&[seed; 32]).unwrap().public_key()).collect()
    }

    #[test]
    fn bytes_are_those_of_bitcoin_script() {
        let key = keys(1)[0];
        assert_eq!(Template::Key(key).lock().0, [&[0x20][..], key.as_bytes(), &[0xac]].concat());
        let pair = keys(2);
        let lock = Template::multisig(1, pair.clone()).unwrap().lock();
        let expected = [&[0x51, 0x20][..], pair[0].as_bytes(), &[0x20], pair[1].as_bytes(), &[0x52, 0xae]].concat();
        assert_eq!(lock.0, expected);
        let many = Template::multisig(17, keys(20)).unwrap().lock();
        assert_eq!(many.0[..2], [0x01, 17]);
        assert_eq!(many.0[many.0.len() - 3..], [0x01, 20, 0xae]);
    }

    #[test]
    fn every_template_reads_back() {
        for count in 1..=20_u8 {
            for threshold in [1, usize::from(count).div_ceil(2), usize::from(count)] {
                let template = Template::multisig(threshold, keys(count)).unwrap();
                assert_eq!(Template::parse(&template.lock()), Ok(template));
            }
        }
        let single = Template::Key(keys(1)[0]);
        assert_eq!(Template::parse(&single.lock()), Ok(single));
    }

    #[test]
    fn each_rule_has_its_refusal() {
        assert_eq!(Template::multisig(1, keys(21)), Err(ScriptError::TooManyKeys { keys: 21 }));
        assert_eq!(Template::multisig(0, keys(2)), Err(ScriptError::Threshold { threshold: 0, keys: 2 }));
        assert_eq!(Template::multisig(3, keys(2)), Err(ScriptError::Threshold { threshold: 3, keys: 2 }));
        let twice = [keys(2), keys(1)].concat();
        assert_eq!(Template::multisig(2, twice), Err(ScriptError::DuplicateKey { position: 2 }));

        let refusal = |change: fn(&mut Vec<u8>)| {
            let mut lock = Template::multisig(2, keys(3)).unwrap().lock();
            change(&mut lock.0);
            Template::parse(&lock).unwrap_err()
        };
        assert_eq!(refusal(|bytes| bytes[0] = 0x54), ScriptError::Threshold { threshold: 4, keys: 3 });
        assert_eq!(refusal(|bytes| bytes[0] = 0x00), ScriptError::UnknownForm);
        assert_eq!(refusal(|bytes| bytes[100] = 0x52), ScriptError::UnknownForm);
        assert_eq!(refusal(|bytes| bytes.insert(0, 0x01)), ScriptError::UnknownForm);
        assert_eq!(refusal(|bytes| bytes[35..67].fill(0xff)), ScriptError::KeyNotOnCurve { position: 1 });
        assert_eq!(refusal(|bytes| bytes.truncate(50)), ScriptError::UnknownForm);
        assert_eq!(refusal(Vec::clear), ScriptError::UnknownForm);
        assert_eq!(refusal(|bytes| *bytes = vec![0xae]), ScriptError::UnknownForm);

        let mut over = vec![0x51];
        keys(21).iter().for_each(|key| push_key(&mut over, key));
        over.extend_from_slice(&[0x01, 21, 0xae]);
        assert_eq!(Template::parse(&Lock(over)), Err(ScriptError::TooManyKeys { keys: 21 }));
    }

    #[test]
    fn a_number_has_one_form() {
        // Sixteen as a pushed byte, and twenty-one.
        for pushed in [[PUSH_ONE, 16], [PUSH_ONE, 21]] {
            assert_eq!(read_number(&pushed), Err(ScriptError::UnknownForm));
        }
    }
}
