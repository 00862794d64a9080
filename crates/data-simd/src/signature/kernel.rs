//! The ways to verify signatures by name, and which of them this processor can run.

use std::{fmt, str::FromStr};

use thiserror::Error;

#[cfg(target_arch = "x86_64")]
use crate::arch::x86_64::ifma::Ifma;

/// What signatures are verified with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureKernel {
    /// [`BatchVerifier`](health_chain_data::batch::BatchVerifier) of the data layer. Runs everywhere.
    Portable,
    /// AVX-512 IFMA, eight signatures at a time.
    Ifma,
}

impl SignatureKernel {
    /// All of them, the fastest last.
    pub const ALL: [Self; 2] = [Self::Portable, Self::Ifma];

    /// The name that [`SignatureKernel::from_str`] reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Ifma => "ifma",
        }
    }
}

impl fmt::Display for SignatureKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SignatureKernel {
    type Err = UnknownSignatureKernel;

    fn from_str(name: &str) -> Result<Self, UnknownSignatureKernel> {
        let found = Self::ALL.into_iter().find(|kernel| kernel.name() == name);
        found.ok_or_else(|| UnknownSignatureKernel { name: name.to_owned() })
    }
}

/// What this processor can verify signatures with, the fastest last.
pub fn signature_kernels() -> Vec<SignatureKernel> {
    SignatureKernel::ALL.into_iter().filter(|kernel| Proof::of(*kernel).is_some()).collect()
}

/// A name that no kernel for signatures has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no kernel for signatures is called {name:?}; there are portable and ifma")]
pub struct UnknownSignatureKernel {
    /// The name.
    pub name: String,
}

/// A kernel for signatures that this processor can't run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this processor can't run the kernel {kernel} for signatures")]
pub struct UnsupportedSignatureKernel {
    /// The kernel.
    pub kernel: SignatureKernel,
}

/// A kernel with the proof that the processor can run it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Proof {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Ifma(Ifma),
}

impl Proof {
    /// Asks the processor; `None` where it can't run the kernel.
    pub(super) fn of(kernel: SignatureKernel) -> Option<Self> {
        match kernel {
            SignatureKernel::Portable => Some(Self::Portable),
            #[cfg(target_arch = "x86_64")]
            SignatureKernel::Ifma => Ifma::detect().map(Self::Ifma),
            #[cfg(not(target_arch = "x86_64"))]
            SignatureKernel::Ifma => None,
        }
    }

    /// The fastest that the processor can run.
    pub(super) fn best() -> Self {
        Self::of(SignatureKernel::Ifma).unwrap_or(Self::Portable)
    }

    /// The kernel.
    pub(super) const fn kernel(self) -> SignatureKernel {
        match self {
            Self::Portable => SignatureKernel::Portable,
            #[cfg(target_arch = "x86_64")]
            Self::Ifma(_) => SignatureKernel::Ifma,
        }
    }
}
