//! How long to wait before the next try.

use std::time::Duration;

/// Exponential back-off with jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub min: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl Backoff {
    /// The wait after this many failures before this one. `random` from 0 to 1 takes off up to half of it, so that
    /// many clients of one server do not come back together.
    pub fn delay(&self, failures: u32, random: f64) -> Duration {
        let doubled = self.min.saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX));
        doubled.min(self.max.max(self.min)).mul_f64(1.0 - random.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { min: Duration::from_millis(250), max: Duration::from_secs(2) };

    #[test]
    fn each_failure_doubles_the_wait_up_to_the_longest() {
        let delays: Vec<_> = (0..5).map(|failures| BACKOFF.delay(failures, 0.0).as_millis()).collect();
        assert_eq!(delays, [250, 500, 1000, 2000, 2000]);
        assert_eq!(BACKOFF.delay(u32::MAX, 0.0), BACKOFF.max);
    }

    #[test]
    fn jitter_takes_off_half_at_most() {
        assert_eq!(BACKOFF.delay(1, 1.0), Duration::from_millis(250));
        assert_eq!(BACKOFF.delay(1, 0.5), Duration::from_millis(375));
    }
}
