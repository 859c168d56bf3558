//! The load generator: viewers on one thread, which read as fast as they can or at a set rate.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use mio::{Events, Interest, Poll, Token, net::TcpStream};

use super::{
    common::cpu_seconds,
    stamp::{self, Stamp},
};

/// Who reads what, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub viewers: usize,
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

struct Viewer {
    stream: TcpStream,
    /// The lines since the last picture.
    head: Vec<u8>,
    /// Bytes of the picture still to come.
    left: usize,
    stamp: Vec<u8>,
}

/// Bytes per second of a slow viewer: two pictures of 50 kB.
const SLOW_RATE: usize = 100_000;
const SLOW_TICK: Duration = Duration::from_millis(20);

/// Time for all to connect and settle, and for the last pictures to arrive.
const WARM_UP: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_millis(500);

/// More than the head of any part or response here.
const LONGEST_HEAD: usize = 4096;

const REQUEST: &[u8] = b"GET /stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\n\r\n";

/// Reads from the server with this port and process number.
pub fn run(port: u16, process: &str, load: Load) -> Result<Seen> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(4096);
    let mut viewers = (0..load.viewers + load.slow).map(|_| Viewer::connect(port)).collect::<Result<Vec<_>>>()?;
    for (number, viewer) in viewers.iter_mut().take(load.viewers).enumerate() {
        poll.registry().register(&mut viewer.stream, Token(number), Interest::READABLE)?;
    }
    let mut space = vec![0; 256 * 1024];
    let (start, mut next_tick) = (stamp::now() + WARM_UP, stamp::now());
    let end = start + Duration::from_secs(load.seconds);
    let (mut cpu, mut own, mut ended) = (None, 0.0, None);
    let (mut ordinary, mut slow) = (Vec::new(), Vec::new());
    while stamp::now() < end + GRACE {
        poll.poll(&mut events, Some(SLOW_TICK))?;
        for event in &events {
            viewers[event.token().0].read_all(&mut space, &mut ordinary)?;
        }
        let now = stamp::now();
        if now >= start && cpu.is_none() {
            (cpu, own) = (Some(cpu_seconds(process)?), cpu_seconds("self")?);
        }
        if now >= end && ended.is_none() {
            ended = Some((cpu_seconds(process)?, cpu_seconds("self")? - own));
        }
        if now >= next_tick {
            next_tick += SLOW_TICK;
            let some = SLOW_RATE / (1000 / SLOW_TICK.as_millis() as usize);
            for viewer in &mut viewers[load.viewers..] {
                viewer.read_some(&mut space[..some], &mut slow)?;
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
        memory: resident(process)?,
    })
}

/// Median and 99th percentile of the ages, ms.
fn percentiles(pictures: &[(Stamp, Duration)]) -> (f64, f64) {
    let mut ages: Vec<Duration> = pictures.iter().map(|(_, age)| *age).collect();
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

impl Viewer {
    fn connect(port: u16) -> Result<Self> {
        let mut stream = std::net::TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)))?;
        stream.write_all(REQUEST)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream: TcpStream::from_std(stream), head: Vec::new(), left: 0, stamp: Vec::new() })
    }

    fn read_all(&mut self, space: &mut [u8], pictures: &mut Vec<(Stamp, Duration)>) -> Result<()> {
        // A read that does not fill the space has emptied the socket: no further one is needed to learn that.
        while self.read_some(space, pictures)? == space.len() {}
        Ok(())
    }

    fn read_some(&mut self, space: &mut [u8], pictures: &mut Vec<(Stamp, Duration)>) -> Result<usize> {
        match self.stream.read(space) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(read) => {
                self.take(&space[..read], pictures)?;
                Ok(read)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    fn take(&mut self, mut bytes: &[u8], pictures: &mut Vec<(Stamp, Duration)>) -> Result<()> {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left == 0 {
                self.head.push(*first);
                bytes = rest;
                if self.head.ends_with(b"\r\n\r\n") {
                    self.left = content_length(&self.head)?;
                    self.head.clear();
                }
                // tcpserversink lets viewers begin within a picture; the next head is found behind it.
                if self.head.len() > LONGEST_HEAD {
                    self.head.drain(..LONGEST_HEAD / 2);
                }
                continue;
            }
            let taken = self.left.min(bytes.len());
            let missing = stamp::LEN - self.stamp.len();
            self.stamp.extend(&bytes[..missing.min(taken)]);
            self.left -= taken;
            bytes = &bytes[taken..];
            if self.left == 0 {
                let stamp = Stamp::read(self.stamp.as_slice().try_into().context("pictures are long")?)?;
                pictures.push((stamp, stamp::now().saturating_sub(stamp.time)));
                self.stamp.clear();
            }
        }
        Ok(())
    }
}

/// The length in a head; 0 in the head of the response, which has none.
fn content_length(head: &[u8]) -> Result<usize> {
    let head = String::from_utf8_lossy(head);
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    let length = fields.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("Content-Length"));
    Ok(length.map(|(_, value)| value.parse()).transpose()?.unwrap_or_default())
}
