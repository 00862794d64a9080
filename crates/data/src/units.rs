//! Heights, times and money as types of their own, with checked arithmetic.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Declares a unit over an integer, with checked arithmetic only.
macro_rules! unit {
    ($(#[$doc:meta])* $name:ident($inner:ty), $unit:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
        pub struct $name(pub $inner);

        impl $name {
            /// Zero.
            pub const ZERO: Self = Self(0);
            /// The largest value.
            pub const MAX: Self = Self(<$inner>::MAX);

            /// The sum, or `None` where it does not fit.
            pub const fn checked_add(self, other: $inner) -> Option<Self> {
                match self.0.checked_add(other) {
                    Some(sum) => Some(Self(sum)),
                    None => None,
                }
            }

            /// The difference, or `None` where it would be negative.
            pub const fn checked_sub(self, other: $inner) -> Option<Self> {
                match self.0.checked_sub(other) {
                    Some(difference) => Some(Self(difference)),
                    None => None,
                }
            }

            /// The sum, held at the largest value.
            pub const fn saturating_add(self, other: $inner) -> Self {
                Self(self.0.saturating_add(other))
            }

            /// The difference, held at zero.
            pub const fn saturating_sub(self, other: $inner) -> Self {
                Self(self.0.saturating_sub(other))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{}", $unit), self.0)
            }
        }
    };
}

unit! {
    /// A block's distance from the genesis block, which has height 0.
    Height(u32), ""
}
unit! {
    /// Seconds since the Unix epoch, as a header carries them.
    Timestamp(u32), " s"
}
unit! {
    /// Milliseconds since the Unix epoch: the node's own clock, an argument of every state machine.
    Millis(u64), " ms"
}
unit! {
    /// An amount of one token in its minor unit (cents).
    Amount(u64), ""
}

impl Height {
    /// The height of a block on top of this one.
    pub const fn next(self) -> Self {
        self.saturating_add(1)
    }
}

impl Millis {
    /// The second this moment falls into, held at the largest [`Timestamp`].
    pub const fn timestamp(self) -> Timestamp {
        let seconds = self.0 / 1000;
        if seconds > u32::MAX as u64 { Timestamp::MAX } else { Timestamp(seconds as u32) }
    }
}

impl From<Timestamp> for Millis {
    fn from(time: Timestamp) -> Self {
        Self(u64::from(time.0) * 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_refuses_overflow() {
        assert_eq!(Amount::MAX.checked_add(1), None);
        assert_eq!(Amount::ZERO.checked_sub(1), None);
        assert_eq!(Amount(2).checked_add(3), Some(Amount(5)));
        assert_eq!(Height(u32::MAX).next(), Height::MAX);
        assert_eq!(Millis(u64::MAX).timestamp(), Timestamp::MAX);
    }
}
