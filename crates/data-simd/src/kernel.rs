//! The kernels by name, and which of them this processor can run.

use std::{fmt, str::FromStr};

use thiserror::Error;

#[cfg(target_arch = "aarch64")]
use crate::arch::aarch64::sha2::ArmSha2;
#[cfg(target_arch = "x86_64")]
use crate::arch::x86_64::{avx2::Avx2, avx512::Avx512, sha_ni::ShaNi};

/// A set of instructions that messages are hashed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kernel {
    /// Plain Rust, one message at a time. Runs everywhere.
    Portable,
    /// The SHA instructions of x86-64, four messages interleaved.
    ShaNi,
    /// AVX2, eight messages at a time.
    Avx2,
    /// AVX-512 F and BW, sixteen messages at a time, two such groups interleaved.
    Avx512,
    /// The SHA-256 instructions of AArch64, four messages interleaved.
    ArmSha2,
}

impl Kernel {
    /// All kernels; of those that one processor can have, the faster over many messages is later.
    pub const ALL: [Self; 5] = [Self::Portable, Self::Avx2, Self::ShaNi, Self::Avx512, Self::ArmSha2];

    /// The name that [`Kernel::from_str`] reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::ShaNi => "sha-ni",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::ArmSha2 => "arm-sha2",
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kernel {
    type Err = UnknownKernel;

    fn from_str(name: &str) -> Result<Self, UnknownKernel> {
        let found = Self::ALL.into_iter().find(|kernel| kernel.name() == name);
        found.ok_or_else(|| UnknownKernel { name: name.to_owned() })
    }
}

/// The kernels that this processor can run, the fastest over many messages last.
pub fn kernels() -> Vec<Kernel> {
    Kernel::ALL.into_iter().filter(|kernel| Proof::of(*kernel).is_some()).collect()
}

/// A name that no kernel has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no kernel is called {name:?}; there are portable, avx2, sha-ni, avx512 and arm-sha2")]
pub struct UnknownKernel {
    /// The name.
    pub name: String,
}

/// A kernel that this processor can't run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this processor can't run the kernel {kernel}")]
pub struct UnsupportedKernel {
    /// The kernel.
    pub kernel: Kernel,
}

/// A kernel with the proof that the processor can run it; a wide one perhaps with a narrow one for what is left over.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Proof {
    Portable,
    #[cfg(target_arch = "x86_64")]
    ShaNi(ShaNi),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512, Option<ShaNi>),
    #[cfg(target_arch = "aarch64")]
    ArmSha2(ArmSha2),
}

impl Proof {
    /// Asks the processor; `None` where it can't run the kernel.
    pub(crate) fn of(kernel: Kernel) -> Option<Self> {
        match kernel {
            Kernel::Portable => Some(Self::Portable),
            #[cfg(target_arch = "x86_64")]
            Kernel::ShaNi => ShaNi::detect().map(Self::ShaNi),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => Avx2::detect().map(Self::Avx2),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx512 => Avx512::detect().map(|token| Self::Avx512(token, None)),
            #[cfg(target_arch = "aarch64")]
            Kernel::ArmSha2 => ArmSha2::detect().map(Self::ArmSha2),
            // The kernels of other processors.
            _ => None,
        }
    }

    /// The fastest kernel that the processor can run.
    pub(crate) fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let narrow = ShaNi::detect();
            if let Some(token) = Avx512::detect() {
                return Self::Avx512(token, narrow);
            }
            if let Some(token) = narrow {
                return Self::ShaNi(token);
            }
            if let Some(token) = Avx2::detect() {
                return Self::Avx2(token);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if let Some(token) = ArmSha2::detect() {
            return Self::ArmSha2(token);
        }
        Self::Portable
    }

    /// The kernel.
    pub(crate) const fn kernel(self) -> Kernel {
        match self {
            Self::Portable => Kernel::Portable,
            #[cfg(target_arch = "x86_64")]
            Self::ShaNi(_) => Kernel::ShaNi,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => Kernel::Avx2,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(..) => Kernel::Avx512,
            #[cfg(target_arch = "aarch64")]
            Self::ArmSha2(_) => Kernel::ArmSha2,
        }
    }
}
