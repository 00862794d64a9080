//! What the tests with Bitcoin's vectors share: the folder of vectors, and Bitcoin's transaction format, which the layer doesn't know.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::print_stderr)]

use std::{fs, path::Path};

use health_chain_contract::{
    ports::{Need, SignatureCheck, Signed},
    script::ecdsa,
};
use health_chain_data::sha256d;
use serde_json::Value;

/// Reads a file of the vectors that may lie beside the checkout; says so where it is missing.
pub fn vectors(path: &str) -> Option<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors").join(path);
    let Ok(text) = fs::read_to_string(&file) else {
        eprintln!("SKIPPED: no vectors at {}", file.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// An input of a Bitcoin transaction.
#[derive(Clone)]
pub struct BitcoinInput {
    pub previous: [u8; 36],
    pub script: Vec<u8>,
    pub sequence: u32,
}

/// An output of a Bitcoin transaction.
#[derive(Clone)]
pub struct BitcoinOutput {
    pub amount: u64,
    pub script: Vec<u8>,
}

/// A Bitcoin transaction without witnesses.
#[derive(Clone)]
pub struct BitcoinTransaction {
    pub version: u32,
    pub inputs: Vec<BitcoinInput>,
    pub outputs: Vec<BitcoinOutput>,
    pub lock_time: u32,
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(count);
        self.0 = rest;
        bytes
    }

    fn number(&mut self, bytes: usize) -> u64 {
        self.bytes(bytes).iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn compact(&mut self) -> usize {
        let first = self.number(1);
        let number = match first {
            0xfd => self.number(2),
            0xfe => self.number(4),
            0xff => self.number(8),
            small => small,
        };
        number as usize
    }

    fn script(&mut self) -> Vec<u8> {
        let length = self.compact();
        self.bytes(length).to_vec()
    }
}

fn write_compact(out: &mut Vec<u8>, number: usize) {
    match number {
        0..=0xfc => out.push(number as u8),
        0xfd..=0xffff => {
            out.push(0xfd);
            out.extend_from_slice(&(number as u16).to_le_bytes());
        }
        _ => {
            out.push(0xfe);
            out.extend_from_slice(&(number as u32).to_le_bytes());
        }
    }
}

impl BitcoinTransaction {
    pub fn parse(bytes: &[u8]) -> Self {
        let mut reader = Reader(bytes);
        let version = reader.number(4) as u32;
        let inputs = (0..reader.compact())
            .map(|_| BitcoinInput {
                previous: reader.bytes(36).try_into().unwrap(),
                script: reader.script(),
                sequence: reader.number(4) as u32,
            })
            .collect();
        let outputs = (0..reader.compact())
            .map(|_| BitcoinOutput { amount: reader.number(8), script: reader.script() })
            .collect();
        let lock_time = reader.number(4) as u32;
        assert!(reader.0.is_empty(), "bytes left behind a transaction");
        Self { version, inputs, outputs, lock_time }
    }

    pub fn write(&self) -> Vec<u8> {
        let mut out = self.version.to_le_bytes().to_vec();
        write_compact(&mut out, self.inputs.len());
        for input in &self.inputs {
            out.extend_from_slice(&input.previous);
            write_compact(&mut out, input.script.len());
            out.extend_from_slice(&input.script);
            out.extend_from_slice(&input.sequence.to_le_bytes());
        }
        write_compact(&mut out, self.outputs.len());
        for output in &self.outputs {
            out.extend_from_slice(&output.amount.to_le_bytes());
            write_compact(&mut out, output.script.len());
            out.extend_from_slice(&output.script);
        }
        out.extend_from_slice(&self.lock_time.to_le_bytes());
        out
    }

    /// The transaction that pays into `lock`, and the one that spends it with `unlock`, as Bitcoin's script tests build them.
    pub fn spending(lock: &[u8], unlock: &[u8]) -> Self {
        let crediting = Self {
            version: 1,
            inputs: vec![BitcoinInput {
                previous: [&[0; 32][..], &[0xff; 4]].concat().try_into().unwrap(),
                script: vec![0, 0],
                sequence: u32::MAX,
            }],
            outputs: vec![BitcoinOutput { amount: 0, script: lock.to_vec() }],
            lock_time: 0,
        };
        let id = sha256d(&crediting.write());
        Self {
            version: 1,
            inputs: vec![BitcoinInput {
                previous: [&id.0[..], &[0; 4]].concat().try_into().unwrap(),
                script: unlock.to_vec(),
                sequence: u32::MAX,
            }],
            outputs: vec![BitcoinOutput { amount: 0, script: vec![] }],
            lock_time: 0,
        }
    }

    /// Bitcoin's signature hash of before segwit, separators taken out of the script code.
    pub fn signature_hash(&self, script_code: &[u8], index: usize, hash_type: u32) -> [u8; 32] {
        const NONE: u32 = 2;
        const SINGLE: u32 = 3;
        const ANYONE_CAN_PAY: u32 = 0x80;
        let base = hash_type & 0x1f;
        if base == SINGLE && index >= self.outputs.len() {
            let mut one = [0; 32];
            one[0] = 1;
            return one;
        }
        let mut signed = self.clone();
        for (position, input) in signed.inputs.iter_mut().enumerate() {
            input.script = if position == index { without_separators(script_code) } else { vec![] };
            if position != index && matches!(base, NONE | SINGLE) {
                input.sequence = 0;
            }
        }
        match base {
            NONE => signed.outputs.clear(),
            SINGLE => {
                signed.outputs.truncate(index + 1);
                for output in &mut signed.outputs[..index] {
                    *output = BitcoinOutput { amount: u64::MAX, script: vec![] };
                }
            }
            _ => {}
        }
        if hash_type & ANYONE_CAN_PAY != 0 {
            signed.inputs = vec![signed.inputs[index].clone()];
        }
        sha256d(&[signed.write(), hash_type.to_le_bytes().to_vec()].concat()).0
    }
}

fn without_separators(script: &[u8]) -> Vec<u8> {
    use health_chain_contract::script::{Instruction, Opcode};

    let (mut kept, mut at) = (Vec::new(), 0);
    while let Ok(Some((instruction, next))) = Instruction::read(script, at) {
        if instruction.opcode != Opcode::CODESEPARATOR {
            kept.extend_from_slice(&script[at..next]);
        }
        at = next;
    }
    kept.extend_from_slice(&script[at..]);
    kept
}

/// Answers a script's questions about one input of a Bitcoin transaction.
pub struct BitcoinCheck<'a> {
    pub transaction: &'a BitcoinTransaction,
    pub index: usize,
}

impl SignatureCheck for BitcoinCheck<'_> {
    fn check_signature(&mut self, signed: &Signed<'_>) -> bool {
        let (hash_type, der) = signed.signature.split_last().expect("never empty");
        let digest = self.transaction.signature_hash(signed.script_code, self.index, u32::from(*hash_type));
        ecdsa::verify(signed.key, &digest, der)
    }

    fn check_data(&mut self, _: &[u8], _: &[u8], _: &[u8], _: Need) -> bool {
        false
    }

    fn check_lock_time(&mut self, lock_time: i64) -> bool {
        const THRESHOLD: i64 = 500_000_000;
        let own = i64::from(self.transaction.lock_time);
        let same_kind = (own < THRESHOLD) == (lock_time < THRESHOLD);
        same_kind && lock_time <= own && self.transaction.inputs[self.index].sequence != u32::MAX
    }

    fn check_sequence(&mut self, sequence: i64) -> bool {
        const DISABLED: u32 = 1 << 31;
        const TIME: i64 = 1 << 22;
        const LENGTH: i64 = 0xffff;
        let own = self.transaction.inputs[self.index].sequence;
        if self.transaction.version < 2 || own & DISABLED != 0 {
            return false;
        }
        let own = i64::from(own) & (TIME | LENGTH);
        let asked = sequence & (TIME | LENGTH);
        (own < TIME) == (asked < TIME) && asked <= own
    }
}
