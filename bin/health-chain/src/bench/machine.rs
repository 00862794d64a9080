//! What figures were measured on: without it they say nothing.

use std::{env::consts, fs, num::NonZeroUsize, thread::available_parallelism};

use serde::Serialize;

/// The program that measures.
#[derive(Debug, Serialize)]
pub(crate) struct Program {
    pub(crate) version: &'static str,
    /// As it names itself, where it did.
    pub(crate) compiler: Option<&'static str>,
    /// Whether this is a build that is checked as it runs, whose figures are of no use.
    pub(crate) is_debug: bool,
}

impl Program {
    pub(crate) const THIS: Self = Self {
        version: env!("CARGO_PKG_VERSION"),
        compiler: option_env!("HEALTH_CHAIN_COMPILER"),
        is_debug: cfg!(debug_assertions),
    };
}

/// The machine that is measured; what the system does not tell is left out.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Machine {
    pub(crate) system: &'static str,
    pub(crate) architecture: &'static str,
    /// Threads that run at the same time.
    pub(crate) threads: usize,
    pub(crate) processor: Option<String>,
    /// Family and model, by which processors of one name are told apart.
    pub(crate) family: Option<u32>,
    pub(crate) model: Option<u32>,
    /// As the system gives it at this moment; under a hypervisor often not the true one.
    pub(crate) megahertz: Option<f64>,
    pub(crate) flags: Vec<String>,
}

impl Machine {
    /// The one that this runs on.
    pub(crate) fn this() -> Self {
        let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            system: consts::OS,
            architecture: consts::ARCH,
            threads: available_parallelism().map_or(1, NonZeroUsize::get),
            ..Self::told(&told)
        }
    }

    /// What /proc/cpuinfo tells of the first processor.
    fn told(text: &str) -> Self {
        let value = |wanted: &str| {
            let pairs = text.lines().filter_map(|line| line.split_once(':'));
            pairs.map(|(name, value)| (name.trim(), value.trim())).find(|(name, _)| *name == wanted).map(|pair| pair.1)
        };
        Self {
            processor: value("model name").map(String::from),
            family: value("cpu family").and_then(|number| number.parse().ok()),
            model: value("model").and_then(|number| number.parse().ok()),
            megahertz: value("cpu MHz").and_then(|number| number.parse().ok()),
            // As x86 and as Arm call them.
            flags: value("flags")
                .or_else(|| value("Features"))
                .unwrap_or_default()
                .split_whitespace()
                .map(String::from)
                .collect(),
            ..Self::default()
        }
    }
}

/// How many processes ran or waited to run, on average over one, five and fifteen minutes.
pub(crate) fn load() -> Option<[f64; 3]> {
    read_load(&fs::read_to_string("/proc/loadavg").ok()?)
}

fn read_load(text: &str) -> Option<[f64; 3]> {
    let mut numbers = text.split_whitespace().map_while(|number| number.parse().ok());
    Some([numbers.next()?, numbers.next()?, numbers.next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_tells_is_read_and_nothing_else_made_up() {
        let text = "processor\t: 0\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: A: processor\ncpu MHz\t\t: 2599.998\n\
                    flags\t\t: avx2 sha_ni\n\nprocessor\t: 1\nmodel name\t: another\n";
        let machine = Machine::told(text);
        assert_eq!(machine.processor.as_deref(), Some("A: processor"));
        assert_eq!((machine.family, machine.model, machine.megahertz), (Some(26), Some(2), Some(2599.998)));
        assert_eq!(machine.flags, ["avx2", "sha_ni"]);
        assert_eq!(Machine::told("Features\t: sha1 sha2\n").flags, ["sha1", "sha2"]);
        let nothing = Machine::told("");
        assert!(nothing.processor.is_none() && nothing.megahertz.is_none() && nothing.flags.is_empty());

        assert_eq!(read_load("3.27 2.90 1.50 3/412 90210\n"), Some([3.27, 2.9, 1.5]));
        assert_eq!(read_load("3.27 2.90"), None);
        assert_eq!(read_load(""), None);
    }
}
