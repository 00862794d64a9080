//! What a node has had, and has to have when it starts again.

use health_chain::{
    application::{
        audit::{AuditEvent, AuditLog, Extent},
        authorize::{DenySet, Turn},
        tables::{AUDIT_BY_OBJECT, AUDIT_EVENTS},
    },
    consensus::{Chain, Weight},
    data::{
        BlockId, Hash, ObjectId,
        merkle::ConsistencyProof,
        ports::{StateView, StoreError},
        sha256, state,
    },
};

use super::{Broken, fabric::NodeIndex, users::Patient};

/// What was durable at a node after the last turn that it lived through.
#[derive(Debug, Clone, Default)]
pub(super) struct Durable {
    /// The weight of its chain, and its tip.
    tip: Option<(Weight, BlockId)>,
    /// How far the audit log of its gateway went.
    log: Option<Extent>,
    /// Permits that have arrived since it died.
    unchecked: Vec<Permitted>,
}

/// A request that was answered with leave to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Permitted {
    pub(super) object: ObjectId,
    /// The name of the request.
    pub(super) request: Hash,
}

impl Durable {
    /// The node's tip has moved.
    pub(super) fn note_tip(&mut self, chain: &Chain) {
        self.tip = Some((chain.weight(), chain.tip().id));
    }

    /// The node has had a turn.
    pub(super) fn note_log(&mut self, chain: &Chain) {
        self.log = Extent::load(chain.state()).expect("memory can be read");
    }

    /// Leave to read has arrived from the node's gateway, which must have written it down before. Where the node is dead, this is looked at
    /// when it starts again.
    pub(super) fn permitted(
        &mut self,
        node: NodeIndex,
        chain: Option<&Chain>,
        permitted: Permitted,
    ) -> Result<(), Broken> {
        match chain {
            None => self.unchecked.push(permitted),
            Some(chain) => {
                if !is_written_down(chain.state(), &permitted).expect("memory can be read") {
                    return Err(Broken::Record { node });
                }
            }
        }
        Ok(())
    }

    /// The node has started on its own disk: whether it has all that it had.
    pub(super) fn check(&mut self, node: NodeIndex, chain: &Chain, patients: &[Patient]) -> Result<(), Broken> {
        if let Some((weight, tip)) = self.tip
            && (chain.weight() < weight || chain.header(&tip).is_none())
        {
            return Err(Broken::Durability { node });
        }
        self.check_log(node, chain.state())?;
        let denials = DenySet::load(chain.state()).expect("it has been loaded");
        for (patient, one) in patients.iter().enumerate().filter(|(_, patient)| patient.gateway == node) {
            let Some(withdrawn) = one.acknowledged else { continue };
            let due = Turn { owner_epoch: 0, seq: withdrawn };
            if denials.withdrawn(&one.object, &one.institute_key()) < Some(due) {
                return Err(Broken::Denial { node, patient, withdrawn });
            }
        }
        std::mem::take(&mut self.unchecked)
            .into_iter()
            .try_for_each(|permitted| self.permitted(node, Some(chain), permitted))
    }

    /// The audit log begins with what it was.
    fn check_log(&self, node: NodeIndex, view: &dyn StateView) -> Result<(), Broken> {
        let log = AuditLog::load(view).expect("it has been loaded");
        let had = self.log.unwrap_or(Extent { size: 0, root: sha256(b"") });
        let proof = log.consistency_proof(had.size, log.size());
        let verifies = |proof: ConsistencyProof| proof.verify(&had.root, &log.root()).is_ok();
        if proof.is_some_and(verifies) { Ok(()) } else { Err(Broken::Log { node, had: had.size, found: log.size() }) }
    }
}

fn is_written_down(view: &dyn StateView, permitted: &Permitted) -> Result<bool, StoreError> {
    let mut indexes = Vec::new();
    view.scan(AUDIT_BY_OBJECT, permitted.object.as_bytes(), &mut |key, _| {
        indexes.extend(key.last_chunk::<8>().copied());
        true
    })?;
    for index in indexes.iter().rev() {
        match state::read(view, AUDIT_EVENTS, index)? {
            Some(AuditEvent::Access(access)) if access.request == permitted.request => return Ok(true),
            _ => {}
        }
    }
    Ok(false)
}
