//! What the wallet remembers of the records that it owns, and of those who may read them.

use health_chain_data::{
    ObjectId, PublicKey,
    codec::{self, Wire},
    keys::ContactCard,
    ports::StoreError,
    state::{self, Changes},
    wrap::KeyWrap,
};
use serde::{Deserialize, Serialize};

use super::{Wallet, WalletError};
use crate::{
    limits::{MAX_OWNED_RECORD_BYTES, MAX_READER_BYTES},
    records::Grant,
    tables::{WALLET_READERS, WALLET_RECORDS},
};

/// A record that the wallet owns.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OwnedRecord {
    /// The object.
    pub object: ObjectId,
    /// Number of the record key that owns it.
    pub key_index: u32,
    /// The sealed version that the wrap opens.
    pub version: u32,
    /// The data key, wrapped to the wallet itself.
    pub wrap: KeyWrap,
}

/// Somebody who may read a record: what is needed to hand out the key of its next version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reader {
    /// The reader's contact card.
    pub card: ContactCard,
    /// The grant.
    pub grant: Grant,
}

impl Wire for OwnedRecord {
    const MAX_BYTES: usize = MAX_OWNED_RECORD_BYTES;
}

impl Wire for Reader {
    const MAX_BYTES: usize = MAX_READER_BYTES;
}

impl Wallet {
    /// Remembers one version of a record, beside the others: until a new version is settled, the old one is needed. Durable on return.
    ///
    /// # Errors
    /// Where the store fails.
    pub fn put_record(&mut self, record: &OwnedRecord) -> Result<(), WalletError> {
        let mut changes = Changes::default();
        changes.put(WALLET_RECORDS, record_key(&record.object, record.version), codec::encode(record));
        Ok(self.store.commit(&changes)?)
    }

    /// A record by its object and version.
    ///
    /// # Errors
    /// [`WalletError::UnknownRecord`], or where the store can't be read.
    pub fn record(&self, object: &ObjectId, version: u32) -> Result<OwnedRecord, WalletError> {
        state::read(self.store.as_ref(), WALLET_RECORDS, &record_key(object, version))?
            .ok_or(WalletError::UnknownRecord { object: *object, version })
    }

    /// All records in all versions, in ascending order of their objects and versions.
    ///
    /// # Errors
    /// Where the store can't be read.
    pub fn records(&self) -> Result<Vec<OwnedRecord>, WalletError> {
        self.all(WALLET_RECORDS, &[])
    }

    /// Remembers who may read an object. Durable on return.
    ///
    /// # Errors
    /// Where the store fails.
    pub fn put_reader(&mut self, reader: &Reader) -> Result<(), WalletError> {
        let key = reader_key(&reader.grant.position.object, &reader.grant.terms.grantee);
        let mut changes = Changes::default();
        changes.put(WALLET_READERS, key, codec::encode(reader));
        Ok(self.store.commit(&changes)?)
    }

    /// Who may read an object, in ascending order of their keys.
    ///
    /// # Errors
    /// Where the store can't be read.
    pub fn readers(&self, object: &ObjectId) -> Result<Vec<Reader>, WalletError> {
        self.all(WALLET_READERS, object.as_bytes())
    }

    /// Forgets a reader. Durable on return.
    ///
    /// # Errors
    /// Where the store fails.
    pub fn remove_reader(&mut self, object: &ObjectId, grantee: &PublicKey) -> Result<(), WalletError> {
        let mut changes = Changes::default();
        changes.delete(WALLET_READERS, reader_key(object, grantee));
        Ok(self.store.commit(&changes)?)
    }

    /// Destroys the wrapped data keys of all versions below `version`, once that one is settled. Durable on return.
    ///
    /// # Errors
    /// Where the store fails.
    pub fn remove_versions_below(&mut self, object: &ObjectId, version: u32) -> Result<(), WalletError> {
        let mut changes = Changes::default();
        for record in self.versions(object)?.iter().filter(|record| record.version < version) {
            changes.delete(WALLET_RECORDS, record_key(object, record.version));
        }
        Ok(self.store.commit(&changes)?)
    }

    /// Destroys the wrapped data key of a version that will never be on the chain, so that it can be made anew. Durable on return.
    ///
    /// # Errors
    /// Where the store fails.
    pub fn abandon_version(&mut self, object: &ObjectId, version: u32) -> Result<(), WalletError> {
        let mut changes = Changes::default();
        changes.delete(WALLET_RECORDS, record_key(object, version));
        Ok(self.store.commit(&changes)?)
    }

    /// Destroys what the wallet knows of an object: its data keys, and who could read it. Durable on return.
    ///
    /// # Errors
    /// Where the store fails.
    pub fn remove_object(&mut self, object: &ObjectId) -> Result<(), WalletError> {
        let mut changes = Changes::default();
        for reader in self.readers(object)? {
            changes.delete(WALLET_READERS, reader_key(object, &reader.grant.terms.grantee));
        }
        for record in self.versions(object)? {
            changes.delete(WALLET_RECORDS, record_key(object, record.version));
        }
        Ok(self.store.commit(&changes)?)
    }

    fn versions(&self, object: &ObjectId) -> Result<Vec<OwnedRecord>, WalletError> {
        self.all(WALLET_RECORDS, object.as_bytes())
    }

    fn all<T: Wire>(&self, table: state::Table, prefix: &[u8]) -> Result<Vec<T>, WalletError> {
        let mut found = Vec::new();
        let mut damaged = false;
        self.store.scan(table, prefix, &mut |_, value| {
            match codec::decode(value) {
                Ok(entry) => found.push(entry),
                Err(_) => damaged = true,
            }
            !damaged
        })?;
        if damaged { Err(StoreError::Damaged { table }.into()) } else { Ok(found) }
    }
}

fn record_key(object: &ObjectId, version: u32) -> Vec<u8> {
    [&object.as_bytes()[..], &version.to_be_bytes()].concat()
}

fn reader_key(object: &ObjectId, grantee: &PublicKey) -> Vec<u8> {
    [&object.as_bytes()[..], grantee.as_bytes()].concat()
}
