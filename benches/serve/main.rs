//! What serving costs: CPU time per picture delivered by `mjpegserversink`, beside the cheapest server there is and the
//! peers, to 10 to 1000 viewers, all in one run against one load generator.
//!
//! `cargo bench --bench serve [-- ROUNDS [VIEWERS]]` prints, for each number of viewers, the median over the rounds of
//! the cost, of its ratio to the floor's in the same round, of the share of the pictures that arrived and of the
//! server's memory; ages are those of the quietest round, since one neighbour on the machine spoils them. Pictures are of 50 kB, 30 a second. The server runs on core 0, the load generator on core 1;
//! each contender is a process of its own and ends with its standard input. A second table shows what viewers see that
//! read two pictures a second, beside ordinary ones.
//!
//! The peers are what Debian has: `multipartmux ! tcpserversink`, which speaks no HTTP and ignores the request, and the
//! usual script for Flask (package python3-flask). ustreamer is not among them: it reads from V4L2 devices only, and a
//! camera made of software needs a module in the kernel.

#[path = "../common/mod.rs"]
mod common;
mod floor;
mod load;
mod stamp;

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader, Read},
    process::{self, Command},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use common::{Ends, median, picture, this};
use gst::prelude::*;
use load::{Load, Seen};

/// Bytes of a picture, and the time between two.
const PICTURE: usize = 50_000;
const PERIOD: Duration = Duration::from_nanos(1_000_000_000 / 30);

const VIEWERS: [usize; 4] = [10, 100, 300, 1000];
const SERVERS: [&str; 4] = ["floor", "mjpegserversink", "tcpserversink", "Flask"];

fn main() -> Result<()> {
    gst::init()?;
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", server] => serve(server),
        ["load", port, process, viewers, slow, seconds] => {
            let load = Load { viewers: viewers.parse()?, slow: slow.parse()?, seconds: seconds.parse()? };
            let Seen { cost, share, p50, p99, slow_p50, memory } = load::run(port.parse()?, process, load)?;
            println!("{cost} {share} {p50} {p99} {slow_p50} {memory}");
            Ok(())
        }
        [] => compare(3, &VIEWERS).and_then(|()| compare_slow()),
        [rounds] => compare(rounds.parse().context("ROUNDS is a number")?, &VIEWERS).and_then(|()| compare_slow()),
        [rounds, "slow"] if *rounds == "0" => compare_slow(),
        [rounds, viewers] => compare(rounds.parse()?, &[viewers.parse().context("VIEWERS is a number")?]),
        _ => bail!("usage: cargo bench --bench serve [-- ROUNDS [VIEWERS]]"),
    }
}

fn compare(rounds: usize, viewers: &[usize]) -> Result<()> {
    check_descriptors(viewers.iter().copied().max().unwrap_or_default())?;
    println!("{PICTURE} bytes at 30 a second, medians of {rounds} rounds\n");
    for viewers in viewers {
        let title = format!("{viewers} viewers");
        println!(
            "{title:<18}{:>12}{:>8}{:>10}{:>10}{:>10}{:>10}",
            "µs/picture", "ratio", "share", "p50 ms", "p99 ms", "RSS MB"
        );
        let mut seen: BTreeMap<&str, Vec<Seen>> = BTreeMap::new();
        for _ in 0..rounds {
            for server in SERVERS {
                let load = Load { viewers: *viewers, slow: 0, seconds: 5 };
                seen.entry(server).or_default().push(measure(server, load)?);
            }
        }
        for server in SERVERS {
            let all = |value: fn(&Seen) -> f64| median(seen[server].iter().map(value).collect());
            let least = |value: fn(&Seen) -> f64| seen[server].iter().map(value).fold(f64::INFINITY, f64::min);
            let ratios = seen[server].iter().zip(&seen["floor"]).map(|(seen, floor)| seen.cost / floor.cost).collect();
            println!(
                "{server:<18}{:>12.1}{:>8.2}{:>8.1} %{:>10.1}{:>10.1}{:>10.0}",
                all(|seen| seen.cost),
                median(ratios),
                all(|seen| seen.share * 100.0),
                least(|seen| seen.p50),
                least(|seen| seen.p99),
                all(|seen| seen.memory),
            );
        }
        println!();
    }
    Ok(())
}

/// Five viewers that read 100 kB/s beside ten ordinary ones.
fn compare_slow() -> Result<()> {
    println!("5 viewers at 100 kB/s  slow: p50 ms    ordinary: p99 ms     share    RSS MB");
    for server in SERVERS {
        let seen = measure(server, Load { viewers: 10, slow: 5, seconds: 20 })?;
        let Seen { slow_p50, p99, share, memory, .. } = seen;
        println!("{server:<20}{slow_p50:>15.0}{p99:>20.1}{:>8.1} %{memory:>10.0}", share * 100.0);
    }
    Ok(())
}

fn measure(server: &str, load: Load) -> Result<Seen> {
    let mut serving = start(server)?;
    let mut port = String::new();
    BufReader::new(serving.0.stdout.take().context("the server says its port")?).read_line(&mut port)?;
    let process = serving.0.id().to_string();
    let numbers = [load.viewers.to_string(), load.slow.to_string(), load.seconds.to_string()];
    let mut loading = Ends::start(1, this()?.args(["load", port.trim(), &process]).args(numbers))?;
    let mut answer = String::new();
    loading.0.stdout.take().context("the load generator answers")?.read_to_string(&mut answer)?;
    ensure!(loading.0.wait()?.success(), "{server} failed under {load:?}");
    let numbers = answer.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    let [cost, share, p50, p99, slow_p50, memory] = numbers[..] else { bail!("answered {answer}") };
    Ok(Seen { cost, share, p50, p99, slow_p50, memory })
}

fn start(server: &str) -> Result<Ends> {
    if server == "Flask" {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/serve/recipe.py");
        let arguments = [script, &PICTURE.to_string(), &PERIOD.as_secs_f64().to_string()];
        // The script of the distribution needs the distribution's interpreter.
        return Ends::start(0, Command::new("/usr/bin/python3").args(arguments));
    }
    Ends::start(0, this()?.args(["serve", server]))
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
        "mjpegserversink" => {
            gstmjpeghttp::plugin_register_static()?;
            play("mjpegserversink name=sink port=0", &jpeg)
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
