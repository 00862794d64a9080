//! The way of reports from the background thread to whoever polls.
//!
//! The channel has no length of its own. It is bounded by what a report must hold to get into it: a frame holds a share of its
//! stream's allowance, the end of a connection holds that connection's slot, and both are given back when the report is
//! taken out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use health_chain_network::ports::{Address, Direction, PeerId, Waker};
use tokio::sync::OwnedSemaphorePermit;

use crate::outlet::Outlet;

/// What the background thread has to tell.
pub(crate) enum Report {
    Connected { peer: PeerId, address: Address, direction: Direction, outlet: Outlet },
    Received { peer: PeerId, frame: Vec<u8>, _share: OwnedSemaphorePermit },
    Closed { peer: PeerId, _slot: OwnedSemaphorePermit },
    DialFailed { address: Address },
}

enum Item {
    Report(Report),
    Wake,
}

/// Puts reports in.
#[derive(Clone)]
pub(crate) struct Reporter(Sender<Item>);

impl Reporter {
    /// Once the transport is gone nobody listens, and nothing happens.
    pub(crate) fn report(&self, report: Report) {
        let _ = self.0.send(Item::Report(report));
    }
}

/// Takes reports out.
pub(crate) struct Reports {
    receiver: Receiver<Item>,
    sender: Sender<Item>,
    /// Whether a wake-up is in the channel already: there is never more than one.
    woken: Arc<AtomicBool>,
}

impl Reports {
    /// The next report; `None` where none comes within `patience`, or where a wake-up ended the wait.
    pub(crate) fn next(&self, patience: Duration) -> Option<Report> {
        match self.receiver.recv_timeout(patience).ok()? {
            Item::Report(report) => Some(report),
            Item::Wake => {
                self.woken.store(false, Ordering::Release);
                // The wait is over, but what is there already is not held back.
                match self.receiver.try_recv().ok()? {
                    Item::Report(report) => Some(report),
                    Item::Wake => {
                        self.woken.store(false, Ordering::Release);
                        None
                    }
                }
            }
        }
    }

    pub(crate) fn waker(&self) -> Waker {
        let (sender, woken) = (self.sender.clone(), Arc::clone(&self.woken));
        Arc::new(move || {
            if !woken.swap(true, Ordering::AcqRel) {
                let _ = sender.send(Item::Wake);
            }
        })
    }
}

pub(crate) fn reports() -> (Reporter, Reports) {
    let (sender, receiver) = channel();
    (Reporter(sender.clone()), Reports { receiver, sender, woken: Arc::new(AtomicBool::new(false)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOREVER: Duration = Duration::MAX;

    fn failed(address: &str) -> Report {
        Report::DialFailed { address: Address(address.into()) }
    }

    fn address(report: Option<Report>) -> Option<String> {
        report.map(|report| match report {
            Report::DialFailed { address } => address.0,
            _ => panic!("nothing else was reported"),
        })
    }

    #[test]
    fn a_wake_up_before_the_wait_ends_it() {
        let (_, reports) = reports();
        reports.waker()();
        assert!(reports.next(FOREVER).is_none());
        assert!(reports.next(Duration::ZERO).is_none());
    }

    #[test]
    fn a_wake_up_from_another_thread_ends_the_wait() {
        let (_, reports) = reports();
        let waker = reports.waker();
        let thread = std::thread::spawn(move || waker());
        assert!(reports.next(FOREVER).is_none());
        thread.join().unwrap();
    }

    #[test]
    fn wake_ups_do_not_pile_up_and_hold_no_report_back() {
        let (reporter, reports) = reports();
        let waker = reports.waker();
        for _ in 0..1000 {
            waker();
        }
        reporter.report(failed("a"));
        reporter.report(failed("b"));
        assert_eq!(address(reports.next(FOREVER)).as_deref(), Some("a"));
        assert_eq!(address(reports.next(FOREVER)).as_deref(), Some("b"));
        assert!(reports.next(Duration::ZERO).is_none());
    }
}
