//! Those who mean no good: what they do ends with them, and costs the viewers and the pipeline next to nothing.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use common::{
    certificate::Certificate,
    http::{Viewer, connect, get, send_request},
    http2::{Http2, request},
    launch::Launched,
    pipe::{END_HEADERS, END_STREAM, HEADERS, RST_STREAM, WINDOW_UPDATE},
    pipeline::wait_until,
    tls::config,
};

mod common;

/// Files that a process may open here. Chosen: for 2000 connections there have to be twice as many, and some.
const FILES: u32 = 4500;

/// Memory that abuse may cost for a while, in bytes. Chosen: a few pictures and buffers for each connection.
const ALLOWANCE: usize = 48 * 1024 * 1024;

/// Half a head, then a byte now and then, from hundreds of connections: each is closed when the time for a head is
/// over, however often a byte comes.
#[test]
fn heads_that_come_byte_by_byte_are_cut_off_and_viewers_notice_nothing() {
    let camera = Launched::start("", FILES);
    let mut viewer = Watching::start(camera.address);
    let mut slow: Vec<_> = (0..500)
        .map(|_| {
            let mut stream = connect(camera.address);
            stream.write_all(b"GET /stream HTTP/1.1\r\nX-Slow: ").expect("the bytes are taken");
            stream.set_nonblocking(true).expect("a socket option");
            stream
        })
        .collect();
    let start = Instant::now();
    while !slow.is_empty() {
        viewer.see(5);
        slow.retain_mut(|stream| stream.write_all(b"x").is_ok() && !has_closed(stream));
        assert!(start.elapsed() < Duration::from_secs(30), "{} are still there", slow.len());
    }
    assert!(start.elapsed() > Duration::from_secs(5), "a head may take its time");
    viewer.assert_kept_up();
}

/// Requests without reading the answers: the server stops reading instead of gathering.
#[test]
fn ten_thousand_requests_at_once_cost_no_memory() {
    let camera = Launched::start("", FILES);
    let mut viewer = Watching::start(camera.address);
    let before = camera.memory();
    let bombs: Vec<_> = (0..20)
        .map(|n| {
            let mut stream = connect(camera.address);
            stream.set_write_timeout(Some(Duration::from_millis(200))).expect("a limit");
            let target = ["/", "/status", "/snapshot", "/nothing"][n % 4];
            let many = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").repeat(10_000);
            // Not all of them are taken.
            let _ = stream.write_all(many.as_bytes());
            stream
        })
        .collect();
    viewer.see(30);
    assert!(camera.memory() < before + ALLOWANCE, "{before} bytes became {}", camera.memory());
    drop(bombs);
    viewer.assert_kept_up();
}

#[test]
fn bodies_without_end_cost_no_memory() {
    let camera = Launched::start("", FILES);
    let mut viewer = Watching::start(camera.address);
    let before = camera.memory();
    let mut all = Vec::new();
    for head in ["Content-Length: 1000000000000\r\n", "Transfer-Encoding: chunked\r\n"] {
        for method in ["GET", "POST", "PUT"] {
            let mut stream = connect(camera.address);
            stream.set_write_timeout(Some(Duration::from_millis(200))).expect("a limit");
            send_request(&stream, method, "/status", head);
            let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
            // 64 MB, if anybody wants them.
            let _ = (0..1000).try_for_each(|_| stream.write_all(&chunk));
            all.push(stream);
            viewer.see(2);
        }
    }
    viewer.see(30);
    assert!(camera.memory() < before + ALLOWANCE, "{before} bytes became {}", camera.memory());
    drop(all);
    viewer.assert_kept_up();
}

#[test]
fn two_thousand_connections_come_watch_and_go() {
    raise_limit();
    let camera = Launched::start("", FILES);
    let mut viewer = Watching::start(camera.address);
    let (files, memory) = (camera.files(), camera.memory());
    let connections: Vec<_> = (0..2000).map(|_| connect(camera.address)).collect();
    for connection in &connections {
        send_request(connection, "GET", "/stream", "");
    }
    for mut connection in connections.iter().by_ref() {
        let mut byte = [0];
        connection.read_exact(&mut byte).expect("an answer");
    }
    viewer.see(10);
    let held = camera.memory().saturating_sub(memory);
    println!("2000 viewers that do not read cost {} kB each", held / 1024 / 2000);
    assert!(held < 3 * ALLOWANCE, "{held} bytes");
    drop(connections);
    wait_until("all to be gone", || camera.files() <= files);
    viewer.see(10);
    assert!(!get(camera.address, "/snapshot").body.is_empty());
}

/// No descriptor is left, so no connection can be taken, and none is: the server waits, serves whom it has, and takes
/// others when it can.
#[test]
fn without_descriptors_it_goes_on_and_recovers() {
    // Enough for the program itself and some connections; fewer than half of them are free for those.
    let camera = Launched::start("", 26);
    let mut viewer = Watching::start(camera.address);
    let waiting: Vec<_> = (0..200).map(|_| connect(camera.address)).collect();
    for connection in &waiting {
        // Those without a place are closed.
        let _ = { connection }.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    wait_until("nothing to be left", || camera.files() >= 25);
    wait_until("word of it", || camera.has_posted("no connection can be accepted now: Too many open files"));
    viewer.see(60);
    drop(waiting);
    wait_until("a snapshot", || {
        let mut stream = connect(camera.address);
        let _ = stream.write_all(b"GET /snapshot HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer.starts_with(b"HTTP/1.1 200")
    });
    viewer.see(10);
    viewer.assert_kept_up();
}

/// A peer that asks for pictures by HTTP/2 and never opens its window: what waits for it is bounded, and goes with it.
#[test]
fn windows_that_stay_closed_cost_little_memory() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let properties = format!(
        "tls-certificate-file={} tls-private-key-file={} timeout=2000000000",
        certificate.file(),
        certificate.key()
    );
    let camera = Launched::start(&properties, FILES);
    let trust = config(&certificate, &["h2"]);
    let mut watching = Http2::connect(camera.address, &trust);
    let stream = watching.get("/stream");
    watching.picture(stream);
    let before = camera.memory();
    let mut abusers: Vec<_> = (0..10).map(|_| Http2::with_window(camera.address, &trust, 0)).collect();
    for abuser in &mut abusers {
        for n in 0..100 {
            let target = if n % 2 == 0 { "/stream" } else { "/snapshot?fresh=1" };
            let stream = abuser.next();
            let head = request("GET", target, &[("x-filling", &"x".repeat(100))]);
            abuser.send(HEADERS, END_STREAM | END_HEADERS, stream, &head);
            // One byte of window at a time is no progress to speak of, but some.
            abuser.send(WINDOW_UPDATE, 0, stream, &1u32.to_be_bytes());
        }
    }
    for _ in 0..60 {
        watching.picture(stream);
    }
    assert!(camera.memory() < before + ALLOWANCE, "{before} bytes became {}", camera.memory());
    // The streams are reset when their time is over; what the connections cost goes with them.
    for mut abuser in abusers {
        let mut reset = 0;
        while reset < 100 {
            reset += usize::from(abuser.frame().kind == RST_STREAM);
        }
    }
    watching.picture(stream);
}

/// A viewer that reads all the time.
struct Watching {
    viewer: Viewer,
    longest: Duration,
    last: Instant,
}

impl Watching {
    #[track_caller]
    fn start(address: SocketAddr) -> Self {
        let mut viewer = Viewer::open(address);
        viewer.picture();
        Self { viewer, longest: Duration::ZERO, last: Instant::now() }
    }

    /// Sees so many pictures.
    #[track_caller]
    fn see(&mut self, count: u32) {
        self.last = Instant::now();
        for _ in 0..count {
            self.viewer.picture();
            let now = Instant::now();
            self.longest = self.longest.max(now - self.last);
            self.last = now;
        }
    }

    /// A picture is made every 33 ms. Chosen: many times that, as two busy cores have to do with all of this, and far
    /// below what one who is held up by a timeout would see.
    #[track_caller]
    fn assert_kept_up(&self) {
        println!("longest wait of an ordinary viewer: {:?}", self.longest);
        assert!(self.longest < Duration::from_secs(2), "{:?}", self.longest);
    }
}

fn has_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 4096]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// Lets this process open as many files as it may.
fn raise_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both read or write the one value that they are given.
    let raised = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit)
    };
    assert!(raised == 0 && limit.rlim_cur >= u64::from(FILES), "{} files are too few", limit.rlim_cur);
}
