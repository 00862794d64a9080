//! The suites of [`StakeView`] and [`EvidenceCheck`].

use std::collections::BTreeSet;

use health_chain::{
    consensus::{
        Validator,
        ports::{EvidenceCheck, Offence, StakeView},
    },
    data::{
        ChainId, Hash,
        ports::{SingleVerifier, Verifier},
        sha256,
        state::MemoryStore,
    },
};

use super::effects::Broken;

/// Checks a view of stake on `state`, where it is known who should decide. An implementation must
///
/// - give equal answers for equal states;
/// - name nobody twice, and nobody without power;
/// - let those in office stay with what they have, or less;
/// - make nobody up for a store that fails.
///
/// # Panics
/// With the rule that the implementation breaks.
pub fn stake_view(view: &dyn StakeView, state: &MemoryStore, expected: &[Validator]) {
    let sorted = |mut list: Vec<Validator>| {
        list.sort_unstable();
        list
    };
    let named = view.validators(state).expect("memory does not fail");
    assert_eq!(named, view.validators(&state.clone()).expect("memory does not fail"), "equal states, equal answers");
    let keys: BTreeSet<_> = named.iter().map(|validator| validator.key).collect();
    assert_eq!(keys.len(), named.len(), "nobody is named twice");
    assert!(named.iter().all(|validator| validator.power > 0), "nobody is named who has no power");
    assert_eq!(sorted(named.clone()), sorted(expected.to_vec()));
    for validator in expected {
        let kept = view.power_kept(state, *validator).expect("memory does not fail");
        assert!(kept <= validator.power, "nobody grows by staying");
        assert_eq!(kept, view.power_kept(&state.clone(), *validator).expect("memory does not fail"));
    }
    if let Ok(without_state) = view.validators(&Broken) {
        assert_eq!(without_state, named, "what can't be read is not guessed");
    }
}

/// Checks a reader of evidence against what is `proven` on `chain` and what is `worthless` there. An implementation must
///
/// - find the same offence whenever it is asked, by signatures that hold, and none on another chain;
/// - take no evidence of which a bit was changed, or that is longer or shorter, or claim for it a signature that does not hold;
/// - name the rule where it refuses, and say how many signatures there may be.
///
/// # Panics
/// With the rule that the implementation breaks.
pub fn evidence_check(check: &dyn EvidenceCheck, chain: ChainId, proven: &[(Vec<u8>, Offence)], worthless: &[Vec<u8>]) {
    let refused = |evidence: &[u8], chain: ChainId| {
        let mut claims = Vec::new();
        match check.offence(evidence, chain, &mut claims) {
            Ok(_) => assert!(
                SingleVerifier.verify(&claims).is_err(),
                "what proves nothing names nobody by signatures that hold"
            ),
            Err(refusal) => assert!(!refusal.rule.is_empty(), "a refusal names its rule"),
        }
    };
    for (evidence, offence) in proven {
        assert!(check.signature_checks() > 0, "evidence is signed, and checking it costs something");
        for _ in 0..2 {
            let mut claims = Vec::new();
            assert_eq!(check.offence(evidence, chain, &mut claims).ok().as_ref(), Some(offence));
            assert!(claims.len() <= check.signature_checks() as usize, "no check costs more than it says");
            assert_eq!(SingleVerifier.verify(&claims), Ok(()), "what is proven is signed");
        }
        refused(evidence, ChainId(Hash(sha256(chain.as_bytes()).0)));
        for bit in 0..evidence.len() * 8 {
            let mut other = evidence.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            refused(&other, chain);
        }
        refused(&evidence[..evidence.len() - 1], chain);
        refused(&[&evidence[..], &[0]].concat(), chain);
    }
    for evidence in worthless {
        refused(evidence, chain);
    }
}
