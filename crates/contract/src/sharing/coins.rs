//! The random source that the sharing library draws from, over entropy that the caller gave.

use core::convert::Infallible;

use health_chain_data::tagged_hash;
use k256::elliptic_curve::rand_core::{TryCryptoRng, TryRng};
use zeroize::{Zeroize, Zeroizing};

/// `TH("HC/coins/v1", entropy || counter u64)`, block after block. What is left of a block after a draw is not used.
pub(super) struct Coins {
    entropy: Zeroizing<[u8; 32]>,
    drawn: u64,
}

impl Coins {
    pub(super) fn new(entropy: &[u8; 32]) -> Self {
        Self { entropy: Zeroizing::new(*entropy), drawn: 0 }
    }

    fn draw<const BYTES: usize>(&mut self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        let Ok(()) = self.try_fill_bytes(&mut bytes);
        bytes
    }
}

impl TryRng for Coins {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.draw()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_le_bytes(self.draw()))
    }

    fn try_fill_bytes(&mut self, destination: &mut [u8]) -> Result<(), Infallible> {
        for part in destination.chunks_mut(32) {
            let mut block = tagged_hash("HC/coins/v1", &[&*self.entropy, &self.drawn.to_le_bytes()]);
            part.copy_from_slice(&block.0[..part.len()]);
            block.0.zeroize();
            self.drawn += 1;
        }
        Ok(())
    }
}

impl TryCryptoRng for Coins {}
