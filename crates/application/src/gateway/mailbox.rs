//! Letters to the node's owner, kept until they have been read.

use std::collections::BTreeMap;

use health_chain_data::{
    Hash,
    ports::{StateView, StoreError},
    state::Changes,
};
use health_chain_network::PeerId;

use crate::{
    limits::{MAX_LETTERS, MAX_PEER_LETTERS},
    tables::LETTERS,
};

/// What waits to be read, by the order of arrival, and what has been read and stands in the store still.
#[derive(Default)]
pub(super) struct Mailbox {
    waiting: BTreeMap<u64, (PeerId, Vec<u8>)>,
    read: Vec<u64>,
}

impl Mailbox {
    pub(super) fn load(view: &dyn StateView) -> Result<Self, StoreError> {
        let (mut waiting, mut whole) = (BTreeMap::new(), true);
        view.scan(LETTERS, &[], &mut |key, value| {
            match (key.try_into().map(u64::from_be_bytes), value.split_first_chunk()) {
                (Ok(number), Some((sender, letter))) => {
                    drop(waiting.insert(number, (PeerId(Hash(*sender)), letter.to_vec())));
                }
                _ => whole = false,
            }
            whole
        })?;
        if whole { Ok(Self { waiting, read: Vec::new() }) } else { Err(StoreError::Damaged { table: LETTERS }) }
    }

    /// Whether another letter of this peer's can wait.
    pub(super) fn has_room(&self, sender: &PeerId) -> bool {
        let of_peer = self.waiting.values().filter(|(other, _)| other == sender).count();
        self.waiting.len() < MAX_LETTERS && of_peer < MAX_PEER_LETTERS
    }

    /// Takes a letter in, once it is durable.
    pub(super) fn take_in(
        &mut self,
        sender: PeerId,
        letter: Vec<u8>,
        write: impl FnOnce(&Changes) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let last = self.waiting.keys().chain(&self.read).max();
        let number = last.map_or(0, |last| last + 1);
        let mut changes = Changes::default();
        changes.put(LETTERS, number.to_be_bytes(), [sender.0.as_bytes().as_slice(), &letter].concat());
        write(&changes)?;
        self.waiting.insert(number, (sender, letter));
        Ok(())
    }

    /// Hands out all that waits.
    pub(super) fn hand_out(&mut self) -> Vec<(PeerId, Vec<u8>)> {
        let waiting = std::mem::take(&mut self.waiting);
        self.read.extend(waiting.keys());
        waiting.into_values().collect()
    }

    /// Removes what has been read from the store.
    pub(super) fn forget_read(
        &mut self,
        write: impl FnOnce(&Changes) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if self.read.is_empty() {
            return Ok(());
        }
        let mut changes = Changes::default();
        self.read.iter().for_each(|number| changes.delete(LETTERS, number.to_be_bytes()));
        write(&changes)?;
        self.read.clear();
        Ok(())
    }
}
