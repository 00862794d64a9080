//! Ctrl-C, and what else asks a process to end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Whether this process was asked to end.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes Ctrl-C and the termination signal from now on: the process ends when it has put everything away.
    pub(crate) fn install() -> Result<Self, ctrlc::Error> {
        let interrupt = Self(Arc::default());
        let raised = interrupt.clone();
        ctrlc::set_handler(move || raised.0.store(true, Ordering::Relaxed))?;
        Ok(interrupt)
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
