//! How the difficulty follows the hash power: both retarget rules, given headers whose times come from simulated miners.

use std::{error::Error, fmt::Write as _, fs, path::Path};

use health_chain::{
    consensus::{ports::Ancestry, tree::median_time_past},
    consensus_pow::{
        PowParameters, Retarget, Seal, Target,
        retarget::{PERIOD_BLOCKS, check_period_times, next_bits},
    },
    data::{BlockId, Hash, Header, Height, Timestamp},
};
use health_chain_testkit::sim::Random;

use super::output::{Curve, Plot, Style, progress, write};

const INTERVAL_SECONDS: u32 = 600;
const HALF_LIFE_SECONDS: u32 = 2 * 24 * 60 * 60;
const DAY_SECONDS: f64 = 86_400.0;
/// Before anything happens: one whole period of Bitcoin's rule, on time.
const QUIET_DAYS: f64 = 14.0;
/// How far ahead of its clock a node takes a header (`max_future_seconds`).
const MAX_FUTURE_SECONDS: u32 = 7_200;
/// The target of day 0.
const START_BITS: u32 = 0x1b00_ffff;
/// The easiest target: 32 times that of day 0. The time warp gets there.
const LIMIT_BITS: u32 = 0x1b1f_ffe0;
/// The interval counts as recovered within this share of what is planned.
const TOLERANCE: f64 = 0.15;
/// Days over which intervals are averaged, all runs together.
const BIN_DAYS: f64 = 0.5;

const RULES: [(&str, Retarget); 3] = [
    ("Asert", Retarget::Asert { half_life_seconds: HALF_LIFE_SECONDS }),
    ("Bitcoin2016", Retarget::Bitcoin2016 { bip54: false }),
    ("Bitcoin2016 with BIP54", Retarget::Bitcoin2016 { bip54: true }),
];

/// What happens from day 0 on.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    /// The hash power changes by this factor, for good.
    Step(f64),
    /// Miners with twice the power of all others come where the difficulty is below what it was on day 0, and leave where it is
    /// 15 % above.
    Hoppers,
    /// A miner with 30 % of the power dates its blocks as early as the rules allow.
    EarlyDates,
    /// The same, as late as nodes take them.
    LateDates,
    /// All miners date blocks early, and the last of each period of 2016 late: the time warp.
    Warp,
}

struct Scenario {
    name: &'static str,
    event: Event,
    days: f64,
}

const SCENARIOS: [Scenario; 7] = [
    Scenario { name: "power x 2", event: Event::Step(2.0), days: 60.0 },
    Scenario { name: "power x 10", event: Event::Step(10.0), days: 60.0 },
    Scenario { name: "power / 10", event: Event::Step(0.1), days: 240.0 },
    Scenario { name: "hoppers", event: Event::Hoppers, days: 120.0 },
    Scenario { name: "early dates by 30 %", event: Event::EarlyDates, days: 60.0 },
    Scenario { name: "late dates by 30 %", event: Event::LateDates, days: 60.0 },
    Scenario { name: "time warp by all", event: Event::Warp, days: 60.0 },
];

/// What a scenario came to under a rule.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Summary {
    /// Mean intervals of half a day, over the planned one: the shortest and the longest.
    shortest: f64,
    longest: f64,
    /// Days until the interval stays within [`TOLERANCE`], if it does.
    recovered: Option<f64>,
    /// The mean interval of the last quarter, over the planned one.
    last: f64,
}

pub(crate) fn run(folder: &Path, seed: u64, runs: u32) -> Result<(), Box<dyn Error>> {
    let bar = progress(SCENARIOS.len() as u64 * RULES.len() as u64 * u64::from(runs));
    let mut csv = String::from("scenario,rule,day,interval_seconds\n");
    let mut table = String::from("scenario,rule,runs,shortest,longest,recovered_days,last_quarter\n");
    let mut plots = Vec::new();
    for scenario in &SCENARIOS {
        let mut curves = Vec::new();
        for (colour, (rule, retarget)) in RULES.into_iter().enumerate() {
            bar.set_message(format!("{}, {rule}", scenario.name));
            let mut bins = vec![Bin::default(); ((QUIET_DAYS + scenario.days) / BIN_DAYS) as usize];
            for number in 0..runs {
                let mut random = Random::new(seed ^ (u64::from(number) << 32));
                Run::new(retarget).mine(scenario, &mut bins, &mut random)?;
                bar.inc(1);
            }
            let points: Vec<(f64, f64)> =
                bins.iter().enumerate().map(|(at, bin)| (day_of(at), bin.interval())).collect();
            for (day, interval) in &points {
                writeln!(csv, "{},{rule},{day:.1},{interval:.1}", scenario.name)?;
            }
            let ratios: Vec<(f64, f64)> =
                points.iter().map(|(day, interval)| (*day, interval / f64::from(INTERVAL_SECONDS))).collect();
            let Summary { shortest, longest, recovered, last } = summary(&ratios);
            let recovered = recovered.map_or_else(|| "never".to_owned(), |days| format!("{days:.0}"));
            writeln!(table, "{},{rule},{runs},{shortest:.2},{longest:.2},{recovered},{last:.2}", scenario.name)?;
            curves.push(Curve { name: rule.to_owned(), points: ratios, style: Style::Line, colour });
        }
        let up = match scenario.event {
            Event::Step(_) | Event::Warp => 0.02..50.0,
            _ => 0.2..5.0,
        };
        plots.push(Plot {
            title: scenario.name,
            labels: ["days", "mean interval over planned"],
            across: -QUIET_DAYS..scenario.days,
            up,
            is_logarithmic: true,
            curves,
        });
    }
    bar.finish_and_clear();
    fs::write(folder.join("retarget.csv"), csv)?;
    fs::write(folder.join("retarget-summary.csv"), &table)?;
    write(&folder.join("retarget.svg"), 2, &plots)?;
    print!("{table}");
    Ok(())
}

fn day_of(bin: usize) -> f64 {
    bin as f64 * BIN_DAYS - QUIET_DAYS
}

/// Of the days from 0 on, each with its mean interval over the planned one.
fn summary(days: &[(f64, f64)]) -> Summary {
    let after: Vec<(f64, f64)> = days.iter().copied().filter(|(day, _)| *day >= 0.0).collect();
    let shortest = after.iter().map(|(_, ratio)| *ratio).fold(f64::INFINITY, f64::min);
    let longest = after.iter().map(|(_, ratio)| *ratio).fold(0.0, f64::max);
    let is_off = |(_, ratio): &(f64, f64)| (ratio - 1.0).abs() > TOLERANCE;
    let recovered = match after.iter().rposition(is_off) {
        None => Some(0.0),
        Some(last) => after.get(last + 1).map(|(day, _)| *day),
    };
    let quarter = &after[after.len() - (after.len() / 4).max(1)..];
    let last = quarter.iter().map(|(_, ratio)| ratio).sum::<f64>() / quarter.len() as f64;
    Summary { shortest, longest, recovered, last }
}

/// Half a day of all runs.
#[derive(Debug, Clone, Copy, Default)]
struct Bin {
    seconds: f64,
    blocks: f64,
}

impl Bin {
    fn interval(&self) -> f64 {
        // Where no block came, it would have taken longer than the whole time.
        self.seconds / self.blocks.max(1.0)
    }
}

/// A chain of headers. What is real: times, targets and the rules on both. What is simulated: that somebody found them.
struct Run {
    headers: Vec<Header>,
    parameters: PowParameters,
    limit: Target,
    /// Real time, in seconds since genesis.
    now: f64,
    are_hoppers_here: bool,
}

impl Ancestry for Run {
    fn height(&self) -> Height {
        Height(self.headers.len() as u32 - 1)
    }

    fn header(&self, height: Height) -> Option<Header> {
        self.headers.get(height.0 as usize).cloned()
    }
}

impl Run {
    fn new(retarget: Retarget) -> Self {
        let parameters = PowParameters { interval_seconds: INTERVAL_SECONDS, retarget, limit_bits: LIMIT_BITS };
        let genesis = header(Timestamp(START_SECONDS), START_BITS);
        let limit = Target::from_compact(LIMIT_BITS).expect("a constant in compact form");
        Self { headers: vec![genesis], parameters, limit, now: 0.0, are_hoppers_here: false }
    }

    /// Mines until the scenario is over; the blocks of each day are added to its bin.
    fn mine(&mut self, scenario: &Scenario, bins: &mut [Bin], random: &mut Random) -> Result<(), Box<dyn Error>> {
        let (begins, ends) = (QUIET_DAYS * DAY_SECONDS, (QUIET_DAYS + scenario.days) * DAY_SECONDS);
        while self.now < ends {
            let bits = next_bits(self, &self.parameters, self.limit)?;
            let difficulty = share(START_BITS)? / share(bits)?;
            let found = self.find(scenario.event, difficulty, begins, random);
            let is_cheat = random.fraction() <= 0.3;
            add(bins, self.now, found.min(ends));
            self.now = found;
            let event = (self.now >= begins).then_some(scenario.event);
            let time = self.date(event, is_cheat);
            let header = header(time, bits);
            if time <= median_time_past(self) {
                return Err("a header's time must be later than the median of the eleven before".into());
            }
            if self.parameters.retarget == (Retarget::Bitcoin2016 { bip54: true }) {
                check_period_times(&header, self)?;
            }
            self.headers.push(header);
            let bin = (self.now / DAY_SECONDS / BIN_DAYS) as usize;
            if let Some(bin) = bins.get_mut(bin) {
                bin.blocks += 1.0;
            }
        }
        Ok(())
    }

    /// When the next block is found, where one of `difficulty` takes the power of day 0 an interval per unit.
    fn find(&mut self, event: Event, difficulty: f64, begins: f64, random: &mut Random) -> f64 {
        let mut work = random.exponential(f64::from(INTERVAL_SECONDS) * difficulty);
        if self.now < begins {
            if self.now + work <= begins {
                return self.now + work;
            }
            work -= begins - self.now;
            return begins + work / self.power(event, difficulty);
        }
        self.now + work / self.power(event, difficulty)
    }

    fn power(&mut self, event: Event, difficulty: f64) -> f64 {
        match event {
            Event::Step(factor) => factor,
            Event::Hoppers => {
                self.are_hoppers_here = difficulty < if self.are_hoppers_here { 1.15 } else { 1.0 };
                if self.are_hoppers_here { 3.0 } else { 1.0 }
            }
            Event::EarlyDates | Event::LateDates | Event::Warp => 1.0,
        }
    }

    /// The time in the next header.
    fn date(&self, event: Option<Event>, is_cheat: bool) -> Timestamp {
        let earliest = Timestamp(median_time_past(self).0 + 1);
        let honest = Timestamp(START_SECONDS + self.now as u32).max(earliest);
        let latest = Timestamp(honest.0 + MAX_FUTURE_SECONDS);
        let wanted = match event {
            Some(Event::EarlyDates) if is_cheat => earliest,
            Some(Event::LateDates) if is_cheat => latest,
            Some(Event::Warp) if self.headers.len() as u32 % PERIOD_BLOCKS == PERIOD_BLOCKS - 1 => latest,
            Some(Event::Warp) => earliest,
            _ => honest,
        };
        self.held(wanted)
    }

    /// As close to `wanted` as BIP54 allows, where it is in force.
    fn held(&self, wanted: Timestamp) -> Timestamp {
        if self.parameters.retarget != (Retarget::Bitcoin2016 { bip54: true }) {
            return wanted;
        }
        let height = self.headers.len() as u32;
        match height % PERIOD_BLOCKS {
            0 => wanted.max(Timestamp(self.parent().time.0 - MAX_FUTURE_SECONDS)),
            place if place == PERIOD_BLOCKS - 1 => wanted.max(self.headers[(height - place) as usize].time),
            _ => wanted,
        }
    }
}

const START_SECONDS: u32 = 1_800_000_000;

fn header(time: Timestamp, bits: u32) -> Header {
    Header { version: 1, parent: BlockId::default(), root: Hash::ZERO, time, seal: Seal { bits, nonce: 0 }.to_bytes() }
}

/// The share of all hashes that meet a target.
fn share(bits: u32) -> Result<f64, Box<dyn Error>> {
    let bytes = Target::from_compact(bits)?.to_le_bytes();
    Ok(bytes.iter().fold(0.0, |share, byte| (share + f64::from(*byte)) / 256.0))
}

/// Adds the time between two blocks to the days on which it passed.
fn add(bins: &mut [Bin], from: f64, to: f64) {
    let width = BIN_DAYS * DAY_SECONDS;
    let mut at = from;
    while at < to {
        let bin = (at / width) as usize;
        let end = ((bin + 1) as f64 * width).min(to);
        let Some(found) = bins.get_mut(bin) else { return };
        found.seconds += end - at;
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mined(event: Event, retarget: Retarget, days: f64, runs: u64) -> Vec<(f64, f64)> {
        let mut bins = vec![Bin::default(); ((QUIET_DAYS + days) / BIN_DAYS) as usize];
        for seed in 0..runs {
            let scenario = Scenario { name: "a test", event, days };
            Run::new(retarget).mine(&scenario, &mut bins, &mut Random::new(seed)).unwrap();
        }
        bins.iter().enumerate().map(|(at, bin)| (day_of(at), bin.interval() / 600.0)).collect()
    }

    #[test]
    fn steady_power_keeps_the_interval() {
        for (_, retarget) in RULES {
            let Summary { shortest, longest, last, .. } = summary(&mined(Event::Step(1.0), retarget, 30.0, 16));
            assert!(shortest > 0.8 && longest < 1.2, "{retarget:?}: {shortest} to {longest}");
            assert!((last - 1.0).abs() < 0.05, "{retarget:?}: {last}");
        }
    }

    #[test]
    fn ten_times_the_power_is_taken_in_by_both_rules() {
        for (_, retarget) in RULES {
            let found = summary(&mined(Event::Step(10.0), retarget, 40.0, 8));
            assert!(found.shortest < 0.4, "{retarget:?}: blocks come faster at first");
            assert!((found.last - 1.0).abs() < 0.15, "{retarget:?}: and not for ever: {found:?}");
        }
    }

    #[test]
    fn the_time_warp_works_against_bitcoins_rule_and_is_closed_by_bip54() {
        let last = |retarget| summary(&mined(Event::Warp, retarget, 60.0, 1)).last;
        assert!(last(Retarget::Bitcoin2016 { bip54: false }) < 0.5);
        assert!(last(Retarget::Bitcoin2016 { bip54: true }) > 0.85);
        assert!(last(Retarget::Asert { half_life_seconds: HALF_LIFE_SECONDS }) > 0.85);
    }
}
