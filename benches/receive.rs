//! What receiving costs: CPU time per picture of `mjpegclientsrc`, beside a bare receive loop, `souphttpsrc !
//! multipartdemux` and ffmpeg, all in one run against one server.
//!
//! `cargo bench --bench receive [-- ROUNDS]` prints, for each framing, the median over the rounds and the ratio to the
//! bare loop of the same round; `-- smoke` only the first framing, once, to see that it works.
//!
//! The server is a process of its own on one core, each reader one on the other; a reader counts its CPU time from the
//! first picture on, so that starting up does not count, and checks that all came.

#[path = "common/mod.rs"]
mod common;

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result, bail, ensure};
use common::{Ends, cpu_seconds, median, picture, this};
use gst::prelude::*;

/// A way to frame, a size of picture, and how many of them.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    picture: usize,
    with_length: bool,
    count: u64,
}

/// USER_HZ, the unit of times in /proc: 100 on Linux for x86 and Arm; sysconf(3), _SC_CLK_TCK.
const TICKS_PER_SECOND: f64 = 100.0;

const LOADS: [Load; 4] = [
    Load { name: "50 kB, length", picture: 50_000, with_length: true, count: 40_000 },
    Load { name: "50 kB, none", picture: 50_000, with_length: false, count: 40_000 },
    Load { name: "500 kB, length", picture: 500_000, with_length: true, count: 5000 },
    Load { name: "500 kB, none", picture: 500_000, with_length: false, count: 5000 },
];

const READERS: [&str; 4] = ["bare loop", "mjpegclientsrc", "multipartdemux", "ffmpeg"];

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve"] => serve(),
        ["read", reader, load, url] => read(reader, LOADS[load.parse::<usize>()?], url),
        [] => compare(5, LOADS.len()),
        ["smoke"] => compare(1, 1),
        [rounds] => compare(rounds.parse().context("the number of rounds is a number")?, LOADS.len()),
        _ => bail!("usage: cargo bench --bench receive [-- ROUNDS | smoke]"),
    }
}

/// Prints a line for each of the first so many loads.
fn compare(rounds: usize, loads: usize) -> Result<()> {
    let mut server = Ends::start(0, this()?.arg("serve"))?;
    let mut url = String::new();
    BufReader::new(server.0.stdout.take().context("the server says where it is")?).read_line(&mut url)?;
    println!("CPU time per picture in µs, median of {rounds} rounds (ratio to the bare loop of the same round)\n");
    println!("{:<16}{}", "", READERS.map(|reader| format!("{reader:>22}")).concat());
    for (number, load) in LOADS.iter().enumerate().take(loads) {
        let mut costs: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for _ in 0..rounds {
            for reader in READERS {
                let mut child = Ends::start(1, this()?.args(["read", reader, &number.to_string(), url.trim()]))?;
                let mut answer = String::new();
                child.0.stdout.take().context("the reader answers")?.read_to_string(&mut answer)?;
                ensure!(child.0.wait()?.success(), "{reader} failed on {}", load.name);
                costs.entry(reader).or_default().push(answer.trim().parse()?);
            }
        }
        print!("{:<16}", load.name);
        for reader in READERS {
            let ratios = costs[reader].iter().zip(&costs["bare loop"]).map(|(cost, bare)| cost / bare).collect();
            print!("{:>22}", format!("{:.1} ({:.2})", median(costs[reader].clone()), median(ratios)));
        }
        println!();
    }
    Ok(())
}

/// Serves `/N`: the pictures of load N, as fast as they are taken.
fn serve() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("http://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        // A reader that leaves early is its own affair.
        let _ = serve_one(stream?);
    }
    Ok(())
}

fn serve_one(mut stream: TcpStream) -> Result<()> {
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    reader.read_line(&mut request)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let number = request.split('/').nth(1).and_then(|path| path.split(' ').next()).unwrap_or_default();
    let load = LOADS[number.parse::<usize>()?];
    stream
        .write_all(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n--frame\r\n")?;
    let picture = picture(load.picture);
    let length = if load.with_length { format!("Content-Length: {}\r\n", picture.len()) } else { String::new() };
    let head = format!("Content-Type: image/jpeg\r\n{length}\r\n");
    let part = [head.as_bytes(), &picture, b"\r\n--frame\r\n"].concat();
    for _ in 0..load.count {
        stream.write_all(&part)?;
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    let _ = stream.read(&mut [0]);
    Ok(())
}

fn read(reader: &str, load: Load, url: &str) -> Result<()> {
    let number = LOADS.iter().position(|other| other.name == load.name).unwrap_or_default();
    let url = format!("{url}/{number}");
    let (seconds, count) = match reader {
        "bare loop" => bare(&url)?,
        "ffmpeg" => ffmpeg(&url, load)?,
        "mjpegclientsrc" => {
            gst::init()?;
            gstmjpeghttp::plugin_register_static()?;
            pipeline(&format!("mjpegclientsrc location={url} leaky-type=none ! fakesink name=sink sync=false"), load)?
        }
        _ => pipeline(&format!("souphttpsrc location={url} ! multipartdemux ! fakesink name=sink sync=false"), load)?,
    };
    println!("{}", seconds * 1e6 / count as f64);
    Ok(())
}

/// The cheapest reader there is: it looks at nothing.
fn bare(url: &str) -> Result<(f64, u64)> {
    let address = url.trim_start_matches("http://");
    let (host, path) = address.split_once('/').context("the URL has a path")?;
    let mut stream = TcpStream::connect(host)?;
    write!(stream, "GET /{path} HTTP/1.0\r\n\r\n")?;
    let mut space = vec![0; 256 * 1024];
    let _ = stream.read(&mut space)?;
    let start = cpu_seconds("self")?;
    while stream.read(&mut space)? > 0 {}
    let load = LOADS[path.parse::<usize>()?];
    Ok((cpu_seconds("self")? - start, load.count))
}

/// CPU seconds from the first buffer to the last, or to the end of the stream, and how many there were. The time of
/// threads that have ended is not counted, so it is taken while all of them run.
fn pipeline(text: &str, load: Load) -> Result<(f64, u64)> {
    gst::init()?;
    let pipeline = gst::parse::launch(text)?.downcast::<gst::Pipeline>().ok().context("it is a pipeline")?;
    let sink = pipeline.by_name("sink").context("it has a sink")?;
    let (count, start, end) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let pad = sink.static_pad("sink").context("a sink has a pad")?;
    pad.add_probe(gst::PadProbeType::BUFFER, {
        let (count, start, end) = (count.clone(), start.clone(), end.clone());
        move |pad, _| {
            let now = || cpu_seconds("self").unwrap_or_default().to_bits();
            let number = count.fetch_add(1, Ordering::Relaxed) + 1;
            if number == 1 {
                start.store(now(), Ordering::Relaxed);
            }
            if number == load.count {
                end.store(now(), Ordering::Relaxed);
                let last = gst::message::Application::new(gst::Structure::new_empty("last"));
                let _ = pad.parent_element().map(|sink| sink.post_message(last));
            }
            gst::PadProbeReturn::Ok
        }
    });
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().context("a pipeline has a bus")?;
    let ends = [gst::MessageType::Application, gst::MessageType::Eos, gst::MessageType::Error];
    let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(120), &ends);
    let end = match end.load(Ordering::Relaxed) {
        // multipartdemux never gives out the last picture of a stream without lengths.
        0 => cpu_seconds("self")?,
        bits => f64::from_bits(bits),
    };
    let seconds = end - f64::from_bits(start.load(Ordering::Relaxed));
    if let gst::MessageView::Error(error) = message.context("it ends within two minutes")?.view() {
        bail!("{}", error.error());
    }
    pipeline.set_state(gst::State::Null)?;
    let count = count.load(Ordering::Relaxed);
    ensure!(count + 1 >= load.count, "{count} of {} pictures came", load.count);
    Ok((seconds, count))
}

/// ffmpeg's whole CPU time, less that of a run over a few pictures.
fn ffmpeg(url: &str, load: Load) -> Result<(f64, u64)> {
    let run = |frames: u64| -> Result<f64> {
        let before = children_seconds()?;
        let status = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "quiet", "-f", "mpjpeg", "-i", url, "-c", "copy"])
            .args(["-frames:v", &frames.to_string(), "-f", "null", "-"])
            .status()?;
        ensure!(status.success(), "ffmpeg failed");
        Ok(children_seconds()? - before)
    };
    let few = load.count / 10;
    let start = run(few)?;
    Ok((run(load.count - 1)? - start, load.count - 1 - few))
}

/// CPU time of the processes started here that have ended, in seconds.
fn children_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().context("stat has a name")?.split_whitespace().collect();
    // proc(5): cutime and cstime are fields 16 and 17; those before the name's end are two.
    let ticks: f64 = fields[13].parse::<f64>()? + fields[14].parse::<f64>()?;
    Ok(ticks / TICKS_PER_SECOND)
}
