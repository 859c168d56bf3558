//! Capture times as Unix time: how GStreamer marks them, and how `X-Timestamp` says them.

use std::sync::LazyLock;

/// Caps of a GstReferenceTimestampMeta that holds Unix time.
pub(crate) static CAPS: LazyLock<gst::Caps> = LazyLock::new(|| gst::Caps::new_empty_simple("timestamp/x-unix"));

/// The Unix time that an `X-Timestamp` says: seconds with or without a fraction, or milliseconds. `None` when it is
/// something else: many cameras send their uptime (ESP32, Kasa) or the stream's (ITV).
pub(crate) fn parse(text: &str) -> Option<gst::ClockTime> {
    let time = decimal(text)?;
    let time = match time / NANOSECONDS {
        SECONDS_FROM..SECONDS_UNTIL => time,
        MILLISECONDS_FROM..MILLISECONDS_UNTIL => time / 1000,
        _ => return None,
    };
    u64::try_from(time).ok().map(gst::ClockTime::from_nseconds)
}

/// A decimal number of units as thousand-millionths of them: seconds as nanoseconds.
pub(crate) fn decimal(text: &str) -> Option<u128> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > MAX_DIGITS || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: u128 = whole.parse().ok()?;
    let fraction: u128 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(whole * NANOSECONDS + fraction)
}

/// Nanoseconds in a second.
const NANOSECONDS: u128 = 1_000_000_000;

/// Digits before the point of any number of use here; keeps the arithmetic in range.
const MAX_DIGITS: usize = 18;

/// From September 2001 to the year 2286: no camera that sends its uptime has run as long.
const SECONDS_FROM: u128 = 1_000_000_000;
const SECONDS_UNTIL: u128 = 10_000_000_000;
const MILLISECONDS_FROM: u128 = SECONDS_FROM * 1000;
const MILLISECONDS_UNTIL: u128 = SECONDS_UNTIL * 1000;

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
