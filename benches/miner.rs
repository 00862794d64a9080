//! The miner as the node runs it: what its slices cost against one long search, what a second thread adds, and how soon every
//! thread lets go of a header when a new tip comes.

mod turns;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use health_chain::{
    consensus::ports::{SearchTask, Searcher},
    consensus_pow::Miner,
    data::ports::BatchHasher,
    data_simd::LaneHasher,
};
use turns::{compare, contestant};

/// Nonces of a turn and thread: tens of milliseconds of the fastest kernel.
const TURN_NONCES: u64 = 4 << 20;
/// Tips that come while the miner searches.
const TIPS: usize = 1_000;
/// The time between two of them: longer than any search that is still to end.
const TIP_INTERVAL: Duration = Duration::from_millis(5);

fn task(mark: u8) -> SearchTask {
    SearchTask { header: [mark; 80], target: [0; 32] }
}

fn main() {
    let hasher: Arc<dyn BatchHasher> = Arc::new(LaneHasher::detect());
    rates(&hasher);
    stops(hasher);
}

fn rates(hasher: &Arc<dyn BatchHasher>) {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let miner = |threads| Miner::start(threads, hasher.clone(), |_| ());
    let (one, all) = (miner(1), miner(threads));
    let mine = |miner: &Miner, nonces: u64, tip_after: Option<Duration>| {
        let end = miner.hashes() + nonces;
        let mut mark = 0_u8;
        while miner.hashes() < end {
            miner.search(task(mark));
            let tip = tip_after.map(|after| Instant::now() + after);
            while miner.hashes() < end && tip.is_none_or(|tip| Instant::now() < tip) {
                thread::sleep(Duration::from_millis(1));
            }
            mark = mark.wrapping_add(1);
        }
        miner.stop();
    };
    let work = TURN_NONCES as f64 / 1e6;
    compare(
        &format!("Nonces searched for by the miner ({})", hasher.name()),
        "M/s",
        vec![
            contestant("one long search, one thread", work, || {
                assert_eq!(hasher.search_nonce(&[0; 80], &[0; 32], 0, TURN_NONCES), None);
            }),
            contestant("miner, one thread", work, || mine(&one, TURN_NONCES, None)),
            contestant("miner, one thread, a new tip every 10 ms", work, || {
                mine(&one, TURN_NONCES, Some(Duration::from_millis(10)));
            }),
            contestant("miner, all threads", work * threads as f64, || {
                mine(&all, TURN_NONCES * threads as u64, None);
            })
            .aiming_at("P4 with two threads", 1.95),
        ],
    );
}

/// Looks at when searches of the header with a mark end.
struct Watched {
    hasher: Arc<dyn BatchHasher>,
    origin: Instant,
    mark: AtomicU8,
    last_end_nanos: AtomicU64,
}

impl BatchHasher for Watched {
    fn name(&self) -> &'static str {
        "watched"
    }

    fn search_nonce(&self, header: &[u8; 80], target: &[u8; 32], first: u32, count: u64) -> Option<u32> {
        let found = self.hasher.search_nonce(header, target, first, count);
        if header[0] == self.mark.load(Ordering::SeqCst) {
            self.last_end_nanos.fetch_max(self.nanos(), Ordering::SeqCst);
        }
        found
    }
}

impl Watched {
    fn nanos(&self) -> u64 {
        self.origin.elapsed().as_nanos() as u64
    }
}

#[allow(clippy::print_stdout, reason = "this is what the program is for")]
fn stops(hasher: Arc<dyn BatchHasher>) {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let watched =
        Arc::new(Watched { hasher, origin: Instant::now(), mark: AtomicU8::new(0), last_end_nanos: AtomicU64::new(0) });
    let miner = Miner::start(threads, watched.clone(), |_| ());
    miner.search(task(0));
    thread::sleep(20 * TIP_INTERVAL);
    let mut late: Vec<f64> = (0..TIPS)
        .map(|tip| {
            let tip_nanos = watched.nanos();
            miner.search(task((tip + 1) as u8));
            thread::sleep(TIP_INTERVAL);
            let late = watched.last_end_nanos.load(Ordering::SeqCst).saturating_sub(tip_nanos);
            watched.mark.store((tip + 1) as u8, Ordering::SeqCst);
            late as f64 / 1e3
        })
        .collect();
    late.sort_by(f64::total_cmp);
    let within = late.iter().filter(|micros| **micros <= 1e3).count() as f64 / TIPS as f64 * 100.0;
    println!("\n### From a new tip until the last thread has left the old header\n");
    println!(
        "{TIPS} tips, {threads} threads: median {:.0} µs, 99 % {:.0} µs, worst {:.0} µs; {within:.1} % within a millisecond",
        late[TIPS / 2],
        late[TIPS * 99 / 100],
        late[TIPS - 1]
    );
}
