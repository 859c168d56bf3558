//! The presentation time of each picture.

use super::TimestampMode;
use crate::unix_time;

/// Gives each picture its time: later than the picture before, unless a flush has set the running time back, and else
/// never later than its arrival.
#[derive(Debug, Default)]
pub(super) struct Timing {
    mode: TimestampMode,
    last: Option<gst::ClockTime>,
    /// When the last picture went out.
    now: gst::ClockTime,
    /// Running time less the server's time, for the picture that came with the least delay; in nanoseconds.
    offset: Option<i64>,
    /// The server's time for the last picture, in nanoseconds.
    stamp: Option<i64>,
}

impl Timing {
    pub(super) fn new(mode: TimestampMode) -> Self {
        Self { mode, ..Self::default() }
    }

    /// The time of a picture whose first byte arrived at this running time, with this `X-Timestamp`, and which goes
    /// out now.
    pub(super) fn pts(
        &mut self,
        arrived: gst::ClockTime,
        now: gst::ClockTime,
        timestamp: Option<&str>,
    ) -> gst::ClockTime {
        let pts = match self.mode {
            TimestampMode::Arrival => None,
            TimestampMode::Server => timestamp.and_then(|text| self.server_time(arrived, text)),
        };
        let pts = pts.unwrap_or(arrived).min(arrived);
        let back = now < std::mem::replace(&mut self.now, now);
        // Parsers take a time that comes twice for none, and muxers want one with each picture.
        let pts = self.last.filter(|_| !back).map_or(pts, |last| pts.max(last + gst::ClockTime::NSECOND));
        self.last = Some(pts);
        pts
    }

    fn server_time(&mut self, arrived: gst::ClockTime, timestamp: &str) -> Option<gst::ClockTime> {
        // Unix time may be in milliseconds; anything else is in seconds.
        let unix = unix_time::parse(timestamp).map(|time| u128::from(time.nseconds()));
        let stamp = i64::try_from(unix.or_else(|| unix_time::decimal(timestamp))?).ok()?;
        // A clock that stands still, or ticks once a second, says nothing of the pictures in between.
        if self.stamp.replace(stamp) == Some(stamp) {
            return None;
        }
        let latest = i64::try_from(arrived.nseconds()).ok()?.checked_sub(stamp)?;
        let offset = match self.offset {
            Some(offset) if latest.abs_diff(offset) < MAX_DELAY => {
                // The least delay is the network's own; rising slowly follows a server whose clock runs slow.
                if latest < offset { latest } else { offset + (latest - offset) / FOLLOW }
            }
            // The first picture, or the server's clock was set, or began again.
            _ => latest,
        };
        self.offset = Some(offset);
        u64::try_from(stamp.checked_add(offset)?).ok().map(gst::ClockTime::from_nseconds)
    }
}

/// Delay beyond which the server's time counts as set anew, in nanoseconds. Chosen: no picture of use is later.
const MAX_DELAY: u64 = 2_000_000_000;

/// Part of a longer delay by which the offset follows. Chosen: at 30 pictures a second it follows a lasting change
/// within half a minute and smooths what one picture does.
const FOLLOW: i64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const NSECOND: gst::ClockTime = gst::ClockTime::NSECOND;

    const fn ms(milliseconds: u64) -> gst::ClockTime {
        gst::ClockTime::from_mseconds(milliseconds)
    }

    #[test]
    fn arrival_is_the_time_and_never_goes_back() {
        let mut timing = Timing::new(TimestampMode::Arrival);
        let times = [ms(10), ms(40), ms(30)].map(|arrived| timing.pts(arrived, ms(50), Some("5.0")));
        assert_eq!(times, [ms(10), ms(40), ms(40) + NSECOND]);
    }

    /// Seen from outside: "Buffer has no PTS" of mp4mux, as soon as a read held two pictures.
    #[test]
    fn no_two_pictures_have_the_same_time() {
        for mode in [TimestampMode::Arrival, TimestampMode::Server] {
            let mut timing = Timing::new(mode);
            let times = [0, 0, 0, 1].map(|now| timing.pts(ms(now), ms(now), Some("7.0")));
            assert_eq!(times[..3], [ms(0), NSECOND, NSECOND * 2], "{mode:?}");
            assert!(times[3] > times[2], "{mode:?}");
        }
    }

    #[test]
    fn a_flush_that_sets_the_time_back_is_followed() {
        let mut timing = Timing::new(TimestampMode::Arrival);
        timing.pts(ms(5000), ms(5001), None);
        assert_eq!(timing.pts(ms(19), ms(20), None), ms(19));
        assert_eq!(timing.pts(ms(39), ms(40), None), ms(39));
    }

    #[test]
    fn the_distances_between_the_servers_stamps_are_kept_whatever_the_network_does() {
        let mut timing = Timing::new(TimestampMode::Server);
        // One picture every 100 ms, the third 60 ms late.
        let times = [(1000, "7.0"), (1100, "7.1"), (1260, "7.2"), (1300, "7.3")]
            .map(|(arrived, stamp)| timing.pts(ms(arrived), ms(arrived), Some(stamp)).mseconds());
        assert_eq!(times, [1000, 1100, 1200, 1300]);
    }

    #[test]
    fn a_server_whose_clock_was_set_is_followed() {
        let mut timing = Timing::new(TimestampMode::Server);
        let times = [(1000, "7000"), (1100, "0.1"), (1200, "0.2")]
            .map(|(arrived, stamp)| timing.pts(ms(arrived), ms(arrived), Some(stamp)));
        assert_eq!(times, [ms(1000), ms(1100), ms(1200)]);
    }

    #[test]
    fn stamps_as_far_apart_as_can_be_are_taken_for_a_clock_that_was_set() {
        let mut timing = Timing::new(TimestampMode::Server);
        let times = [(1000, "9223372036.854775807"), (1300, "0"), (1400, "9223372036.854775807")]
            .map(|(arrived, stamp)| timing.pts(ms(arrived), ms(arrived), Some(stamp)));
        assert_eq!(times, [ms(1000), ms(1300), ms(1400)]);
    }

    /// Seen from outside: times two seconds behind, so that a sink dropped nearly all of the pictures.
    #[test]
    fn stamps_that_stand_still_make_no_picture_late() {
        for tick in [1000, u64::MAX] {
            let mut timing = Timing::new(TimestampMode::Server);
            for arrived in (0..5000).step_by(50) {
                let stamp = (arrived / tick).to_string();
                let pts = timing.pts(ms(arrived), ms(arrived), Some(&stamp));
                assert!(ms(arrived) - pts <= ms(100), "{arrived} ms: {pts}");
            }
        }
    }

    #[test]
    fn without_a_stamp_arrival_counts() {
        let mut timing = Timing::new(TimestampMode::Server);
        assert_eq!(timing.pts(ms(10), ms(10), None), ms(10));
        assert_eq!(timing.pts(ms(20), ms(20), Some("soon")), ms(20));
    }
}
