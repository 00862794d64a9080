//! Why a script fails.

use thiserror::Error;

use super::opcode::Opcode;
use crate::limits::{MAX_ELEMENT_BYTES, MAX_MULTISIG_KEYS, MAX_OPERATIONS, MAX_SCRIPT_BYTES, MAX_STACK_ENTRIES};

/// The rule that a script, or what is to unlock it, breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The script ended with an empty stack, or with false on top.
    #[error("the script ends in false")]
    EvaluatedFalse,
    /// Longer than [`MAX_SCRIPT_BYTES`].
    #[error("script of {bytes} bytes, where at most {MAX_SCRIPT_BYTES} are allowed")]
    ScriptTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A push takes more bytes than are left of the script.
    #[error("the push at byte {offset} goes beyond the end of the script")]
    TruncatedPush {
        /// Where the push begins.
        offset: usize,
    },
    /// The opcode is not assigned, or reserved.
    #[error("{opcode} is no instruction")]
    BadOpcode {
        /// The opcode.
        opcode: Opcode,
    },
    /// The opcode is disabled (CVE-2010-5137), even where it is not reached.
    #[error("{opcode} is disabled")]
    DisabledOpcode {
        /// The opcode.
        opcode: Opcode,
    },
    /// An item longer than [`MAX_ELEMENT_BYTES`].
    #[error("item of {bytes} bytes, where at most {MAX_ELEMENT_BYTES} are allowed")]
    ElementTooLong {
        /// Its length.
        bytes: usize,
    },
    /// More than [`MAX_OPERATIONS`] operations; each key of a `CHECKMULTISIG` counts as one.
    #[error("more than {MAX_OPERATIONS} operations")]
    TooManyOperations,
    /// More than [`MAX_STACK_ENTRIES`] items on both stacks.
    #[error("{entries} items on the stacks, where at most {MAX_STACK_ENTRIES} are allowed")]
    StackTooLarge {
        /// How many.
        entries: usize,
    },
    /// An instruction takes more items than there are, or names one that is not there.
    #[error("the stack holds too few items")]
    StackUnderflow,
    /// `FROMALTSTACK` on an empty stack.
    #[error("the alternate stack is empty")]
    AlternateStackUnderflow,
    /// `ELSE` or `ENDIF` without `IF`, or `IF` without `ENDIF`.
    #[error("IF, ELSE and ENDIF do not match")]
    UnbalancedConditional,
    /// A number is longer than the instruction takes.
    #[error("number of {bytes} bytes, where at most {max} are allowed")]
    NumberTooLong {
        /// Its length.
        bytes: usize,
        /// What is allowed.
        max: usize,
    },
    /// A number is not in its shortest form.
    #[error("a number is not in its shortest form")]
    NumberNotMinimal,
    /// A push is not the shortest one for its data.
    #[error("a push is not the shortest for its data")]
    PushNotMinimal,
    /// `IF` took something else than the empty item or the byte 1.
    #[error("a condition is neither empty nor the byte 1")]
    ConditionNotMinimal,
    /// `RETURN`.
    #[error("RETURN was reached")]
    Returned,
    /// `VERIFY` of false.
    #[error("VERIFY found false")]
    Verify,
    /// `EQUALVERIFY` of two different items.
    #[error("EQUALVERIFY found a difference")]
    EqualVerify,
    /// `NUMEQUALVERIFY` of two different numbers.
    #[error("NUMEQUALVERIFY found a difference")]
    NumEqualVerify,
    /// `CHECKSIGVERIFY` of a signature that does not hold.
    #[error("CHECKSIGVERIFY found no valid signature")]
    CheckSigVerify,
    /// `CHECKMULTISIGVERIFY` of signatures that do not hold.
    #[error("CHECKMULTISIGVERIFY found too few valid signatures")]
    CheckMultisigVerify,
    /// An opcode kept for upgrades.
    #[error("{opcode} is kept for upgrades")]
    UpgradableNop {
        /// The opcode.
        opcode: Opcode,
    },
    /// A lock time or sequence below zero.
    #[error("a lock time is negative")]
    NegativeLockTime,
    /// The transaction's lock time or sequence does not reach the one asked for.
    #[error("the lock time is not reached")]
    UnsatisfiedLockTime,
    /// More than [`MAX_MULTISIG_KEYS`] keys, or fewer than none.
    #[error("{found} keys, where 0 to {MAX_MULTISIG_KEYS} are allowed")]
    KeyCount {
        /// How many.
        found: i64,
    },
    /// More signatures asked for than keys given, or fewer than none.
    #[error("{found} signatures asked of {keys} keys")]
    SignatureCount {
        /// How many.
        found: i64,
        /// Keys given.
        keys: usize,
    },
    /// The item that `CHECKMULTISIG` drops is not empty.
    #[error("the item that CHECKMULTISIG drops is not empty")]
    NullDummy,
    /// A signature that does not hold is not empty.
    #[error("a signature that does not hold is not empty")]
    NullFail,
    /// A signature is not strict DER.
    #[error("a signature is not strict DER")]
    SignatureDer,
    /// The `s` of a signature is in the upper half.
    #[error("the s of a signature is in the upper half")]
    SignatureHighS,
    /// The hash type of a signature is unknown.
    #[error("hash type {found:#04x} is unknown")]
    SignatureHashType {
        /// The hash type.
        found: u8,
    },
    /// A BIP340 signature is not 64 bytes long.
    #[error("signature of {bytes} bytes, where 64 are needed")]
    SignatureLength {
        /// Its length.
        bytes: usize,
    },
    /// A key is not of a kind that is allowed.
    #[error("key of {bytes} bytes is of no allowed kind")]
    KeyType {
        /// Its length.
        bytes: usize,
    },
    /// `CODESEPARATOR`, where the script code is constant.
    #[error("CODESEPARATOR, where the script code is constant")]
    CodeSeparator,
    /// A signature stands in the script that it signs, where the script code is constant.
    #[error("a signature stands in the script that it signs")]
    SignatureInScriptCode,
    /// The unlocking script does more than push data.
    #[error("the unlocking script does more than push data")]
    NotPushOnly,
    /// More than one item was left.
    #[error("{entries} items are left where the script ends, and one is allowed")]
    UncleanStack {
        /// How many.
        entries: usize,
    },
}

impl Fault {
    /// The name of the rule, for logs and for peers.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::EvaluatedFalse => "script-false",
            Self::ScriptTooLong { .. } => "script-length",
            Self::TruncatedPush { .. } => "script-truncated-push",
            Self::BadOpcode { .. } => "script-opcode",
            Self::DisabledOpcode { .. } => "script-disabled-opcode",
            Self::ElementTooLong { .. } => "script-element-length",
            Self::TooManyOperations => "script-operations",
            Self::StackTooLarge { .. } => "script-stack-size",
            Self::StackUnderflow => "script-stack",
            Self::AlternateStackUnderflow => "script-alternate-stack",
            Self::UnbalancedConditional => "script-conditional",
            Self::NumberTooLong { .. } => "script-number-length",
            Self::NumberNotMinimal => "script-minimal-number",
            Self::PushNotMinimal => "script-minimal-push",
            Self::ConditionNotMinimal => "script-minimal-if",
            Self::Returned => "script-return",
            Self::Verify => "script-verify",
            Self::EqualVerify => "script-equal-verify",
            Self::NumEqualVerify => "script-number-equal-verify",
            Self::CheckSigVerify => "script-signature-verify",
            Self::CheckMultisigVerify => "script-multisig-verify",
            Self::UpgradableNop { .. } => "script-upgradable-nop",
            Self::NegativeLockTime => "script-negative-lock-time",
            Self::UnsatisfiedLockTime => "script-lock-time",
            Self::KeyCount { .. } => "script-key-count",
            Self::SignatureCount { .. } => "script-signature-count",
            Self::NullDummy => "script-null-dummy",
            Self::NullFail => "script-null-fail",
            Self::SignatureDer => "script-signature-der",
            Self::SignatureHighS => "script-signature-high-s",
            Self::SignatureHashType { .. } => "script-signature-hash-type",
            Self::SignatureLength { .. } => "script-signature-length",
            Self::KeyType { .. } => "script-key-type",
            Self::CodeSeparator => "script-code-separator",
            Self::SignatureInScriptCode => "script-signature-in-code",
            Self::NotPushOnly => "script-push-only",
            Self::UncleanStack { .. } => "script-clean-stack",
        }
    }
}
