//! What time it is. Deadlines, budgets and the engine's timeouts count on a clock that never goes back; a system's clock may be set back.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use health_chain_data::Millis;
use tracing::warn;

/// The time, in milliseconds since the Unix epoch. It must not go back.
pub type Clock = Arc<dyn Fn() -> Millis + Send + Sync>;

/// How far back the system's clock is set before that is worth a word.
const NOTABLE: Duration = Duration::from_secs(1);

/// The system's clock. While that is behind what was read before, the time goes on at half its speed until they meet: nobody waits for
/// hours for what was due in seconds, and no peer's budget stays empty.
pub(super) fn system_clock() -> Clock {
    let steady = Mutex::new(Steady::begin(since_epoch(), Instant::now()));
    Arc::new(move || {
        let time = steady.lock().expect("nothing panics while it holds the clock").read(since_epoch(), Instant::now());
        Millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    })
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO)
}

/// Makes a clock that never goes back out of one that may.
struct Steady {
    /// What was read last, since the Unix epoch, and when that was.
    last: (Duration, Instant),
    /// The other clock is behind, and that was said.
    is_behind: bool,
}

impl Steady {
    const fn begin(system: Duration, at: Instant) -> Self {
        Self { last: (system, at), is_behind: false }
    }

    /// The time, where the system's clock says `system` at the moment `at`.
    fn read(&mut self, system: Duration, at: Instant) -> Duration {
        let (time, since) = self.last;
        let time = system.max(time + at.saturating_duration_since(since) / 2);
        self.last = (time, at);
        let behind = time - system;
        if behind >= NOTABLE && !self.is_behind {
            let seconds = behind.as_secs();
            warn!(seconds, "the system's clock was set back: this node's goes at half its speed until they meet");
        }
        self.is_behind = !behind.is_zero() && (self.is_behind || behind >= NOTABLE);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_clock_that_was_set_back_is_met_again_and_time_goes_on_meanwhile() {
        let (begin, start) = (Instant::now(), 500_000 * HOUR);
        let mut steady = Steady::begin(start, begin);
        assert_eq!(steady.read(start + HOUR, begin + HOUR), start + HOUR, "a clock that goes right is followed");
        let set_back = |passed| steady.read(start + passed, begin + HOUR + passed);
        let steps = [HOUR / 2, HOUR, HOUR * 3 / 2, HOUR * 2, HOUR * 3].map(set_back);
        let expected = [HOUR * 5 / 4, HOUR * 3 / 2, HOUR * 7 / 4, HOUR * 2, HOUR * 3];
        assert_eq!(steps, expected.map(|passed| start + passed));
        assert!(!steady.is_behind);
    }

    #[test]
    fn a_clock_that_was_set_forward_is_followed() {
        let (begin, start) = (Instant::now(), 500_000 * HOUR);
        let mut steady = Steady::begin(start, begin);
        assert_eq!(steady.read(start + 9 * HOUR, begin), start + 9 * HOUR);
    }

    #[test]
    fn readings_in_quick_succession_lose_nothing() {
        let (begin, start) = (Instant::now(), 500_000 * HOUR);
        let mut steady = Steady::begin(start, begin);
        let mut time = Duration::ZERO;
        for micros in 1..=100_000 {
            let later = steady.read(start - HOUR, begin + Duration::from_micros(micros));
            assert!(later >= time);
            time = later;
        }
        assert_eq!(time, start + Duration::from_millis(50));
    }
}
