//! The instruction set: one table.

use core::fmt;

use super::operations::{Operation, arithmetic, control, crypto, stack};

/// The byte that begins an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Opcode(pub u8);

/// What an instruction does.
#[derive(Clone, Copy)]
pub(super) enum Action {
    /// Pushes the data that follow.
    Push,
    /// Pushes a small number.
    Number(i8),
    /// Runs, where the branch is taken.
    Run(Operation),
    /// Runs in any branch, since it decides which one is taken.
    Branch(Operation),
    /// Fails where it is reached.
    Reserved,
    /// Fails wherever it stands.
    Forbidden,
    /// Fails wherever it stands, as disabled.
    Disabled,
}

/// One row of the table.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) action: Action,
}

macro_rules! instruction_set {
    ($($byte:literal $constant:ident $name:literal $action:expr;)*) => {
        impl Opcode {
            $(#[doc = concat!("`OP_", $name, "`.")] pub const $constant: Self = Self($byte);)*
        }

        /// What is not listed pushes as many bytes as its value says (below `0x4c`), or is reserved.
        static TABLE: [Entry; 256] = {
            let mut table = [Entry { name: "", action: Action::Reserved }; 256];
            let mut direct = 0x01;
            while direct <= Opcode::MAX_DIRECT_PUSH {
                table[direct as usize].action = Action::Push;
                direct += 1;
            }
            $(
                assert!(table[$byte].name.is_empty(), "an opcode is listed twice");
                table[$byte] = Entry { name: $name, action: $action };
            )*
            table
        };
    };
}

use Action::{Branch, Disabled, Forbidden, Number, Push, Reserved, Run};

instruction_set! {
    // Pushes.
    0x00 PUSH_0 "0" Push;
    0x4c PUSHDATA1 "PUSHDATA1" Push;
    0x4d PUSHDATA2 "PUSHDATA2" Push;
    0x4e PUSHDATA4 "PUSHDATA4" Push;
    0x4f PUSH_MINUS_1 "1NEGATE" Number(-1);
    0x50 RESERVED "RESERVED" Reserved;
    0x51 PUSH_1 "1" Number(1);
    0x52 PUSH_2 "2" Number(2);
    0x53 PUSH_3 "3" Number(3);
    0x54 PUSH_4 "4" Number(4);
    0x55 PUSH_5 "5" Number(5);
    0x56 PUSH_6 "6" Number(6);
    0x57 PUSH_7 "7" Number(7);
    0x58 PUSH_8 "8" Number(8);
    0x59 PUSH_9 "9" Number(9);
    0x5a PUSH_10 "10" Number(10);
    0x5b PUSH_11 "11" Number(11);
    0x5c PUSH_12 "12" Number(12);
    0x5d PUSH_13 "13" Number(13);
    0x5e PUSH_14 "14" Number(14);
    0x5f PUSH_15 "15" Number(15);
    0x60 PUSH_16 "16" Number(16);
    // Control.
    0x61 NOP "NOP" Run(control::nop);
    0x62 VER "VER" Reserved;
    0x63 IF "IF" Branch(control::begin_if);
    0x64 NOTIF "NOTIF" Branch(control::begin_notif);
    0x65 VERIF "VERIF" Forbidden;
    0x66 VERNOTIF "VERNOTIF" Forbidden;
    0x67 ELSE "ELSE" Branch(control::otherwise);
    0x68 ENDIF "ENDIF" Branch(control::end_if);
    0x69 VERIFY "VERIFY" Run(control::verify);
    0x6a RETURN "RETURN" Run(control::fail);
    // Stack.
    0x6b TOALTSTACK "TOALTSTACK" Run(stack::to_alternate);
    0x6c FROMALTSTACK "FROMALTSTACK" Run(stack::from_alternate);
    0x6d DROP2 "2DROP" Run(stack::drop2);
    0x6e DUP2 "2DUP" Run(stack::dup2);
    0x6f DUP3 "3DUP" Run(stack::dup3);
    0x70 OVER2 "2OVER" Run(stack::over2);
    0x71 ROT2 "2ROT" Run(stack::rot2);
    0x72 SWAP2 "2SWAP" Run(stack::swap2);
    0x73 IFDUP "IFDUP" Run(stack::dup_if_true);
    0x74 DEPTH "DEPTH" Run(stack::depth);
    0x75 DROP "DROP" Run(stack::drop);
    0x76 DUP "DUP" Run(stack::dup);
    0x77 NIP "NIP" Run(stack::nip);
    0x78 OVER "OVER" Run(stack::over);
    0x79 PICK "PICK" Run(stack::pick);
    0x7a ROLL "ROLL" Run(stack::roll);
    0x7b ROT "ROT" Run(stack::rot);
    0x7c SWAP "SWAP" Run(stack::swap);
    0x7d TUCK "TUCK" Run(stack::tuck);
    // Splices.
    0x7e CAT "CAT" Disabled;
    0x7f SUBSTR "SUBSTR" Disabled;
    0x80 LEFT "LEFT" Disabled;
    0x81 RIGHT "RIGHT" Disabled;
    0x82 SIZE "SIZE" Run(stack::size);
    // Bits.
    0x83 INVERT "INVERT" Disabled;
    0x84 AND "AND" Disabled;
    0x85 OR "OR" Disabled;
    0x86 XOR "XOR" Disabled;
    0x87 EQUAL "EQUAL" Run(stack::equal);
    0x88 EQUALVERIFY "EQUALVERIFY" Run(stack::equal_verify);
    0x89 RESERVED1 "RESERVED1" Reserved;
    0x8a RESERVED2 "RESERVED2" Reserved;
    // Arithmetic.
    0x8b ADD1 "1ADD" Run(arithmetic::add1);
    0x8c SUB1 "1SUB" Run(arithmetic::sub1);
    0x8d MUL2 "2MUL" Disabled;
    0x8e DIV2 "2DIV" Disabled;
    0x8f NEGATE "NEGATE" Run(arithmetic::negate);
    0x90 ABS "ABS" Run(arithmetic::abs);
    0x91 NOT "NOT" Run(arithmetic::not);
    0x92 NOTEQUAL0 "0NOTEQUAL" Run(arithmetic::not_equal0);
    0x93 ADD "ADD" Run(arithmetic::add);
    0x94 SUB "SUB" Run(arithmetic::sub);
    0x95 MUL "MUL" Disabled;
    0x96 DIV "DIV" Disabled;
    0x97 MOD "MOD" Disabled;
    0x98 LSHIFT "LSHIFT" Disabled;
    0x99 RSHIFT "RSHIFT" Disabled;
    0x9a BOOLAND "BOOLAND" Run(arithmetic::bool_and);
    0x9b BOOLOR "BOOLOR" Run(arithmetic::bool_or);
    0x9c NUMEQUAL "NUMEQUAL" Run(arithmetic::num_equal);
    0x9d NUMEQUALVERIFY "NUMEQUALVERIFY" Run(arithmetic::num_equal_verify);
    0x9e NUMNOTEQUAL "NUMNOTEQUAL" Run(arithmetic::num_not_equal);
    0x9f LESSTHAN "LESSTHAN" Run(arithmetic::less_than);
    0xa0 GREATERTHAN "GREATERTHAN" Run(arithmetic::greater_than);
    0xa1 LESSTHANOREQUAL "LESSTHANOREQUAL" Run(arithmetic::less_than_or_equal);
    0xa2 GREATERTHANOREQUAL "GREATERTHANOREQUAL" Run(arithmetic::greater_than_or_equal);
    0xa3 MIN "MIN" Run(arithmetic::min);
    0xa4 MAX "MAX" Run(arithmetic::max);
    0xa5 WITHIN "WITHIN" Run(arithmetic::within);
    // Hashes and signatures.
    0xa6 RIPEMD160 "RIPEMD160" Run(crypto::ripemd160);
    0xa7 SHA1 "SHA1" Run(crypto::sha1);
    0xa8 SHA256 "SHA256" Run(crypto::sha256);
    0xa9 HASH160 "HASH160" Run(crypto::hash160);
    0xaa HASH256 "HASH256" Run(crypto::hash256);
    0xab CODESEPARATOR "CODESEPARATOR" Run(crypto::code_separator);
    0xac CHECKSIG "CHECKSIG" Run(crypto::check_sig);
    0xad CHECKSIGVERIFY "CHECKSIGVERIFY" Run(crypto::check_sig_verify);
    0xae CHECKMULTISIG "CHECKMULTISIG" Run(crypto::check_multisig);
    0xaf CHECKMULTISIGVERIFY "CHECKMULTISIGVERIFY" Run(crypto::check_multisig_verify);
    // Upgrades.
    0xb0 NOP1 "NOP1" Run(control::upgradable_nop);
    0xb1 CHECKLOCKTIMEVERIFY "CHECKLOCKTIMEVERIFY" Run(control::check_lock_time_verify);
    0xb2 CHECKSEQUENCEVERIFY "CHECKSEQUENCEVERIFY" Run(control::check_sequence_verify);
    0xb3 NOP4 "NOP4" Run(control::upgradable_nop);
    0xb4 NOP5 "NOP5" Run(control::upgradable_nop);
    0xb5 NOP6 "NOP6" Run(control::upgradable_nop);
    0xb6 NOP7 "NOP7" Run(control::upgradable_nop);
    0xb7 NOP8 "NOP8" Run(control::upgradable_nop);
    0xb8 NOP9 "NOP9" Run(control::upgradable_nop);
    0xb9 NOP10 "NOP10" Run(control::upgradable_nop);
    0xcc CHECKSIGFROMSTACK "CHECKSIGFROMSTACK" Run(crypto::check_sig_from_stack);
}

impl Opcode {
    /// The most bytes that an opcode pushes without a length of its own.
    pub const MAX_DIRECT_PUSH: u8 = 0x4b;

    /// The name, without `OP_`; none for direct pushes and for what is not assigned.
    pub fn name(self) -> Option<&'static str> {
        Some(self.entry().name).filter(|name| !name.is_empty())
    }

    /// The opcode of that name, with or without `OP_`.
    pub fn named(name: &str) -> Option<Self> {
        let name = match name.strip_prefix("OP_").unwrap_or(name) {
            "" => return None,
            "FALSE" => "0",
            "TRUE" => "1",
            "NOP2" => "CHECKLOCKTIMEVERIFY",
            "NOP3" => "CHECKSEQUENCEVERIFY",
            name => name,
        };
        let mut bytes = 0..=u8::MAX;
        bytes.find(|byte| TABLE[usize::from(*byte)].name == name).map(Self)
    }

    /// The number that the opcode pushes by itself.
    pub fn small_number(self) -> Option<i64> {
        match self.entry().action {
            Action::Number(number) => Some(i64::from(number)),
            _ if self == Self::PUSH_0 => Some(0),
            _ => None,
        }
    }

    /// The opcode that pushes `number` by itself: -1 to 16.
    pub const fn of_small_number(number: i64) -> Option<Self> {
        match number {
            0 => Some(Self::PUSH_0),
            -1 | 1..=16 => Some(Self((Self::RESERVED.0 as i64 + number) as u8)),
            _ => None,
        }
    }

    /// The shortest opcode that pushes `data`.
    pub fn shortest_push(data: &[u8]) -> Self {
        match data {
            [0x81] => Self::PUSH_MINUS_1,
            [number @ 1..=16] => Self(Self::RESERVED.0 + number),
            _ => match data.len() {
                length @ 0..=0x4b => Self(length as u8),
                0x4c..=0xff => Self::PUSHDATA1,
                0x100..=0xffff => Self::PUSHDATA2,
                _ => Self::PUSHDATA4,
            },
        }
    }

    /// Whether it makes a script fail wherever it stands.
    pub fn is_disabled(self) -> bool {
        matches!(self.entry().action, Action::Disabled)
    }

    pub(super) fn entry(self) -> &'static Entry {
        &TABLE[usize::from(self.0)]
    }

    /// Bytes of the length that stands behind the opcode.
    pub(super) const fn length_bytes(self) -> usize {
        match self {
            Self::PUSHDATA1 => 1,
            Self::PUSHDATA2 => 2,
            Self::PUSHDATA4 => 4,
            _ => 0,
        }
    }

    /// Bytes pushed by an opcode that is its own length.
    pub(super) const fn direct_push_bytes(self) -> usize {
        if self.0 <= Self::MAX_DIRECT_PUSH { self.0 as usize } else { 0 }
    }
}

impl fmt::Display for Opcode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(formatter, "OP_{name}"),
            None if self.0 <= Self::MAX_DIRECT_PUSH => write!(formatter, "OP_PUSHBYTES_{}", self.0),
            None => write!(formatter, "opcode {:#04x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back() {
        let named = (0..=u8::MAX).map(Opcode).filter_map(|opcode| Some((opcode, opcode.name()?)));
        let mut count = 0;
        for (opcode, name) in named {
            assert_eq!(Opcode::named(name), Some(opcode));
            assert_eq!(Opcode::named(&alloc::format!("OP_{name}")), Some(opcode));
            count += 1;
        }
        assert_eq!(
            count,
            1 + 3 + 1 + 1 + 16 + (0xb9 - 0x60) + 1,
            "0, pushes, -1, reserved, 1 to 16, to NOP10, from stack"
        );
        assert_eq!(Opcode::named(""), None);
        assert_eq!(Opcode::named("OP_"), None);
    }

    #[test]
    fn small_numbers_have_opcodes() {
        for number in -2..=17 {
            let opcode = Opcode::of_small_number(number);
            assert_eq!(opcode.is_some(), (-1..=16).contains(&number));
            assert!(opcode.is_none_or(|opcode| opcode.small_number() == Some(number)));
        }
        assert_eq!(Opcode::DUP.small_number(), None);
    }
}
