//! The forms that keys and signatures may have.

use health_chain_data::keys::{PUBLIC_KEY_BYTES, SIGNATURE_BYTES};

use super::{ecdsa, fault::Fault, flags::Flags};

/// A signature covers its input in whatever place, the outputs or not; this bit is beside the hash type proper.
const ANYONE_CAN_PAY: u8 = 0x80;

/// Checks an ECDSA signature with its hash type behind it. An empty one passes: it is the way to sign nothing.
pub(super) fn check_signature(signature: &[u8], flags: Flags) -> Result<(), Fault> {
    let Some((hash_type, der)) = signature.split_last() else { return Ok(()) };
    if flags.intersects(Flags::DERSIG | Flags::LOW_S | Flags::STRICTENC) && !ecdsa::is_strict_der(der) {
        return Err(Fault::SignatureDer);
    }
    if flags.contains(Flags::LOW_S) && !ecdsa::is_low_s(der) {
        return Err(Fault::SignatureHighS);
    }
    if flags.contains(Flags::STRICTENC) && !matches!(hash_type & !ANYONE_CAN_PAY, 1..=3) {
        return Err(Fault::SignatureHashType { found: *hash_type });
    }
    Ok(())
}

/// Checks the form of an ECDSA key.
pub(super) const fn check_key(key: &[u8], flags: Flags) -> Result<(), Fault> {
    let known = matches!((key.first(), key.len()), (Some(0x02 | 0x03), 33) | (Some(0x04), 65));
    if flags.contains(Flags::STRICTENC) && !known { Err(Fault::KeyType { bytes: key.len() }) } else { Ok(()) }
}

/// Checks the lengths of a BIP340 signature, which may be empty, and of its key.
pub(super) const fn check_bip340(signature: &[u8], key: &[u8]) -> Result<(), Fault> {
    if !signature.is_empty() && signature.len() != SIGNATURE_BYTES {
        return Err(Fault::SignatureLength { bytes: signature.len() });
    }
    if key.len() != PUBLIC_KEY_BYTES { Err(Fault::KeyType { bytes: key.len() }) } else { Ok(()) }
}
