//! Both elements at work: serves a camera, or a test picture, reads it back from there, and says once a
//! second how many pictures came through and how old the newest one was.
//!
//! `scripts/demo` builds the plugin and starts this with `GST_PLUGIN_PATH` set, so that GStreamer finds the
//! plugin as it does in any other application.

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use glib_unix::unix_signal_add;
use gst::prelude::*;

use pipeline::{Running, comes_from, is_busy, wait};
use report::{Received, age_ms, describe, lock};

mod pipeline;
mod report;

const USAGE: &str = "usage: demo [--host ADDRESS] [--port N] [--device PATH] [--seconds N]";

const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 8080;
const DEFAULT_DEVICE: &str = "/dev/video0";
const TEST_PICTURE: &str = "videotestsrc is-live=true pattern=ball \
    ! video/x-raw,width=640,height=480,framerate=30/1 \
    ! clockoverlay font-desc=\"Sans Bold 36\" halignment=center \
    ! jpegenc";

/// How long a camera may take to its first picture. Chosen: cameras with slow exposure control need two to three.
const FIRST_PICTURE: Duration = Duration::from_secs(5);

// POSIX gives these two signals the same number everywhere.
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("demo: {error:#}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    gst::init()?;
    find_plugin()?;
    let stop = stop_on_signals();

    let server = serve(options, &stop)?;
    let sink = server.element("server")?;
    let port = sink.property::<i32>("current-port");
    let address = format!("http://{}:{port}", options.reachable());
    announce(options, &address, port);

    let (reader, received) = read_back(&address)?;
    let start = Instant::now();
    let finished = watch(options, &[&server, &reader], &sink, &received, &stop).context("the pictures stopped")?;
    server.finish();
    drop(reader);

    let received = lock(&received);
    if finished && received.pictures == 0 {
        bail!("no picture came through in {} s", start.elapsed().as_secs());
    }
    println!("{}", received.totals(start.elapsed()));
    Ok(())
}

/// What the user asked for.
#[derive(Default)]
struct Options {
    host: Option<String>,
    port: Option<u16>,
    device: Option<String>,
    duration: Option<Duration>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let (name, joined) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let value = || joined.or_else(|| arguments.next()).with_context(|| format!("{name} needs a value"));
            match name {
                "--host" => options.host = Some(value()?),
                "--port" => options.port = Some(value()?.parse().context("--port takes 0 to 65535")?),
                "--device" => options.device = Some(value()?),
                "--seconds" => {
                    let seconds = value()?.parse().context("--seconds takes a number")?;
                    options.duration = Some(Duration::from_secs(seconds));
                }
                _ => bail!("unknown argument '{name}'"),
            }
        }
        if options.host().starts_with("unix:") || options.host().starts_with("systemd") {
            bail!("--host takes an address of this machine, such as 0.0.0.0 for all");
        }
        Ok(options)
    }

    fn host(&self) -> &str {
        self.host.as_deref().unwrap_or(DEFAULT_HOST)
    }

    /// The host as an address names it that leads there from this machine.
    fn reachable(&self) -> String {
        match self.host() {
            "0.0.0.0" => DEFAULT_HOST.to_owned(),
            "::" => "[::1]".to_owned(),
            host if host.contains(':') => format!("[{host}]"),
            host => host.to_owned(),
        }
    }

    fn lets_others_in(&self) -> bool {
        !["localhost", "::1"].contains(&self.host()) && !self.host().starts_with("127.")
    }
}

fn find_plugin() -> Result<()> {
    for element in ["mjpegserversink", "mjpegclientsrc"] {
        if gst::ElementFactory::find(element).is_none() {
            bail!(
                "GStreamer finds no element '{element}': build the plugin with `cargo build --release` and set \
                 GST_PLUGIN_PATH to the folder of libgstmjpeghttp.so (target/release), or start scripts/demo"
            );
        }
    }
    Ok(())
}

/// True as soon as somebody pressed Ctrl-C or asked the process to end.
fn stop_on_signals() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let stop = stop.clone();
        unix_signal_add(signal, move || {
            stop.store(true, Ordering::Relaxed);
            glib::ControlFlow::Continue
        });
    }
    stop
}

/// Starts the first pipeline: the camera if there is one that works, else the test picture.
fn serve(options: &Options, stop: &AtomicBool) -> Result<Running> {
    let device = options.device.as_deref().unwrap_or(DEFAULT_DEVICE);
    if options.device.is_none() && !Path::new(device).exists() {
        println!("There is no {device}: showing a test picture.");
        return start_server(TEST_PICTURE, None, options, stop);
    }
    let started = camera_pictures(device).and_then(|pictures| start_server(pictures, Some(device), options, stop));
    match started {
        Err(error) if options.device.is_none() && !comes_from(&error, "server") => {
            println!("{device} does not work ({error:#}): showing a test picture.");
            start_server(TEST_PICTURE, None, options, stop)
        }
        started => started.with_context(|| format!("showing {device}")),
    }
}

/// How to get JPEG pictures from this camera: its own, if it makes them.
fn camera_pictures(device: &str) -> Result<&'static str> {
    let probe = Running::parse("v4l2src name=camera ! fakesink")?;
    let camera = probe.element("camera")?;
    camera.set_property("device", device);
    if camera.set_state(gst::State::Ready).is_err() {
        probe.check()?;
        bail!("it cannot be opened");
    }
    let caps = camera.static_pad("src").context("v4l2src without a source pad")?.query_caps(None);
    let offers = |name| caps.iter().any(|structure| structure.name() == name);
    if offers("image/jpeg") {
        Ok("v4l2src name=camera ! image/jpeg")
    } else if offers("video/x-raw") {
        Ok("v4l2src name=camera ! videoconvert ! jpegenc")
    } else {
        bail!("it offers neither JPEG nor raw pictures");
    }
}

/// Starts serving and waits for the first picture, since only then is it sure that a camera works.
fn start_server(pictures: &str, device: Option<&str>, options: &Options, stop: &AtomicBool) -> Result<Running> {
    let server = Running::parse(&format!("{pictures} ! mjpegserversink name=server"))?;
    if let Some(device) = device {
        server.element("camera")?.set_property("device", device);
    }
    let sink = server.element("server")?;
    listen(&server, &sink, options)?;

    let arrived = Arc::new(AtomicBool::new(false));
    let arrives = arrived.clone();
    let pad = sink.static_pad("sink").context("a sink without a pad")?;
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        arrives.store(true, Ordering::Relaxed);
        gst::PadProbeReturn::Remove
    });
    server.play()?;
    let deadline = Instant::now() + FIRST_PICTURE;
    let arrived = || arrived.load(Ordering::Relaxed);
    wait(&[&server], stop, || arrived() || Instant::now() > deadline)?;
    if !arrived() && !stop.load(Ordering::Relaxed) {
        bail!("no picture in {} s", FIRST_PICTURE.as_secs());
    }
    Ok(server)
}

/// The sink takes its port on the way to READY, so that this is known before any picture is.
fn listen(server: &Running, sink: &gst::Element, options: &Options) -> Result<()> {
    sink.set_property("host", options.host());
    sink.set_property("port", i32::from(options.port.unwrap_or(DEFAULT_PORT)));
    if sink.set_state(gst::State::Ready).is_ok() {
        return Ok(());
    }
    match server.check() {
        Err(error) if options.port.is_none() && is_busy(&error) => {
            println!("Port {DEFAULT_PORT} is in use: taking any free port.");
        }
        result => return result.and_then(|()| bail!("the server does not start")),
    }
    sink.set_property("port", 0);
    if sink.set_state(gst::State::Ready).is_err() {
        server.check()?;
        bail!("the server does not start");
    }
    Ok(())
}

fn announce(options: &Options, address: &str, port: i32) {
    println!("Open in a browser:  {address}/");
    let name = glib::host_name();
    if options.lets_others_in() {
        println!("On other computers: http://{name}:{port}/, or this machine's address in place of {name}");
    } else {
        println!("On other computers: first run ssh -L {port}:{}:{port} {name}", options.reachable());
        println!("                    there, or start this with --host 0.0.0.0, which lets everybody watch");
    }
    // The plugin is not installed, so another terminal has to be told where it is.
    let plugins = std::env::var("GST_PLUGIN_PATH").map(|path| format!("GST_PLUGIN_PATH={} ", quoted(&path)));
    println!(
        "Or receive it with: {}gst-launch-1.0 mjpegclientsrc location={address}/stream \
         ! jpegdec ! videoconvert ! autovideosink",
        plugins.unwrap_or_default()
    );
    println!("Ctrl-C ends it.");
}

/// A text as a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Starts the second pipeline and counts what comes out of its decoder.
fn read_back(address: &str) -> Result<(Running, Arc<Mutex<Received>>)> {
    let reader =
        Running::parse(&format!("mjpegclientsrc location={address}/stream ! jpegdec ! fakesink name=view sync=false"))?;
    let received = Arc::new(Mutex::new(Received::default()));
    let counted = received.clone();
    let unix_time = gst::Caps::new_empty_simple("timestamp/x-unix");
    let pad = reader.element("view")?.static_pad("sink");
    pad.context("a sink without a pad")?.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(buffer) = info.buffer() {
            lock(&counted).count(age_ms(buffer, &unix_time, SystemTime::now()));
        }
        gst::PadProbeReturn::Ok
    });
    reader.play()?;
    Ok((reader, received))
}

/// Prints a line each second. True when the time is over, false when a signal came first.
fn watch(
    options: &Options,
    pipelines: &[&Running],
    sink: &gst::Element,
    received: &Mutex<Received>,
    stop: &AtomicBool,
) -> Result<bool> {
    let start = Instant::now();
    let mut line = 0;
    let mut pictures = 0;
    let mut last = start;
    loop {
        line += 1;
        let next = start + Duration::from_secs(line);
        if !wait(pipelines, stop, || Instant::now() >= next)? {
            return Ok(false);
        }
        let mut received = lock(received);
        let rate = (received.pictures - pictures) as f64 / last.elapsed().as_secs_f64();
        pictures = received.pictures;
        last = Instant::now();
        let newest = received.newest.take();
        drop(received);
        let viewers: u32 = sink.property("num-clients");
        println!("{line:4} s  {rate:5.1} pictures/s  {}  viewers: {viewers}", describe(newest));
        if options.duration.is_some_and(|duration| last - start >= duration) {
            return Ok(true);
        }
    }
}
