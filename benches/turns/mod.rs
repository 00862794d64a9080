//! Measuring in turns. On a machine that does other things as well, a program's speed changes from second to second, and
//! two measured one after the other can't be compared. Here they take short turns one after the other, again and again;
//! a ratio is that of the medians, and its spread is that of the ratios within each turn. The best turn is the one that
//! nothing else disturbed.

use std::time::Instant;

/// Turns that every contestant takes.
const TURNS: usize = 41;

/// One that does `work` items of work in a turn.
pub(crate) struct Contestant<'a> {
    name: &'static str,
    work: f64,
    turn: Box<dyn FnMut() + 'a>,
}

/// A contestant whose `turn` does `work` items of work.
pub(crate) fn contestant<'a>(name: &'static str, work: f64, turn: impl FnMut() + 'a) -> Contestant<'a> {
    Contestant { name, work, turn: Box::new(turn) }
}

/// Lets all take their turns, and prints them against the first as a table of Markdown.
#[allow(clippy::print_stdout, reason = "this is what the program is for")]
pub(crate) fn compare(title: &str, unit: &str, mut contestants: Vec<Contestant<'_>>) {
    let mut rates = vec![Vec::with_capacity(TURNS); contestants.len()];
    contestants.iter_mut().for_each(|contestant| (contestant.turn)());
    for _ in 0..TURNS {
        for (contestant, rates) in contestants.iter_mut().zip(&mut rates) {
            let start = Instant::now();
            (contestant.turn)();
            rates.push(contestant.work / start.elapsed().as_secs_f64());
        }
    }
    println!("\n### {title}\n\n| | {unit} | ratio | quartiles | best turn | ratio |\n|---|---|---|---|---|---|");
    let base = rates[0].clone();
    for (contestant, rates) in contestants.iter().zip(rates) {
        let mut ratios: Vec<f64> = rates.iter().zip(&base).map(|(rate, base)| rate / base).collect();
        ratios.sort_by(f64::total_cmp);
        let (low, high) = (ratios[TURNS / 4], ratios[TURNS - 1 - TURNS / 4]);
        let (rate, ratio) = (median(rates.clone()), median(rates.clone()) / median(base.clone()));
        let (name, best) = (contestant.name, best(&rates));
        let of_bests = best / self::best(&base);
        println!("| {name} | {rate:.2} | {ratio:.2} | {low:.2} to {high:.2} | {best:.2} | {of_bests:.2} |");
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn best(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}
