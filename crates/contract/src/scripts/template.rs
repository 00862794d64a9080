//! The standard forms of locks, their bytes, and the witnesses that satisfy them.

use alloc::{collections::BTreeSet, vec::Vec};

use health_chain_data::{Lock, PublicKey, Signature, Witness, keys::PUBLIC_KEY_BYTES};

use super::{Escrow, HashLock, OraclePayout, ScriptError, reader::Reader};
use crate::{
    limits::MAX_MULTISIG_KEYS,
    script::{Builder, Opcode, hash160},
};

const PUSH_ONE: u8 = 0x01;
const PUSH_KEY: u8 = PUBLIC_KEY_BYTES as u8;
/// `OP_1`; the numbers up to 16 follow it.
const OP_1: u8 = Opcode::PUSH_1.0;
const OP_16: u8 = Opcode::PUSH_16.0;
const OP_CHECKSIG: u8 = Opcode::CHECKSIG.0;
const OP_CHECKMULTISIG: u8 = Opcode::CHECKMULTISIG.0;

/// A lock of a standard form.
///
/// ```
/// use health_chain_contract::{script::Script, scripts::Template};
/// use health_chain_data::SecretKey;
///
/// let heir = SecretKey::from_bytes(&[1; 32])?.public_key();
/// let lock = Template::NotBefore { lock_time: 1_800_000_000, key: heir }.lock();
/// assert!(Script(&lock.0).to_string().starts_with("<00d2496b> CHECKLOCKTIMEVERIFY DROP"));
/// assert_eq!(Template::parse(&lock)?, Template::NotBefore { lock_time: 1_800_000_000, key: heir });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Template {
    /// One key: `PUSH32 <key> OP_CHECKSIG`. Witness: [`key_witness`].
    Key(PublicKey),
    /// Some of several keys: `<m> (PUSH32 <key>)... <n> OP_CHECKMULTISIG`. Witness: [`multisig_witness`].
    Multisig(Multisig),
    /// One key that shows only when it spends: `DUP HASH160 <hash> EQUALVERIFY CHECKSIG`. Witness: [`key_hash_witness`].
    KeyHash([u8; 20]),
    /// A script that shows only when it is run (BIP16): `HASH160 <hash> EQUAL`. Witness: [`script_hash_witness`].
    ScriptHash([u8; 20]),
    /// One key, in a transaction with this lock time or a later one of its unit (BIP65):
    /// `<lock time> CHECKLOCKTIMEVERIFY DROP <key> CHECKSIG`. Witness: [`key_witness`].
    NotBefore {
        /// A height, or a time in seconds, as a transaction's lock time.
        lock_time: u32,
        /// Whose.
        key: PublicKey,
    },
    /// One key, once the output has an age (BIP112): `<sequence> CHECKSEQUENCEVERIFY DROP <key> CHECKSIG`. Witness: [`key_witness`].
    Aged {
        /// The age as an input's sequence writes it (BIP68).
        sequence: u32,
        /// Whose.
        key: PublicKey,
    },
    /// Two of buyer, seller and arbiter, or the buyer alone after a deadline.
    Escrow(Escrow),
    /// Whoever shows what was hashed, or the payer after a deadline.
    HashLock(HashLock),
    /// Whom it was promised to if enough oracles attest to it, or the payer after a deadline.
    OraclePayout(OraclePayout),
}

/// `threshold` of `keys`, checked when it is made: 1 <= threshold <= keys <= [`MAX_MULTISIG_KEYS`], no key twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multisig {
    threshold: usize,
    keys: Vec<PublicKey>,
}

impl Multisig {
    /// `threshold` of `keys`.
    ///
    /// # Errors
    /// Where there are too many keys or two alike, or the threshold is zero or beyond them.
    pub fn new(threshold: usize, keys: Vec<PublicKey>) -> Result<Self, ScriptError> {
        if keys.len() > MAX_MULTISIG_KEYS {
            return Err(ScriptError::TooManyKeys { keys: keys.len() });
        }
        if threshold == 0 || threshold > keys.len() {
            return Err(ScriptError::Threshold { threshold, keys: keys.len() });
        }
        let mut seen = BTreeSet::new();
        match keys.iter().position(|key| !seen.insert(key)) {
            Some(position) => Err(ScriptError::DuplicateKey { position }),
            None => Ok(Self { threshold, keys }),
        }
    }

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
        Multisig::new(threshold, keys).map(Self::Multisig)
    }

    /// The hash of `key` in its place.
    pub fn key_hash(key: &PublicKey) -> Self {
        Self::KeyHash(hash160(key.as_bytes()))
    }

    /// The hash of `script` in its place. A script of more than 520 bytes can't be unlocked so.
    pub fn script_hash(script: &[u8]) -> Self {
        Self::ScriptHash(hash160(script))
    }

    /// Reads a lock. Every lock that is read is written back by [`Template::lock`] with the same bytes.
    ///
    /// # Errors
    /// The rule that the lock breaks; [`ScriptError::UnknownForm`] where it is a script of another form.
    pub fn parse(lock: &Lock) -> Result<Self, ScriptError> {
        match lock.0.as_slice() {
            [PUSH_KEY, key @ .., OP_CHECKSIG] if key.len() == PUBLIC_KEY_BYTES => Ok(Self::Key(public_key(key, 0)?)),
            [script @ .., OP_CHECKMULTISIG] => parse_multisig(script),
            script => {
                let read = Self::read(script).filter(|template| template.lock() == *lock);
                read.ok_or(ScriptError::UnknownForm)
            }
        }
    }

    /// The forms that the instructions tell; pushes may be longer than they should be.
    fn read(script: &[u8]) -> Option<Self> {
        let key_hash = |mut reader: Reader<'_>| {
            let hash = reader.opcodes(&[Opcode::DUP, Opcode::HASH160])?.data()?;
            reader.opcodes(&[Opcode::EQUALVERIFY, Opcode::CHECKSIG])?.end(Self::KeyHash(hash))
        };
        let script_hash = |mut reader: Reader<'_>| {
            let hash = reader.opcodes(&[Opcode::HASH160])?.data()?;
            reader.opcodes(&[Opcode::EQUAL])?.end(Self::ScriptHash(hash))
        };
        let timed = |opcode| {
            let mut reader = Reader::of(script);
            let number = reader.unsigned()?;
            let key = reader.opcodes(&[opcode, Opcode::DROP])?.key()?;
            reader.opcodes(&[Opcode::CHECKSIG])?.end((number, key))
        };
        let not_before = |(lock_time, key)| Self::NotBefore { lock_time, key };
        let aged = |(sequence, key)| Self::Aged { sequence, key };
        key_hash(Reader::of(script))
            .or_else(|| script_hash(Reader::of(script)))
            .or_else(|| timed(Opcode::CHECKLOCKTIMEVERIFY).map(not_before))
            .or_else(|| timed(Opcode::CHECKSEQUENCEVERIFY).map(aged))
            .or_else(|| Escrow::read(Reader::of(script)).map(Self::Escrow))
            .or_else(|| HashLock::read(Reader::of(script)).map(Self::HashLock))
            .or_else(|| OraclePayout::read(Reader::of(script)).map(Self::OraclePayout))
    }

    /// The lock's bytes.
    pub fn lock(&self) -> Lock {
        let script = Builder::default();
        let timed = |number: &u32, opcode, key: &PublicKey| {
            let script = Builder::default().number(i64::from(*number)).opcodes(&[opcode, Opcode::DROP]);
            script.data(key.as_bytes()).opcode(Opcode::CHECKSIG)
        };
        let script = match self {
            Self::Key(key) => script.data(key.as_bytes()).opcode(Opcode::CHECKSIG),
            Self::Multisig(multisig) => multisig_script(script, multisig),
            Self::KeyHash(hash) => script
                .opcodes(&[Opcode::DUP, Opcode::HASH160])
                .data(hash)
                .opcodes(&[Opcode::EQUALVERIFY, Opcode::CHECKSIG]),
            Self::ScriptHash(hash) => script.opcode(Opcode::HASH160).data(hash).opcode(Opcode::EQUAL),
            Self::NotBefore { lock_time, key } => timed(lock_time, Opcode::CHECKLOCKTIMEVERIFY, key),
            Self::Aged { sequence, key } => timed(sequence, Opcode::CHECKSEQUENCEVERIFY, key),
            Self::Escrow(escrow) => escrow.script(),
            Self::HashLock(hash_lock) => hash_lock.script(),
            Self::OraclePayout(payout) => payout.script(),
        };
        Lock(script.into_bytes())
    }
}

/// The witness for [`Template::Key`], [`Template::NotBefore`] and [`Template::Aged`].
pub fn key_witness(signature: &Signature) -> Witness {
    Witness::new([*signature.as_bytes()])
}

/// The witness for [`Template::Multisig`]: an empty item, because `OP_CHECKMULTISIG` drops one too many, and the signatures in
/// the order of the lock's keys.
pub fn multisig_witness(signatures: &[Signature]) -> Witness {
    Witness::new([&[][..]].into_iter().chain(signatures.iter().map(|signature| &signature.as_bytes()[..])))
}

/// The witness for [`Template::KeyHash`].
pub fn key_hash_witness(signature: &Signature, key: &PublicKey) -> Witness {
    Witness::new([&signature.as_bytes()[..], key.as_bytes()])
}

/// The witness for [`Template::ScriptHash`]: what unlocks the script, and the script. What it signs has the script for its script code.
pub fn script_hash_witness(mut witness: Witness, script: &[u8]) -> Witness {
    witness.0.extend(Witness::new([script]).0);
    witness
}

/// Appends `<m> <key>... <n> CHECKMULTISIG`.
pub(super) fn multisig_script(script: Builder, Multisig { threshold, keys }: &Multisig) -> Builder {
    let script = script.number(*threshold as i64);
    let script = keys.iter().fold(script, |script, key| script.data(key.as_bytes()));
    script.number(keys.len() as i64).opcode(Opcode::CHECKMULTISIG)
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

/// Reads 1 to 20 in the shortest form (BIP62), and nothing else.
fn read_number(script: &[u8]) -> Result<(usize, &[u8]), ScriptError> {
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
        keys(21).iter().for_each(|key| over.extend([&[PUSH_KEY][..], key.as_bytes()].concat()));
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
