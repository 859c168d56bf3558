//! The programs in examples/, each run against the other element.
//!
//! Debian packages besides the usual ones: python3-gst-1.0, gir1.2-gst-plugins-base-1.0, python3-opencv.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use common::{
    http::{Viewer, get},
    pictures::encoded,
    pipeline::{self, Camera},
    plugin,
    process::free_port,
};

mod common;

/// Longest wait for a line of a program. Chosen: OpenCV alone takes seconds to load where others work.
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn serve_frames_serves_what_it_draws() {
    let mut program = Program::rust("serve_frames", &["0"]);
    let mut viewer = Viewer::open(program.address());
    assert_ne!(viewer.picture(), viewer.picture());
}

#[test]
fn newest_picture_prints_size_and_age() {
    let camera = Feed::new();
    let mut program = Program::rust("newest_picture", &[&camera.url(), "3"]);
    for _ in 0..3 {
        let line = program.line();
        assert!(line.starts_with("320x240, brightness ") && line.ends_with(" ms old"), "{line}");
    }
    program.expect_success();
}

#[test]
fn newest_picture_waits_for_its_camera_and_ends_where_there_is_none() {
    let port = free_port();
    // What comes before the camera is there tells that the program has asked already.
    let before = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
    before.set_nonblocking(true).expect("a listener can be asked without waiting");
    let mut program = Program::rust("newest_picture", &[&format!("http://127.0.0.1:{port}/stream"), "1"]);
    pipeline::wait_until("the program to ask", || before.accept().is_ok());
    drop(before);
    let _camera = Feed::on(port);
    assert!(program.line().starts_with("320x240, "));
    program.expect_success();
    let mut program = Program::rust("newest_picture", &[&format!("http://127.0.0.1:{port}/nothing")]);
    assert!(!program.child.wait().expect("it is ours").success());
}

#[test]
fn on_demand_encodes_while_somebody_watches() {
    let mut program = Program::rust("on_demand", &["0"]);
    let address = program.address();
    let mut viewer = Viewer::open(address);
    assert_eq!(program.line(), "1 watching, encoding: true");
    viewer.picture();
    drop(viewer);
    assert_eq!(program.line(), "0 watching, encoding: false");
    Viewer::open(address).picture();
    assert_eq!(program.line(), "1 watching, encoding: true");
}

#[test]
fn many_cameras_keeps_the_others_when_one_is_not_there() {
    let (feed, port, nobody) = (Feed::new(), free_port().to_string(), free_port());
    let cameras = [format!("door={}", feed.url()), format!("gone=http://127.0.0.1:{nobody}/")];
    let mut program = Program::rust("many_cameras", &[&port, &cameras[0], &cameras[1], "yard=test"]);
    let address = program.address();
    for mount in ["door", "yard"] {
        pipeline::wait_until("the camera", || code(address, &format!("/{mount}/snapshot")) == Some(200));
    }
    let status = String::from_utf8(get(address, "/status").body).expect("JSON");
    assert!(status.contains("/door") && status.contains("/yard"), "{status}");
}

/// Seen from outside: the first camera was served, and of the second nothing was said.
#[test]
fn programs_in_rust_say_why_they_do_not_start() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = taken.local_addr().expect("the port just bound").port().to_string();
    let in_use = format!("port {port} is in use");
    for (name, arguments, text) in [
        ("many_cameras", &["0", "door=test", "yard"][..], "yard is not NAME=URL"),
        ("serve_frames", &[&port], &in_use),
        ("on_demand", &[&port], &in_use),
    ] {
        let said = plugin::give(Command::new(built(name)).args(arguments)).output().expect("it starts");
        let told = String::from_utf8_lossy(&said.stderr);
        assert!(!said.status.success() && told.contains(text), "{name}: {told}");
    }
}

#[test]
fn relay_waits_for_its_camera_and_outlives_it() {
    let port = free_port();
    let mut program = Program::rust("relay", &[&format!("http://127.0.0.1:{port}/stream"), "0"]);
    let address = program.address();
    program.wait_for("camera: reconnecting");
    let camera = Feed::on(port);
    program.wait_for("camera: connected");
    let mut viewer = Viewer::open(address);
    viewer.picture();
    drop(camera);
    program.wait_for("camera: reconnecting");
    let _camera = Feed::on(port);
    program.wait_for("camera: connected");
    viewer.picture();
}

#[test]
fn http_camera_reads_as_a_webcam() {
    let camera = Feed::new();
    let mut program = Program::python("http_camera.py", &[&camera.url(), "3"]);
    for _ in 0..3 {
        let line = program.line();
        assert!(line.starts_with("(240, 320, 3) mean "), "{line}");
    }
    program.expect_success();
}

/// 322 pixels are no multiple of four bytes: a wrong stride would show in the colours.
#[test]
fn serve_numpy_serves_arrays() {
    let mut program = Program::python("serve_numpy.py", &["0", "322", "240"]);
    let url = format!("http://{}/stream", program.address());
    let mut reader = Program::python("http_camera.py", &[&url, "1"]);
    // Red of 200 in one of three channels, but for JPEG's rounding.
    let line = reader.line();
    let mean: f64 = line.strip_prefix("(240, 322, 3) mean ").and_then(|mean| mean.parse().ok()).expect("a mean");
    assert!((mean - 200.0 / 3.0).abs() < 2.0, "{line}");
    reader.expect_success();
}

#[test]
fn opencv_reads_and_serves_through_gstreamer() {
    let camera = Feed::new();
    let mut program = Program::python("opencv_relay.py", &[&camera.url(), &free_port().to_string()]);
    let mut viewer = Viewer::open(program.address());
    assert!(viewer.picture().starts_with(b"\xff\xd8"));
}

/// Seen from outside: a traceback of Python for who calls one without its arguments, or has not installed the plugin.
#[test]
fn python_programs_say_how_they_are_called_and_what_is_missing() {
    let said = |name: &str, arguments: &[&str]| {
        let mut command = Command::new("/usr/bin/python3");
        command.arg(example(&format!("python/{name}"))).args(arguments);
        // Wherever it may be installed here.
        command.env("GST_PLUGIN_PATH", "").env("GST_PLUGIN_SYSTEM_PATH", "");
        command.env("GST_REGISTRY", Path::new(env!("CARGO_TARGET_TMPDIR")).join("none.bin"));
        let output = command.output().expect("python3 is there");
        assert!(!output.status.success(), "{name}");
        String::from_utf8(output.stderr).expect("text")
    };
    for name in ["http_camera.py", "opencv_relay.py", "serve_numpy.py", "webrtc_bridge.py"] {
        assert!(said(name, &["x", "y", "z", "0", "1"]).starts_with(&format!("usage: {name} ")), "{name}");
    }
    for (name, argument) in [("http_camera.py", "http://camera/"), ("serve_numpy.py", "0"), ("webrtc_bridge.py", "x")] {
        let said = said(name, &[argument]);
        assert!(said.contains("plugin installed") && !said.contains("Traceback"), "{name}: {said}");
    }
}

#[test]
fn serve_in_c_says_who_watches() {
    let mut program = Program::c("serve", &["0"]);
    let mut viewer = Viewer::open(program.address());
    viewer.picture();
    let line = program.line();
    assert!(line.starts_with("viewer ") && line.contains(" from 127.0.0.1"), "{line}");
    drop(viewer);
    let line = program.line();
    assert!(line.ends_with("left: closed"), "{line}");
}

#[test]
fn receive_in_c_takes_pictures() {
    let camera = Feed::new();
    let mut program = Program::c("receive", &[&camera.url(), "3"]);
    for _ in 0..3 {
        let line = program.line();
        assert!(line.starts_with("320x240, ") && line.ends_with(" bytes"), "{line}");
    }
    program.expect_success();
}

/// A camera in this process that gives a picture every 20 ms until it is dropped.
struct Feed {
    port: u16,
    stop: Option<std::sync::mpsc::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Feed {
    fn new() -> Self {
        Self::on(0)
    }

    #[track_caller]
    fn on(port: u16) -> Self {
        let (tell, told) = channel();
        let (stop, stopped) = channel::<()>();
        let thread = thread::spawn(move || {
            let camera = Camera::new("is-live=true do-timestamp=true", &format!("port={port}")).play();
            tell.send(camera.port()).expect("somebody waits");
            for picture in encoded(3).iter().cycle() {
                camera.push(picture);
                if stopped.recv_timeout(Duration::from_millis(20))
                    == Err(std::sync::mpsc::RecvTimeoutError::Disconnected)
                {
                    break;
                }
            }
        });
        let port = told.recv().expect("the camera starts");
        Self { port, stop: Some(stop), thread: Some(thread) }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/stream", self.port)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop = None;
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

/// An example that runs until it is dropped.
struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Program {
    /// One that cargo built with this test.
    #[track_caller]
    fn rust(name: &str, arguments: &[&str]) -> Self {
        Self::start(Command::new(built(name)).args(arguments))
    }

    #[track_caller]
    fn python(name: &str, arguments: &[&str]) -> Self {
        Self::start(Command::new("/usr/bin/python3").arg(example(&format!("python/{name}"))).args(arguments))
    }

    /// One that is compiled as its first lines say.
    #[track_caller]
    fn c(name: &str, arguments: &[&str]) -> Self {
        let flags = Command::new("pkg-config").args(["--cflags", "--libs", "gstreamer-app-1.0"]).output();
        let flags = String::from_utf8(flags.expect("pkg-config is there").stdout).expect("text");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let mut compile = Command::new("cc");
        compile.args(["-Wall", "-Werror", "-o"]).arg(&program).arg(example(&format!("c/{name}.c")));
        assert!(compile.args(flags.split_whitespace()).status().expect("cc is there").success());
        Self::start(Command::new(program).args(arguments))
    }

    #[track_caller]
    fn start(command: &mut Command) -> Self {
        let mut child = plugin::give(command).stdout(Stdio::piped()).spawn().expect("the program starts");
        let output = BufReader::new(child.stdout.take().expect("it was asked for"));
        let (sender, lines) = channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// The next line that it prints.
    #[track_caller]
    fn line(&mut self) -> String {
        self.lines.recv_timeout(LIMIT).expect("the program prints a line")
    }

    #[track_caller]
    fn wait_for(&mut self, line: &str) {
        let end = Instant::now() + LIMIT;
        while self.line() != line {
            assert!(Instant::now() < end, "it does not print {line:?}");
        }
    }

    /// Where it serves, which it says first.
    #[track_caller]
    fn address(&mut self) -> SocketAddr {
        let line = self.line();
        let port = line.trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok());
        SocketAddr::from((Ipv4Addr::LOCALHOST, port.unwrap_or_else(|| panic!("{line:?} is no address"))))
    }

    #[track_caller]
    fn expect_success(&mut self) {
        assert!(self.child.wait().expect("it is ours").success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One of the programs in Rust, as cargo built it.
#[track_caller]
fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let program = test.ancestors().nth(2).expect("tests lie in deps").join("examples").join(name);
    assert!(program.exists(), "{program:?}: cargo test builds it, cargo test --test does not: cargo build --examples");
    program
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// The code of an answer; none from a server that comes or goes just then.
fn code(address: SocketAddr, target: &str) -> Option<u16> {
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    write!(stream, "GET {target} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    String::from_utf8_lossy(&answer).split(' ').nth(1)?.parse().ok()
}
