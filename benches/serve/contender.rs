//! The servers to measure, each a process of its own on the first core.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{
    PERIOD, PICTURE,
    common::{Ends, picture, this},
    secure, stamp,
};

/// All there are. The first is what the others are measured by.
pub const SERVERS: [&str; 6] = ["floor", "mjpegserversink", "tcpserversink", "ustreamer", "Flask", "ffmpeg"];

/// Whether this server can serve so many: ffmpeg's takes one viewer, and no other while that one is there.
pub fn serves(server: &str, viewers: usize) -> bool {
    server != "ffmpeg" || viewers == 1
}

/// Those that encrypt, and the one that they are measured by.
pub const SECURE: [&str; 5] = ["mjpegserversink", "mjpegserversink-tls", "nginx-tls", "mjpegserversink-h2", "nginx-h2"];

/// A server that runs.
pub struct Contender {
    processes: Vec<Ends>,
    pub port: u16,
}

impl Contender {
    pub fn start(server: &str) -> Result<Self> {
        match server {
            "Flask" => {
                let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/serve/recipe.py");
                let arguments = [script, &PICTURE.to_string(), &PERIOD.as_secs_f64().to_string()];
                // The script of the distribution needs the distribution's interpreter.
                Self::that_says_its_port(Command::new("/usr/bin/python3").args(arguments))
            }
            "ustreamer" => ustreamer(free_port()?),
            "ffmpeg" => ffmpeg(free_port()?),
            "nginx-tls" | "nginx-h2" => nginx(free_port()?),
            ours => Self::that_says_its_port(this()?.args(["serve", ours])),
        }
    }

    /// The numbers of its processes, with commas between.
    pub fn ids(&self) -> String {
        let ids: Vec<_> = self.processes.iter().map(|process| process.0.id().to_string()).collect();
        ids.join(",")
    }

    fn that_says_its_port(command: &Command) -> Result<Self> {
        let mut process = Ends::start(0, command)?;
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().context("it is piped")?).read_line(&mut line)?;
        Ok(Self {
            port: line.trim().parse().with_context(|| format!("{command:?} says its port"))?,
            processes: vec![process],
        })
    }

    fn that_listens(port: u16, command: &Command) -> Result<Self> {
        let process = Ends::start_quiet(0, command)?;
        // Local address 127.0.0.1 as the kernel shows it, any peer, state LISTEN.
        let line = format!(" 0100007F:{port:04X} 00000000:0000 0A ");
        let end = Instant::now() + START;
        while !fs::read_to_string("/proc/net/tcp")?.contains(&line) {
            ensure!(Instant::now() < end, "{command:?} does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { processes: vec![process], port })
    }
}

/// ustreamer, which passes on what the camera compressed. Until the camera's first picture it shows the same one.
fn ustreamer(port: u16) -> Result<Contender> {
    let Camera { mut command, device, picture } = camera("ustreamer")?;
    command.args(["--format=MJPEG", "--encoder=HW"]);
    command.arg(format!("--device={device}")).arg(format!("--blank={picture}")).arg(format!("--port={port}"));
    Contender::that_listens(port, &command)
}

/// nginx, which speaks TLS for `mjpegserversink` behind it.
fn nginx(port: u16) -> Result<Contender> {
    let sink = Contender::start("mjpegserversink")?;
    let mut nginx = Contender::that_listens(port, &secure::nginx(port, sink.port)?)?;
    nginx.processes.extend(sink.processes);
    Ok(nginx)
}

fn ffmpeg(port: u16) -> Result<Contender> {
    let Camera { mut command, device, .. } = camera("ffmpeg")?;
    command.args(["-loglevel", "error", "-f", "v4l2", "-input_format", "mjpeg", "-i", &device]);
    command.args(["-c", "copy", "-f", "mpjpeg", "-listen", "1", &format!("http://127.0.0.1:{port}/")]);
    Contender::that_listens(port, &command)
}

/// A program that sees the camera of `tests/peers/fake_v4l2.c`, the camera's device, and its picture.
struct Camera {
    command: Command,
    device: String,
    picture: String,
}

fn camera(program: &str) -> Result<Camera> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-camera");
    fs::create_dir_all(&folder)?;
    let path = |name: &str| -> Result<String> {
        let path: PathBuf = folder.join(name);
        Ok(path.to_str().context("the target folder's name is text")?.to_owned())
    };
    let (library, device, file) = (path("fake_v4l2.so")?, path("video0")?, path("picture.jpg")?);
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/fake_v4l2.c");
    let compiled = Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o", &library, source]).status()?;
    ensure!(compiled.success(), "fake_v4l2.c compiles");
    if !Path::new(&device).exists() {
        symlink("/dev/null", &device)?;
    }
    fs::write(&file, stamp::stamped(&picture(PICTURE), 0))?;
    let mut command = Command::new(program);
    let rate = (1.0 / PERIOD.as_secs_f64()).round().to_string();
    command.env("LD_PRELOAD", library).env("FAKE_V4L2_DEVICE", &device).env("FAKE_V4L2_PICTURES", &file);
    command.env("FAKE_V4L2_RATE", rate);
    Ok(Camera { command, device, picture: file })
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Longest wait for a server to listen. Chosen: far above what was seen.
const START: Duration = Duration::from_secs(10);
