//! A real browser on an X server of its own, and eyes to see what it paints.
//!
//! In order: [`Browser::open`] a page, [`Browser::wait_for_colour`] as often as needed, drop it. Nothing
//! asks the browser whether it is ready: only pixels count, because "loaded" is not "painted".
//!
//! Debian packages: xvfb, chromium, firefox-esr, libwebkit2gtk-4.1-0 (has MiniBrowser),
//! gstreamer1.0-plugins-good (ximagesrc, pngenc), gstreamer1.0-plugins-base. No D-Bus, no window manager.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::env::consts::ARCH;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, thread};

use anyhow::{Context as _, bail, ensure};
use gst::prelude::*;

/// The browsers we know how to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Chromium,
    Firefox,
    WebKitGtk,
}

/// One browser that shows one page. Dropping it ends all that was started for it.
pub struct Browser {
    // Dropped in this order: nobody looks any more, the browser goes, then its X server, then its files.
    screen: Screen,
    program: Group,
    _x_server: Group,
    _profile: Profile,
}

impl Browser {
    /// Starts an X server, and on it the browser with `url`, or with tabs for several (blanks between); does not wait.
    pub fn open(kind: Kind, url: &str) -> anyhow::Result<Self> {
        Self::start(kind, url, SCREEN, Profile::create()?)
    }

    /// The same on a screen of this width and height.
    pub fn open_on(kind: Kind, url: &str, screen: (u32, u32)) -> anyhow::Result<Self> {
        Self::start(kind, url, screen, Profile::create()?)
    }

    /// The same for one that trusts this certificate, as its SHA-256 fingerprint in colons, at 127.0.0.1 and this port.
    /// Chromium and WebKitGTK trust any. The screen has this width and height.
    pub fn open_trusting(
        kind: Kind,
        url: &str,
        screen: (u32, u32),
        port: u16,
        fingerprint: &str,
    ) -> anyhow::Result<Self> {
        let profile = Profile::create()?;
        // What Firefox writes when its user accepts the risk: host, the hash's name (SHA-256), the fingerprint.
        let exception = format!("127.0.0.1:{port}:\tOID.2.16.840.1.101.3.4.2.1\t{fingerprint}\t\n");
        fs::write(profile.0.join("cert_override.txt"), exception)?;
        Self::start(kind, url, screen, profile)
    }

    fn start(kind: Kind, url: &str, screen: (u32, u32), profile: Profile) -> anyhow::Result<Self> {
        let (x_server, display) = start_x_server(screen)?;
        let words = kind.command_line(screen, &profile)?;
        let words = words.iter().map(String::as_str).chain(url.split(' '));
        // On SIGTERM browsers dawdle, and nothing of theirs outlives the profile.
        let program = Group::start(words, &profile.environment(&display), "KILL", Stdio::null())?;
        let screen = Screen::watch(&display)?;
        Ok(Self { screen, program, _x_server: x_server, _profile: profile })
    }

    /// Waits for `rgb` on at least [`MIN_SHARE`] of the screen, each channel within `tolerance`. Answers
    /// when the picture of the screen was in our hands: a delay taken from it is one capture too long at
    /// most, and never too short.
    pub fn wait_for_colour(&self, rgb: [u8; 3], tolerance: u8, deadline: Duration) -> anyhow::Result<Instant> {
        self.wait_for_share(rgb, tolerance, MIN_SHARE, deadline)
    }

    /// The same for another share of the screen.
    pub fn wait_for_share(
        &self,
        rgb: [u8; 3],
        tolerance: u8,
        share: f64,
        deadline: Duration,
    ) -> anyhow::Result<Instant> {
        let missing = |picture: &Picture| picture.share(rgb, tolerance) < share;
        let (picture, seen_at) = self.look_while(missing, deadline)?;
        let seen = picture.share(rgb, tolerance);
        ensure!(!missing(&picture), "{rgb:?} on {seen} of the screen in {deadline:?}, {}", picture.middle());
        Ok(seen_at)
    }

    /// Looks at the screen for `duration`; an error as soon as `rgb` is missing from one picture of it.
    pub fn keeps_colour(&self, rgb: [u8; 3], tolerance: u8, duration: Duration) -> anyhow::Result<()> {
        let there = |picture: &Picture| picture.share(rgb, tolerance) >= MIN_SHARE;
        let (picture, _) = self.look_while(there, duration)?;
        ensure!(there(&picture), "{rgb:?} left the screen, now {}", picture.middle());
        Ok(())
    }

    /// Writes what is on the screen to a PNG file, to explain a failure.
    pub fn screenshot(&self, path: &Path) -> anyhow::Result<()> {
        self.screen.save(path)
    }

    /// The first picture of the screen that is not `like_this`, or the last one in `duration`.
    fn look_while(
        &self,
        like_this: impl Fn(&Picture) -> bool,
        duration: Duration,
    ) -> anyhow::Result<(Picture, Instant)> {
        let end = Instant::now() + duration;
        // A picture taken before the call may still be in the queue; what it shows is history.
        let now = self.screen.pipeline.current_running_time();
        let mut not_before = now.unwrap_or_default();
        loop {
            if self.program.has_ended() {
                bail!("the browser has ended: {}", self.program.last_words());
            }
            let (picture, seen_at) = self.screen.picture(not_before)?;
            if seen_at >= end || !like_this(&picture) {
                return Ok((picture, seen_at));
            }
            not_before = picture.taken_at;
        }
    }
}

impl Kind {
    /// All but the URL.
    fn command_line(self, (width, height): (u32, u32), Profile(directory): &Profile) -> anyhow::Result<Vec<String>> {
        let path = directory.display();
        let (line, last_word) = match self {
            Self::Chromium => (format!("{CHROMIUM} --window-size={width},{height}"), format!("--user-data-dir={path}")),
            Self::Firefox => {
                fs::write(directory.join("user.js"), FIREFOX_PREFERENCES)?;
                ("firefox-esr --kiosk --no-remote --profile".to_owned(), path.to_string())
            }
            // Its sandbox is off unless asked for, so root and a missing D-Bus need no flag. Without a
            // window manager `--full-screen` does nothing; the tool bar that stays is 40 pixels high. It makes its
            // window no smaller than this one, hence the size of the screen.
            Self::WebKitGtk => (
                format!("/usr/lib/{ARCH}-linux-gnu/webkit2gtk-4.1/MiniBrowser --ignore-tls-errors"),
                format!("--geometry={width}x{height}"),
            ),
        };
        Ok(line.split(' ').map(str::to_owned).chain([last_word]).collect())
    }
}

/// The X server picks a free display number itself and writes it when it is ready for clients.
fn start_x_server((width, height): (u32, u32)) -> anyhow::Result<(Group, String)> {
    // `-noreset`: else the server starts anew when its first client leaves.
    let line = format!("Xvfb -displayfd 1 -screen 0 {width}x{height}x24 -nolisten tcp -noreset");
    // SIGTERM, because it has a lock file and a socket in /tmp to remove.
    let mut group = Group::start(line.split(' '), &[], "TERM", Stdio::piped())?;
    let stdout = group.leader.stdout.take().context("no stdout")?;
    let mut number = String::new();
    // Ends at the latest when Xvfb does.
    BufReader::new(stdout).read_line(&mut number)?;
    if number.is_empty() {
        // Why it ended may be read a moment after it did.
        let _ = group.alive.recv_timeout(LIFE_CYCLE_LIMIT);
        bail!("no Xvfb: {}", group.last_words());
    }
    Ok((group, format!(":{}", number.trim())))
}

/// A program and all that it forks, as one process group.
struct Group {
    leader: Child,
    log: Arc<Mutex<Vec<u8>>>,
    /// Never gets a value; it disconnects when the last process that holds our stderr pipe is gone.
    alive: Receiver<()>,
}

/// The leader of the group. It ends the group when its stdin closes, hence also when the test itself is
/// killed. It gives up stderr, so that end of file there means the program is gone. `$0` is the signal.
const LEADER: &str = r#""$@" & exec >&- 2>&-; read -r _; kill -s "$0" 0"#;

impl Group {
    fn start<'a>(
        words: impl Iterator<Item = &'a str>,
        environment: &[(&str, &str)],
        end_signal: &str,
        stdout: Stdio,
    ) -> anyhow::Result<Self> {
        let mut leader = Command::new("sh")
            .args(["-c", LEADER, end_signal])
            .args(words)
            // A clean environment: no proxy, no D-Bus of somebody's session, no G_DEBUG=fatal_warnings or
            // GST_PLUGIN_PATH of ours (WebKitGTK is a GLib and GStreamer program too).
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .envs(environment.iter().copied())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stderr = leader.stderr.take().context("no stderr")?;
        let log = Arc::new(Mutex::new(Vec::new()));
        let (sender, alive) = channel();
        let writer = Arc::clone(&log);
        thread::spawn(move || {
            let _sender = sender;
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut chunk) {
                let mut log = writer.lock().unwrap_or_else(PoisonError::into_inner);
                log.extend_from_slice(&chunk[..count]);
                let excess = log.len().saturating_sub(MAX_LOG);
                log.drain(..excess);
            }
        });
        Ok(Self { leader, log, alive })
    }

    fn has_ended(&self) -> bool {
        self.alive.try_recv() == Err(TryRecvError::Disconnected)
    }

    fn last_words(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        drop(self.leader.stdin.take());
        let _ = self.leader.wait();
        if self.alive.recv_timeout(LIFE_CYCLE_LIMIT) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{} does not end: {}", self.leader.id(), self.last_words());
        }
    }
}

/// A temporary directory for all that a browser writes: profile, cache, sockets.
struct Profile(PathBuf);

impl Profile {
    fn create() -> anyhow::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        let path = env::temp_dir().join(format!("mjpeghttp-browser-{now}"));
        fs::DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self(path))
    }

    fn environment<'a>(&'a self, display: &'a str) -> [(&'static str, &'a str); 5] {
        let directory = self.0.to_str().unwrap_or_default();
        [
            ("DISPLAY", display),
            ("HOME", directory),
            ("TMPDIR", directory),
            ("XDG_RUNTIME_DIR", directory),
            // GTK otherwise looks for an accessibility bus.
            ("NO_AT_BRIDGE", "1"),
        ]
    }
}

impl Drop for Profile {
    fn drop(&mut self) {
        // A crash reporter that left the group ends a moment after its browser and may write meanwhile.
        if !(0..10).any(|_| fs::remove_dir_all(&self.0).is_ok()) {
            eprintln!("cannot remove {}", self.0.display());
        }
    }
}

/// Pictures of an X screen, some 50 a second.
struct Screen {
    pipeline: gst::Element,
    sink: gst_app::AppSink,
    display: String,
}

impl Screen {
    fn watch(display: &str) -> anyhow::Result<Self> {
        gst::init()?;
        // One picture at most waits for us, the newest.
        let pipeline = gst::parse::launch(&format!(
            "{X_SOURCE} display-name={display} ! video/x-raw,format=BGRx,framerate={CAPTURES_PER_SECOND}/1
             ! appsink name=sink sync=false max-buffers=1 drop=true"
        ))
        .context("ximagesrc is in gstreamer1.0-plugins-good")?;
        let bin = pipeline.downcast_ref::<gst::Bin>().context("no bin")?;
        let sink = bin.by_name("sink").and_downcast().context("no sink")?;
        pipeline.set_state(gst::State::Playing)?;
        Ok(Self { pipeline, sink, display: display.to_owned() })
    }

    /// The first picture taken later than `not_before`, and when we got it.
    fn picture(&self, not_before: gst::ClockTime) -> anyhow::Result<(Picture, Instant)> {
        let limit = gst::ClockTime::try_from(LIFE_CYCLE_LIMIT)?;
        loop {
            let sample = self.sink.try_pull_sample(limit);
            let seen_at = Instant::now();
            let sample = sample.context("no picture of the X screen")?;
            let buffer = sample.buffer().context("sample without buffer")?;
            // ximagesrc's time is never later than the capture itself: nothing old passes for new.
            let taken_at = buffer.pts().context("picture without time")?;
            if taken_at > not_before {
                let bgrx = buffer.map_readable()?;
                let pixels = bgrx.chunks_exact(4).step_by(13);
                let pixels = pixels.map(|pixel| [pixel[2], pixel[1], pixel[0]]);
                return Ok((Picture { pixels: pixels.collect(), taken_at }, seen_at));
            }
        }
    }

    fn save(&self, path: &Path) -> anyhow::Result<()> {
        let pipeline = gst::parse::launch(&format!(
            "{X_SOURCE} display-name={} num-buffers=1 ! videoconvert ! pngenc ! filesink location={:?}",
            self.display, path
        ))?;
        pipeline.set_state(gst::State::Playing)?;
        let bus = pipeline.bus().context("pipeline without bus")?;
        let limit = gst::ClockTime::try_from(LIFE_CYCLE_LIMIT)?;
        let end = bus.timed_pop_filtered(limit, &[gst::MessageType::Eos, gst::MessageType::Error]);
        pipeline.set_state(gst::State::Null)?;
        match end {
            Some(message) if message.type_() == gst::MessageType::Eos => Ok(()),
            message => bail!("no screenshot: {message:?}"),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Without damage tracking each picture is a full read of the screen: costly, but nothing is missed.
const X_SOURCE: &str = "ximagesrc show-pointer=false use-damage=false";

/// One captured screen.
struct Picture {
    /// Every 13th. Chosen: 60 000 are left, and 13 does not divide the width, so columns change.
    pixels: Vec<[u8; 3]>,
    taken_at: gst::ClockTime,
}

impl Picture {
    fn share(&self, rgb: [u8; 3], tolerance: u8) -> f64 {
        let close = |(a, b): (&u8, u8)| a.abs_diff(b) <= tolerance;
        let near = |pixel: &&[u8; 3]| pixel.iter().zip(rgb).all(close);
        self.pixels.iter().filter(near).count() as f64 / self.pixels.len() as f64
    }

    fn middle(&self) -> String {
        // Half of the rows and half of a row: 1024 / 2 / 13.
        format!("{:?} in the middle", self.pixels[self.pixels.len() / 2 + 39])
    }
}

/// Width and height. WebKitGTK makes its window no smaller.
const SCREEN: (u32, u32) = (1024, 768);

/// Part of the screen that must have a colour. Chosen: 320x240 in its own size is 10 % of it.
const MIN_SHARE: f64 = 0.08;

/// Chosen: 20 ms is far below the delays that matter here (one period of 1 s).
const CAPTURES_PER_SECOND: i32 = 50;

/// Longest wait for a process to end and for a picture of the screen. Chosen: 10 times what was seen.
const LIFE_CYCLE_LIMIT: Duration = Duration::from_secs(10);

/// Bytes of a program's stderr kept for an error message. Chosen: some 30 lines.
const MAX_LOG: usize = 4096;

/// Without a window manager `--kiosk` alone does not move and size the window. Root may not use the
/// sandbox; without a GPU no GPU process need fail first. The rest: no first page, nothing but our own
/// load on the network. The crash reporter stays (it leaves the group, but ends by itself): with
/// `--disable-crashpad-for-testing` 156's network service dies of "FD ownership violation", over and over.
const CHROMIUM: &str = "chromium --kiosk --window-position=0,0 --no-sandbox --ignore-certificate-errors \
    --disable-gpu --no-first-run --disable-background-networking --disable-component-update \
    --disable-sync --disable-quic --password-store=basic --disable-popup-blocking";

/// No first-run pages, telemetry, updates, captive portal check or other load of its own.
const FIREFOX_PREFERENCES: &str = r#"
user_pref("app.normandy.enabled", false);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("browser.startup.homepage_override.mstone", "ignore");
user_pref("dom.disable_open_during_load", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("services.settings.server", "http://127.0.0.1:9");
user_pref("toolkit.telemetry.enabled", false);
"#;
