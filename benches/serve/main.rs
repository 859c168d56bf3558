//! What serving costs: CPU time per picture delivered by `mjpegserversink`, beside the cheapest server there is and the
//! peers, to 1 to 1000 viewers, all in one run against one load generator.
//!
//! | `cargo bench --bench serve --` | does |
//! |---|---|
//! | nothing, or `all FILE` | everything in three rounds; writes the figures to a file for `plot.gnuplot` |
//! | `ROUNDS VIEWERS SERVER...` | these only |
//! | `slow` | the table of slow viewers only |
//! | `tls`, or `tls ROUNDS` | the tables of those that encrypt only |
//! | `smoke` | everything for a moment, to see that it works |
//!
//! For each number of viewers it prints the median over the rounds of the cost, of its ratio to the floor's in the same
//! round, of the share of the pictures that arrived and of the server's memory; ages are those of the quietest round,
//! since one neighbour on the machine spoils them. The peers take part in the first round only. Pictures are of 50 kB,
//! 30 a second. The server runs on core 0, the load generator on core 1; each contender is a process of its own. A
//! second table shows what viewers see that read two pictures a second, beside ordinary ones.
//!
//! The peers are what Debian has: `multipartmux ! tcpserversink`, which speaks no HTTP and ignores the request,
//! ustreamer and ffmpeg with a camera made of nothing (`tests/peers/fake_v4l2.c`), and the usual script for Flask.
//! ffmpeg serves a single viewer.
//!
//! The tables of those that encrypt have no floor: they compare with `mjpegserversink` without TLS, and with nginx that
//! speaks TLS in front of it, whose cost is that of both. `-tls` is HTTP/1.1, `-h2` is HTTP/2 with ten viewers by each
//! connection.

#[path = "../common/mod.rs"]
mod common;
mod contender;
mod floor;
mod http2;
mod load;
mod pictures;
mod secure;
mod stamp;
mod table;
mod wire;

use std::{
    env, fs,
    io::Read,
    process, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use common::{Ends, picture, this};
use contender::{Contender, SECURE, SERVERS};
use gst::prelude::*;
use load::{Load, Seen};
use table::Table;
use wire::Protocol;

/// Bytes of a picture, and the time between two.
const PICTURE: usize = 50_000;
const PERIOD: Duration = Duration::from_nanos(1_000_000_000 / 30);

const VIEWERS: [usize; 4] = [1, 100, 300, 1000];
const SECURE_VIEWERS: [usize; 2] = [100, 300];
const ROUNDS: usize = 3;

/// Five viewers that read 100 kB/s beside ten ordinary ones.
const SLOW: Load = Load { viewers: 10, protocol: Protocol::Plain, slow: 5, seconds: 20 };

fn main() -> Result<()> {
    gst::init()?;
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", server] => serve(server),
        ["load", port, processes, viewers, protocol, slow, seconds] => {
            let protocol = Protocol::from_name(protocol)?;
            let load = Load { viewers: viewers.parse()?, protocol, slow: slow.parse()?, seconds: seconds.parse()? };
            println!("{}", load::run(port.parse()?, processes, load)?.to_line());
            Ok(())
        }
        [] => all(None),
        ["all", file] => all(Some(file)),
        ["slow"] => compare_slow(&SERVERS, SLOW).map(drop),
        ["tls"] => compare_secure(ROUNDS, 5, &SECURE_VIEWERS),
        ["tls", rounds] => compare_secure(rounds.parse().context("ROUNDS is a number")?, 5, &SECURE_VIEWERS),
        ["smoke"] => {
            compare(1, 1, &VIEWERS[..1], &SERVERS)?;
            compare_secure(1, 1, &[2])?;
            compare_slow(&SERVERS[..2], Load { seconds: 1, ..SLOW }).map(drop)
        }
        [rounds, viewers, servers @ ..] => {
            let viewers = viewers.parse().context("VIEWERS is a number")?;
            let servers = if servers.is_empty() { &SERVERS } else { servers };
            secure::make_certificate()?;
            compare(rounds.parse().context("ROUNDS is a number")?, 5, &[viewers], servers).map(drop)
        }
        _ => bail!(
            "usage: cargo bench --bench serve [-- all FILE | ROUNDS VIEWERS [SERVER]... | slow | tls [ROUNDS] | smoke]"
        ),
    }
}

fn all(file: Option<&str>) -> Result<()> {
    let mut figures = compare(ROUNDS, 5, &VIEWERS, &SERVERS)?;
    figures += &compare_slow(&SERVERS, SLOW)?;
    compare_secure(ROUNDS, 5, &SECURE_VIEWERS)?;
    file.map_or(Ok(()), |file| fs::write(file, figures).with_context(|| format!("writing {file}")))
}

/// Prints a table for each number of viewers; the same as lines for the plot.
fn compare(rounds: usize, seconds: u64, viewers: &[usize], servers: &[&str]) -> Result<String> {
    let mut lines = String::new();
    for viewers in viewers.iter().copied() {
        let table = measure_all(rounds, seconds, viewers, servers)?;
        println!("{}", table.to_text(viewers));
        lines += &table.to_lines(viewers);
    }
    Ok(lines)
}

/// Prints a table of those that encrypt for each number of viewers, and how ours does beside nginx.
fn compare_secure(rounds: usize, seconds: u64, viewers: &[usize]) -> Result<()> {
    secure::make_certificate()?;
    for viewers in viewers.iter().copied() {
        let table = measure_all(rounds, seconds, viewers, &SECURE)?;
        println!("{}", table.to_text(viewers));
        let beside = |ours, nginx| table.ratio(ours, nginx).context("both were measured");
        let [tls, http2] = [beside(SECURE[1], SECURE[2])?, beside(SECURE[3], SECURE[4])?];
        println!("times the cost with nginx in front: HTTP/1.1 {tls:.2}, HTTP/2 {http2:.2}\n");
    }
    Ok(())
}

/// All rounds of these servers with so many viewers.
fn measure_all(rounds: usize, seconds: u64, viewers: usize, servers: &[&str]) -> Result<Table> {
    check_descriptors(viewers)?;
    println!("{PICTURE} bytes at 30 a second, medians of {rounds} rounds\n");
    let mut table = Table::default();
    for round in 0..rounds {
        // Nothing depends on a few per cent of what the peers cost, and they take most of the time.
        let its_turn = |server: &str| round == 0 || server == "floor" || server.starts_with("mjpegserversink");
        let servers = servers.iter().filter(|server| contender::serves(server, viewers) && its_turn(server));
        for server in servers {
            table.add(server, measure(server, Load { viewers, protocol: Protocol::of(server), slow: 0, seconds })?);
        }
    }
    Ok(table)
}

/// Prints a table of what slow viewers see, and ordinary ones beside them; the same as lines for the plot.
fn compare_slow(servers: &[&str], load: Load) -> Result<String> {
    let Load { viewers, slow, .. } = load;
    println!("{slow} viewers at 100 kB/s  slow: p50 ms    ordinary: p99 ms     share    RSS MB");
    let mut lines = String::new();
    for server in servers.iter().filter(|server| contender::serves(server, viewers + slow)) {
        let Seen { slow_p50, p99, share, memory, .. } = measure(server, load)?;
        println!("{server:<20}{slow_p50:>15.0}{p99:>20.1}{:>8.1} %{memory:>10.0}", share * 100.0);
        lines += &format!("slow {server} {slow_p50} {p99}\n");
    }
    Ok(lines)
}

fn measure(server: &str, load: Load) -> Result<Seen> {
    let serving = Contender::start(server)?;
    let Load { viewers, protocol, slow, seconds } = load;
    let how = [viewers.to_string(), protocol.name().to_owned(), slow.to_string(), seconds.to_string()];
    let mut loading = Ends::start(1, this()?.args(["load", &serving.port.to_string(), &serving.ids()]).args(how))?;
    let mut answer = String::new();
    loading.0.stdout.take().context("the load generator answers")?.read_to_string(&mut answer)?;
    ensure!(loading.0.wait()?.success(), "{server} failed under {load:?}");
    Seen::from_line(&answer)
}

fn serve(server: &str) -> Result<()> {
    // The owner has gone when standard input ends.
    thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        process::exit(0)
    });
    let jpeg = picture(PICTURE);
    match server {
        "floor" => floor::serve(&jpeg),
        "mjpegserversink" | "mjpegserversink-tls" | "mjpegserversink-h2" => {
            gstmjpeghttp::plugin_register_static()?;
            let secure = if Protocol::of(server) == Protocol::Plain { String::new() } else { secure::properties() };
            play(&format!("mjpegserversink name=sink port=0 {secure}"), &jpeg)
        }
        _ => play("multipartmux boundary=frame ! tcpserversink name=sink host=127.0.0.1 port=0 sync=false", &jpeg),
    }
}

/// Plays pictures of now into the server, 30 a second.
fn play(server: &str, jpeg: &[u8]) -> Result<()> {
    let text = format!("appsrc name=source caps=image/jpeg format=time is-live=true do-timestamp=true ! {server}");
    let pipeline = gst::parse::launch(&text)?.downcast::<gst::Pipeline>().ok().context("it is a pipeline")?;
    let source = pipeline.by_name("source").and_downcast::<gst_app::AppSrc>().context("it has a source")?;
    let sink = pipeline.by_name("sink").context("it has a sink")?;
    pipeline.set_state(gst::State::Playing)?;
    let mut due = Instant::now();
    for number in 0.. {
        source.push_buffer(gst::Buffer::from_slice(stamp::stamped(jpeg, number)))?;
        if number == 0 {
            println!("{}", sink.property::<i32>("current-port"));
        }
        due += PERIOD;
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

/// Each end of each connection needs a descriptor.
fn check_descriptors(viewers: usize) -> Result<()> {
    let limits = fs::read_to_string("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).context("there is a limit")?;
    let limit: usize = line.split_whitespace().next().context("the limit is a number")?.parse().unwrap_or(usize::MAX);
    let needed = viewers + 100;
    ensure!(limit >= needed, "{viewers} viewers need {needed} open files, {limit} are allowed: run ulimit -n {needed}");
    Ok(())
}
