//! Searching for nonces on threads: the hands of proof of work. Only the binary or a driver needs it; the engine does not know it.

use std::{
    boxed::Box,
    fmt,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
    vec::Vec,
};

use health_chain_consensus::ports::{SearchOutcome, SearchTask, Searcher};
use health_chain_data::ports::BatchHasher;

/// How long a thread searches before it looks for a newer task: well within a millisecond.
const SLICE: Duration = Duration::from_micros(250);
/// The nonces of a thread's first slice; later ones follow what it has measured.
const FIRST_SLICE_NONCES: u64 = 1 << 10;
/// The longest slice, so that the last threads of a task end at about the same time.
const MAX_SLICE_NONCES: u64 = 1 << 18;
/// All nonces of a header.
const ALL_NONCES: u64 = 1 << 32;

/// Threads that search for nonces, one task at a time. Dropping it stops and joins them.
pub struct Miner {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl fmt::Debug for Miner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Miner").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

struct Shared {
    hasher: Arc<dyn BatchHasher>,
    report: Box<dyn Fn(SearchOutcome) + Send + Sync>,
    work: Mutex<Work>,
    changed: Condvar,
    /// Counts tasks; a slice of an older one is void. Read without the lock between slices.
    generation: AtomicU64,
    hashes: AtomicU64,
}

#[derive(Default)]
struct Work {
    task: Option<Arc<Running>>,
    is_over: bool,
}

struct Running {
    task: SearchTask,
    generation: u64,
    /// Where the next slice begins.
    next: AtomicU64,
    /// How many nonces have been tried to no avail.
    tried: AtomicU64,
}

impl Miner {
    /// Starts `threads` idle threads (at least one). `report` is called from them, once per task at most, and never for a task
    /// that [`Searcher::search`] or [`Searcher::stop`] has replaced before its outcome was there; one that was just on its
    /// way may still arrive, and the engine knows it by its task.
    pub fn start(
        threads: usize,
        hasher: Arc<dyn BatchHasher>,
        report: impl Fn(SearchOutcome) + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            hasher,
            report: Box::new(report),
            work: Mutex::default(),
            changed: Condvar::new(),
            generation: AtomicU64::new(0),
            hashes: AtomicU64::new(0),
        });
        let spawn = |_| {
            let shared = shared.clone();
            thread::spawn(move || shared.run())
        };
        Self { threads: (0..threads.max(1)).map(spawn).collect(), shared }
    }
}

impl Searcher for Miner {
    fn search(&self, task: SearchTask) {
        self.shared.replace(Some(task));
    }

    fn stop(&self) {
        self.shared.replace(None);
    }

    fn hashes(&self) -> u64 {
        self.shared.hashes.load(Ordering::Relaxed)
    }
}

impl Drop for Miner {
    fn drop(&mut self) {
        self.shared.replace(None);
        self.shared.lock().is_over = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing left to stop.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn replace(&self, task: Option<SearchTask>) {
        let mut work = self.lock();
        let generation = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
        work.task =
            task.map(|task| Arc::new(Running { task, generation, next: AtomicU64::new(0), tried: AtomicU64::new(0) }));
        self.changed.notify_all();
    }

    fn run(&self) {
        let mut done = 0;
        let mut pace = Pace { nonces: FIRST_SLICE_NONCES };
        while let Some(running) = self.wait_for_newer(done) {
            done = running.generation;
            self.search(&running, &mut pace);
        }
    }

    /// The task, once there is one newer than generation `done`; `None` when it is all over.
    fn wait_for_newer(&self, done: u64) -> Option<Arc<Running>> {
        let mut work = self.lock();
        loop {
            match &work.task {
                _ if work.is_over => return None,
                Some(running) if running.generation > done => return Some(running.clone()),
                _ => work = self.changed.wait(work).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Takes slice after slice of the task until it is solved, exhausted or replaced.
    fn search(&self, running: &Arc<Running>, pace: &mut Pace) {
        while self.generation.load(Ordering::Relaxed) == running.generation {
            let first = running.next.fetch_add(pace.nonces, Ordering::Relaxed);
            if first >= ALL_NONCES {
                return;
            }
            let count = pace.nonces.min(ALL_NONCES - first);
            let SearchTask { header, target } = &running.task;
            let began = Instant::now();
            let found = self.hasher.search_nonce(header, target, first as u32, count);
            pace.took(began.elapsed());
            let tried = found.map_or(count, |nonce| u64::from(nonce) - first + 1);
            self.hashes.fetch_add(tried, Ordering::Relaxed);
            if let Some(nonce) = found {
                return self.finish(running, SearchOutcome::Solved { task: running.task.clone(), nonce });
            }
            if running.tried.fetch_add(count, Ordering::Relaxed) + count == ALL_NONCES {
                return self.finish(running, SearchOutcome::Exhausted { task: running.task.clone() });
            }
        }
    }

    /// Reports the outcome of a task, unless the task has been replaced or another thread was faster.
    fn finish(&self, running: &Arc<Running>, outcome: SearchOutcome) {
        {
            let mut work = self.lock();
            if work.task.take_if(|current| current.generation == running.generation).is_none() {
                return;
            }
            self.generation.fetch_add(1, Ordering::Relaxed);
        }
        (self.report)(outcome);
    }

    /// The lock guards plain data, which a panic elsewhere can't leave half-changed.
    fn lock(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many nonces a thread tries at a time. What a slice takes depends on hasher and machine, so it is measured.
struct Pace {
    nonces: u64,
}

impl Pace {
    /// A slice that took too long is followed by one of half the length, and a short one by one of twice the length: a
    /// thread that was interrupted once is soon back at its pace.
    fn took(&mut self, time: Duration) {
        if time > SLICE {
            self.nonces = (self.nonces / 2).max(1);
        } else if time < SLICE / 2 {
            self.nonces = (self.nonces * 2).min(MAX_SLICE_NONCES);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slices of a hasher with this speed, from the first on, until they don't change any more.
    fn settled(nonces_per_second: u64) -> u64 {
        let mut pace = Pace { nonces: FIRST_SLICE_NONCES };
        for _ in 0..64 {
            pace.took(Duration::from_nanos(pace.nonces * 1_000_000_000 / nonces_per_second));
        }
        pace.nonces
    }

    #[test]
    fn a_slice_takes_from_a_half_to_the_whole_of_its_time_at_any_speed() {
        for nonces_per_second in [5_000, 200_000, 8_000_000, 90_000_000, 900_000_000] {
            let nanos = settled(nonces_per_second) * 1_000_000_000 / nonces_per_second;
            assert!(
                (SLICE.as_nanos() / 2..=SLICE.as_nanos()).contains(&u128::from(nanos)),
                "{nonces_per_second}: {nanos} ns"
            );
        }
        assert_eq!(settled(u64::MAX / 1_000_000_000), MAX_SLICE_NONCES);
        assert_eq!(settled(1), 1);
    }
}
