//! When pictures leave. The clock stands still unless a test moves it, so no test measures time.

use std::time::Duration;

use common::{
    http::{Viewer, timestamp, unix_time},
    pipeline::{Camera, DEADLINE, init, pictures, port_of, stat, wait_until},
};
use gst::{ClockTime, prelude::*};
use gst_check::TestClock;

mod common;

/// By the clock of this pipeline, which asks for two seconds of latency, no picture's time ever comes.
#[test]
fn live_pictures_leave_on_arrival_whatever_the_latency() {
    let (camera, _clock) = camera_with_clock(SLOW_LIVE, "");
    let mut viewer = Viewer::open(camera.address());
    for (second, picture) in (0..).zip(pictures()) {
        camera.push_at(ClockTime::from_seconds(second), &picture);
        assert!(viewer.picture() == picture);
    }
}

#[test]
fn live_sync_holds_live_pictures_until_their_time() {
    let (camera, clock) = camera_with_clock(SLOW_LIVE, "live-sync=true");
    let mut viewer = Viewer::open(camera.address());
    let pictures = pictures();
    camera.push_at(ClockTime::ZERO, &pictures[0]);
    camera.push_at(ClockTime::from_seconds(1), &pictures[1]);
    for (picture, seconds) in pictures.iter().zip([2, 3]) {
        assert_eq!(next_wait(&clock), ClockTime::from_seconds(seconds), "its time and the latency");
        clock.crank();
        assert!(viewer.picture() == *picture);
    }
}

#[test]
fn live_sync_can_be_switched_while_playing() {
    let (camera, clock) = camera_with_clock("is-live=true", "");
    let mut viewer = Viewer::open(camera.address());
    let pictures = pictures();
    // The first picture also gets the pipeline ready to play; once the second is here, that is over.
    for picture in &pictures[..2] {
        camera.push_at(ClockTime::from_seconds(5), picture);
        assert!(viewer.picture() == *picture);
    }
    camera.sink.set_property("live-sync", true);
    camera.push_at(ClockTime::from_seconds(6), &pictures[2]);
    next_wait(&clock);
    assert_eq!(camera.served(), 2);
    clock.crank();
    assert!(viewer.picture() == pictures[2]);
}

#[test]
fn pictures_that_are_not_live_leave_at_their_time() {
    let (camera, clock) = camera_with_clock("", "");
    let mut viewer = Viewer::open(camera.address());
    let pictures = pictures();
    for (second, picture) in (0..).zip(&pictures) {
        camera.push_at(ClockTime::from_seconds(second), picture);
    }
    assert!(viewer.picture() == pictures[0], "it is served while the pipeline gets ready to play");
    assert_eq!(next_wait(&clock), ClockTime::ZERO);
    clock.crank();
    for (second, picture) in (1..).zip(&pictures[1..]) {
        assert_eq!(next_wait(&clock), ClockTime::from_seconds(second));
        assert_eq!(camera.served(), second);
        clock.crank();
        assert!(viewer.picture() == *picture);
    }
}

#[test]
fn without_sync_pictures_leave_on_arrival() {
    let (camera, _clock) = camera_with_clock("", "sync=false");
    let mut viewer = Viewer::open(camera.address());
    for (second, picture) in (0..).zip(pictures()) {
        camera.push_at(ClockTime::from_seconds(second), &picture);
        assert!(viewer.picture() == picture);
    }
}

#[test]
fn a_wait_for_a_pictures_time_ends_when_the_pipeline_stops() {
    let (camera, clock) = camera_with_clock("", "");
    camera.push_at(ClockTime::ZERO, &pictures()[0]);
    camera.push_at(ClockTime::from_seconds(1), &pictures()[1]);
    assert_eq!(next_wait(&clock), ClockTime::ZERO);
    clock.crank();
    assert_eq!(next_wait(&clock), ClockTime::from_seconds(1));
    camera.set_state(gst::State::Null);
}

/// BaseSink reckons with 20 ms for each picture, and warned that the pipeline was invalid and needed queues.
#[test]
fn a_live_pipeline_needs_no_queue() {
    init();
    let line = "videotestsrc is-live=true ! jpegenc ! mjpegserversink name=sink port=0";
    let pipeline = gst::parse::launch(line).expect("elements and properties exist");
    let sink = pipeline.downcast_ref::<gst::Bin>().and_then(|bin| bin.by_name("sink")).expect("the sink is there");
    pipeline.set_state(gst::State::Playing).expect("it plays");
    wait_until("pictures", || stat(&sink, "pictures") > 2);
    let warning = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Warning]));
    pipeline.set_state(gst::State::Null).expect("it stops");
    assert!(warning.is_none(), "{warning:?}");
}

/// The clock still counts from before the seek then, and the picture was said to be that old.
#[test]
fn the_picture_of_a_paused_pipeline_is_captured_now_after_a_seek_too() {
    init();
    let line = "videotestsrc ! jpegenc ! mjpegserversink name=sink port=0";
    let pipeline = gst::parse::launch(line).expect("elements and properties exist");
    let pipeline = pipeline.downcast::<gst::Pipeline>().expect("several elements make a pipeline");
    let sink = pipeline.by_name("sink").expect("the sink is there");
    let clock = TestClock::new();
    pipeline.use_clock(Some(&clock));
    pipeline.set_state(gst::State::Playing).expect("it plays");
    let (changed, ..) = pipeline.state(Some(ClockTime::try_from(DEADLINE).expect("ten seconds fit")));
    changed.expect("it has a picture");
    clock.set_time(ClockTime::from_seconds(100));
    pipeline.set_state(gst::State::Paused).expect("it pauses");
    let before = stat(&sink, "pictures");
    pipeline.seek_simple(gst::SeekFlags::FLUSH, ClockTime::ZERO).expect("videotestsrc can seek");
    wait_until("the picture after the seek", || stat(&sink, "pictures") > before);
    let part = Viewer::open(([127, 0, 0, 1], port_of(&sink)).into()).part();
    let captured = timestamp(part.head.field("X-Timestamp"));
    let age = unix_time().saturating_sub(captured);
    assert!(age < Duration::from_secs(50), "{age:?}");
    pipeline.set_state(gst::State::Null).expect("it stops");
}

/// A live source that makes everything after it wait two seconds, as some cameras and mixers do.
const SLOW_LIVE: &str = "is-live=true min-latency=2000000000";

#[track_caller]
fn camera_with_clock(source: &str, sink: &str) -> (Camera, TestClock) {
    let camera = Camera::new(source, sink);
    let clock = TestClock::new();
    camera.pipeline.use_clock(Some(&clock));
    (camera.play(), clock)
}

/// Waits until the sink waits for a time; which one.
#[track_caller]
fn next_wait(clock: &TestClock) -> ClockTime {
    wait_until("the sink to wait", || clock.peek_id_count() == 1);
    clock.next_entry_time().expect("somebody waits")
}
