//! Branches that compete, a node that is killed, and one that comes late.

use std::path::Path;

use health_chain::{
    application::{node::SubmitError, payload::Payload},
    consensus::{Accepted, Chain, EngineInput, ports::Action, verify::BLOCK_VERSION},
    data::{
        Block, Body, Header, Height,
        ports::{BatchHasher, ScalarHasher},
        state::{MemoryStore, state_hash},
    },
};

use super::{
    Cast,
    records::{Shared, grant_state, share_with_clinic},
};
use crate::{
    Failure, ensure, now,
    people::{Party, agree, mine_blocks, mine_until, wait_until},
    report::Report,
    setup::Role,
    victim::Victim,
};

/// The clinic's grant is on one branch and not on the other: it goes with its branch, and comes back.
pub(crate) fn compete(cast: &Cast, shared: &mut Shared, report: &mut Report) -> Result<(), Failure> {
    report.step("a competing branch wins by most work, and the grant's state follows");
    let (_, fork) = cast.hospital.tip()?;
    let rival = rival_chain(cast, fork)?;
    let share = share_with_clinic(cast, shared)?;
    let (object, grantee) = (shared.object, share.operation.terms.grantee);
    let bytes = cast.patient.publish(&cast.network, share.operation.transaction())?;
    let granted = || Ok(grant_state(&cast.institute, object, grantee)?.is_some());
    mine_until(&cast.hospital, &cast.network, "the clinic may read", granted)?;
    mine_blocks(&cast.hospital, &cast.network, 1)?;
    agree(&cast.all())?;
    let lighter = cast.hospital.tip()?.1.0 - fork.0;

    // One block more than the branch that has the grant.
    let blocks = outgrow(rival, lighter + 1)?;
    let heavier = blocks.len();
    let last = blocks.last().map(Block::id).ok_or("the rival has made no block")?;
    for block in blocks {
        cast.institute.node().submit_block(block)??;
    }
    wait_until("everybody is on the heavier branch", || {
        Ok(cast.all().into_iter().map(Party::tip).collect::<Result<Vec<_>, _>>()?.iter().all(|tip| tip.0 == last))
    })?;
    ensure(grant_state(&cast.patient, object, grantee)?.is_none(), "the grant went with its branch")?;
    mine_until(&cast.hospital, &cast.network, "the grant is back", granted)?;
    agree(&cast.all())?;
    report.done(&format!("{lighter} blocks gave way to {heavier}; grant gone, then back"), Some(bytes));
    Ok(())
}

/// Where blocks are agreed on, no branch competes: what was decided is final.
pub(crate) fn compete_in_vain(cast: &Cast, shared: &mut Shared, report: &mut Report) -> Result<(), Failure> {
    report.step("a competing branch is refused, because what was decided is final");
    let (_, fork) = cast.hospital.tip()?;
    let share = share_with_clinic(cast, shared)?;
    let (object, grantee) = (shared.object, share.operation.terms.grantee);
    let bytes = cast.patient.publish(&cast.network, share.operation.transaction())?;
    let granted = || Ok(grant_state(&cast.institute, object, grantee)?.is_some());
    mine_until(&cast.hospital, &cast.network, "the clinic may read", granted)?;
    agree(&cast.all())?;
    let mut rival = cast.institute.look(move |chain, _| {
        let id = chain.block_id_at(fork.next()).ok_or("a block is missing")?;
        Ok(chain.block(&id)?.ok_or("a block is missing")?)
    })?;
    rival.header.time = rival.header.time.saturating_add(1);
    let refused = cast.institute.node().submit_block(rival)?;
    let is_final = |error: &SubmitError| matches!(error, SubmitError::Block(error) if error.rule() == "final-block");
    ensure(refused.as_ref().is_err_and(is_final), "another block at a decided height is refused")?;
    ensure(granted()?, "the grant stays")?;
    report.done("nothing gave way", Some(bytes));
    Ok(())
}

/// What a miner has who saw the chain up to `height`, and nothing since.
fn rival_chain(cast: &Cast, height: Height) -> Result<Chain, Failure> {
    let mut rival = cast.network.chain(Box::new(MemoryStore::default()))?;
    for height in 1..=height.0 {
        let block = cast.hospital.look(move |chain, _| {
            let id = chain.block_id_at(Height(height)).ok_or("a block is missing")?;
            Ok(chain.block(&id)?.ok_or("a block is missing")?)
        })?;
        rival.accept_block(now()?, block)?;
    }
    Ok(rival)
}

/// Makes empty blocks.
fn outgrow(mut rival: Chain, count: u32) -> Result<Vec<Block>, Failure> {
    let mut blocks = Vec::new();
    for _ in 0..count {
        let time = now()?.timestamp().max(rival.next_context().median_time_past.saturating_add(1));
        let body = Body::default();
        let candidate = Header {
            version: BLOCK_VERSION,
            parent: rival.tip().id,
            root: body.root(&ScalarHasher),
            time,
            seal: Vec::new(),
        };
        let header = seal(&mut rival, candidate)?;
        let block = Block { header, body };
        ensure(matches!(rival.accept_block(now()?, block.clone())?, Accepted::Connected(_)), "the block is valid")?;
        blocks.push(block);
    }
    Ok(blocks)
}

/// Drives the engine by hand.
fn seal(chain: &mut Chain, candidate: Header) -> Result<Header, Failure> {
    let now = now()?;
    chain.step_engine(now, EngineInput::Tip);
    for action in chain.step_engine(now, EngineInput::Candidate(candidate)) {
        let Action::Search(task) = action else { continue };
        let nonce = ScalarHasher.search_nonce(&task.header, &task.target, 0, 1 << 32).ok_or("no nonce is enough")?;
        for action in chain.step_engine(now, EngineInput::Solved { task, nonce }) {
            if let Action::Sealed(header) = action {
                return Ok(header);
            }
        }
    }
    Err("the engine has not sealed the candidate".into())
}

/// The institute's node runs in a process of its own and is killed while blocks come in.
pub(crate) fn kill_and_reopen(cast: &mut Cast, report: &mut Report) -> Result<(), Failure> {
    report.step("one node is killed and reopened from its disk");
    let folder = cast.institute.stop().clone();
    let mut victim = Victim::start(&cast.network, &folder, cast.hospital.address())?;
    let mut acknowledged = Vec::new();
    mine_until(&cast.hospital, &cast.network, "the victim follows", || {
        acknowledged.push(victim.next_tip()?);
        Ok(acknowledged.len() >= 5)
    })?;
    victim.kill()?;
    let peers = [cast.hospital.address(), cast.patient.address()];
    cast.institute.resume(&cast.network, &peers)?;
    let count = acknowledged.len();
    cast.institute.look(move |chain, _| {
        for id in acknowledged {
            ensure(chain.block(&id)?.is_some(), "what the victim had acknowledged is on its disk")?;
        }
        ensure(chain.replay()? == state_hash(chain.state())?, "its state is what a replay gives")
    })?;
    agree(&cast.all())?;
    report.done(&format!("{count} acknowledged blocks found, state = replay"), None);
    Ok(())
}

/// A fourth node starts from nothing.
pub(crate) fn join_late(cast: &Cast, folder: &Path, report: &mut Report) -> Result<(), Failure> {
    report.step("a fourth node joins late");
    let late = Party::start(&cast.network, folder.into(), Role::Follower, &[cast.institute.address()])?;
    let [hospital, patient, institute] = cast.all();
    agree(&[hospital, patient, institute, &late])?;
    let (_, height) = late.tip()?;
    report.done(&format!("same tip and same state hash at height {height}"), None);
    Ok(())
}
