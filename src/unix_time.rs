//! Capture times as Unix time: how GStreamer marks them, and how `X-Timestamp` says them.

use std::sync::LazyLock;

/// Caps of a GstReferenceTimestampMeta that holds Unix time.
pub(crate) static CAPS: LazyLock<gst::Caps> = LazyLock::new(|| gst::Caps::new_empty_simple("timestamp/x-unix"));

/// The Unix time that an `X-Timestamp` says: seconds with or without a fraction, or milliseconds. `None` when it is
/// something else: many cameras send their uptime (ESP32, Kasa) or the stream's (ITV).
pub(crate) fn parse(text: &str) -> Option<gst::ClockTime> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let nanoseconds: u64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    match whole {
        SECONDS_FROM..SECONDS_UNTIL => {
            Some(gst::ClockTime::from_seconds(whole) + gst::ClockTime::from_nseconds(nanoseconds))
        }
        MILLISECONDS_FROM..MILLISECONDS_UNTIL => {
            Some(gst::ClockTime::from_mseconds(whole) + gst::ClockTime::from_nseconds(nanoseconds / 1000))
        }
        _ => None,
    }
}

/// From September 2001 to the year 2286: no camera that sends its uptime has run as long.
const SECONDS_FROM: u64 = 1_000_000_000;
const SECONDS_UNTIL: u64 = 10_000_000_000;
const MILLISECONDS_FROM: u64 = SECONDS_FROM * 1000;
const MILLISECONDS_UNTIL: u64 = SECONDS_UNTIL * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_time_is_read_to_the_last_digit() {
        for (text, nanoseconds) in [
            ("1700000000.000042", 1_700_000_000_000_042_000),
            ("1700000000", 1_700_000_000_000_000_000),
            ("1700000000.5", 1_700_000_000_500_000_000),
            ("1700000000.1234567891", 1_700_000_000_123_456_789),
            ("1700000000123", 1_700_000_000_123_000_000),
        ] {
            assert_eq!(parse(text), Some(gst::ClockTime::from_nseconds(nanoseconds)), "{text}");
        }
    }

    #[test]
    fn other_times_are_not_taken_for_unix_time() {
        for text in ["295528.3", "0.152", "", "-1700000000", "1.7e9", "now", "99999999999999999999", ".5"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
