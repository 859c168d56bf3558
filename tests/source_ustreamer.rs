//! ustreamer, the real one, with a camera made of nothing; and the same camera behind `v4l2src`.

mod common;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
    time::{Duration, SystemTime},
};

use common::{
    http::{Viewer, connect, get},
    pictures::{decoded, encoded, without_tables},
    pipeline::{DEADLINE, wait_until},
    process::{Process, await_listener, free_port},
    source::{Source, bytes},
    v4l2::FakeCamera,
};

/// Size of [`encoded`] pictures.
const SIZE: (u32, u32) = (320, 240);

/// A camera and the ustreamer that serves it.
struct Ustreamer {
    camera: FakeCamera,
    port: u16,
    options: &'static [&'static str],
    process: Option<Process>,
}

impl Ustreamer {
    /// Starts it. Until it has its first picture it would serve one of its own.
    #[track_caller]
    fn start(camera: FakeCamera, options: &'static [&'static str]) -> Self {
        let mut ustreamer = Self { camera, port: free_port(), options, process: None };
        ustreamer.restart();
        ustreamer
    }

    #[track_caller]
    fn restart(&mut self) {
        self.process = None;
        let (width, height) = SIZE;
        let mut command = self.camera.command("ustreamer");
        command.arg(format!("--device={}", self.camera.device())).arg(format!("--port={}", self.port));
        command.arg(format!("--resolution={width}x{height}")).args(self.options).stderr(Stdio::null());
        self.process = Some(Process::start(&mut command));
        await_listener(self.port);
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        wait_until("the camera's first picture", || {
            String::from_utf8_lossy(&get(address, "/state").body).contains("\"online\": true")
        });
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

/// ustreamer hands on what the camera compressed.
const PASS_ON: [&str; 2] = ["--format=MJPEG", "--encoder=HW"];

/// Plays until each picture has come. Whatever comes is one of them, to the byte.
#[track_caller]
fn assert_plays_all(source: &Source, pictures: &[Vec<u8>]) {
    let mut missing: BTreeSet<&[u8]> = pictures.iter().map(Vec::as_slice).collect();
    let start = std::time::Instant::now();
    while !missing.is_empty() {
        let frame = source.frame();
        assert!(pictures.contains(&frame), "{} bytes that the camera never gave", frame.len());
        missing.remove(frame.as_slice());
        assert!(start.elapsed() < DEADLINE, "{} pictures never came", missing.len());
    }
    assert_eq!(source.stat("damaged"), 0);
}

#[test]
fn ustreamer_plays_to_the_byte_by_each_of_its_addresses() {
    let pictures = encoded(5);
    let ustreamer = Ustreamer::start(FakeCamera::mjpeg(&pictures, SIZE), &PASS_ON);
    for path in [
        "/stream",
        "/?action=stream",
        "/stream?extra_headers=1",
        "/stream?advance_headers=1",
        "/stream?dual_final_frames=1",
        "/stream?extra_headers=1&advance_headers=1&dual_final_frames=1",
    ] {
        println!("{path}");
        assert_plays_all(&Source::playing(&ustreamer.url(path)), &pictures);
    }
}

#[test]
fn ustreamers_snapshots_are_polled() {
    let pictures = encoded(3);
    let ustreamer = Ustreamer::start(FakeCamera::mjpeg(&pictures, SIZE), &PASS_ON);
    for path in ["/snapshot", "/?action=snapshot"] {
        let source = Source::new(&ustreamer.url(path)).set("poll-interval", 1_000_000u64).play();
        assert_plays_all(&source, &pictures);
    }
}

#[test]
fn ustreamers_timestamps_come_out_as_capture_times() {
    let ustreamer = Ustreamer::start(FakeCamera::mjpeg(&encoded(2), SIZE), &PASS_ON);
    let source = Source::playing(&ustreamer.url("/stream"));
    let mut last = None;
    for _ in 0..10 {
        let sample = source.sample();
        let meta = sample.buffer().and_then(|buffer| buffer.meta::<gst::ReferenceTimestampMeta>());
        let meta = meta.expect("ustreamer stamps its pictures");
        assert!(meta.reference().can_intersect(&gst::Caps::new_empty_simple("timestamp/x-unix")));
        let time = SystemTime::UNIX_EPOCH + meta.timestamp().into();
        // ustreamer rounds to whole milliseconds, up as well as down.
        let now = SystemTime::now() + Duration::from_millis(1);
        let age = now.duration_since(time).expect("no picture comes from the future");
        assert!(age < DEADLINE, "a picture of {age:?} ago");
        assert!(last.replace(time).is_none_or(|last| last < time), "times go on");
    }
}

/// The camera repeats each picture; with this option ustreamer sends it once.
#[test]
fn same_frames_that_ustreamer_drops_are_no_gap() {
    let pictures = encoded(3);
    let repeated: Vec<_> = pictures.iter().flat_map(|picture| vec![picture.clone(); 4]).collect();
    let camera = FakeCamera::mjpeg(&repeated, SIZE);
    let ustreamer = Ustreamer::start(camera, &["--format=MJPEG", "--encoder=HW", "--drop-same-frames=30"]);
    let source = Source::new(&ustreamer.url("/stream")).lossless().play();
    let frames: Vec<_> = (0..6).map(|_| source.frame()).collect();
    assert!(frames.windows(2).all(|pair| pair[0] != pair[1]), "the same picture twice in a row");
    assert!(frames.iter().all(|frame| pictures.contains(frame)));
    assert_eq!(source.stat("reconnects"), 0);
}

#[test]
fn pictures_that_ustreamer_compresses_play_and_decode() {
    let (width, height) = SIZE;
    let grey = vec![0x80; (width * height * 2) as usize];
    let ustreamer = Ustreamer::start(FakeCamera::yuyv(&[grey], SIZE), &["--format=YUYV", "--encoder=CPU"]);
    let source = Source::playing(&ustreamer.url("/stream"));
    let sample = source.sample();
    let caps = sample.caps().and_then(|caps| caps.structure(0)).expect("samples have caps");
    assert_eq!((caps.get("width"), caps.get("height")), (Ok(width as i32), Ok(height as i32)));
    let pixels = decoded(&bytes(&sample));
    // Grey stays grey, whatever JPEG makes of it.
    assert!(pixels.iter().all(|value| value.abs_diff(0x80) < 8), "other pixels");
}

#[test]
fn a_restart_of_ustreamer_is_survived() {
    let pictures = encoded(3);
    let mut ustreamer = Ustreamer::start(FakeCamera::mjpeg(&pictures, SIZE), &PASS_ON);
    let source = Source::new(&ustreamer.url("/stream")).hasty().play();
    for restarts in 1..=3 {
        assert_plays_all(&source, &pictures);
        ustreamer.restart();
        // What came before the end may still wait in the queue, so the count tells that the stream is another one.
        wait_until("a new connection", || source.stat("reconnects") >= restarts);
        // It begins with a picture of ustreamer's own where the source is there before the camera.
        wait_until("the camera's pictures", || pictures.contains(&source.frame()));
    }
    assert_plays_all(&source, &pictures);
}

/// `v4l2src ! mjpegserversink` with what USB cameras send.
#[test]
fn pictures_of_a_camera_without_tables_are_served_complete() {
    let whole = encoded(3);
    let stripped: Vec<_> = whole.iter().map(|picture| without_tables(picture)).collect();
    let camera = FakeCamera::mjpeg(&stripped, SIZE);
    let port = free_port();
    let line = format!("v4l2src device={} ! image/jpeg ! mjpegserversink port={port}", camera.device());
    let mut command = camera.command("gst-launch-1.0");
    command.arg(format!("--gst-plugin-load={}", plugin().display())).arg("-q").args(line.split(' '));
    let _launched = Process::start(&mut command);
    await_listener(port);
    let mut viewer = Viewer::open_as(connect(SocketAddr::from(([127, 0, 0, 1], port))), "/stream", "");
    let pixels: Vec<_> = whole.iter().map(|picture| decoded(picture)).collect();
    for _ in 0..6 {
        let served = viewer.picture();
        assert!(stripped.contains(&without_tables(&served)), "other bytes than the tables have changed");
        assert!(pixels.contains(&decoded(&served)), "other pixels");
    }
}

/// The plugin as it was built together with this test.
fn plugin() -> PathBuf {
    let test = std::env::current_exe().expect("Linux tells");
    test.with_file_name("libgstmjpeghttp.so")
}
