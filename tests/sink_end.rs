//! The end of a series and of a pipeline.

use std::{
    net::{SocketAddr, TcpStream},
    sync::{Arc, mpsc::channel},
    time::{Duration, Instant},
};

use common::{
    http::{Viewer, connect, get, stalled},
    pipeline::{Camera, DEADLINE, large, number, numbered, pictures, port_of, wait_until},
};
use gst::prelude::*;
use gstmjpeghttp::{
    jpeg,
    multipart::{Boundary, Part},
    server::{self, Activation, CameraConfig, Config, Endpoint, Ids, Mount, Reason, Secrets, Server},
};

mod common;

#[test]
fn the_end_reaches_every_viewer_after_the_last_picture() {
    let camera = Camera::live();
    let pictures = pictures();
    let mut standard = Viewer::open(camera.address());
    let mut advance = Viewer::open_as(connect(camera.address()), "/stream?layout=advance", "");
    camera.wait_for_viewers(2);
    camera.push(&pictures[0]);
    assert!(standard.picture() == pictures[0]);
    advance.expect_ahead(&pictures[0]);
    camera.push(&pictures[1]);
    camera.end();
    camera.set_state(gst::State::Null);
    assert!(standard.picture() == pictures[1]);
    standard.expect_end();
    advance.expect_ahead(&pictures[1]);
    // The head that stood ahead gets the last picture once more, then everything is closed.
    advance.expect_ahead(&pictures[1]);
}

/// An application stops its pipeline as soon as it hears of the end, so the end waits a little for each viewer. One
/// that was signed off before all had left for it would not be waited for.
#[test]
fn a_viewer_is_there_until_it_has_taken_the_end() {
    let camera = Camera::live();
    let last = larger_than_sockets();
    let mut advance = stalled(camera.address(), "/stream?layout=advance");
    camera.push(&last);
    advance.expect_ahead(&last);
    camera.end();
    assert_eq!(camera.viewers(), 1);
    advance.expect_ahead(&last);
    camera.wait_for_viewers(0);
}

#[test]
fn the_end_reaches_a_viewer_in_the_middle_of_a_slow_picture_after_the_last_one() {
    let camera = Camera::live();
    let large = large();
    let mut standard = stalled(camera.address(), "/stream");
    let advance = stalled(camera.address(), "/stream?layout=advance");
    camera.wait_for_viewers(2);
    // More than the sockets hold, so both viewers are in the middle of one.
    for n in 0..50 {
        camera.push(&numbered(&large, n));
        camera.wait_for_pictures(u64::from(n) + 1);
    }
    camera.end();

    let mut seen = standard.picture();
    while number(&seen) != 49 {
        seen = standard.picture();
    }
    standard.expect_end();
    let last = numbered(&large, 49);
    let rest = advance.read_to_end();
    let length = rest.len();
    let twice =
        [&last, "\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n".as_bytes(), &last, b"\r\n--frame--\r\n"].concat();
    assert!(rest.ends_with(&twice), "{length} bytes do not end with the last picture twice");
}

/// The message of the end is when applications stop their pipeline, so a viewer that reads has gone by then.
#[test]
fn the_end_waits_for_a_viewer_that_takes_the_last_picture() {
    let camera = Camera::live();
    let mut viewer = stalled(camera.address(), "/stream");
    let (sender, left) = channel();
    let sink = camera.sink.clone();
    camera.pipeline.bus().expect("a pipeline has a bus").set_sync_handler(move |_, message| {
        if message.type_() == gst::MessageType::Eos {
            let _ = sender.send(sink.property::<u32>("num-clients"));
        }
        gst::BusSyncReply::Drop
    });
    // The first picture also gets the pipeline ready to play, which takes longer than a viewer needs.
    for picture in pictures().iter().take(2) {
        camera.push(picture);
        viewer.picture();
    }
    camera.push(&large());
    camera.source.end_of_stream().expect("the source takes the end");
    viewer.picture();
    viewer.expect_end();
    assert_eq!(left.recv_timeout(DEADLINE), Ok(0));
}

#[test]
fn the_end_does_not_wait_for_a_viewer_that_does_not_read() {
    let camera = Camera::live();
    let large = large();
    let _stalled = stalled(camera.address(), "/stream");
    camera.wait_for_viewers(1);
    for n in 0..50 {
        camera.push(&numbered(&large, n));
    }
    let start = Instant::now();
    camera.end();
    // It gets a second, not the ten after which it counts as stalled.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn who_comes_after_the_end_gets_the_last_picture_and_the_end() {
    let camera = Camera::live();
    let picture = &pictures()[0];
    camera.push(picture);
    camera.end();
    let mut viewer = Viewer::open(camera.address());
    assert!(viewer.picture() == *picture);
    viewer.expect_end();
    assert!(get(camera.address(), "/snapshot").body == *picture);
}

#[test]
fn the_end_of_a_series_without_pictures_is_an_end_too() {
    let camera = Camera::live();
    let mut viewer = Viewer::open(camera.address());
    camera.end();
    viewer.expect_end();
}

#[test]
fn after_the_end_and_a_flush_it_goes_on() {
    let (sink, mut harness) = harness();
    let pictures = pictures();
    push(&mut harness, &pictures[0]);
    harness.push_event(gst::event::Eos::new());
    harness.push_event(gst::event::FlushStart::new());
    harness.push_event(gst::event::FlushStop::new(true));
    harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    push(&mut harness, &pictures[1]);
    let address = SocketAddr::from(([127, 0, 0, 1], port_of(&sink)));
    let mut viewer = Viewer::open(address);
    assert!(viewer.picture() == pictures[1]);
    push(&mut harness, &pictures[2]);
    assert!(viewer.picture() == pictures[2]);
}

#[test]
fn a_paused_pipeline_serves_the_picture_it_stopped_at_and_sends_it_once() {
    let camera = Camera::new("", "");
    let pictures = pictures();
    camera.set_state(gst::State::Paused);
    let mut viewer = Viewer::open(camera.address());
    camera.push_at(gst::ClockTime::ZERO, &pictures[0]);
    camera.push_at(gst::ClockTime::ZERO, &pictures[1]);
    assert!(viewer.picture() == pictures[0]);
    assert!(get(camera.address(), "/snapshot").body == pictures[0]);
    camera.set_state(gst::State::Playing);
    assert!(viewer.picture() == pictures[1]);
    assert_eq!(camera.served(), 2);
}

#[test]
fn a_flush_leaves_viewers_where_they_are() {
    let (sink, mut harness) = harness();
    let pictures = pictures();
    push(&mut harness, &pictures[0]);
    let mut viewer = Viewer::open(SocketAddr::from(([127, 0, 0, 1], port_of(&sink))));
    assert!(viewer.picture() == pictures[0]);
    harness.push_event(gst::event::FlushStart::new());
    harness.push_event(gst::event::FlushStop::new(true));
    harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    push(&mut harness, &pictures[1]);
    assert!(viewer.picture() == pictures[1]);
}

#[test]
fn new_caps_leave_viewers_where_they_are() {
    let (sink, mut harness) = harness();
    push(&mut harness, &pictures()[0]);
    let mut viewer = Viewer::open(SocketAddr::from(([127, 0, 0, 1], port_of(&sink))));
    assert!(viewer.picture() == pictures()[0]);
    harness.set_src_caps_str("image/jpeg,width=1024,height=768,framerate=1/1");
    let large = large();
    push(&mut harness, &large);
    assert!(viewer.picture() == large);
}

#[test]
fn in_ready_viewers_keep_their_picture_and_go_on_with_the_next_start() {
    let camera = Camera::live();
    camera.push(&pictures()[0]);
    let mut viewer = Viewer::open(camera.address());
    assert!(viewer.picture() == pictures()[0]);
    camera.set_state(gst::State::Ready);
    assert_eq!(camera.viewers(), 1);
    assert!(get(camera.address(), "/snapshot").body == pictures()[0]);
    camera.set_state(gst::State::Playing);
    camera.push(&pictures()[1]);
    assert!(viewer.picture() == pictures()[1]);
}

/// Seen from outside: with a camera that starts slowly, viewers got the end of the run before, over and over.
#[test]
fn after_an_end_viewers_wait_for_the_next_run() {
    let camera = Camera::live();
    camera.push(&pictures()[0]);
    camera.end();
    camera.set_state(gst::State::Ready);
    let mut in_ready = Viewer::open(camera.address());
    assert!(in_ready.picture() == pictures()[0]);
    camera.set_state(gst::State::Playing);
    let mut in_playing = Viewer::open(camera.address());
    assert!(in_playing.picture() == pictures()[0]);
    camera.push(&pictures()[1]);
    assert!(in_ready.picture() == pictures()[1]);
    assert!(in_playing.picture() == pictures()[1]);
}

/// A camera with few buffers may wait for this one.
#[test]
fn in_ready_no_buffer_is_kept() {
    let camera = Camera::new("", "");
    let memory = Arc::new(pictures()[0].clone());
    let mut buffer = gst::Buffer::from_slice(Shared(memory.clone()));
    buffer.get_mut().expect("nobody else has the buffer").set_pts(gst::ClockTime::ZERO);
    camera.set_state(gst::State::Paused);
    camera.push_buffer(buffer);
    camera.wait_for_pictures(1);
    camera.set_state(gst::State::Ready);
    wait_until("the buffer to be free", || Arc::strong_count(&memory) == 1);
}

struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// It is the viewers that could hold it up: some do not read, some have sent half a request or nothing.
#[test]
fn stopping_takes_no_time_whatever_the_viewers_do() {
    let camera = Camera::live();
    let address = camera.address();
    let large = large();
    let reading_nothing: Vec<_> = (0..20).map(|_| stalled(camera.address(), "/stream")).collect();
    let silent: Vec<_> = (0..20).map(|_| connect(address)).collect();
    camera.wait_for_viewers(20);
    for n in 0..50 {
        camera.push(&numbered(&large, n));
        camera.wait_for_pictures(u64::from(n) + 1);
    }
    let start = Instant::now();
    camera.set_state(gst::State::Null);
    let took = start.elapsed();
    // Meant to be 100 ms, on a machine that does nothing else.
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    reading_nothing.into_iter().for_each(Viewer::drain);
    drop(silent);
}

/// It would take nothing in the time that a stop leaves to the others either.
#[test]
fn a_stop_waits_for_no_viewer_that_stands_still() {
    let config = |port| Config {
        endpoint: Endpoint::new("127.0.0.1", port),
        activation: Activation::read(|_| None),
        tls: None,
        timeout: None,
        per_address: None,
        secrets: Secrets::default(),
        allow_origin: None,
    };
    let large = large();
    let header = jpeg::check(&large).expect("a picture").header();
    let boundary: Boundary = "frame".parse().expect("a boundary");
    let [one, other] = [(); 2].map(|()| {
        let config = CameraConfig { boundary: boundary.clone(), keepalive: None, max_fps: None, max_clients: None };
        Arc::new(server::Camera::new(config, Ids::default(), Box::new(|_| ())))
    });
    let last = Server::start(&config(0), Mount::default(), one.clone()).expect("a free port");
    let address: SocketAddr = last.address().to_string().parse().expect("an address");
    let mount = "/other".parse().expect("a mount");
    let first = Server::start(&config(address.port()), mount, other.clone()).expect("the port is ours");
    let _viewers = [stalled(address, "/stream"), stalled(address, "/other/stream")];
    for (camera, server) in [(other, first), (one, last)] {
        wait_until("the viewer to stand still", || {
            camera.publish(Part::new(&[&large], None, &boundary), header, None, Instant::now());
            camera.viewers.figures().iter().any(|viewer| viewer.stalled_for > Duration::from_millis(500))
        });
        camera.fanout.close();
        let start = Instant::now();
        server.stop(3 * DEADLINE);
        assert!(start.elapsed() < DEADLINE, "{:?}", start.elapsed());
        assert_eq!(camera.viewers.served().left, [(Reason::Stopped, 1)].into());
    }
}

#[test]
fn the_port_is_free_again_as_soon_as_the_pipeline_has_stopped() {
    let camera = Camera::live();
    let (port, address) = (camera.port(), camera.address());
    let mut viewer = Viewer::open(address);
    camera.push(&pictures()[0]);
    viewer.picture();
    camera.set_state(gst::State::Null);
    assert_eq!(camera.port(), 0);
    viewer.expect_end();

    camera.sink.set_property("port", i32::from(port));
    camera.set_state(gst::State::Playing);
    assert_eq!(camera.port(), port);
    let mut viewer = Viewer::open(address);
    camera.push(&pictures()[1]);
    assert!(viewer.picture() == pictures()[1], "nothing is left of the run before");
}

/// A picture of 4 MB: the large one with comments in front of it.
fn larger_than_sockets() -> Vec<u8> {
    (0..64).fold(large(), |picture, _| {
        let (start, rest) = picture.split_at(2);
        [start, &[0xff, 0xfe, 0xff, 0xff], &[0; 0xfffd], rest].concat()
    })
}

fn harness() -> (gst::Element, gst_check::Harness) {
    common::pipeline::init();
    let sink = gst::ElementFactory::make("mjpegserversink").property_from_str("port", "0").build().expect("a sink");
    let mut harness = gst_check::Harness::with_element(&sink, Some("sink"), None);
    harness.set_src_caps_str("image/jpeg");
    (sink, harness)
}

#[track_caller]
fn push(harness: &mut gst_check::Harness, picture: &[u8]) {
    harness.push(gst::Buffer::from_slice(picture.to_vec())).expect("the sink takes pictures");
}
