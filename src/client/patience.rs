//! How long a stream is waited for that sends bytes, but no picture.

use std::time::{Duration, Instant};

use super::ClientError;

/// Counts what came since the last picture.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    since: Instant,
    bytes: u64,
    /// Bytes before they were decompressed: very many may hold nothing.
    coded: u64,
    longest: Option<Duration>,
    most_bytes: u64,
}

impl Patience {
    /// For a stream asked for now: `longest` without a picture, if that is a limit, and `most_bytes` without one.
    pub(super) fn new(longest: Option<Duration>, most_bytes: u64, now: Instant) -> Self {
        Self { since: now, bytes: 0, coded: 0, longest, most_bytes }
    }

    /// A picture came.
    pub(super) fn renew(&mut self, now: Instant) {
        (self.since, self.bytes, self.coded) = (now, 0, 0);
    }

    /// Bytes came.
    pub(super) fn count(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Bytes came that are still to be decoded.
    pub(super) fn count_coded(&mut self, bytes: usize) {
        self.coded += bytes as u64;
    }

    /// Whether it has come to its end.
    pub(super) fn check(&self, now: Instant) -> Result<(), ClientError> {
        let searched = self.bytes.max(self.coded);
        if searched > self.most_bytes {
            return Err(ClientError::NoPicture { searched });
        }
        match self.longest {
            Some(longest) if now.saturating_duration_since(self.since) > longest => {
                Err(ClientError::Barren { after: longest })
            }
            _ => Ok(()),
        }
    }
}

/// Silence after which an answer has ended whose length is over, but not what it seems to hold. Chosen: a stream whose
/// length says nothing may take as long to begin; a picture that was cut short is asked for again that much later.
pub(super) const OVERDUE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(600);

    #[test]
    fn time_without_a_picture_is_limited_and_begins_anew_with_each() {
        let start = Instant::now();
        let mut patience = Patience::new(Some(LIMIT), 1000, start);
        patience.count(10);
        assert_eq!(patience.check(start + LIMIT), Ok(()));
        let late = start + LIMIT + Duration::from_nanos(1);
        assert_eq!(patience.check(late), Err(ClientError::Barren { after: LIMIT }));
        patience.renew(late);
        assert_eq!(patience.check(late + LIMIT), Ok(()));
    }

    #[test]
    fn bytes_without_a_picture_are_limited_and_begin_anew_with_each() {
        let start = Instant::now();
        let mut patience = Patience::new(Some(LIMIT), 1000, start);
        patience.count(1000);
        assert_eq!(patience.check(start), Ok(()));
        patience.count(1);
        assert_eq!(patience.check(start), Err(ClientError::NoPicture { searched: 1001 }));
        patience.renew(start);
        assert_eq!(patience.check(start), Ok(()));
    }

    #[test]
    fn bytes_that_hold_nothing_are_limited_too() {
        let start = Instant::now();
        let mut patience = Patience::new(Some(LIMIT), 1000, start);
        patience.count(1000);
        patience.count_coded(1000);
        assert_eq!(patience.check(start), Ok(()));
        patience.count_coded(1);
        assert_eq!(patience.check(start), Err(ClientError::NoPicture { searched: 1001 }));
        patience.renew(start);
        assert_eq!(patience.check(start), Ok(()));
    }

    #[test]
    fn time_may_have_no_limit() {
        let start = Instant::now();
        assert_eq!(Patience::new(None, 1, start).check(start + LIMIT * 1000), Ok(()));
    }
}
