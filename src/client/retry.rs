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

/// Counts the tries that failed.
#[derive(Debug, Default)]
pub(super) struct Tries {
    /// Since the last picture.
    failures: u32,
    /// Since the stream last played for a while: by these the waits grow.
    steps: u32,
}

impl Tries {
    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// A try gave pictures, and lasted this long.
    pub(super) fn played(&mut self, lasted: Duration) {
        self.failures = 0;
        if lasted >= STEADY {
            self.steps = 0;
        }
    }

    /// A try has failed. Returns the step of the [`Backoff::delay`] before the next one, which grows with each failure
    /// and begins anew only after a stream that lasted.
    pub(super) fn fail(&mut self) -> u32 {
        let steps = self.steps;
        self.failures = self.failures.saturating_add(1);
        self.steps = self.steps.saturating_add(1);
        steps
    }
}

/// Time that a stream has to last for the waits to begin anew. Chosen: a server that gives a picture and closes should
/// not be asked five times a second for ever.
const STEADY: Duration = Duration::from_secs(5);

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
    fn waits_grow_while_the_stream_plays_only_for_moments() {
        let mut tries = Tries::default();
        let steps: Vec<_> = (0..4)
            .map(|_| {
                tries.played(STEADY - Duration::from_nanos(1));
                tries.fail()
            })
            .collect();
        assert_eq!((steps, tries.failures()), (vec![0, 1, 2, 3], 1));
        tries.played(STEADY);
        assert_eq!((tries.fail(), tries.fail(), tries.failures()), (0, 1, 2));
    }

    #[test]
    fn jitter_takes_off_half_at_most() {
        assert_eq!(BACKOFF.delay(1, 1.0), Duration::from_millis(250));
        assert_eq!(BACKOFF.delay(1, 0.5), Duration::from_millis(375));
    }
}
