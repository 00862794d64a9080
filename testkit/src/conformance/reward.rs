//! The suite of [`RewardRule`].

use health_chain::{
    consensus::ports::{BlockContext, RewardRule},
    data::{Amount, Block, state::MemoryStore},
};

use super::effects::{accepted, blames_nobody, refused};

/// Checks a reward rule on `state`, in which the transactions of a block have taken effect and paid `fees`: it settles `honest` and
/// refuses each of `greedy`. An implementation must
///
/// - give equal results for equal inputs, and write state tables only;
/// - book nothing where it refuses, and name the rule;
/// - blame no block for a store that fails.
///
/// # Panics
/// With the rule that the implementation breaks.
pub fn reward(
    rule: &dyn RewardRule,
    state: &MemoryStore,
    fees: Amount,
    context: &BlockContext,
    honest: &Block,
    greedy: &[Block],
) {
    blames_nobody(|state, _| rule.settle(state, honest, fees, context));
    accepted(&mut state.clone(), |state, _| rule.settle(state, honest, fees, context));
    for block in greedy {
        refused(state, |state, _| rule.settle(state, block, fees, context));
    }
}
