//! What a node does for other people beside keeping the chain.

use health_chain_consensus::Chain;
use health_chain_data::{Block, Millis, Transaction, ports::StoreError};
use health_chain_network::PeerId;

/// Answers requests of other nodes' applications, and sees everything that reaches this node. Runs on the node's thread, so
/// what it is shown of the chain is one moment of it.
pub trait Service: Send {
    /// The chain has been opened: the service reads what it kept in the node's own tables.
    ///
    /// # Errors
    /// Where it can't be read; then the node does not start.
    fn opened(&mut self, chain: &mut Chain) -> Result<(), StoreError>;

    /// Answers a request, or says nothing. `waiting` is how many transactions wait in the pool.
    fn request(
        &mut self,
        now: Millis,
        chain: &mut Chain,
        waiting: usize,
        peer: &PeerId,
        body: &[u8],
    ) -> Option<Vec<u8>>;

    /// A transaction has arrived, valid on the present tip or not: before it is acknowledged to anybody.
    ///
    /// # Errors
    /// Where what must be remembered of it can't be stored; then the transaction is not acknowledged.
    fn saw_transaction(&mut self, chain: &mut Chain, transaction: &Transaction) -> Result<(), StoreError>;

    /// A block has arrived, on whatever branch.
    ///
    /// # Errors
    /// As for [`Service::saw_transaction`].
    fn saw_block(&mut self, chain: &mut Chain, block: &Block) -> Result<(), StoreError> {
        block.transactions().iter().try_for_each(|transaction| self.saw_transaction(chain, transaction))
    }

    /// The block seen last was taken: it is stored, on whatever branch, and the tip may be about to move.
    ///
    /// # Errors
    /// As for [`Service::saw_transaction`].
    fn took_block(&mut self, _chain: &mut Chain) -> Result<(), StoreError> {
        Ok(())
    }

    /// The tip has moved; `disconnected` blocks were undone on the way.
    ///
    /// # Errors
    /// As for [`Service::saw_transaction`].
    fn tip_moved(&mut self, chain: &mut Chain, disconnected: usize) -> Result<(), StoreError>;

    /// A peer's connection has ended.
    fn left(&mut self, peer: &PeerId);
}

/// Serves nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoService;

impl Service for NoService {
    fn opened(&mut self, _: &mut Chain) -> Result<(), StoreError> {
        Ok(())
    }

    fn request(&mut self, _: Millis, _: &mut Chain, _: usize, _: &PeerId, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn saw_transaction(&mut self, _: &mut Chain, _: &Transaction) -> Result<(), StoreError> {
        Ok(())
    }

    fn tip_moved(&mut self, _: &mut Chain, _: usize) -> Result<(), StoreError> {
        Ok(())
    }

    fn left(&mut self, _: &PeerId) {}
}
