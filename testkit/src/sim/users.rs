//! What patients and institutes do: store, grant, revoke, read.

use health_chain::{
    application::{
        authorize::{Access, AccessRequest},
        payload::Payload,
        records::{
            Content, FIRST_VERSION, GatewayId, Grant, GrantTerms, Permissions, Position, Purpose, Revoke, Store,
            object, object_id,
        },
    },
    data::{
        ChainId, Commitment, Hash, ObjectId, PublicKey, SecretKey, Timestamp, Transaction,
        ports::{StateView, StoreError},
        tagged_hash,
    },
    incentive::coins,
};

use super::{
    fabric::NodeIndex,
    payments::pay_fee,
    random::Random,
    world::{START, gateway_id, institute_key, lock_of, patient_key, wrap},
};

/// How long grants last, in seconds: longer than any run.
const GRANT_SECONDS: u32 = 365 * 24 * 60 * 60;
/// One of so many visits to a granted record withdraws the grant.
const REVOKE_ONE_IN: u64 = 3;
/// One of so many grants is withdrawn at once, before it is on the chain.
const REGRET_ONE_IN: u64 = 4;

/// A patient with one record.
pub(super) struct Patient {
    index: usize,
    key: SecretKey,
    /// Whom she grants to, and who reads.
    institute: SecretKey,
    chain: ChainId,
    nonce: [u8; 32],
    pub(super) object: ObjectId,
    /// The node that she uses.
    pub(super) home: NodeIndex,
    /// The node whose gateway holds the record.
    pub(super) gateway: NodeIndex,
    gateway_id: GatewayId,
    /// What she has signed, by sequence number.
    pub(super) log: Vec<Signed>,
    /// The last withdrawal that her gateway has acknowledged.
    pub(super) acknowledged: Option<u64>,
}

/// What a patient has signed.
pub(super) struct Signed {
    pub(super) transaction: Transaction,
    pub(super) what: Operation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Store,
    Grant,
    Revoke,
}

/// What a patient wants of her node.
pub(super) enum Wish {
    /// Her first coin.
    Coin,
    /// These, in this order.
    Submit(Vec<(u64, Transaction)>),
    Nothing,
}

/// The record of a patient, and the nonce in its name.
pub(super) fn first_object(index: usize, chain: &ChainId) -> ([u8; 32], ObjectId) {
    let nonce = tagged_hash("HC/simulation/v1", &[b"nonce", &(index as u64).to_le_bytes()]).0;
    (nonce, object_id(chain, &patient_key(index).public_key(), &nonce))
}

impl Patient {
    pub(super) fn new(index: usize, chain: ChainId, home: NodeIndex, gateway: NodeIndex) -> Self {
        let key = patient_key(index);
        let (nonce, object) = first_object(index, &chain);
        Self {
            index,
            key,
            institute: institute_key(),
            chain,
            nonce,
            object,
            home,
            gateway,
            gateway_id: gateway_id(gateway),
            log: Vec::new(),
            acknowledged: None,
        }
    }

    /// The key of whom she grants to.
    pub(super) fn institute_key(&self) -> PublicKey {
        self.institute.public_key()
    }

    /// The sequence number of the last grant that she has signed.
    pub(super) fn last_grant(&self) -> Option<u64> {
        self.log.iter().rposition(|signed| signed.what == Operation::Grant).map(|seq| seq as u64)
    }

    /// What comes next, as her node sees the chain. But for grants that are regretted, nothing new is signed before everything older is on
    /// the chain there.
    pub(super) fn wish(&mut self, state: &dyn StateView, rests: bool, random: &mut Random) -> Result<Wish, StoreError> {
        let known = object(state, &self.object)?;
        let next = known.map_or(0, |object| object.seq + 1);
        if next < self.log.len() as u64 {
            let open = self.log.iter().enumerate().skip(next as usize);
            return Ok(Wish::Submit(open.map(|(seq, signed)| (seq as u64, signed.transaction.clone())).collect()));
        }
        if rests {
            return Ok(Wish::Nothing);
        }
        let signed = match (known, self.log.last().map(|signed| signed.what)) {
            (Some(object), Some(Operation::Grant)) => {
                if !random.one_in(REVOKE_ONE_IN) {
                    return Ok(Wish::Nothing);
                }
                vec![self.revoke(Position::next(self.chain, self.object, &object).expect("the log is short"))]
            }
            (known, _) => {
                let Some((point, coin)) = coins(state, &lock_of(self.index))?.into_iter().next() else {
                    return Ok(Wish::Coin);
                };
                let mut signed = match known {
                    None => vec![Signed { transaction: self.store().transaction(), what: Operation::Store }],
                    Some(object) => {
                        let position = Position::next(self.chain, self.object, &object).expect("the log is short");
                        let after = Position { seq: position.seq + 1, ..position };
                        let revoke = random.one_in(REGRET_ONE_IN).then(|| self.revoke(after));
                        [self.grant(position)].into_iter().chain(revoke).collect()
                    }
                };
                pay_fee(&mut signed[0].transaction, &self.chain, (point, coin.output), &self.key);
                signed
            }
        };
        let first = self.log.len() as u64;
        self.log.extend(signed);
        let new = (first..).zip(&self.log[first as usize..]);
        Ok(Wish::Submit(new.map(|(seq, signed)| (seq, signed.transaction.clone())).collect()))
    }

    fn store(&self) -> Store {
        let hash = Hash([7; 32]);
        let content = Content { commitment: Commitment(hash), ct_root: hash, length: 1_000 };
        Store::sign(self.chain, self.gateway_id, self.nonce, content, &self.key, &[0; 32]).expect("keys in memory sign")
    }

    fn grant(&self, position: Position) -> Signed {
        let terms = GrantTerms {
            grantee: self.institute.public_key(),
            permissions: Permissions::READ,
            purpose: Purpose::RESEARCH,
            not_before: Timestamp(START.0 - 1),
            not_after: Timestamp(START.0 + GRANT_SECONDS),
            wrap_commit: wrap().commitment(),
            payment: None,
        };
        let grant = Grant::sign(position, terms, &self.key, &[0; 32]).expect("keys in memory sign");
        Signed { transaction: grant.transaction(), what: Operation::Grant }
    }

    fn revoke(&self, position: Position) -> Signed {
        let revoke = Revoke::sign(position, self.institute.public_key(), &self.key, &[0; 32]);
        Signed { transaction: revoke.expect("keys in memory sign").transaction(), what: Operation::Revoke }
    }

    /// An institute's request to read the record.
    pub(super) fn read_request(&self, time: Timestamp, nonce: [u8; 32]) -> AccessRequest {
        let institute = &self.institute;
        let access = Access {
            object: self.object,
            version: FIRST_VERSION,
            requester: institute.public_key(),
            permission: Permissions::READ,
            purpose: Purpose::RESEARCH,
        };
        AccessRequest::sign(self.chain, self.gateway_id, access, time, nonce, institute, &[0; 32])
            .expect("keys in memory sign")
    }
}
