//! The load generator: viewers on one thread, which read as fast as they can or at a set rate.

use std::{fs, time::Duration};

use anyhow::{Context, Result, bail};
use mio::{Events, Interest, Poll, Token};

use super::{
    common::cpu_seconds,
    pictures::Arrival,
    stamp,
    wire::{self, Protocol},
};

/// Who reads what, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub viewers: usize,
    pub protocol: Protocol,
    /// Viewers beside them that read [`SLOW_RATE`] only.
    pub slow: usize,
    pub seconds: u64,
}

/// What was seen in the time measured.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// CPU time of the server per picture delivered to an ordinary viewer, µs.
    pub cost: f64,
    /// Pictures delivered to ordinary viewers, of all there were for them.
    pub share: f64,
    /// Age of the pictures at ordinary viewers, ms.
    pub p50: f64,
    pub p99: f64,
    /// Median age at slow viewers, ms.
    pub slow_p50: f64,
    /// Resident memory of the server at the end, MB.
    pub memory: f64,
}

impl Seen {
    /// For the process that asked.
    pub fn to_line(self) -> String {
        let Self { cost, share, p50, p99, slow_p50, memory } = self;
        format!("{cost} {share} {p50} {p99} {slow_p50} {memory}")
    }

    pub fn from_line(line: &str) -> Result<Self> {
        let numbers = line.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        let [cost, share, p50, p99, slow_p50, memory] = numbers[..] else { bail!("answered {line}") };
        Ok(Self { cost, share, p50, p99, slow_p50, memory })
    }
}

/// Bytes per second of a slow viewer: two pictures of 50 kB.
const SLOW_RATE: usize = 100_000;
const SLOW_TICK: Duration = Duration::from_millis(20);

/// Time for all to connect and settle, and for the last pictures to arrive.
const WARM_UP: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_millis(500);

/// Reads from the server with this port and these process numbers, with commas between.
pub fn run(port: u16, processes: &str, load: Load) -> Result<Seen> {
    let of_all = |figure: fn(&str) -> Result<f64>| processes.split(',').map(figure).sum::<Result<f64>>();
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(4096);
    let mut connections = wire::connect(port, load.protocol, load.viewers)?;
    let mut slow_ones = wire::connect(port, load.protocol, load.slow)?;
    for (number, connection) in connections.iter_mut().enumerate() {
        poll.registry().register(&mut connection.socket, Token(number), Interest::READABLE)?;
    }
    let mut space = vec![0; 256 * 1024];
    let (start, mut next_tick) = (stamp::now() + WARM_UP, stamp::now());
    let end = start + Duration::from_secs(load.seconds);
    let (mut cpu, mut own, mut ended) = (None, 0.0, None);
    let (mut ordinary, mut slow) = (Vec::new(), Vec::new());
    while stamp::now() < end + GRACE {
        poll.poll(&mut events, Some(SLOW_TICK))?;
        for event in &events {
            connections[event.token().0].read_all(&mut space, &mut ordinary)?;
        }
        let now = stamp::now();
        if now >= start && cpu.is_none() {
            (cpu, own) = (Some(of_all(cpu_seconds)?), cpu_seconds("self")?);
        }
        if now >= end && ended.is_none() {
            ended = Some((of_all(cpu_seconds)?, cpu_seconds("self")? - own));
        }
        if now >= next_tick {
            next_tick += SLOW_TICK;
            let some = SLOW_RATE / (1000 / SLOW_TICK.as_millis() as usize);
            for connection in &mut slow_ones {
                connection.read_some(&mut space[..some], &mut slow)?;
            }
        }
    }
    let (spent, own) = ended.context("the time measured ended")?;
    if own > 0.9 * load.seconds as f64 {
        eprintln!("the load generator was busy for {own:.1} of {} s: it is what was measured", load.seconds);
    }
    ordinary.retain(|(picture, _)| (start..end).contains(&picture.time));
    slow.retain(|(picture, age)| (start..end).contains(&(picture.time + *age)));
    let numbers = || ordinary.iter().map(|(picture, _)| picture.number);
    let (first, last) = numbers().min().zip(numbers().max()).context("no picture came")?;
    let (p50, p99) = percentiles(&ordinary);
    Ok(Seen {
        cost: (spent - cpu.unwrap_or_default()) * 1e6 / ordinary.len() as f64,
        share: ordinary.len() as f64 / ((last - first + 1) as f64 * load.viewers as f64),
        p50,
        p99,
        slow_p50: percentiles(&slow).0,
        memory: of_all(resident)?,
    })
}

/// Median and 99th percentile of the ages, ms.
fn percentiles(arrivals: &[Arrival]) -> (f64, f64) {
    let mut ages: Vec<Duration> = arrivals.iter().map(|(_, age)| *age).collect();
    ages.sort();
    let at = |percent: usize| ages.get(ages.len() * percent / 100).map_or(f64::NAN, |age| age.as_secs_f64() * 1e3);
    (at(50), at(99))
}

/// Resident memory of a process, MB.
fn resident(process: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("status has VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0 / 1e6)
}
