//! Which rules a script is run under.

use core::ops::BitOr;

/// A set of rules. The machine itself has none fixed: who runs a script says which ones hold. The names are Bitcoin's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u32);

impl Flags {
    /// No rule beyond those of the original script.
    pub const NONE: Self = Self(0);
    /// A lock of the form `HASH160 <hash> EQUAL` runs the script that has this hash (BIP16).
    pub const P2SH: Self = Self(1);
    /// Keys are compressed or uncompressed points, signatures strict DER with a known hash type.
    pub const STRICTENC: Self = Self(1 << 1);
    /// Signatures are strict DER (BIP66).
    pub const DERSIG: Self = Self(1 << 2);
    /// The `s` of a signature is in the lower half (BIP62, rule 5).
    pub const LOW_S: Self = Self(1 << 3);
    /// The item that `CHECKMULTISIG` drops is empty (BIP147).
    pub const NULLDUMMY: Self = Self(1 << 4);
    /// The unlocking script pushes data and does nothing else (BIP62, rule 2).
    pub const SIGPUSHONLY: Self = Self(1 << 5);
    /// Pushes and numbers have their shortest form (BIP62, rules 3 and 4).
    pub const MINIMALDATA: Self = Self(1 << 6);
    /// Opcodes kept for upgrades fail instead of doing nothing.
    pub const DISCOURAGE_UPGRADABLE_NOPS: Self = Self(1 << 7);
    /// One item is left when a script ends (BIP62, rule 6).
    pub const CLEANSTACK: Self = Self(1 << 8);
    /// `CHECKLOCKTIMEVERIFY` (BIP65).
    pub const CHECKLOCKTIMEVERIFY: Self = Self(1 << 9);
    /// `CHECKSEQUENCEVERIFY` (BIP112).
    pub const CHECKSEQUENCEVERIFY: Self = Self(1 << 10);
    /// `IF` and `NOTIF` take the empty item or the one byte 1, and nothing else.
    pub const MINIMALIF: Self = Self(1 << 11);
    /// A signature that does not hold is empty (BIP146), so a signature that is given can be verified later, with others.
    pub const NULLFAIL: Self = Self(1 << 12);
    /// The script that a signature covers is the script as it stands: no `CODESEPARATOR`, no signature taken out of it.
    pub const CONST_SCRIPTCODE: Self = Self(1 << 13);
    /// Keys are the 32 bytes of BIP340 and signatures its 64, in place of ECDSA; no signature is taken out of the script code.
    pub const BIP340: Self = Self(1 << 14);
    /// The opcode 0xcc is `CHECKSIGFROMSTACK`: a signature over an item of the stack.
    pub const CHECKSIGFROMSTACK: Self = Self(1 << 15);

    /// Every rule with its name.
    pub const ALL: [(&'static str, Self); 16] = [
        ("P2SH", Self::P2SH),
        ("STRICTENC", Self::STRICTENC),
        ("DERSIG", Self::DERSIG),
        ("LOW_S", Self::LOW_S),
        ("NULLDUMMY", Self::NULLDUMMY),
        ("SIGPUSHONLY", Self::SIGPUSHONLY),
        ("MINIMALDATA", Self::MINIMALDATA),
        ("DISCOURAGE_UPGRADABLE_NOPS", Self::DISCOURAGE_UPGRADABLE_NOPS),
        ("CLEANSTACK", Self::CLEANSTACK),
        ("CHECKLOCKTIMEVERIFY", Self::CHECKLOCKTIMEVERIFY),
        ("CHECKSEQUENCEVERIFY", Self::CHECKSEQUENCEVERIFY),
        ("MINIMALIF", Self::MINIMALIF),
        ("NULLFAIL", Self::NULLFAIL),
        ("CONST_SCRIPTCODE", Self::CONST_SCRIPTCODE),
        ("BIP340", Self::BIP340),
        ("CHECKSIGFROMSTACK", Self::CHECKSIGFROMSTACK),
    ];

    /// The rules under which this project's own transactions are spent, the same in every block.
    ///
    /// Of Bitcoin's, all but those on ECDSA and on unlocking scripts, which are not used here. `NULLFAIL` lets signatures join a
    /// block's batch, and `CONST_SCRIPTCODE` makes the cost of signature hashes linear.
    pub const CONSENSUS: Self = Self(
        Self::P2SH.0
            | Self::NULLDUMMY.0
            | Self::MINIMALDATA.0
            | Self::DISCOURAGE_UPGRADABLE_NOPS.0
            | Self::CLEANSTACK.0
            | Self::CHECKLOCKTIMEVERIFY.0
            | Self::CHECKSEQUENCEVERIFY.0
            | Self::MINIMALIF.0
            | Self::NULLFAIL.0
            | Self::CONST_SCRIPTCODE.0
            | Self::BIP340.0
            | Self::CHECKSIGFROMSTACK.0,
    );

    /// The rule of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(known, flag)| (known == name).then_some(flag))
    }

    /// Whether all rules of `other` hold.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any rule of `other` holds.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// These rules but those of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_one_bit() {
        let mut all = Flags::NONE;
        for (name, flag) in Flags::ALL {
            assert_eq!(Flags::named(name), Some(flag));
            assert!(!all.intersects(flag), "{name}");
            all = all | flag;
        }
        assert_eq!(all, Flags(0xffff));
        assert!(all.contains(Flags::CONSENSUS));
        assert_eq!(all.without(Flags::P2SH) | Flags::P2SH, all);
        assert_eq!(Flags::named("WITNESS"), None);
    }
}
