//! What the chain writes, and under which keys.

use alloc::vec::Vec;

use health_chain_data::{
    Block, BlockId, Body, ChainId, Hash, Header, Height, codec,
    ports::{StateView, StoreError},
    state::{self, Changes, Table},
};

/// What was seen, by its count (8 bytes, big-endian): `0 | id` for a header, `1 | id` for a body.
pub(super) const SEEN: Table = Table(8);
/// Invalid blocks by id, with the rule that each breaks; blocks on top of them are not listed.
pub(super) const INVALID: Table = Table(9);
/// What the engine keeps over a restart, by its count (8 bytes, big-endian).
pub(super) const JOURNAL: Table = Table(10);
/// The first of the node-local tables that this layer leaves to others.
pub(super) const FIRST_FREE: Table = Table(16);

const CHAIN: &[u8] = b"chain";
const TIP: &[u8] = b"tip";

/// A thing seen.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seen {
    Header(BlockId),
    Body(BlockId),
}

pub(super) fn put_chain(changes: &mut Changes, chain: &ChainId) {
    changes.put(Table::META, CHAIN, *chain.as_bytes());
}

pub(super) fn put_header(changes: &mut Changes, id: &BlockId, header: &Header, seen: u64) {
    changes.put(Table::HEADERS, *id.as_bytes(), header.to_bytes());
    put_seen(changes, seen, 0, id);
}

pub(super) fn put_body(changes: &mut Changes, id: &BlockId, body: &Body, seen: u64) {
    changes.put(Table::BODIES, *id.as_bytes(), codec::encode(body));
    put_seen(changes, seen, 1, id);
}

pub(super) fn delete_header(changes: &mut Changes, id: &BlockId, seen: u64) {
    changes.delete(Table::HEADERS, *id.as_bytes());
    changes.delete(INVALID, *id.as_bytes());
    changes.delete(SEEN, seen.to_be_bytes());
}

pub(super) fn delete_body(changes: &mut Changes, id: &BlockId, seen: u64) {
    changes.delete(Table::BODIES, *id.as_bytes());
    changes.delete(SEEN, seen.to_be_bytes());
}

pub(super) fn put_invalid(changes: &mut Changes, id: &BlockId, rule: &str) {
    changes.put(INVALID, *id.as_bytes(), rule.as_bytes());
}

/// Block `id` at `height` becomes the tip.
pub(super) fn put_connected(changes: &mut Changes, id: &BlockId, height: Height) {
    changes.put(Table::HEIGHTS, height.0.to_be_bytes(), *id.as_bytes());
    changes.put(Table::META, TIP, *id.as_bytes());
}

pub(super) fn put_undo(changes: &mut Changes, id: &BlockId, undo: &Changes) {
    changes.put(Table::UNDO, *id.as_bytes(), codec::encode(undo));
}

/// Block `id` at `height` is the tip no more, and `parent` is.
pub(super) fn put_disconnected(changes: &mut Changes, id: &BlockId, height: Height, parent: &BlockId) {
    changes.delete(Table::HEIGHTS, height.0.to_be_bytes());
    changes.delete(Table::UNDO, *id.as_bytes());
    changes.put(Table::META, TIP, *parent.as_bytes());
}

pub(super) fn chain(view: &dyn StateView) -> Result<Option<ChainId>, StoreError> {
    meta(view, CHAIN).map(|hash| hash.map(ChainId))
}

pub(super) fn tip(view: &dyn StateView) -> Result<BlockId, StoreError> {
    meta(view, TIP)?.map(BlockId).ok_or(StoreError::Damaged { table: Table::META })
}

pub(super) fn header(view: &dyn StateView, id: &BlockId) -> Result<Header, StoreError> {
    let table = Table::HEADERS;
    let bytes = view.get(table, id.as_bytes())?.ok_or(StoreError::Damaged { table })?;
    Header::from_bytes(&bytes).ok().filter(|header| header.id() == *id).ok_or(StoreError::Damaged { table })
}

pub(super) fn block(view: &dyn StateView, header: Header) -> Result<Option<Block>, StoreError> {
    let body = state::read(view, Table::BODIES, header.id().as_bytes())?;
    Ok(body.map(|body| Block { header, body }))
}

pub(super) fn undo(view: &dyn StateView, id: &BlockId) -> Result<Changes, StoreError> {
    state::read(view, Table::UNDO, id.as_bytes())?.ok_or(StoreError::Damaged { table: Table::UNDO })
}

/// Everything seen, in its order.
pub(super) fn seen(view: &dyn StateView) -> Result<Vec<(u64, Seen)>, StoreError> {
    let mut list = Vec::new();
    let mut damaged = false;
    view.scan(SEEN, &[], &mut |key, value| {
        let entry = seen_entry(key, value);
        damaged |= entry.is_none();
        list.extend(entry);
        !damaged
    })?;
    if damaged { Err(StoreError::Damaged { table: SEEN }) } else { Ok(list) }
}

/// Every block marked as invalid.
pub(super) fn invalid(view: &dyn StateView) -> Result<Vec<BlockId>, StoreError> {
    let mut list = Vec::new();
    view.scan(INVALID, &[], &mut |key, _| {
        list.extend(key.try_into().map(|id| BlockId(Hash(id))));
        true
    })?;
    Ok(list)
}

fn put_seen(changes: &mut Changes, seen: u64, what: u8, id: &BlockId) {
    let mut value = Vec::with_capacity(33);
    value.push(what);
    value.extend_from_slice(id.as_bytes());
    changes.put(SEEN, seen.to_be_bytes(), value);
}

fn seen_entry(key: &[u8], value: &[u8]) -> Option<(u64, Seen)> {
    let (what, id) = value.split_first()?;
    let id = BlockId(Hash(id.try_into().ok()?));
    let seen = match what {
        0 => Seen::Header(id),
        1 => Seen::Body(id),
        _ => return None,
    };
    Some((u64::from_be_bytes(key.try_into().ok()?), seen))
}

fn meta(view: &dyn StateView, key: &[u8]) -> Result<Option<Hash>, StoreError> {
    let damaged = StoreError::Damaged { table: Table::META };
    match view.get(Table::META, key)? {
        Some(bytes) => bytes.try_into().map(|bytes| Some(Hash(bytes))).map_err(|_| damaged),
        None => Ok(None),
    }
}
