//! The suite of [`SignatureCheck`].

use health_chain::contract::ports::{Need, SignatureCheck, Signed};

/// Asks a new check a question.
pub type Ask<'a> = dyn Fn(&mut dyn FnMut(&mut dyn SignatureCheck) -> bool) -> Answer + 'a;

/// What came of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// What the check said.
    pub at_once: bool,
    /// The same, unless a signature that it put off does not hold.
    pub settled: bool,
}

/// A signature that holds.
#[derive(Debug, Clone)]
pub struct Genuine {
    /// The key, as it stands on the stack.
    pub key: Vec<u8>,
    /// The signature, as it stands on the stack.
    pub signature: Vec<u8>,
    /// The script code that it covers, or the message that was signed.
    pub about: Vec<u8>,
}

/// Checks a signature check with a spending signature and a signed message that hold, if there are any. An implementation must
///
/// - take a genuine signature, and none in which a bit of key, signature or what was signed has changed, nor one that is cut short;
/// - say so at once where the answer is needed, and when all is settled where only the verdict hangs on it;
/// - give equal answers to equal questions;
/// - take every earlier time and every lower age where it takes a later one, heights and times apart.
///
/// # Panics
/// With the rule that the check breaks.
pub fn signature_check(ask: &Ask<'_>, spend: Option<&Genuine>, message: Option<&Genuine>) {
    let spends = |it: &Genuine, need| {
        let Genuine { key, signature, about } = it;
        ask(&mut |check| check.check_signature(&Signed { key, signature, script_code: about, need }))
    };
    let says = |it: &Genuine, need| ask(&mut |check| check.check_data(&it.key, &it.signature, &it.about, need));
    judges(&spends, spend);
    judges(&says, message);
    is_monotone(&|at| ask(&mut |check| check.check_lock_time(at)), &[0, 1, 2, 100, 499_999_999]);
    is_monotone(&|at| ask(&mut |check| check.check_lock_time(at)), &[500_000_000, 500_000_001, u32::MAX.into()]);
    is_monotone(&|at| ask(&mut |check| check.check_sequence(at)), &[0, 1, 2, 100, 0xffff]);
    is_monotone(&|at| ask(&mut |check| check.check_sequence(at)), &[1 << 22, (1 << 22) + 1, (1 << 22) + 0xffff]);
}

fn judges(ask: &dyn Fn(&Genuine, Need) -> Answer, genuine: Option<&Genuine>) {
    let holds = |it: &Genuine| {
        let answer = ask(it, Need::Answer);
        assert_eq!(answer.at_once, answer.settled, "an answer that is needed is not put off");
        assert_eq!(ask(it, Need::Required).settled, answer.settled, "put off or not, the verdict is the same");
        assert_eq!(ask(it, Need::Answer), answer, "equal questions have equal answers");
        answer.settled
    };
    for bytes in [vec![1], vec![0; 32], vec![0xff; 64], vec![2; 65], vec![0x30; 500]] {
        let nonsense = Genuine { key: bytes.clone(), signature: bytes, about: vec![] };
        assert!(!holds(&nonsense), "nonsense is no signature");
    }
    let Some(genuine) = genuine else { return };
    assert!(holds(genuine), "a genuine signature holds");
    let parts: [fn(&mut Genuine) -> &mut Vec<u8>; 3] = [|it| &mut it.key, |it| &mut it.signature, |it| &mut it.about];
    for part in parts {
        let bits = part(&mut genuine.clone()).len() * 8;
        for bit in (0..bits).step_by(7) {
            let mut changed = genuine.clone();
            part(&mut changed)[bit / 8] ^= 1 << (bit % 8);
            assert!(!holds(&changed), "bit {bit} counts");
        }
        let mut cut = genuine.clone();
        part(&mut cut).pop();
        assert!(cut.signature.is_empty() || !holds(&cut), "every byte counts");
    }
}

fn is_monotone(takes: &dyn Fn(i64) -> Answer, rising: &[i64]) {
    let taken: Vec<bool> = rising.iter().map(|at| takes(*at).at_once).collect();
    assert!(taken.is_sorted_by(|earlier, later| earlier >= later), "what is reached stays reached: {taken:?}");
}
