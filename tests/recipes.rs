//! The lines of README.md, docs/recipes.md, docs/applications.md and the pages of the elements, each run by a shell
//! exactly as it is printed there, in a network of its own.
//!
//! Stand-ins: `camera`, `esp32cam` and the RTSP server are programs in that network; `/dev/video0` is the path of a
//! camera made of software (`tests/peers/fake_v4l2.c`), `libcamerasrc` is `videotestsrc`. VLC does not run as root, so
//! it gets another name for the same user. `fallbackswitch` is the one that these tests depend on, as cargo has built
//! it. Nothing else is replaced.
//!
//! Debian packages besides the usual ones: gstreamer1.0-plugins-base-apps, gstreamer1.0-opencv, gstreamer1.0-rtsp,
//! gir1.2-gst-rtsp-server-1.0, xvfb.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use common::{
    namespace::Namespace,
    pictures,
    pipeline::{self, init},
    plugin,
    process::Process,
    source,
    v4l2::FakeCamera,
};
use gst::prelude::*;

mod common;

/// Longest time until a recipe has done what it is for, and until it has ended. Chosen: ten times what the slowest
/// needed on two busy cores.
const LIMIT: Duration = Duration::from_secs(60);

/// Pictures that a film has at least, a third of those that its encoder was given.
const ENCODED: u64 = 10;

/// One test for each heading, with what its blocks have to do in their order.
macro_rules! recipes {
    ($($test:ident: $heading:literal => [$($does:expr),+];)+) => {
        $(#[test] fn $test() { cook($heading, &[$($does),+]); })+

        #[test]
        fn every_recipe_is_tested() {
            let tested = [$(($heading, [$($does),+].len())),+];
            for (heading, blocks) in book() {
                let count = tested.iter().find(|(name, _)| *name == heading).map_or(0, |(_, count)| *count);
                assert_eq!(blocks.len(), count, "blocks under \"{heading}\", and those with an expectation");
            }
        }
    };
}

recipes! {
    readme: "JPEG over HTTP for GStreamer" => [Serves, Shows];
    readme_on_the_server: "The server" => [ServesBelow(&["/door", "/yard"])];
    readme_on_the_client: "The client" => [Shows];
    test_picture: "Test picture" => [Serves];
    usb_webcam: "USB webcam" => [Serves, Serves];
    webcam_without_jpeg: "Webcam without JPEG" => [Serves];
    raspberry_pi: "Raspberry Pi camera" => [Serves];
    screen: "Screen" => [Serves];
    film_in_a_loop: "Video file in a loop" => [Makes("film.mjpeg", 20), Serves];
    rtsp_camera: "RTSP camera" => [Serves];
    several_cameras: "Several cameras on one port" => [ServesBelow(&["/door", "/yard"])];
    wall: "Wall" => [Serves];
    watch: "Watch" => [Shows, Shows, Shows, Shows];
    what_a_camera_sends: "What a camera sends" => [Says("Live: yes")];
    esp32: "ESP32" => [Serves];
    one_picture: "One picture" => [Makes("now.jpg", 1), Makes("now.jpg", 1)];
    time_lapse: "Time lapse" => [Records("lapse-00001.jpg", 1), Makes("lapse.mp4", 2)];
    motion_detection: "Motion detection" => [Says("motion, motion_cells_indices"), Serves];
    relay: "Relay" => [Serves];
    low_bandwidth: "Low bandwidth" => [Serves, Serves];
    clock: "Clock in the picture" => [Serves];
    nobody_but_you: "Nobody but you" => [Refuses, Shows];
    only_while_watched: "Only while somebody watches" => [Throttles];
    recording_to_matroska: "Recording to Matroska" => [Records("film.mkv", 5)];
    recording_to_mp4: "Recording to MP4" => [Encodes("film.mp4", "camera", "/served/pictures"), Records("film.mov", 5)];
    files_of_ten_minutes: "Files of ten minutes" => [Records("film-00.mkv", 5)];
    recording_while_serving: "Recording while serving" => [Records("film.mkv", 2), Encodes("film.mp4", "127.0.0.1:8080", "/pictures")];
    hls: "HLS" => [Lists("segment00001.ts", "playlist.m3u8", 15)];
    rtsp: "RTSP" => [Reaches("recorded")];
    while_it_is_away: "Picture while the camera is away" => [Replaces(640)];
    webm: "WebM" => [Records("film.webm", 5)];
    ffmpeg: "ffmpeg" => [Makes("film.mkv", 10), Shows, Serves];
    mpv: "mpv" => [Shows];
    vlc: "VLC" => [Shows];
    page_of_the_server: "Lines for mjpegserversink" => [Serves, Says("current-port = "), ServesBelow(&["/door", "/yard"])];
    page_of_the_client: "Lines for mjpegclientsrc" => [Shows, Shows];
}

/// What a block of the book has to do.
enum Does {
    /// Pictures come from port 8080, one after another.
    Serves,
    /// The same, of several cameras below these mounts.
    ServesBelow(&'static [&'static str]),
    /// Port 8080 wants a password.
    Refuses,
    /// One picture a second comes to port 8080 while nobody watches, and more when somebody does.
    Throttles,
    /// The camera's pictures come from port 8080, others of this width when it has gone, and its own when it is back.
    Replaces(u32),
    /// The camera's picture is on the screen.
    Shows,
    /// It ends by itself, and leaves a file with as many pictures.
    Makes(&'static str, u64),
    /// The same, but Ctrl-C ends it.
    Records(&'static str, u64),
    /// The same, but it writes late: the server at this address has given as many pictures, by this figure of
    /// `/status`.
    Encodes(&'static str, &'static str, &'static str),
    /// It has written a piece; when Ctrl-C has ended it, ffmpeg finds as many pictures in the list of all pieces.
    Lists(&'static str, &'static str, u64),
    /// It prints this.
    Says(&'static str),
    /// The RTSP server prints this.
    Reaches(&'static str),
}
use Does::*;

#[track_caller]
fn cook(heading: &str, all: &[Does]) {
    let (_, blocks) = book().into_iter().find(|(name, _)| name == heading).expect("docs/recipes.md has the heading");
    let mut kitchen = Kitchen::new();
    for (block, does) in blocks.iter().zip(all) {
        if let Makes(file, _) | Records(file, _) | Encodes(file, ..) = does {
            let _ = fs::remove_file(kitchen.folder.join(file));
        }
        let mut run = kitchen.run(block);
        let deadline = Instant::now() + LIMIT;
        while !kitchen.is_done(does, &mut run) {
            assert!(Instant::now() < deadline, "not done: {block}\n{}", run.output());
            assert!(run.is_alive() || kitchen.is_done(does, &mut run), "ended: {block}\n{}", run.output());
            // Nothing tells when a file is complete or a window painted.
            thread::sleep(Duration::from_millis(50));
        }
        run.end();
        let (file, frames) = match does {
            Records(file, frames) | Lists(_, file, frames) => (file, *frames),
            Encodes(file, ..) => (file, ENCODED),
            _ => continue,
        };
        assert!(kitchen.frames(file) >= frames, "{} in {file}: {block}\n{}", kitchen.frames(file), run.output());
    }
}

/// The headings of all texts, each with its blocks.
fn book() -> Vec<(String, Vec<String>)> {
    let book = concat!(
        "\n",
        include_str!("../README.md"),
        include_str!("../docs/recipes.md"),
        include_str!("../docs/applications.md"),
        include_str!("../docs/mjpegserversink.md"),
        include_str!("../docs/mjpegclientsrc.md"),
    );
    // Lines also stand below the title of a text.
    book.replace("\n# ", "\n## ")
        .split("\n## ")
        .skip(1)
        .map(|section| {
            let (heading, text) = section.split_once('\n').expect("something stands below a heading");
            let blocks =
                text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned());
            (heading.to_owned(), blocks.collect())
        })
        .collect()
}

/// A network with cameras, a screen, and a folder to work in.
struct Kitchen {
    network: Namespace,
    folder: PathBuf,
    device: FakeCamera,
    display: String,
    rtsp: Process,
    cameras: Option<Process>,
    _x_server: Process,
}

impl Kitchen {
    #[track_caller]
    fn new() -> Self {
        init();
        plugin::give_from_cargo("fallbackswitch");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("recipe-{:?}", thread::current().id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        let network = Namespace::with_names(&["camera", "esp32cam"]);
        let mut x_server = Command::new("Xvfb");
        // Without -noreset it begins anew when the last window closes, and refuses who comes at that moment: a sink
        // that has tried another before.
        let options = "-displayfd 1 -noreset -nolisten tcp -screen 0 800x600x24";
        let mut x_server = Process::start(x_server.args(options.split(' ')).stderr(Stdio::null()));
        let display = format!(":{}", x_server.line());
        let mut rtsp = network.command("/usr/bin/python3");
        let rtsp = Process::start(rtsp.args(["tests/peers/rtsp_server.py", "554"]));
        film(&folder.join("film.mp4"));
        let device = FakeCamera::mjpeg(&vga_pictures(), (640, 480));
        let mut kitchen = Self { network, folder, device, display, rtsp, cameras: None, _x_server: x_server };
        kitchen.start_cameras();
        kitchen
    }

    #[track_caller]
    fn start_cameras(&mut self) {
        self.cameras = Some(Process::start(plugin::give(self.network.command("bash").args(["-c", CAMERAS]))));
        for port in [80, 81, 82] {
            pipeline::wait_until("a camera", || {
                self.fetch(&format!("http://me:secret@camera:{port}/snapshot")).is_some()
            });
        }
    }

    fn run(&self, block: &str) -> Run {
        let block = block.replace("/dev/video0", &self.device.device());
        let block = block.replace("libcamerasrc", "videotestsrc is-live=true");
        let block = block.replace("cvlc", "unshare --user --map-user=1000 --map-group=1000 cvlc");
        let output = self.folder.join("output.txt");
        let file = fs::File::create(&output).expect("the folder is there");
        let inside = self.network.command("env");
        let mut command = self.device.command(inside.get_program().to_str().expect("a name in text"));
        // Whoever starts the tests in the background of a script has them ignore Ctrl-C.
        command.args(inside.get_args()).args(["--default-signal=INT", "--chdir"]).arg(&self.folder);
        command.args(["bash", "-c", &block]);
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("a file")).stderr(file);
        plugin::give(&mut command).env("DISPLAY", &self.display).process_group(0);
        Run { child: command.spawn().expect("nsenter is there"), output }
    }

    #[track_caller]
    fn is_done(&mut self, does: &Does, run: &mut Run) -> bool {
        let serves = |mount: &str| self.fetch(&format!("http://127.0.0.1:8080{mount}/snapshot?fresh=1")).is_some();
        match does {
            Serves => serves("") && serves(""),
            ServesBelow(mounts) => mounts.iter().all(|mount| serves(mount)),
            Refuses => {
                self.fetch("http://me:secret@127.0.0.1:8080/snapshot").is_some()
                    && self.code("http://127.0.0.1:8080/snapshot") == "401"
            }
            Throttles => {
                // At thirty a second the rate is above two as soon as there are four.
                self.await_figure("/pictures", |pictures| pictures >= 4.0);
                self.await_figure("/rate", |rate| rate < 2.0);
                let viewer = ["--silent", "--output", "/dev/null", "http://127.0.0.1:8080/stream"];
                let _viewer = Process::start(self.network.command("curl").args(viewer));
                self.await_figure("/rate", |rate| rate > 10.0);
                true
            }
            Replaces(width) => {
                self.await_figure("/width", |width| width == 320.0);
                self.cameras = None;
                self.await_figure("/width", |now| now == f64::from(*width));
                self.start_cameras();
                self.await_figure("/width", |width| width == 320.0);
                true
            }
            Shows => is_white_somewhere(&self.display),
            Makes(file, frames) => !run.is_alive() && self.frames(file) >= *frames,
            // The shortest recording has some kilobytes by the time it has that many pictures.
            Records(file, _) | Lists(file, ..) => {
                fs::metadata(self.folder.join(file)).is_ok_and(|file| file.len() > 2000)
            }
            Encodes(_, server, figure) => self.figure(server, figure) >= Some((3 * ENCODED) as f64),
            Says(text) => run.output().contains(text),
            Reaches(text) => self.rtsp.line() == *text,
        }
    }

    /// The picture at this address.
    fn fetch(&self, url: &str) -> Option<Vec<u8>> {
        Some(self.get(url)).filter(|picture| picture.starts_with(b"\xff\xd8"))
    }

    /// A figure of this server's `/status`.
    fn figure(&self, server: &str, name: &str) -> Option<f64> {
        let status = self.get(&format!("http://{server}/status"));
        let status: serde_json::Value = serde_json::from_slice(&status).ok()?;
        status.pointer(name)?.as_f64()
    }

    /// Waits for a figure of the server on port 8080.
    #[track_caller]
    fn await_figure(&self, name: &str, is_it: impl Fn(f64) -> bool) {
        let deadline = Instant::now() + LIMIT;
        let figure = || self.figure("127.0.0.1:8080", name);
        while !figure().is_some_and(&is_it) {
            assert!(Instant::now() < deadline, "{name} is {:?}", figure());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// How the server answers at this address.
    fn code(&self, url: &str) -> String {
        let options = ["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--max-time", "5", url];
        let curl = self.network.command("curl").args(options).output();
        String::from_utf8_lossy(&curl.expect("curl is there").stdout).into_owned()
    }

    /// What is at this address; nothing where that is an error.
    fn get(&self, url: &str) -> Vec<u8> {
        let curl = self.network.command("curl").args(["--silent", "--fail", "--max-time", "5", url]).output();
        curl.expect("curl is there").stdout
    }

    /// How many pictures ffmpeg finds in a file.
    fn frames(&self, file: &str) -> u64 {
        let options = "-v error -count_frames -select_streams v -show_entries stream=nb_read_frames -of csv=p=0";
        let ffprobe = Command::new("ffprobe").args(options.split(' ')).arg(self.folder.join(file)).output();
        let text = String::from_utf8(ffprobe.expect("ffprobe is there").stdout).unwrap_or_default();
        text.lines().next().and_then(|line| line.trim_matches(',').parse().ok()).unwrap_or_default()
    }
}

/// The cameras that answer behind the names of the book: a white ball that moves on black.
const CAMERAS: &str = "exec gst-launch-1.0 -q videotestsrc is-live=true pattern=ball animation-mode=wall-time \
    ! video/x-raw,width=320,height=240,framerate=15/1 ! jpegenc ! tee name=t \
    t. ! queue ! mjpegserversink host=0.0.0.0 port=80  t. ! queue ! mjpegserversink host=0.0.0.0 port=81 \
    t. ! queue ! mjpegserversink port=82 user-id=me user-pw=secret";

/// What the webcam shows.
fn vga_pictures() -> Vec<Vec<u8>> {
    init();
    let line = "videotestsrc num-buffers=3 ! video/x-raw,width=640,height=480 ! jpegenc ! appsink name=sink sync=false";
    let pipeline = gst::parse::launch(line).expect("the usual elements");
    let sink = pictures::sink(&pipeline);
    pipeline.set_state(gst::State::Playing).expect("the pipeline plays");
    let pictures = std::iter::from_fn(|| sink.pull_sample().ok()).map(|sample| source::bytes(&sample)).collect();
    pipeline.set_state(gst::State::Null).expect("the pipeline stops");
    pictures
}

/// A film of two seconds.
#[track_caller]
fn film(path: &Path) {
    let source = "-y -v error -f lavfi -i testsrc=duration=2:size=320x240:rate=25 -pix_fmt yuv420p".split(' ');
    let ffmpeg = Command::new("ffmpeg").args(source).arg(path).stdin(Stdio::null()).status();
    assert!(ffmpeg.expect("ffmpeg is there").success());
}

/// Whether the ball is on the screen, which is black without windows. One look at a time: libXext mixes up displays
/// that are opened and closed at once, and frees memory that is in use (valgrind).
fn is_white_somewhere(display: &str) -> bool {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let line = format!(
        "ximagesrc display-name={display} use-damage=false show-pointer=false num-buffers=1
         ! videoconvert ! video/x-raw,format=GRAY8 ! appsink name=sink sync=false"
    );
    let pipeline = gst::parse::launch(&line).expect("gstreamer1.0-plugins-good is installed");
    let sink = pictures::sink(&pipeline);
    pipeline.set_state(gst::State::Playing).expect("the screen is there");
    let sample = sink.try_pull_sample(gst::ClockTime::from_seconds(10)).expect("a picture of the screen");
    let white = pictures::pixels(&sample).iter().filter(|brightness| **brightness > 200).count();
    pipeline.set_state(gst::State::Null).expect("the pipeline stops");
    // The ball has some 1200 pixels.
    white > 300
}

/// A recipe that runs.
struct Run {
    child: Child,
    output: PathBuf,
}

impl Run {
    fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_none()
    }

    fn output(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    fn signal(&self, name: &str) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("/bin/kill").args([name, "--", &group]).stderr(Stdio::null()).status();
    }

    /// Ends it as Ctrl-C does.
    #[track_caller]
    fn end(&mut self) {
        self.signal("-INT");
        let deadline = Instant::now() + LIMIT;
        while self.is_alive() {
            assert!(Instant::now() < deadline, "it does not end: {}", self.output());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.is_alive() {
            self.signal("-KILL");
            let _ = self.child.wait();
        }
    }
}
