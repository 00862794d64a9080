//! Measuring in turns. On a machine that does other things as well, a program's speed changes from second to second, and
//! two measured one after the other can't be compared. Here they take short turns one after the other, again and again.
//! A ratio is that of the medians of a run, and the median over the runs is what counts: with their lowest and highest, it
//! says how far to believe it. The best turn is the one that nothing else disturbed.

use std::{fs, sync::Once, time::Instant};

/// Runs, each of which gives one ratio.
const RUNS: usize = 5;
/// Turns that every contestant takes in a run.
const TURNS: usize = 21;

/// One that does `work` items of work in a turn.
pub(crate) struct Contestant<'a> {
    name: String,
    work: f64,
    target: Option<(&'static str, f64)>,
    turn: Box<dyn FnMut() + 'a>,
}

/// A contestant whose `turn` does `work` items of work.
pub(crate) fn contestant<'a>(name: impl Into<String>, work: f64, turn: impl FnMut() + 'a) -> Contestant<'a> {
    Contestant { name: name.into(), work, target: None, turn: Box::new(turn) }
}

impl Contestant<'_> {
    /// With the ratio to the first contestant that it is to reach on Zen 5, and what that target is called.
    #[allow(dead_code, reason = "not every bench has a target")]
    pub(crate) fn aiming_at(mut self, target: &'static str, ratio: f64) -> Self {
        self.target = Some((target, ratio));
        self
    }
}

/// Lets all take their turns, prints them against the first as a table of Markdown, and says which targets are met.
#[allow(clippy::print_stdout, reason = "this is what the program is for")]
pub(crate) fn compare(title: &str, unit: &str, mut contestants: Vec<Contestant<'_>>) {
    static INTRODUCTION: Once = Once::new();
    let (processor, is_zen_5) = processor();
    INTRODUCTION.call_once(|| println!("{processor}: medians of {RUNS} runs of {TURNS} turns"));

    contestants.iter_mut().for_each(|contestant| (contestant.turn)());
    let runs: Vec<Vec<Vec<f64>>> = (0..RUNS).map(|_| run(&mut contestants)).collect();
    println!("\n### {title}\n\n| | {unit} | ratio | runs | best turn | ratio |\n|---|---|---|---|---|---|");
    let mut verdicts = Vec::new();
    let best = |index: usize| runs.iter().flat_map(|run| &run[index]).copied().fold(0.0, f64::max);
    for (index, contestant) in contestants.iter().enumerate() {
        let of_run = |run: &Vec<Vec<f64>>| median(&run[index]) / median(&run[0]);
        let ratios: Vec<f64> = runs.iter().map(of_run).collect();
        let (low, high) = (ratios.iter().copied().fold(f64::MAX, f64::min), ratios.iter().copied().fold(0.0, f64::max));
        let (rate, ratio) = (median(&runs.iter().map(|run| median(&run[index])).collect::<Vec<_>>()), median(&ratios));
        let (name, of_bests) = (&contestant.name, best(index) / best(0));
        println!("| {name} | {rate:.2} | {ratio:.2} | {low:.2} to {high:.2} | {:.2} | {of_bests:.2} |", best(index));
        if let Some((target, goal)) = contestant.target {
            let verdict = if ratio >= goal { "met".to_owned() } else { format!("missed by {:.2}x", goal - ratio) };
            let elsewhere = if is_zen_5 { "" } else { " (set on AMD Zen 5: another processor has other bounds)" };
            verdicts.push(format!(
                "{target}: {name} {ratio:.2}x, {low:.2} to {high:.2}; target {goal:.1}x: {verdict}{elsewhere}"
            ));
        }
    }
    for verdict in verdicts {
        println!("\n{verdict}");
    }
}

/// The speeds of all turns of one run, by contestant.
fn run(contestants: &mut [Contestant<'_>]) -> Vec<Vec<f64>> {
    let mut rates = vec![Vec::with_capacity(TURNS); contestants.len()];
    for _ in 0..TURNS {
        for (contestant, rates) in contestants.iter_mut().zip(&mut rates) {
            let start = Instant::now();
            (contestant.turn)();
            rates.push(contestant.work / start.elapsed().as_secs_f64());
        }
    }
    rates
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// What the processor calls itself, where the system says so, and whether it is the one that the targets were set on.
fn processor() -> (String, bool) {
    let file = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let value = |line: &str| {
            line.split_once(':').filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
        };
        file.lines().find_map(value).unwrap_or_else(|| "unknown".to_owned())
    };
    let (name, vendor, family, model) = (field("model name"), field("vendor_id"), field("cpu family"), field("model"));
    (format!("{name}, family {family} model {model}"), vendor == "AuthenticAMD" && family == "26")
}
