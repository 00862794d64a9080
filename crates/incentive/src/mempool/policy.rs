//! What this node keeps waiting: its own choice, no rule of the chain.

use core::cmp::Ordering;

use health_chain_data::{Amount, Kind, Transaction};

use super::{Entry, MempoolError};

/// A fee over an encoded length, ordered by their quotient.
#[derive(Clone, Copy, Debug)]
pub struct FeeRate {
    /// The fee, in the fee token.
    pub fee: Amount,
    /// The encoded length, in bytes.
    pub bytes: u32,
}

impl FeeRate {
    /// Whether it is at least `minimum` per 1,000 bytes.
    pub const fn reaches(&self, minimum_per_kilobyte: Amount) -> bool {
        self.fee.0 as u128 * 1000 >= minimum_per_kilobyte.0 as u128 * self.bytes as u128
    }
}

impl Ord for FeeRate {
    fn cmp(&self, other: &Self) -> Ordering {
        let left = u128::from(self.fee.0) * u128::from(other.bytes);
        let right = u128::from(other.fee.0) * u128::from(self.bytes);
        left.cmp(&right)
    }
}

impl PartialOrd for FeeRate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for FeeRate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for FeeRate {}

/// The caps of a pool. Bytes are those of encoded transactions; in memory they take several times as much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MempoolPolicy {
    /// Kinds that are protected even where they bring inputs, such as a revocation whose fee somebody sponsors: they have room of their
    /// own, are never evicted, do not expire and enter blocks first. What has no inputs is protected whatever its kind. Only kinds
    /// whose number their program bounds belong here.
    pub protected_kinds: &'static [Kind],
    /// Bytes of transactions that are not protected.
    pub max_bytes: usize,
    /// How many of them.
    pub max_count: usize,
    /// Bytes of protected transactions; a cap of their own, so that no fee can push a revocation out.
    pub max_protected_bytes: usize,
    /// How many of them.
    pub max_protected_count: usize,
    /// How many transactions of the pool one may depend on, directly or not.
    pub max_ancestors: usize,
    /// Signature checks of one transaction: no more than a block may hold.
    pub max_signature_checks: u32,
    /// The least fee per 1,000 bytes of a transaction that is not protected.
    pub minimum_fee_per_kilobyte: Amount,
    /// How long a transaction that is not protected may wait.
    pub expiry_millis: u64,
}

/// 32 MiB, and 4 MiB for what is protected, for two weeks, at no minimum fee.
impl Default for MempoolPolicy {
    fn default() -> Self {
        Self {
            protected_kinds: &[],
            max_bytes: 32 * 1024 * 1024,
            max_count: 100_000,
            max_protected_bytes: 4 * 1024 * 1024,
            max_protected_count: 20_000,
            max_ancestors: 200,
            max_signature_checks: 2_000,
            minimum_fee_per_kilobyte: Amount::ZERO,
            expiry_millis: 14 * 24 * 3_600_000,
        }
    }
}

impl MempoolPolicy {
    pub(super) fn protects(&self, transaction: &Transaction) -> bool {
        transaction.inputs.is_empty() || self.protected_kinds.contains(&transaction.kind)
    }

    pub(super) fn check(&self, entry: &Entry) -> Result<(), MempoolError> {
        let (found, limit) = (entry.signature_checks, self.max_signature_checks);
        if found > limit {
            return Err(MempoolError::TooManySignatureChecks { found, limit });
        }
        if !entry.is_protected() && !entry.rate.reaches(self.minimum_fee_per_kilobyte) {
            let minimum_per_kilobyte = self.minimum_fee_per_kilobyte;
            return Err(MempoolError::FeeTooLow { rate: entry.rate, minimum_per_kilobyte });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(fee: u64, bytes: u32) -> FeeRate {
        FeeRate { fee: Amount(fee), bytes }
    }

    #[test]
    fn rates_compare_by_quotient_without_rounding_or_overflow() {
        assert!(rate(1, 3) < rate(1, 2));
        assert_eq!(rate(2, 4), rate(1, 2));
        assert!(rate(333_333, 1_000_000) < rate(1, 3));
        assert!(rate(u64::MAX - 1, u32::MAX) < rate(u64::MAX, u32::MAX));
        assert!(rate(0, 1) < rate(1, u32::MAX));
    }

    #[test]
    fn the_minimum_is_exact() {
        assert!(rate(25, 250).reaches(Amount(100)));
        assert!(!rate(24, 250).reaches(Amount(100)));
        assert!(!rate(25, 251).reaches(Amount(100)));
        assert!(rate(u64::MAX, 1).reaches(Amount::MAX));
        assert!(rate(0, 100).reaches(Amount::ZERO));
    }
}
