//! The verifier of signatures.

use health_chain_data::{
    batch::BatchVerifier,
    ports::{FalseClaim, SignatureClaim, Verifier},
};

use super::kernel::{Proof, SignatureKernel, UnsupportedSignatureKernel};

/// Verifies many claims at once, on one core, with the kernel it was made for. Its verdicts are those of
/// [`SingleVerifier`](health_chain_data::ports::SingleVerifier), the position of the first false claim included.
///
/// With [`SignatureKernel::Ifma`] each claim is verified for itself, beside seven others. So a false one costs no more than a
/// true one, and nothing depends on luck. Time depends on keys and signatures, none of which is secret.
#[derive(Debug, Clone, Copy)]
pub struct LaneVerifier {
    proof: Proof,
}

impl LaneVerifier {
    /// With the fastest kernel that this processor can run.
    pub fn detect() -> Self {
        Self { proof: Proof::best() }
    }

    /// With `kernel` and no other.
    ///
    /// # Errors
    /// Where this processor can't run it.
    pub fn with(kernel: SignatureKernel) -> Result<Self, UnsupportedSignatureKernel> {
        Proof::of(kernel).map(|proof| Self { proof }).ok_or(UnsupportedSignatureKernel { kernel })
    }

    /// The kernel.
    pub const fn kernel(&self) -> SignatureKernel {
        self.proof.kernel()
    }
}

impl Default for LaneVerifier {
    fn default() -> Self {
        Self::detect()
    }
}

impl Verifier for LaneVerifier {
    fn verify(&self, claims: &[SignatureClaim]) -> Result<(), FalseClaim> {
        match self.proof {
            Proof::Portable => BatchVerifier.verify(claims),
            #[cfg(target_arch = "x86_64")]
            Proof::Ifma(token) => super::lanes::verify(token, claims),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{UnknownSignatureKernel, signature_kernels};

    #[test]
    fn kernels_go_by_their_names() {
        for kernel in SignatureKernel::ALL {
            assert_eq!(kernel.to_string().parse(), Ok(kernel));
            let made = LaneVerifier::with(kernel);
            assert_eq!(made.is_ok(), signature_kernels().contains(&kernel));
            match made {
                Ok(verifier) => assert_eq!(verifier.kernel(), kernel),
                Err(error) => assert_eq!(error, UnsupportedSignatureKernel { kernel }),
            }
        }
        assert_eq!(signature_kernels().last(), Some(&LaneVerifier::detect().kernel()));
        let unknown = UnknownSignatureKernel { name: "neon".into() };
        assert_eq!("neon".parse::<SignatureKernel>(), Err(unknown));
    }
}
