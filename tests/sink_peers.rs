//! The programs that people watch with: each gets every picture, byte for byte, before the next one is made.
//!
//! Debian packages: curl, ffmpeg, python3-opencv, gstreamer1.0-plugins-good (souphttpsrc, multipartdemux, jpegdec).

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use common::pipeline::{COLOURS, Camera, DEADLINE, numbered, pictures};
use gst::prelude::*;

mod common;

/// Nobody gets a picture because a further one was made: none is until this one has come.
#[test]
fn curl_gets_every_byte_of_every_picture_at_once() {
    let camera = Camera::live();
    let url = camera.url("/stream");
    let mut curl = Peer::start("curl", &["--silent", "--show-error", "--no-buffer", &url]);
    let mut stdout = curl.stdout();
    let received = in_background(move || next_part(&mut stdout));
    camera.wait_for_viewers(1);
    for picture in series() {
        camera.push(&picture);
        assert!(next(&received, "curl") == picture);
    }
    camera.end();
    curl.expect_success();
}

/// With its usual probing ffmpeg gives nothing out before it has seen several pictures; `-probesize` ends that.
#[test]
fn ffmpeg_gets_every_byte_of_every_picture_at_once() {
    let camera = Camera::live();
    let url = camera.url("/stream");
    let options = "-loglevel fatal -nostdin -f mpjpeg -probesize 32 -analyzeduration 0 -i";
    let output = "-c copy -flush_packets 1 -f image2pipe -";
    let words = options.split(' ').chain([url.as_str()]).chain(output.split(' '));
    let mut ffmpeg = Peer::start("ffmpeg", &words.collect::<Vec<_>>());
    let mut stdout = ffmpeg.stdout();
    let length = series()[0].len();
    let received = in_background(move || exactly(&mut stdout, length));
    camera.wait_for_viewers(1);
    for picture in series() {
        camera.push(&picture);
        assert!(next(&received, "ffmpeg") == picture);
    }
    camera.end();
    ffmpeg.expect_success();
}

#[test]
fn gstreamers_own_elements_get_every_byte_of_every_picture_at_once_and_decode_it() {
    let camera = Camera::live();
    let url = camera.url("/stream");
    let line = format!(
        "souphttpsrc is-live=true location={url} ! multipartdemux ! tee name=t
         t. ! queue ! appsink name=bytes sync=false
         t. ! queue ! jpegdec ! videoconvert ! video/x-raw,format=RGB ! appsink name=decoded sync=false"
    );
    let viewer = gst::parse::launch(&line).expect("gstreamer1.0-plugins-good is installed");
    let viewer = viewer.downcast::<gst::Bin>().expect("several elements make a bin");
    let _stop = StopAtEnd(&viewer);
    viewer.set_state(gst::State::Playing).expect("the viewer starts");
    camera.wait_for_viewers(1);
    for (picture, colour) in pictures().iter().zip(COLOURS) {
        camera.push(picture);
        assert!(pull(&viewer, "bytes") == *picture);
        let [_, red, green, blue] = colour.to_be_bytes();
        assert_near(pull(&viewer, "decoded")[..3].try_into().expect("a pixel"), [red, green, blue]);
    }
}

/// Its reader searches for the whole of the next part's head, which the advance layout sends with each picture.
#[test]
fn the_python_recipes_reader_gets_every_byte_of_every_picture_at_once() {
    let camera = Camera::live();
    let url = camera.url("/stream?layout=advance");
    let mut reader = Peer::start("/usr/bin/python3", &[&script("recipe_reader.py"), &url]);
    let mut stdout = reader.stdout();
    let received = in_background(move || {
        let length = exactly(&mut stdout, 4)?;
        exactly(&mut stdout, u32::from_be_bytes(length.try_into().ok()?) as usize)
    });
    camera.wait_for_viewers(1);
    for picture in series() {
        camera.push(&picture);
        assert!(next(&received, "the recipe's reader") == picture);
    }
    camera.end();
    // The head that stood ahead is answered with the last picture, which no head follows: the reader does not see it.
    assert_eq!(received.recv_timeout(DEADLINE), Err(RecvTimeoutError::Disconnected));
    reader.expect_success();
}

/// OpenCV looks at some pictures before it opens a stream, so the first one is repeated until it has.
#[test]
fn opencv_decodes_every_picture_at_once() {
    let camera = Camera::live();
    let pictures = pictures();
    let folder = Folder::create("opencv");
    for (n, picture) in pictures.iter().enumerate() {
        fs::write(folder.0.join(format!("{n}.jpg")), picture).expect("a file");
    }
    let url = camera.url("/stream");
    let path = folder.0.to_str().expect("a path in text");
    let mut opencv = Peer::start("/usr/bin/python3", &[&script("opencv_reader.py"), &url, path]);
    let mut lines = BufReader::new(opencv.stdout()).lines();
    let received = in_background(move || lines.next()?.ok());

    let opened = (0..1000).any(|_| {
        camera.push(&pictures[0]);
        received.recv_timeout(Duration::from_millis(50)).is_ok_and(|line| line == "open")
    });
    assert!(opened, "OpenCV opens the stream");
    for (n, picture) in pictures.iter().enumerate().skip(1) {
        camera.push(picture);
        let mut line = next(&received, "OpenCV");
        while n == 1 && line == "0" {
            line = next(&received, "OpenCV");
        }
        assert_eq!(line, n.to_string());
    }
    camera.end();
    opencv.expect_success();
}

/// Twenty different pictures of one length.
fn series() -> Vec<Vec<u8>> {
    let picture = &pictures()[0];
    (0..20).map(|n| numbered(picture, n)).collect()
}

fn script(name: &str) -> String {
    format!("{}/tests/peers/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A program that watches. Dropping it ends it.
struct Peer(Child);

impl Peer {
    #[track_caller]
    fn start(program: &str, words: &[&str]) -> Self {
        let mut command = Command::new(program);
        // A clean environment: no proxy, no G_DEBUG of ours.
        command.args(words).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("OPENCV_FFMPEG_LOGLEVEL", "-8");
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        Self(command.spawn().unwrap_or_else(|error| panic!("{program}: {error}; scripts/setup test installs it")))
    }

    fn stdout(&mut self) -> ChildStdout {
        self.0.stdout.take().expect("nobody took it yet")
    }

    #[track_caller]
    fn expect_success(&mut self) {
        let status = self.0.wait().expect("the program ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder of a test's own, removed with all that is in it.
struct Folder(std::path::PathBuf);

impl Folder {
    fn create(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct StopAtEnd<'a>(&'a gst::Bin);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        let _ = self.0.set_state(gst::State::Null);
    }
}

/// Calls it again and again on a thread of its own, so that waiting for an answer can have a limit.
fn in_background<T: Send + 'static>(mut read: impl FnMut() -> Option<T> + Send + 'static) -> Receiver<T> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        while let Some(item) = read() {
            if sender.send(item).is_err() {
                return;
            }
        }
    });
    receiver
}

#[track_caller]
fn next<T>(received: &Receiver<T>, who: &str) -> T {
    received.recv_timeout(DEADLINE).unwrap_or_else(|error| panic!("{who} has not given the picture out: {error}"))
}

fn exactly(from: &mut impl Read, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// The picture of the next part by its length.
fn next_part(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") || head.len() == 4 {
        head.extend(exactly(stream, 1)?);
    }
    let head = String::from_utf8(head).expect("a head is text");
    let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next()).expect("a length");
    exactly(stream, length.parse().expect("a number"))
}

#[track_caller]
fn pull(bin: &gst::Bin, sink: &str) -> Vec<u8> {
    let sink = bin.by_name(sink).and_downcast::<gst_app::AppSink>().expect("the sink is there");
    let sample = sink.try_pull_sample(gst::ClockTime::try_from(DEADLINE).expect("ten seconds fit"));
    let sample = sample.expect("a picture without waiting for the next");
    sample.buffer().expect("a sample has a buffer").map_readable().expect("readable memory").to_vec()
}

#[track_caller]
fn assert_near(pixel: [u8; 3], colour: [u8; 3]) {
    // Seen: 18, as jpegdec and videoconvert differ in the range of values. Any two colours are 128 apart.
    assert!(pixel.iter().zip(colour).all(|(a, b)| a.abs_diff(b) < 32), "{pixel:?} is not {colour:?}");
}
