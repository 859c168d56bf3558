//! `X-Timestamp` of every kind: what becomes of the presentation times, the capture times and the figures.

mod common;

use common::{
    jpeg,
    script_server::{Script, ScriptServer, Step, head, send},
    source::Source,
};
use gst::{ClockTime, prelude::*};

/// A source with a clock that stands still until the test moves it.
fn with_clock(server: &ScriptServer) -> (Source, gst_check::TestClock) {
    let source = Source::new(&server.url()).lossless();
    let clock = gst_check::TestClock::with_start_time(ClockTime::from_seconds(3600));
    source.pipeline.use_clock(Some(&clock));
    (source, clock)
}

/// A picture for each of these stamps, each when the test allows it.
fn stamped(stamps: &[&str]) -> Script {
    let part = |(index, stamp): (usize, &&str)| {
        let head = format!("--frame\r\nContent-Type: image/jpeg\r\nX-Timestamp: {stamp}\r\n\r\n");
        [Step::Wait, send([head.as_bytes(), &jpeg::picture(index), b"\r\n"].concat())]
    };
    [head()].into_iter().chain(stamps.iter().enumerate().flat_map(part)).collect()
}

/// The presentation times in milliseconds of pictures with these stamps, of which each arrives that long after the one
/// before.
#[track_caller]
fn times(mode: &str, pictures: &[(u64, &str)]) -> Vec<u64> {
    let stamps: Vec<_> = pictures.iter().map(|(_, stamp)| *stamp).collect();
    let server = ScriptServer::play([stamped(&stamps)]);
    let (source, clock) = with_clock(&server);
    source.element.set_property_from_str("timestamp-mode", mode);
    let source = source.play();
    let arrivals = pictures.iter().map(|(after, _)| {
        clock.set_time(clock.time() + ClockTime::from_mseconds(*after));
        server.allow();
        let sample = source.sample();
        sample.buffer().and_then(gst::BufferRef::pts).expect("every picture has a time").mseconds()
    });
    arrivals.collect()
}

fn last_timestamp(source: &Source) -> String {
    source.element.property::<gst::Structure>("stats").get("last-timestamp").expect("a text")
}

#[test]
fn server_times_take_out_what_the_network_adds() {
    // A picture every 100 ms by the server's uptime; the network holds some of them back.
    let pictures = [(1000, "7.0"), (130, "7.1"), (70, "7.2"), (190, "7.3"), (10, "7.4"), (100, "7.5")];
    assert_eq!(times("arrival", &pictures), [1000, 1130, 1200, 1390, 1400, 1500]);
    assert_eq!(times("server", &pictures), [1000, 1100, 1200, 1300, 1400, 1500]);
}

#[test]
fn server_times_may_be_of_any_beginning() {
    for stamps in [["1700000000.0", "1700000000.2"], ["0", "0.2"], ["295528.300000", "295528.500000"]] {
        assert_eq!(times("server", &[(5, stamps[0]), (250, stamps[1])]), [5, 205], "{stamps:?}");
    }
}

/// Seen from outside: arrival times, as the distance of two such stamps was taken for seconds.
#[test]
fn server_times_may_be_unix_time_in_milliseconds() {
    assert_eq!(times("server", &[(5, "1700000000000"), (250, "1700000000200")]), [5, 205]);
}

#[test]
fn server_times_are_never_later_than_the_arrival() {
    let pictures = [(1000, "7.0"), (100, "8.5"), (100, "8.6")];
    let times = times("server", &pictures);
    let arrivals = [1000, 1100, 1200];
    assert!(times.iter().zip(arrivals).all(|(time, arrival)| *time <= arrival), "{times:?}");
}

#[test]
fn server_that_begins_anew_is_followed() {
    assert_eq!(times("server", &[(1000, "500.0"), (100, "0.1"), (150, "0.2")]), [1000, 1100, 1200]);
}

#[test]
fn stamps_that_are_no_times_leave_the_arrival() {
    let pictures = [(10, "soon"), (20, ""), (30, "-5"), (40, "1e400"), (50, "99999999999999999999999"), (60, "nan")];
    assert_eq!(times("server", &pictures), [10, 30, 60, 100, 150, 210]);
}

#[test]
fn uptimes_are_in_the_figures_only() {
    let server = ScriptServer::play([stamped(&["295528.3"])]);
    let (source, _clock) = with_clock(&server);
    let source = source.play();
    server.allow();
    let sample = source.sample();
    let buffer = sample.buffer().expect("samples have buffers");
    assert!(buffer.meta::<gst::ReferenceTimestampMeta>().is_none(), "an uptime is no time of capture");
    assert_eq!(last_timestamp(&source), "295528.3");
    let stats: gst::Structure = source.element.property("stats");
    assert!(stats.get::<Option<ClockTime>>("age").is_ok_and(|age| age.is_none()), "{stats}");
}

/// Seen from outside: pictures that ustreamer gave one by one had no time of capture.
#[test]
fn single_pictures_have_their_times_in_the_head_of_the_answer() {
    let picture = jpeg::picture(0);
    for length in [format!("Content-Length: {}\r\n", picture.len()), String::new()] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n{length}X-Timestamp: 1700000000.5\r\n\r\n");
        let server = ScriptServer::play([vec![send([head.as_bytes(), &picture].concat())]]);
        let (source, _clock) = with_clock(&server);
        let source = source.play();
        let sample = source.sample();
        let meta = sample.buffer().and_then(|buffer| buffer.meta::<gst::ReferenceTimestampMeta>());
        assert_eq!(meta.map(|meta| meta.timestamp().mseconds()), Some(1_700_000_000_500), "{length:?}");
        assert_eq!(last_timestamp(&source), "1700000000.5");
    }
}

#[test]
fn unix_times_tell_the_age() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let before = now - std::time::Duration::from_secs(5);
    for stamp in [format!("{}.{:06}", before.as_secs(), before.subsec_micros()), before.as_millis().to_string()] {
        let server = ScriptServer::play([stamped(&[&stamp])]);
        let (source, _clock) = with_clock(&server);
        let source = source.play();
        server.allow();
        source.sample();
        let age: ClockTime = source.element.property::<gst::Structure>("stats").get("age").expect("an age");
        assert!((4..30).contains(&age.seconds()), "{stamp}: {age}");
        assert_eq!(last_timestamp(&source), stamp);
    }
}
