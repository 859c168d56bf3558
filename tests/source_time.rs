//! Running times and latency, by a clock that stands still until the test moves it.

mod common;

use common::{
    jpeg,
    pipeline::wait_until,
    script_server::{Script, ScriptServer, Step, head, part, send},
    source::{Source, assert_same, bytes},
};
use gst::{ClockTime, prelude::*};

/// A source with a clock, which shows an hour when the source begins to play.
fn with_clock(server: &ScriptServer) -> (Source, gst_check::TestClock) {
    let source = Source::new(&server.url());
    let clock = gst_check::TestClock::with_start_time(ClockTime::from_seconds(3600));
    source.pipeline.use_clock(Some(&clock));
    (source, clock)
}

fn advance(clock: &gst_check::TestClock, milliseconds: u64) {
    clock.set_time(clock.time() + ClockTime::from_mseconds(milliseconds));
}

#[track_caller]
fn pts(source: &Source) -> u64 {
    let sample = source.sample();
    sample.buffer().and_then(gst::BufferRef::pts).expect("every picture has a time").mseconds()
}

/// Whether the source is live and with which latency, in milliseconds.
#[track_caller]
fn latency(source: &Source) -> (bool, u64) {
    let mut query = gst::query::Latency::new();
    assert!(source.element.query(&mut query), "the latency query is answered");
    let (live, min, max) = query.result();
    assert_eq!(max, None, "pictures may wait for ever");
    (live, min.mseconds())
}

/// A picture a step, each after the test has moved the clock.
fn picture_by_picture(count: usize) -> Script {
    let step = |index| [Step::Wait, part(&jpeg::picture(index))];
    [head()].into_iter().chain((0..count).flat_map(step)).collect()
}

/// One write with a whole picture and the half of the next: when the first is out, the second has begun.
fn picture_and_a_half() -> Script {
    let (first, second) = (jpeg::picture(0), jpeg::picture(1));
    let (half, rest) = second.split_at(200);
    let framing = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n".as_slice();
    vec![head(), Step::Wait, send([framing, &first, b"\r\n", framing, half].concat()), Step::Wait, send(rest)]
}

#[test]
fn pictures_carry_the_running_time_of_their_arrival() {
    let server = ScriptServer::play([picture_by_picture(4)]);
    let (source, clock) = with_clock(&server);
    let source = source.play();
    let mut times = Vec::new();
    for step in [5000, 33, 0, 1] {
        advance(&clock, step);
        server.allow();
        times.push(pts(&source));
    }
    assert_eq!(times, [5000, 5033, 5033, 5034]);
}

#[test]
fn the_first_byte_sets_the_time() {
    let server = ScriptServer::play([picture_and_a_half()]);
    let (source, clock) = with_clock(&server);
    let source = source.play();
    advance(&clock, 2000);
    server.allow();
    assert_eq!(pts(&source), 2000);
    advance(&clock, 700);
    server.allow();
    assert_eq!(pts(&source), 2000);
}

#[test]
fn source_is_live_and_needs_no_preroll() {
    let server = ScriptServer::play([vec![head(), part(&jpeg::picture(0))]]);
    let (source, _clock) = with_clock(&server);
    let paused = source.pipeline.set_state(gst::State::Paused);
    assert_eq!(paused, Ok(gst::StateChangeSuccess::NoPreroll));
    assert_eq!(latency(&source), (true, 0));
}

#[test]
fn source_that_is_not_live_prerolls_and_says_so() {
    let server = ScriptServer::play([vec![head(), part(&jpeg::picture(0))]]);
    let source = Source::new(&server.url()).set("is-live", false);
    source.sink.set_async(true);
    source.set_state(gst::State::Paused);
    let (reached, state, _) = source.pipeline.state(ClockTime::from_seconds(10));
    assert_eq!((reached, state), (Ok(gst::StateChangeSuccess::Success), gst::State::Paused));
    assert_eq!(latency(&source), (false, 0));
    let source = source.play();
    assert_eq!(pts(&source), 0);
}

#[test]
fn slow_transfer_raises_the_latency() {
    let server = ScriptServer::play([picture_and_a_half()]);
    let (source, clock) = with_clock(&server);
    let source = source.play();
    server.allow();
    pts(&source);
    assert_eq!(latency(&source), (true, 0), "after a picture that came at once");
    advance(&clock, 45);
    server.allow();
    pts(&source);
    source.message(gst::MessageType::Latency);
    assert_eq!(latency(&source), (true, 50), "after a picture that took 45 ms");
}

#[test]
fn latency_has_a_limit() {
    let server = ScriptServer::play([picture_and_a_half()]);
    let (source, clock) = with_clock(&server);
    let source = source.play();
    server.allow();
    pts(&source);
    advance(&clock, 100_000);
    server.allow();
    pts(&source);
    assert_eq!(latency(&source), (true, 1000));
}

/// Seen from outside: of 150 pictures 6 came out in a pipeline with a latency of a second, as audio or another camera
/// asks for. The sink holds up the next pictures for as long, and that made them stale.
#[test]
fn latency_of_the_pipeline_makes_no_picture_late() {
    const COUNT: usize = 12;
    let script = || [vec![head(), Step::Wait], (0..COUNT).map(|index| part(&jpeg::picture(index))).collect()].concat();
    let server = ScriptServer::play([script(), script()]);
    let (source, clock) = with_clock(&server);
    source.sink.set_sync(true);
    source.pipeline.set_latency(ClockTime::from_seconds(60));
    let source = source.play();
    for run in 0..2 {
        // The pipeline plays, so the source knows its latency.
        server.allow();
        source.await_stat("frames", COUNT as u64);
        let early = source.sink.try_pull_sample(ClockTime::from_mseconds(50));
        assert!(early.is_none(), "run {run}: the sink waits for its time");
        // No two have the same time, though all came in the same moment.
        advance(&clock, 60_001);
        for index in 0..COUNT {
            let mut sample = None;
            wait_until("the next picture", || {
                // A newer sink does not ask for a time that has passed.
                clock.process_next_clock_id();
                sample = source.sink.try_pull_sample(ClockTime::ZERO);
                sample.is_some()
            });
            let picture = bytes(&sample.expect("it is there"));
            assert_same(&picture, &jpeg::picture(index), &format!("run {run}, picture {index}"));
        }
        assert_eq!(source.stat("skipped"), 0, "run {run}");
        // Started by itself, it is not told of the latency again.
        source.element.set_state(gst::State::Null).expect("the source stops");
        source.element.sync_state_with_parent().expect("the source starts");
    }
}

#[test]
fn picture_that_came_before_playing_is_the_first_of_its_time() {
    let server = ScriptServer::play([vec![head(), part(&jpeg::picture(0))]]);
    let (source, clock) = with_clock(&server);
    source.set_state(gst::State::Paused);
    source.await_stat("frames", 1);
    advance(&clock, 8000);
    let source = source.play();
    assert_eq!(pts(&source), 0);
}

#[test]
fn pause_takes_no_running_time() {
    let server = ScriptServer::play([picture_by_picture(2)]);
    let (source, clock) = with_clock(&server);
    let source = source.play();
    advance(&clock, 1000);
    server.allow();
    assert_eq!(pts(&source), 1000);
    source.set_state(gst::State::Paused);
    advance(&clock, 60_000);
    let source = source.play();
    advance(&clock, 10);
    server.allow();
    assert_eq!(pts(&source), 1010);
}

/// Seen from outside: with GStreamer 1.26 a pipeline that was paused and played again at once stood still for good,
/// about every second time.
#[test]
fn source_plays_on_after_pauses_however_short() {
    const PAUSES: usize = 50;
    let server = ScriptServer::play([picture_by_picture(PAUSES)]);
    let source = Source::new(&server.url()).lossless().play();
    for index in 0..PAUSES {
        source.set_state(gst::State::Paused);
        source.set_state(gst::State::Playing);
        server.allow();
        assert_same(&source.frame(), &jpeg::picture(index), "after a pause");
    }
}

/// Seen from outside: the first picture after a pause of a minute was a minute old. Not after each pause: it depends on
/// whether the streaming thread waits for a picture already when the pause begins.
#[test]
fn first_picture_after_a_pause_is_the_newest() {
    const PAUSES: usize = 20;
    let server = ScriptServer::play([picture_by_picture(2 * PAUSES)]);
    let source = Source::new(&server.url()).set("max-queued-frames", 1u32).play();
    for pause in 1..=PAUSES {
        source.set_state(gst::State::Paused);
        server.allow();
        server.allow();
        source.await_stat("skipped", pause as u64);
        source.set_state(gst::State::Playing);
        assert_same(&source.frame(), &jpeg::picture(2 * pause - 1), "after a pause");
    }
}

/// Seen from outside: after a flush that resets the time, sinks waited as long for the next picture as the pipeline
/// had played before.
#[test]
fn flush_that_resets_the_time_resets_the_pictures() {
    let server = ScriptServer::play([picture_by_picture(2)]);
    let (source, clock) = with_clock(&server);
    let source = source.play();
    advance(&clock, 5000);
    server.allow();
    assert_eq!(pts(&source), 5000);
    assert!(source.element.send_event(gst::event::FlushStart::new()));
    assert!(source.element.send_event(gst::event::FlushStop::new(true)));
    source.message(gst::MessageType::ResetTime);
    source.set_state(gst::State::Paused);
    let source = source.play();
    advance(&clock, 20);
    server.allow();
    assert_eq!(pts(&source), 20);
}

#[test]
fn flush_that_keeps_the_time_loses_no_later_picture() {
    let server = ScriptServer::play([picture_by_picture(2)]);
    let (source, clock) = with_clock(&server);
    let source = source.play();
    advance(&clock, 5000);
    server.allow();
    assert_eq!(pts(&source), 5000);
    assert!(source.element.send_event(gst::event::FlushStart::new()));
    assert!(source.element.send_event(gst::event::FlushStop::new(false)));
    advance(&clock, 20);
    server.allow();
    assert_eq!(pts(&source), 5020);
}
