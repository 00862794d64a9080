//! Letting somebody read, and withdrawing it.

use std::ops::BitOr;

use health_chain_data::{
    Hash, Output, PublicKey, Signature, Timestamp, codec,
    ports::{Signer, SignerError},
    tagged_hash,
};
use serde::{Deserialize, Serialize};

use super::{
    OwnerSigned, Position, RecordError,
    position::{UNSIGNED, signed},
};
use crate::{
    limits::MAX_GRANT_AHEAD_SECONDS,
    payload::{Payload, operations},
};

/// What a grantee may do, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Permissions(pub u32);

impl Permissions {
    /// Nothing. Granting it withdraws what was granted before (the paper's rule, 2.2).
    pub const NONE: Self = Self(0);
    /// Fetch the sealed object.
    pub const READ: Self = Self(1);
    /// Ask the gateway who has read the object.
    pub const HISTORY: Self = Self(2);
    /// Every bit with a meaning.
    pub const KNOWN: Self = Self(Self::READ.0 | Self::HISTORY.0);

    /// Whether nothing is permitted.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of `wanted` is permitted.
    pub const fn contains(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// The bits without a meaning.
    pub const fn unknown_bits(self) -> u32 {
        self.0 & !Self::KNOWN.0
    }
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a grant is for. The codes stand for HL7's PurposeOfUse; codes without a name here are valid too and mean
/// what owner and grantee agreed on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Purpose(pub u16);

impl Purpose {
    /// Treatment (TREAT).
    pub const TREATMENT: Self = Self(1);
    /// Payment for treatment (HPAYMT).
    pub const PAYMENT: Self = Self(2);
    /// Healthcare operations (HOPERAT).
    pub const OPERATIONS: Self = Self(3);
    /// Research (HRESCH).
    pub const RESEARCH: Self = Self(4);
    /// Public health (PUBHLTH).
    pub const PUBLIC_HEALTH: Self = Self(5);
    /// At the patient's own request (PATRQT).
    pub const PATIENT_REQUEST: Self = Self(6);
}

/// What a grant says. The last field ties it to a payment: a grant that names one takes effect only in a transaction that makes
/// exactly that output, so the grantee can't publish it without paying, and the owner is not paid without granting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GrantTerms {
    /// Who may read: a one-time key of the grantee.
    pub grantee: PublicKey,
    /// What the grantee may do.
    pub permissions: Permissions,
    /// What for.
    pub purpose: Purpose,
    /// From this time on, by the median time past.
    pub not_before: Timestamp,
    /// Until before this time.
    pub not_after: Timestamp,
    /// Commitment to the wrapped data key that is handed out with the grant.
    pub wrap_commit: Hash,
    /// The output that must be paid in the same transaction ([`payment_hash`]).
    pub payment: Option<Hash>,
}

/// Commitment to an output: `TH("HC/payment/v1", output)`.
pub fn payment_hash(output: &Output) -> Hash {
    tagged_hash("HC/payment/v1", &[&codec::encode(output)])
}

impl GrantTerms {
    /// Checks the rules that need nothing but the terms and the time, in a block with this median time past. Terms of an
    /// empty permission withdraw, and their times mean nothing.
    ///
    /// # Errors
    /// The rule that the terms break.
    pub fn check(&self, median_time_past: Timestamp) -> Result<(), RecordError> {
        let Self { permissions, not_before, not_after, .. } = *self;
        if permissions.unknown_bits() != 0 {
            return Err(RecordError::UnknownPermissions { bits: permissions.unknown_bits() });
        }
        if permissions.is_empty() {
            return Ok(());
        }
        if not_before >= not_after {
            return Err(RecordError::EmptyValidity { not_before, not_after });
        }
        if not_after <= median_time_past {
            return Err(RecordError::Expired { not_after, median_time_past });
        }
        let latest = median_time_past.saturating_add(MAX_GRANT_AHEAD_SECONDS);
        if not_after > latest {
            return Err(RecordError::TooFarAhead { not_after, latest });
        }
        Ok(())
    }
}

/// Lets `terms.grantee` read; replaces an earlier grant to the same key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// Its place in the object's log.
    pub position: Position,
    /// What it says.
    pub terms: GrantTerms,
    /// The owner's.
    pub signature: Signature,
}

impl Grant {
    /// Signs as the owner.
    ///
    /// # Errors
    /// Where the signer fails.
    pub fn sign(
        position: Position,
        terms: GrantTerms,
        owner: &dyn Signer,
        entropy: &[u8; 32],
    ) -> Result<Self, SignerError> {
        signed(Self { position, terms, signature: UNSIGNED }, owner, entropy, |grant, signature| Self {
            signature,
            ..grant
        })
    }
}

impl OwnerSigned for Grant {
    fn position(&self) -> &Position {
        &self.position
    }

    /// Terms: `grantee | permissions u32 | purpose u16 | not_before u32 | not_after u32 | wrap_commit | payment`, zero for none.
    fn message(&self) -> Hash {
        let terms = &self.terms;
        self.position.message(
            Self::KIND,
            &[
                terms.grantee.as_bytes(),
                &terms.permissions.0.to_le_bytes(),
                &terms.purpose.0.to_le_bytes(),
                &terms.not_before.0.to_le_bytes(),
                &terms.not_after.0.to_le_bytes(),
                terms.wrap_commit.as_bytes(),
                terms.payment.unwrap_or(Hash::ZERO).as_bytes(),
            ],
        )
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }
}

/// Withdraws the grant to one key. Costs nothing: there is at most one for each live grant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Revoke {
    /// Its place in the object's log.
    pub position: Position,
    /// Whose grant ends.
    pub grantee: PublicKey,
    /// The owner's.
    pub signature: Signature,
}

impl Revoke {
    /// Signs as the owner.
    ///
    /// # Errors
    /// Where the signer fails.
    pub fn sign(
        position: Position,
        grantee: PublicKey,
        owner: &dyn Signer,
        entropy: &[u8; 32],
    ) -> Result<Self, SignerError> {
        signed(Self { position, grantee, signature: UNSIGNED }, owner, entropy, |revoke, signature| Self {
            signature,
            ..revoke
        })
    }
}

impl OwnerSigned for Revoke {
    fn position(&self) -> &Position {
        &self.position
    }

    /// Terms: `grantee`.
    fn message(&self) -> Hash {
        self.position.message(Self::KIND, &[self.grantee.as_bytes()])
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }
}

/// Withdraws every grant of the object by raising its epoch. Costs nothing: it needs a live grant to withdraw.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RevokeAll {
    /// Its place in the object's log.
    pub position: Position,
    /// The owner's.
    pub signature: Signature,
}

impl RevokeAll {
    /// Signs as the owner.
    ///
    /// # Errors
    /// Where the signer fails.
    pub fn sign(position: Position, owner: &dyn Signer, entropy: &[u8; 32]) -> Result<Self, SignerError> {
        signed(Self { position, signature: UNSIGNED }, owner, entropy, |revoke, signature| Self { signature, ..revoke })
    }
}

impl OwnerSigned for RevokeAll {
    fn position(&self) -> &Position {
        &self.position
    }

    /// Terms: none.
    fn message(&self) -> Hash {
        self.position.message(Self::KIND, &[])
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }
}

operations!(Grant = GRANT, Revoke = REVOKE, RevokeAll = REVOKE_ALL);
