//! Progress while the example works, and the table at its end.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// One line of the table.
struct Row {
    what: String,
    bytes: Option<usize>,
    time: Duration,
}

pub(crate) struct Report {
    bar: ProgressBar,
    rows: Vec<Row>,
    began: Instant,
    step: Option<(String, Instant)>,
}

impl Report {
    pub(crate) fn new(steps: u64) -> Self {
        let style = ProgressStyle::with_template("{spinner} [{pos:>2}/{len}] {msg}  ({elapsed})");
        let bar = ProgressBar::new(steps).with_style(style.expect("the template is well formed"));
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, rows: Vec::new(), began: Instant::now(), step: None }
    }

    /// Begins a step.
    pub(crate) fn step(&mut self, what: &str) {
        self.step = Some((what.into(), Instant::now()));
        self.bar.set_message(what.to_owned());
        if self.bar.is_hidden() {
            println!("[{:>2}/{}] {what}", self.rows.len() + 1, self.bar.length().unwrap_or_default());
        }
    }

    /// Ends the step; `bytes` is what it put on the chain.
    pub(crate) fn done(&mut self, outcome: &str, bytes: Option<usize>) {
        let (what, began) = self.step.take().expect("a step that ends has begun");
        let what = if outcome.is_empty() { what } else { format!("{what}: {outcome}") };
        self.rows.push(Row { what, bytes, time: began.elapsed() });
        self.bar.inc(1);
    }

    /// Prints the table.
    pub(crate) fn print(self) {
        self.bar.finish_and_clear();
        let width = self.rows.iter().map(|row| row.what.chars().count()).max().unwrap_or(0);
        println!("\n{:<width$} | on chain, bytes | time, ms", "what was done");
        println!("{:-<width$}-|-----------------|---------", "");
        for Row { what, bytes, time } in &self.rows {
            let bytes = bytes.map_or(String::new(), |bytes| bytes.to_string());
            println!("{what:<width$} | {bytes:>15} | {:>8}", time.as_millis());
        }
        println!("\neverything was as it should be, in {:.1} s", self.began.elapsed().as_secs_f64());
    }
}
