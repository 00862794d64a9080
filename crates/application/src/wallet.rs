//! The wallet of a patient or an institution: keys from words, numbered so that none is used twice, and the coins under them.
//!
//! Everything follows from the words. What the wallet writes down holds no secret: how many keys it has handed out, and of
//! every record whose key owns it, with the data key wrapped to the wallet itself.

mod error;
mod payment;
mod record;
mod stake;

pub use error::WalletError;
pub use payment::Spending;
pub use record::{OwnedRecord, Reader};

use std::{collections::BTreeSet, fmt};

use health_chain_data::{
    Hash, OutPoint, SecretKey,
    keys::{ContactCard, MasterKey, Mnemonic, derivation::DerivationError},
    ports::{ChainStore, StoreError},
    state::Changes,
    tagged_hash,
    wrap::KemSecretKey,
};

use crate::{ports::Entropy, tables::WALLET};

/// Keys, records and coins of one person or institution.
pub struct Wallet {
    master: MasterKey,
    identity: SecretKey,
    spend: SecretKey,
    scan: SecretKey,
    kem: KemSecretKey,
    store: Box<dyn ChainStore>,
    /// Coins spent by transactions that this wallet has signed and not seen fail.
    reserved: BTreeSet<OutPoint>,
}

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wallet").field("identity", &self.identity.public_key()).finish_non_exhaustive()
    }
}

/// A key of a numbered branch.
#[derive(Debug)]
pub struct NumberedKey {
    /// Its number.
    pub index: u32,
    /// The key.
    pub key: SecretKey,
}

/// The branches whose keys are numbered.
#[derive(Clone, Copy)]
enum Branch {
    Record,
    Relationship,
}

const FINGERPRINT_KEY: &[u8] = b"fingerprint";

impl Wallet {
    /// Opens the wallet of these words in `store`, which must be the wallet's own; a new store becomes this wallet's.
    ///
    /// # Errors
    /// [`WalletError::OtherWallet`] where the store is that of other words or another passphrase, or where it can't be used.
    pub fn open(mut store: Box<dyn ChainStore>, mnemonic: &Mnemonic, passphrase: &str) -> Result<Self, WalletError> {
        let master = MasterKey::from_seed(&mnemonic.to_seed(passphrase))?;
        let identity = master.identity_key()?;
        claim(store.as_mut(), &tagged_hash("HC/wallet/v1", &[identity.public_key().as_bytes()]))?;
        let (spend, scan) = (master.spend_key()?, master.scan_key()?);
        let kem = KemSecretKey::from_seed(&*master.kem_seed()?);
        Ok(Self { master, identity, spend, scan, kem, store, reserved: BTreeSet::new() })
    }

    /// The key under which an institution is registered, and with which a requester signs.
    pub const fn identity(&self) -> &SecretKey {
        &self.identity
    }

    /// The secret of the contact card's spend key.
    pub const fn spend_key(&self) -> &SecretKey {
        &self.spend
    }

    /// The secret of the contact card's scan key.
    pub const fn scan_key(&self) -> &SecretKey {
        &self.scan
    }

    /// The secret of the contact card's key encapsulation key.
    pub const fn kem_key(&self) -> &KemSecretKey {
        &self.kem
    }

    /// What others need to share records with this wallet.
    ///
    /// # Errors
    /// Where there is no randomness.
    pub fn contact_card(&self, entropy: &mut dyn Entropy) -> Result<ContactCard, WalletError> {
        Ok(ContactCard::sign(&self.spend, self.scan.public_key(), self.kem.public_key(), &*entropy.draw()?))
    }

    /// A key for a new record, never handed out before: its number is durable when it is returned.
    ///
    /// # Errors
    /// Where the store fails or the numbers are used up.
    pub fn new_record_key(&mut self) -> Result<NumberedKey, WalletError> {
        self.new_key(Branch::Record)
    }

    /// The key of a record, by its number.
    ///
    /// # Errors
    /// [`WalletError::UnknownKey`] where it was never handed out.
    pub fn record_key(&self, index: u32) -> Result<SecretKey, WalletError> {
        self.key(Branch::Record, index)
    }

    /// A key for a new relationship or payment, never handed out before: its number is durable when it is returned.
    ///
    /// # Errors
    /// As for [`Wallet::new_record_key`].
    pub fn new_relationship_key(&mut self) -> Result<NumberedKey, WalletError> {
        self.new_key(Branch::Relationship)
    }

    /// The key of a relationship, by its number.
    ///
    /// # Errors
    /// [`WalletError::UnknownKey`] where it was never handed out.
    pub fn relationship_key(&self, index: u32) -> Result<SecretKey, WalletError> {
        self.key(Branch::Relationship, index)
    }

    fn new_key(&mut self, branch: Branch) -> Result<NumberedKey, WalletError> {
        loop {
            let index = self.handed_out(branch)?;
            let next = index.checked_add(1).ok_or(DerivationError::IndexOutOfRange { index })?;
            let mut changes = Changes::default();
            changes.put(WALLET, branch.counter(), next.to_le_bytes());
            self.store.commit(&changes)?;
            match branch.derive(&self.master, index) {
                // Met once in 2^127: the number is passed over.
                Err(DerivationError::NoKey) => {}
                key => return Ok(NumberedKey { index, key: key? }),
            }
        }
    }

    fn key(&self, branch: Branch, index: u32) -> Result<SecretKey, WalletError> {
        if index >= self.handed_out(branch)? {
            return Err(WalletError::UnknownKey { index });
        }
        Ok(branch.derive(&self.master, index)?)
    }

    fn handed_out(&self, branch: Branch) -> Result<u32, StoreError> {
        match self.store.get(WALLET, branch.counter())? {
            None => Ok(0),
            Some(bytes) => bytes.try_into().map(u32::from_le_bytes).map_err(|_| StoreError::Damaged { table: WALLET }),
        }
    }
}

impl Branch {
    const fn counter(self) -> &'static [u8] {
        match self {
            Self::Record => b"record keys",
            Self::Relationship => b"relationship keys",
        }
    }

    fn derive(self, master: &MasterKey, index: u32) -> Result<SecretKey, DerivationError> {
        match self {
            Self::Record => master.record_key(index),
            Self::Relationship => master.relationship_key(index),
        }
    }
}

/// Makes an empty store this wallet's, or checks that it is.
fn claim(store: &mut dyn ChainStore, fingerprint: &Hash) -> Result<(), WalletError> {
    match store.get(WALLET, FINGERPRINT_KEY)? {
        Some(found) if found == fingerprint.as_bytes() => Ok(()),
        Some(_) => Err(WalletError::OtherWallet),
        None => {
            let mut changes = Changes::default();
            changes.put(WALLET, FINGERPRINT_KEY, *fingerprint.as_bytes());
            Ok(store.commit(&changes)?)
        }
    }
}

#[cfg(test)]
mod tests;
