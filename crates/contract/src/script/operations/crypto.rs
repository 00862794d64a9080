//! Hashes and signatures.

use alloc::{borrow::Cow, vec::Vec};

use health_chain_data::{sha256 as digest, sha256d};
use ripemd::Ripemd160;
use sha1::{Digest, Sha1};

use super::Outcome;
use crate::{
    limits::MAX_MULTISIG_KEYS,
    ports::{Need, SignatureCheck, Signed},
    script::{encoding, fault::Fault, flags::Flags, machine::Machine, opcode::Opcode},
};

macro_rules! hash_operations {
    ($($name:ident = |$item:ident| $hash:expr;)*) => {
        $(pub(in crate::script) fn $name(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
            let $item = machine.stack.pop()?;
            machine.stack.push($hash);
            Ok(())
        })*
    };
}

hash_operations! {
    ripemd160 = |item| Ripemd160::digest(&item).to_vec();
    sha1 = |item| Sha1::digest(&item).to_vec();
    sha256 = |item| digest(&item).0.to_vec();
    hash160 = |item| hash160_of(&item).to_vec();
    hash256 = |item| sha256d(&item).0.to_vec();
}

/// RIPEMD-160 of SHA-256, by which keys and scripts are named.
pub fn hash160_of(bytes: &[u8]) -> [u8; 20] {
    Ripemd160::digest(digest(bytes).0).into()
}

pub(in crate::script) const fn code_separator(machine: &mut Machine<'_>, _: &mut dyn SignatureCheck) -> Outcome {
    machine.code_start = machine.next;
    Ok(())
}

pub(in crate::script) fn check_sig(machine: &mut Machine<'_>, check: &mut dyn SignatureCheck) -> Outcome {
    let valid = pop_signature(machine, check)?;
    machine.stack.push_bool(valid);
    Ok(())
}

pub(in crate::script) fn check_sig_verify(machine: &mut Machine<'_>, check: &mut dyn SignatureCheck) -> Outcome {
    if pop_signature(machine, check)? { Ok(()) } else { Err(Fault::CheckSigVerify) }
}

/// `<signature> <key>`.
fn pop_signature(machine: &mut Machine<'_>, check: &mut dyn SignatureCheck) -> Result<bool, Fault> {
    machine.stack.need(2)?;
    let (key, signature) = (machine.stack.pop()?, machine.stack.pop()?);
    let script_code = script_code(machine, core::slice::from_ref(&signature))?;
    let need = if machine.flags.contains(Flags::NULLFAIL) { Need::Required } else { Need::Answer };
    let valid =
        is_valid(machine.flags, Signed { key: &key, signature: &signature, script_code: &script_code, need }, check)?;
    null_fail(machine.flags, valid, &[signature])?;
    Ok(valid)
}

/// `<signature> <message> <key>` (BIP348), over the message as it stands; what hash of it is signed is the trait's choice.
pub(in crate::script) fn check_sig_from_stack(machine: &mut Machine<'_>, check: &mut dyn SignatureCheck) -> Outcome {
    if !machine.flags.contains(Flags::CHECKSIGFROMSTACK) {
        return Err(Fault::BadOpcode { opcode: machine.current });
    }
    machine.stack.need(3)?;
    let (key, message, signature) = (machine.stack.pop()?, machine.stack.pop()?, machine.stack.pop()?);
    encoding::check_bip340(&signature, &key)?;
    let need = if machine.flags.contains(Flags::NULLFAIL) { Need::Required } else { Need::Answer };
    let valid = !signature.is_empty() && check.check_data(&key, &signature, &message, need);
    null_fail(machine.flags, valid, &[signature])?;
    machine.stack.push_bool(valid);
    Ok(())
}

pub(in crate::script) fn check_multisig(machine: &mut Machine<'_>, check: &mut dyn SignatureCheck) -> Outcome {
    let valid = pop_multisig(machine, check)?;
    machine.stack.push_bool(valid);
    Ok(())
}

pub(in crate::script) fn check_multisig_verify(machine: &mut Machine<'_>, check: &mut dyn SignatureCheck) -> Outcome {
    if pop_multisig(machine, check)? { Ok(()) } else { Err(Fault::CheckMultisigVerify) }
}

/// `<dummy> <signature>... <m> <key>... <n>`. Each signature takes the next key that it belongs to, from the top down.
fn pop_multisig(machine: &mut Machine<'_>, check: &mut dyn SignatureCheck) -> Result<bool, Fault> {
    let minimal = machine.minimal();
    let found = machine.stack.number(0, minimal)?;
    let keys =
        usize::try_from(found).ok().filter(|keys| *keys <= MAX_MULTISIG_KEYS).ok_or(Fault::KeyCount { found })?;
    machine.count_operations(keys)?;
    machine.stack.need(keys + 2)?;
    let found = machine.stack.number(keys + 1, minimal)?;
    let signatures = usize::try_from(found).ok().filter(|signatures| *signatures <= keys);
    let signatures = signatures.ok_or(Fault::SignatureCount { found, keys })?;
    machine.stack.need(keys + signatures + 3)?;

    machine.stack.drop_top(1)?;
    let keys = machine.stack.0.split_off(machine.stack.len() - keys);
    machine.stack.drop_top(1)?;
    let signatures = machine.stack.0.split_off(machine.stack.len() - signatures);
    let script_code = script_code(machine, &signatures)?;
    let valid = matches(machine.flags, &keys, &signatures, &script_code, check)?;
    null_fail(machine.flags, valid, &signatures)?;
    let dummy = machine.stack.pop()?;
    if machine.flags.contains(Flags::NULLDUMMY) && !dummy.is_empty() {
        return Err(Fault::NullDummy);
    }
    Ok(valid)
}

fn matches(
    flags: Flags,
    keys: &[Vec<u8>],
    signatures: &[Vec<u8>],
    script_code: &[u8],
    check: &mut dyn SignatureCheck,
) -> Result<bool, Fault> {
    let (mut keys, mut signatures) = (keys, signatures);
    while let [left @ .., signature] = signatures {
        let [keys_left @ .., key] = keys else { return Ok(false) };
        if signatures.len() > keys.len() {
            return Ok(false);
        }
        // As many keys as signatures are left: each has to fit, or all of it fails, and a failure with a signature is one of the script.
        let last_chance = signatures.len() == keys.len() && flags.contains(Flags::NULLFAIL);
        let need = if last_chance { Need::Required } else { Need::Answer };
        if is_valid(flags, Signed { key, signature, script_code, need }, check)? {
            signatures = left;
        }
        keys = keys_left;
    }
    Ok(true)
}

fn is_valid(flags: Flags, signed: Signed<'_>, check: &mut dyn SignatureCheck) -> Result<bool, Fault> {
    if flags.contains(Flags::BIP340) {
        encoding::check_bip340(signed.signature, signed.key)?;
    } else {
        encoding::check_signature(signed.signature, flags)?;
        encoding::check_key(signed.key, flags)?;
    }
    Ok(!signed.signature.is_empty() && check.check_signature(&signed))
}

fn null_fail(flags: Flags, valid: bool, signatures: &[Vec<u8>]) -> Outcome {
    let given = signatures.iter().any(|signature| !signature.is_empty());
    if !valid && given && flags.contains(Flags::NULLFAIL) { Err(Fault::NullFail) } else { Ok(()) }
}

/// What the signatures cover: the script from the last separator on, without any of them in it (which no script of use has: a
/// signature can't cover itself).
fn script_code<'s>(machine: &Machine<'s>, signatures: &[Vec<u8>]) -> Result<Cow<'s, [u8]>, Fault> {
    let mut code = Cow::Borrowed(&machine.script[machine.code_start..]);
    if machine.flags.contains(Flags::BIP340) {
        return Ok(code);
    }
    for signature in signatures {
        let Some(rest) = without(&code, &push_of(signature)) else { continue };
        if machine.flags.contains(Flags::CONST_SCRIPTCODE) {
            return Err(Fault::SignatureInScriptCode);
        }
        code = Cow::Owned(rest);
    }
    Ok(code)
}

/// The push of a signature as Bitcoin looks for it: by its length, never as a small number.
fn push_of(data: &[u8]) -> Vec<u8> {
    let opcode = match data {
        [_] => Opcode(1),
        _ => Opcode::shortest_push(data),
    };
    let length = (data.len() as u32).to_le_bytes();
    [&[opcode.0], &length[..opcode.length_bytes()], data].concat()
}

/// `script` without the places where `part` stands at the start of an instruction; nothing where there is none.
fn without(script: &[u8], part: &[u8]) -> Option<Vec<u8>> {
    use crate::script::instruction::Instruction;

    let (mut rest, mut kept, mut at) = (Vec::new(), 0, 0);
    let mut found = false;
    loop {
        if script[at..].starts_with(part) {
            found = true;
            rest.extend_from_slice(&script[kept..at]);
            at += part.len();
            kept = at;
            continue;
        }
        match Instruction::read(script, at) {
            Ok(Some((_, next))) => at = next,
            Ok(None) | Err(_) => break,
        }
    }
    rest.extend_from_slice(&script[kept..]);
    found.then_some(rest)
}
