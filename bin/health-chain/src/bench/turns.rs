//! Contestants that take turns, and what comes of it.
//!
//! On a machine that does other things as well, a program's speed changes from second to second, and two measured one
//! after the other can't be compared. So all contestants take a short turn, then all the next one. From turn to turn their
//! data lie elsewhere, because the speed of a kernel depends on that, too.

use std::{
    hint::black_box,
    io,
    sync::RwLock,
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;

/// Where a contestant's data lie in one turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// By how many items the input begins later: bytes, or hashes and claims where the input is made of them.
    pub(crate) offset: usize,
    /// How many small frames lie on the stack below the contestant's own.
    frames: usize,
}

/// The layouts. Input at a page's beginning, off every alignment, across cache lines; four different places on the stack.
pub(crate) const LAYOUTS: [Layout; 5] = [
    Layout { offset: 0, frames: 0 },
    Layout { offset: 1, frames: 3 },
    Layout { offset: 4, frames: 10 },
    Layout { offset: 31, frames: 17 },
    Layout { offset: MAX_OFFSET, frames: 0 },
];
/// The largest offset of a layout.
pub(crate) const MAX_OFFSET: usize = 56;

/// How long and how often contestants run.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Pace {
    /// Turns of every contestant on each layout.
    pub(crate) runs: usize,
    /// What a turn is to take.
    #[serde(serialize_with = "milliseconds", rename = "turn_milliseconds")]
    pub(crate) turn: Duration,
}

impl Pace {
    /// For figures that are to be kept.
    pub(crate) const THOROUGH: Self = Self { runs: 5, turn: Duration::from_millis(50) };
    /// For a look. Five runs still, as each layout counts for one.
    pub(crate) const QUICK: Self = Self { runs: 1, turn: Duration::from_millis(15) };
}

/// What a contestant does: work on a layout, as the thread of this number, so many times over.
type Work<'a> = Box<dyn Fn(Layout, usize, u64) + Sync + 'a>;

/// One that is measured.
pub(crate) struct Contestant<'a> {
    name: &'static str,
    /// Threads that it runs on.
    threads: usize,
    /// Threads that are started for it.
    workers: usize,
    /// What is done in one repetition, in units of the contest.
    units: u64,
    work: Work<'a>,
}

impl<'a> Contestant<'a> {
    /// One that does `units` of work on each of its threads whenever `work` runs.
    pub(crate) fn new(
        name: &'static str,
        threads: usize,
        units: u64,
        work: impl Fn(Layout, usize) + Sync + 'a,
    ) -> Self {
        let work = move |layout, thread, repetitions| (0..repetitions).for_each(|_| work(layout, thread));
        Self { name, threads, workers: threads, units, work: Box::new(work) }
    }

    /// One that starts its threads by itself, and shares `units` of work among them.
    pub(crate) fn with_own_threads(self) -> Self {
        Self { workers: 1, ..self }
    }

    /// How long so many repetitions take, from the start of the first thread's work to the end of the last one's.
    fn time(&self, layout: Layout, repetitions: u64) -> io::Result<Duration> {
        let run = |thread| {
            let start = Instant::now();
            at_depth(layout.frames, &|| (self.work)(layout, thread, repetitions));
            (start, Instant::now())
        };
        if self.workers == 1 {
            let (start, end) = run(0);
            return Ok(end - start);
        }
        // Shut until all threads are there.
        let gate = RwLock::new(());
        let (run, gate) = (&run, &gate);
        thread::scope(|scope| {
            let shut = gate.write();
            let threads: io::Result<Vec<_>> = (0..self.workers)
                .map(|thread| {
                    thread::Builder::new().spawn_scoped(scope, move || {
                        drop(gate.read());
                        run(thread)
                    })
                })
                .collect();
            drop(shut);
            let times = threads?.into_iter().map(|thread| thread.join().expect("what is measured does not panic"));
            let (starts, ends): (Vec<Instant>, Vec<Instant>) = times.unzip();
            let (first, last) = (starts.into_iter().min(), ends.into_iter().max());
            Ok(first.zip(last).map_or(Duration::ZERO, |(first, last)| last - first))
        })
    }

    /// How many repetitions fill a turn.
    fn repetitions(&self, turn: Duration) -> io::Result<u64> {
        let mut repetitions = 1;
        loop {
            let took = self.time(LAYOUTS[0], repetitions)?;
            if took * 4 >= turn {
                let fill = repetitions as f64 * turn.as_secs_f64() / took.as_secs_f64();
                return Ok((fill as u64).max(1));
            }
            repetitions *= 2;
        }
    }

    /// Units in a second.
    fn rate(&self, layout: Layout, repetitions: u64) -> io::Result<f64> {
        let seconds = self.time(layout, repetitions)?.as_secs_f64();
        Ok((self.units * repetitions * self.workers as u64) as f64 / seconds)
    }
}

/// Contestants that do the same.
pub(crate) struct Contest<'a> {
    /// What they do.
    pub(crate) measure: &'static str,
    /// What is counted.
    pub(crate) unit: &'static str,
    pub(crate) contestants: Vec<Contestant<'a>>,
}

/// What was measured of one contestant.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) measure: &'static str,
    /// What `per_second` counts.
    pub(crate) unit: &'static str,
    pub(crate) contestant: &'static str,
    pub(crate) threads: usize,
    pub(crate) per_second: Spread,
    /// The ratio to the same contestant's speed on one thread, within each turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) over_one_thread: Option<Spread>,
}

/// A median with its quartiles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) lower_quartile: f64,
    pub(crate) upper_quartile: f64,
    /// How many turns they are of.
    pub(crate) turns: usize,
}

impl Spread {
    /// Of values that are not none.
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let turns = values.len();
        let quarter = turns / 4;
        Self {
            median: values[turns / 2],
            lower_quartile: values[quarter],
            upper_quartile: values[turns - 1 - quarter],
            turns,
        }
    }
}

impl Contest<'_> {
    /// Lets all take their turns.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(crate) fn run(&self, pace: Pace) -> io::Result<Vec<Figure>> {
        let repetitions: Vec<u64> =
            self.contestants.iter().map(|one| one.repetitions(pace.turn)).collect::<io::Result<_>>()?;
        let mut rates = vec![Vec::new(); self.contestants.len()];
        for _ in 0..pace.runs {
            for layout in LAYOUTS {
                for ((one, repetitions), rates) in self.contestants.iter().zip(&repetitions).zip(&mut rates) {
                    rates.push(one.rate(layout, *repetitions)?);
                }
            }
        }
        Ok(self.contestants.iter().zip(&rates).map(|(one, own)| self.figure(one, own, &rates)).collect())
    }

    fn figure(&self, one: &Contestant<'_>, own: &[f64], rates: &[Vec<f64>]) -> Figure {
        let alone = self.contestants.iter().position(|other| other.name == one.name && other.threads == 1);
        let over_one_thread = alone
            .filter(|_| one.threads > 1)
            .map(|alone| Spread::of(own.iter().zip(&rates[alone]).map(|(many, single)| many / single).collect()));
        Figure {
            measure: self.measure,
            unit: self.unit,
            contestant: one.name,
            threads: one.threads,
            per_second: Spread::of(own.to_vec()),
            over_one_thread,
        }
    }
}

/// Does `work` with so many small frames below it on the stack.
#[inline(never)]
fn at_depth(frames: usize, work: &dyn Fn()) {
    let frame = black_box([0_u8; 16]);
    match frames {
        0 => work(),
        _ => at_depth(frames - 1, work),
    }
    // Used once more, so that the frame stays while the work is done.
    black_box(frame);
}

fn milliseconds<S: serde::Serializer>(turn: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(turn.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn median_and_quartiles() {
        let spread = |values: &[f64]| Spread::of(values.to_vec());
        let five = Spread { median: 3.0, lower_quartile: 2.0, upper_quartile: 4.0, turns: 5 };
        assert_eq!(spread(&[5.0, 1.0, 4.0, 2.0, 3.0]), five);
        let one = Spread { median: 7.0, lower_quartile: 7.0, upper_quartile: 7.0, turns: 1 };
        assert_eq!(spread(&[7.0]), one);
    }

    #[test]
    fn everybody_works_in_every_turn_on_every_thread() {
        let (alone, together) = (AtomicU64::new(0), AtomicU64::new(0));
        let wait = |count: &AtomicU64, thread: usize| {
            count.fetch_add(1 << (20 * thread), Ordering::Relaxed);
            thread::sleep(Duration::from_millis(2));
        };
        let contest = Contest {
            measure: "sleep",
            unit: "sleeps",
            contestants: vec![
                Contestant::new("one", 1, 1, |_, thread| wait(&alone, thread)),
                Contestant::new("one", 2, 1, |_, thread| wait(&together, thread)),
            ],
        };
        let figures = contest.run(Pace { runs: 2, turn: Duration::from_millis(4) }).unwrap();
        let turns = 2 * LAYOUTS.len() as u64;
        assert!(alone.load(Ordering::Relaxed) > turns);
        let together = together.load(Ordering::Relaxed);
        assert!(together >> 20 > turns, "the second thread works");
        assert_eq!(together >> 20, together & 0xf_ffff, "as much as the first");
        assert!(figures.iter().all(|figure| figure.per_second.median > 0.0 && figure.per_second.median < 1_000.0));
        assert!(figures[0].over_one_thread.is_none());
        assert_eq!(figures[1].over_one_thread.unwrap().turns as u64, turns);
    }
}
