//! Bitcoin Core's names of reasons.

use health_chain_contract::script::Fault;

/// Bitcoin Core's name for each reason.
pub(crate) const fn core_name(fault: &Fault) -> &'static str {
    match fault {
        Fault::EvaluatedFalse => "EVAL_FALSE",
        Fault::ScriptTooLong { .. } => "SCRIPT_SIZE",
        Fault::TruncatedPush { .. } | Fault::BadOpcode { .. } => "BAD_OPCODE",
        Fault::DisabledOpcode { .. } => "DISABLED_OPCODE",
        Fault::ElementTooLong { .. } => "PUSH_SIZE",
        Fault::TooManyOperations => "OP_COUNT",
        Fault::StackTooLarge { .. } => "STACK_SIZE",
        Fault::StackUnderflow => "INVALID_STACK_OPERATION",
        Fault::AlternateStackUnderflow => "INVALID_ALTSTACK_OPERATION",
        Fault::UnbalancedConditional => "UNBALANCED_CONDITIONAL",
        Fault::NumberTooLong { .. } | Fault::NumberNotMinimal => "SCRIPTNUM",
        Fault::PushNotMinimal => "MINIMALDATA",
        Fault::ConditionNotMinimal => "MINIMALIF",
        Fault::Returned => "OP_RETURN",
        Fault::Verify => "VERIFY",
        Fault::EqualVerify => "EQUALVERIFY",
        Fault::NumEqualVerify => "NUMEQUALVERIFY",
        Fault::CheckSigVerify => "CHECKSIGVERIFY",
        Fault::CheckMultisigVerify => "CHECKMULTISIGVERIFY",
        Fault::UpgradableNop { .. } => "DISCOURAGE_UPGRADABLE_NOPS",
        Fault::NegativeLockTime => "NEGATIVE_LOCKTIME",
        Fault::UnsatisfiedLockTime => "UNSATISFIED_LOCKTIME",
        Fault::KeyCount { .. } => "PUBKEY_COUNT",
        Fault::SignatureCount { .. } => "SIG_COUNT",
        Fault::NullDummy => "SIG_NULLDUMMY",
        Fault::NullFail => "NULLFAIL",
        Fault::SignatureDer => "SIG_DER",
        Fault::SignatureHighS => "SIG_HIGH_S",
        Fault::SignatureHashType { .. } => "SIG_HASHTYPE",
        Fault::KeyType { .. } => "PUBKEYTYPE",
        Fault::CodeSeparator => "OP_CODESEPARATOR",
        Fault::SignatureInScriptCode => "SIG_FINDANDDELETE",
        Fault::NotPushOnly => "SIG_PUSHONLY",
        Fault::UncleanStack { .. } => "CLEANSTACK",
        _ => "(none of Bitcoin's)",
    }
}
