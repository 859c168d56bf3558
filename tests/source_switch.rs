//! The source as one input of a switch that goes to a test picture while the camera is away.

mod common;

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use common::{
    jpeg,
    pipeline::{DEADLINE, init},
    script_server::{Step, answer, head, part},
};
use gst::prelude::*;

/// A camera that sends a picture every 20 ms while it is there, and is busy while it is away.
struct Camera {
    address: SocketAddr,
    away: Arc<AtomicBool>,
    _running: mpsc::Sender<()>,
}

impl Camera {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the port just bound");
        let away = Arc::new(AtomicBool::new(false));
        let (running, stopped) = mpsc::channel();
        let is_away = away.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.expect("a listener accepts");
                if serve(&client, &is_away, &stopped).is_none() {
                    return;
                }
            }
        });
        Self { address, away, _running: running }
    }
}

/// Serves one client to its end; nothing when the test is over.
fn serve(mut client: &TcpStream, away: &AtomicBool, stopped: &mpsc::Receiver<()>) -> Option<()> {
    let mut reader = BufReader::new(client);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
        line.clear();
    }
    let mut say = |step: &Step| match step {
        Step::Send(bytes) => client.write_all(bytes).is_ok(),
        _ => false,
    };
    if away.load(Ordering::SeqCst) {
        answer("503 Service Unavailable").iter().all(&mut say);
        return Some(());
    }
    let mut goes_on = say(&head());
    for index in 0.. {
        goes_on = goes_on && !away.load(Ordering::SeqCst) && say(&part(&jpeg::picture(index)));
        // The rate of the pictures; the end of the test is seen at once.
        if stopped.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Disconnected) {
            return None;
        }
        if !goes_on {
            break;
        }
    }
    Some(())
}

/// `mjpegclientsrc` and a test picture, a switch, and what comes out of it.
struct Switched {
    pipeline: gst::Pipeline,
    source: gst::Element,
    sink: gst_app::AppSink,
}

impl Switched {
    fn new(camera: &Camera) -> Self {
        init();
        gstfallbackswitch::plugin_register_static().expect("the plugin can be registered");
        let pipeline = gst::parse::launch(&format!(
            "fallbackswitch name=switch timeout=200000000 immediate-fallback=true ! appsink name=sink sync=false
             mjpegclientsrc name=source location=http://{} reconnect-delay-max=20000000 ! switch.sink_0
             videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=30/1 ! jpegenc ! switch.sink_1",
            camera.address
        ));
        let pipeline = pipeline.expect("all elements are there").downcast::<gst::Pipeline>().expect("it is a pipeline");
        let source = pipeline.by_name("source").expect("it has a source");
        let sink = pipeline.by_name("sink").and_downcast::<gst_app::AppSink>().expect("it has a sink");
        pipeline.set_state(gst::State::Playing).expect("it plays");
        Self { pipeline, source, sink }
    }

    /// Waits for pictures of that width.
    #[track_caller]
    fn await_width(&self, width: i32) {
        let until = Instant::now() + DEADLINE;
        let width_of = |sample: gst::Sample| sample.caps()?.structure(0)?.get::<i32>("width").ok();
        while Instant::now() < until {
            let sample = self.sink.try_pull_sample(gst::ClockTime::from_mseconds(100));
            if sample.and_then(width_of) == Some(width) {
                return;
            }
        }
        panic!("no picture of {width} came");
    }
}

impl Drop for Switched {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

const CAMERA: i32 = jpeg::WIDTH as i32;
const TEST_PICTURE: i32 = 320;

#[test]
fn a_switch_shows_a_test_picture_while_the_camera_is_away() {
    let camera = Camera::new();
    let switched = Switched::new(&camera);
    for _ in 0..3 {
        switched.await_width(CAMERA);
        camera.away.store(true, Ordering::SeqCst);
        switched.await_width(TEST_PICTURE);
        camera.away.store(false, Ordering::SeqCst);
    }
    switched.await_width(CAMERA);
    let bus = switched.pipeline.bus().expect("a pipeline has a bus");
    let error = bus.pop_filtered(&[gst::MessageType::Error]);
    assert!(error.is_none(), "{error:?}");
}

/// As fallbacksrc does with a source that it holds for stuck.
#[test]
fn the_source_can_be_started_anew_while_the_switch_plays_on() {
    let camera = Camera::new();
    let switched = Switched::new(&camera);
    switched.await_width(CAMERA);
    switched.source.set_locked_state(true);
    for away in [true, false, true, false] {
        camera.away.store(away, Ordering::SeqCst);
        let start = Instant::now();
        switched.source.set_state(gst::State::Null).expect("it stops");
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        switched.await_width(TEST_PICTURE);
        let start = Instant::now();
        switched.source.set_state(gst::State::Playing).expect("it starts");
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        switched.await_width(if away { TEST_PICTURE } else { CAMERA });
    }
    switched.source.set_locked_state(false);
}
