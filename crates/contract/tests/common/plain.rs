//! A second interpreter, written from the rules as plainly and slowly as can be, to compare the machine with. It shares no code
//! with the machine but the hash functions; reasons have Bitcoin Core's names.
#![allow(unreachable_pub)]

use ripemd::Ripemd160;
use sha1::{Digest, Sha1};

/// The rules that the comparison turns on and off.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub minimal_data: bool,
    pub minimal_if: bool,
    pub null_dummy: bool,
    pub null_fail: bool,
    pub discourage_nops: bool,
    pub lock_time: bool,
    pub sequence: bool,
    pub constant_code: bool,
}

/// What the transaction says; both interpreters are given the same.
pub struct Answers {
    pub signature: fn(key: &[u8], signature: &[u8], code: &[u8]) -> bool,
    pub lock_time: fn(i64) -> bool,
    pub sequence: fn(i64) -> bool,
}

type Stack = Vec<Vec<u8>>;
type Reason = &'static str;

/// Runs `script` on `stack`, and returns the stack or the reason.
pub fn run(script: &[u8], mut stack: Stack, rules: Rules, answers: &Answers) -> Result<Stack, Reason> {
    if script.len() > 10_000 {
        return Err("SCRIPT_SIZE");
    }
    let mut alternate: Stack = vec![];
    let mut branches: Vec<bool> = vec![];
    let mut at = 0;
    let mut separator = 0;
    let mut operations = 0;
    while at < script.len() {
        let (opcode, data, next) = read(script, at).ok_or("BAD_OPCODE")?;
        at = next;
        let taken = branches.iter().all(|branch| *branch);
        if data.len() > 520 {
            return Err("PUSH_SIZE");
        }
        if opcode > 96 {
            operations += 1;
        }
        if operations > 201 {
            return Err("OP_COUNT");
        }
        if matches!(opcode, 126..=129 | 131..=134 | 141 | 142 | 149..=153) {
            return Err("DISABLED_OPCODE");
        }
        if opcode == 171 && rules.constant_code {
            return Err("OP_CODESEPARATOR");
        }
        if opcode == 101 || opcode == 102 {
            return Err("BAD_OPCODE");
        }
        match opcode {
            99 | 100 => {
                let mut value = false;
                if taken {
                    let top = pop(&mut stack)?;
                    if rules.minimal_if && top != [1] && !top.is_empty() {
                        return Err("MINIMALIF");
                    }
                    value = truth(&top) == (opcode == 99);
                }
                branches.push(value);
            }
            103 => {
                let last = branches.last_mut().ok_or("UNBALANCED_CONDITIONAL")?;
                *last = !*last;
            }
            104 => {
                branches.pop().ok_or("UNBALANCED_CONDITIONAL")?;
            }
            _ if !taken => {}
            0..=78 => {
                if rules.minimal_data && !shortest(opcode, data) {
                    return Err("MINIMALDATA");
                }
                stack.push(data.to_vec());
            }
            79 => stack.push(vec![0x81]),
            81..=96 => stack.push(vec![opcode - 80]),
            171 => separator = at,
            172 | 173 => {
                if stack.len() < 2 {
                    return Err("INVALID_STACK_OPERATION");
                }
                let key = pop(&mut stack)?;
                let signature = pop(&mut stack)?;
                let code = cleaned(&script[separator..], std::slice::from_ref(&signature), rules)?;
                let valid = !signature.is_empty() && (answers.signature)(&key, &signature, &code);
                if !valid && rules.null_fail && !signature.is_empty() {
                    return Err("NULLFAIL");
                }
                if opcode == 172 {
                    stack.push(boolean(valid));
                } else if !valid {
                    return Err("CHECKSIGVERIFY");
                }
            }
            174 | 175 => {
                let valid = multisig(&mut stack, &mut operations, &script[separator..], rules, answers)?;
                if opcode == 174 {
                    stack.push(boolean(valid));
                } else if !valid {
                    return Err("CHECKMULTISIGVERIFY");
                }
            }
            177 | 178 => {
                let (on, answer) = if opcode == 177 {
                    (rules.lock_time, answers.lock_time)
                } else {
                    (rules.sequence, answers.sequence)
                };
                if on {
                    let number = number(stack.last().ok_or("INVALID_STACK_OPERATION")?, rules, 5)?;
                    if number < 0 {
                        return Err("NEGATIVE_LOCKTIME");
                    }
                    let disabled = opcode == 178 && (number / 2_147_483_648) % 2 == 1;
                    if !disabled && !answer(number) {
                        return Err("UNSATISFIED_LOCKTIME");
                    }
                }
            }
            176 | 179..=185 => {
                if rules.discourage_nops {
                    return Err("DISCOURAGE_UPGRADABLE_NOPS");
                }
            }
            _ => simple(opcode, &mut stack, &mut alternate, rules)?,
        }
        if stack.len() + alternate.len() > 1_000 {
            return Err("STACK_SIZE");
        }
    }
    if branches.is_empty() { Ok(stack) } else { Err("UNBALANCED_CONDITIONAL") }
}

/// Everything that looks at nothing but the stacks.
fn simple(opcode: u8, stack: &mut Stack, alternate: &mut Stack, rules: Rules) -> Result<(), Reason> {
    // How many items each needs to be there.
    let needed = match opcode {
        105 | 107 | 115 | 117 | 118 | 130 | 139 | 140 | 143..=146 | 166..=170 => 1,
        109 | 110 | 119..=122 | 124 | 125 | 135 | 136 | 147 | 148 | 154..=164 => 2,
        111 | 123 | 165 => 3,
        112 | 114 => 4,
        113 => 6,
        _ => 0,
    };
    if stack.len() < needed {
        return Err("INVALID_STACK_OPERATION");
    }
    let length = stack.len();
    let item = |depth: usize| stack[length - 1 - depth].clone();
    match opcode {
        97 => {}
        105 => {
            if !truth(&item(0)) {
                return Err("VERIFY");
            }
            stack.pop();
        }
        106 => return Err("OP_RETURN"),
        107 => alternate.push(pop(stack)?),
        108 => stack.push(alternate.pop().ok_or("INVALID_ALTSTACK_OPERATION")?),
        109 => stack.truncate(length - 2),
        110 => stack.extend([item(1), item(0)]),
        111 => stack.extend([item(2), item(1), item(0)]),
        112 => stack.extend([item(3), item(2)]),
        113 => {
            let moved = [item(5), item(4)];
            stack.drain(length - 6..length - 4);
            stack.extend(moved);
        }
        114 => {
            let moved = [item(3), item(2)];
            stack.drain(length - 4..length - 2);
            stack.extend(moved);
        }
        115 => {
            if truth(&item(0)) {
                stack.push(item(0));
            }
        }
        116 => stack.push(write(length as i64)),
        117 => stack.truncate(length - 1),
        118 => stack.push(item(0)),
        119 => drop(stack.remove(length - 2)),
        120 => stack.push(item(1)),
        121 | 122 => {
            let depth = number(&item(0), rules, 4)?;
            stack.pop();
            if depth < 0 || depth >= stack.len() as i64 {
                return Err("INVALID_STACK_OPERATION");
            }
            let place = stack.len() - 1 - depth as usize;
            let chosen = if opcode == 121 { stack[place].clone() } else { stack.remove(place) };
            stack.push(chosen);
        }
        123 => stack.swap_then(length - 3, length - 2, length - 1),
        124 => stack.swap(length - 1, length - 2),
        125 => stack.insert(length - 2, item(0)),
        130 => stack.push(write(item(0).len() as i64)),
        135 | 136 => {
            let equal = item(0) == item(1);
            stack.truncate(length - 2);
            match (opcode, equal) {
                (135, _) => stack.push(boolean(equal)),
                (_, false) => return Err("EQUALVERIFY"),
                (_, true) => {}
            }
        }
        139 | 140 | 143..=146 => {
            let value = number(&item(0), rules, 4)?;
            let result = match opcode {
                139 => value + 1,
                140 => value - 1,
                143 => 0 - value,
                144 => i64::from(value.unsigned_abs() as u32),
                145 => i64::from(value == 0),
                _ => i64::from(value != 0),
            };
            stack.pop();
            stack.push(write(result));
        }
        147 | 148 | 154..=164 => {
            let (first, second) = (number(&item(1), rules, 4)?, number(&item(0), rules, 4)?);
            let result = match opcode {
                147 => first + second,
                148 => first - second,
                154 => i64::from(first != 0 && second != 0),
                155 => i64::from(first != 0 || second != 0),
                156 | 157 => i64::from(first == second),
                158 => i64::from(first != second),
                159 => i64::from(first < second),
                160 => i64::from(first > second),
                161 => i64::from(first <= second),
                162 => i64::from(first >= second),
                163 => {
                    if first < second {
                        first
                    } else {
                        second
                    }
                }
                _ => {
                    if first > second {
                        first
                    } else {
                        second
                    }
                }
            };
            stack.truncate(length - 2);
            if opcode != 157 {
                stack.push(write(result));
            } else if result == 0 {
                return Err("NUMEQUALVERIFY");
            }
        }
        165 => {
            let value = number(&item(2), rules, 4)?;
            let (low, high) = (number(&item(1), rules, 4)?, number(&item(0), rules, 4)?);
            let within = low <= value && value < high;
            stack.truncate(length - 3);
            stack.push(boolean(within));
        }
        166..=170 => {
            let input = pop(stack)?;
            let sha256 = |bytes: &[u8]| health_chain_data::sha256(bytes).0.to_vec();
            stack.push(match opcode {
                166 => Ripemd160::digest(&input).to_vec(),
                167 => Sha1::digest(&input).to_vec(),
                168 => sha256(&input),
                169 => Ripemd160::digest(sha256(&input)).to_vec(),
                _ => sha256(&sha256(&input)),
            });
        }
        _ => return Err("BAD_OPCODE"),
    }
    Ok(())
}

trait Rotate {
    fn swap_then(&mut self, bottom: usize, middle: usize, top: usize);
}

impl Rotate for Stack {
    /// The bottom one goes to the top.
    fn swap_then(&mut self, bottom: usize, middle: usize, top: usize) {
        self.swap(bottom, middle);
        self.swap(middle, top);
    }
}

fn multisig(
    stack: &mut Stack,
    operations: &mut usize,
    code: &[u8],
    rules: Rules,
    answers: &Answers,
) -> Result<bool, Reason> {
    const UNDERFLOW: Reason = "INVALID_STACK_OPERATION";
    let count = number(stack.last().ok_or(UNDERFLOW)?, rules, 4)?;
    if !(0..=20).contains(&count) {
        return Err("PUBKEY_COUNT");
    }
    *operations += count as usize;
    if *operations > 201 {
        return Err("OP_COUNT");
    }
    if (stack.len() as i64) < count + 2 {
        return Err(UNDERFLOW);
    }
    stack.pop();
    let mut keys: Vec<Vec<u8>> = (0..count).map(|_| stack.pop().unwrap()).collect();
    let wanted = number(stack.last().ok_or(UNDERFLOW)?, rules, 4)?;
    if wanted < 0 || wanted > count {
        return Err("SIG_COUNT");
    }
    if (stack.len() as i64) < wanted + 2 {
        return Err(UNDERFLOW);
    }
    stack.pop();
    let signatures: Vec<Vec<u8>> = (0..wanted).map(|_| stack.pop().unwrap()).collect();
    let code = cleaned(code, &signatures, rules)?;
    // Both lists begin with what was on top.
    let mut valid = true;
    keys.reverse();
    for (done, signature) in signatures.iter().enumerate() {
        let found = loop {
            if keys.len() < signatures.len() - done {
                break false;
            }
            let Some(key) = keys.pop() else { break false };
            if !signature.is_empty() && (answers.signature)(&key, signature, &code) {
                break true;
            }
        };
        if !found {
            valid = false;
            break;
        }
    }
    if !valid && rules.null_fail && signatures.iter().any(|signature| !signature.is_empty()) {
        return Err("NULLFAIL");
    }
    let dummy = pop(stack)?;
    if rules.null_dummy && !dummy.is_empty() { Err("SIG_NULLDUMMY") } else { Ok(valid) }
}

/// The script code without the signatures' pushes.
fn cleaned(code: &[u8], signatures: &[Vec<u8>], rules: Rules) -> Result<Vec<u8>, Reason> {
    let mut code = code.to_vec();
    for signature in signatures {
        let length = signature.len();
        let mut push = match length {
            0..=75 => vec![length as u8],
            76..=255 => vec![76, length as u8],
            _ => vec![77, (length % 256) as u8, (length / 256) as u8],
        };
        push.extend(signature);
        let mut kept = vec![];
        let mut at = 0;
        loop {
            while code[at..].starts_with(&push) {
                at += push.len();
                if rules.constant_code {
                    return Err("SIG_FINDANDDELETE");
                }
            }
            let Some((_, _, next)) = read(&code, at) else { break };
            kept.extend_from_slice(&code[at..next]);
            at = next;
        }
        kept.extend_from_slice(&code[at..]);
        code = kept;
    }
    Ok(code)
}

/// Opcode, data and the place behind; nothing where a push is cut off, or at the end.
fn read(script: &[u8], at: usize) -> Option<(u8, &[u8], usize)> {
    let opcode = *script.get(at)?;
    let byte = |offset: usize| script.get(at + offset).map(|byte| usize::from(*byte));
    let (start, length) = match opcode {
        0..=75 => (at + 1, usize::from(opcode)),
        76 => (at + 2, byte(1)?),
        77 => (at + 3, byte(1)? + 256 * byte(2)?),
        78 => (at + 5, byte(1)? + 256 * byte(2)? + 65_536 * byte(3)? + 16_777_216 * byte(4)?),
        _ => (at + 1, 0),
    };
    if start + length > script.len() { None } else { Some((opcode, &script[start..start + length], start + length)) }
}

fn shortest(opcode: u8, data: &[u8]) -> bool {
    match data {
        [] => opcode == 0,
        [1..=16 | 0x81] => false,
        _ if data.len() <= 75 => usize::from(opcode) == data.len(),
        _ if data.len() <= 255 => opcode == 76,
        _ if data.len() <= 65_535 => opcode == 77,
        _ => true,
    }
}

fn pop(stack: &mut Stack) -> Result<Vec<u8>, Reason> {
    stack.pop().ok_or("INVALID_STACK_OPERATION")
}

fn truth(item: &[u8]) -> bool {
    let mut item = item.to_vec();
    if item.last() == Some(&0x80) {
        item.pop();
    }
    item.iter().any(|byte| *byte != 0)
}

fn boolean(value: bool) -> Vec<u8> {
    if value { vec![1] } else { vec![] }
}

fn number(item: &[u8], rules: Rules, longest: usize) -> Result<i64, Reason> {
    if item.len() > longest {
        return Err("SCRIPTNUM");
    }
    let mut value: i64 = 0;
    for (place, byte) in item.iter().enumerate() {
        let last = place + 1 == item.len();
        value += i64::from(if last { byte % 128 } else { *byte }) * 256_i64.pow(place as u32);
    }
    if item.last().is_some_and(|last| *last >= 128) {
        value = -value;
    }
    if rules.minimal_data && write(value) != item { Err("SCRIPTNUM") } else { Ok(value) }
}

fn write(value: i64) -> Vec<u8> {
    let mut bytes = vec![];
    let mut rest = value.abs();
    while rest > 0 {
        bytes.push((rest % 256) as u8);
        rest /= 256;
    }
    if bytes.last().is_some_and(|last| *last >= 128) {
        bytes.push(0);
    }
    if value < 0 {
        *bytes.last_mut().unwrap() += 128;
    }
    bytes
}
