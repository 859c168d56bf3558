//! However a stream misbehaves, the reader holds no more than one picture and a little, and whatever a visitor sends
//! without end, the server keeps next to nothing of it.

#[path = "laws/any.rs"]
mod any;
mod common;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    time::Duration,
};

use any::{any_bytes, any_fragments};
use common::{
    jpeg,
    pipe::{
        self, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
        frame, get,
    },
};
use gstmjpeghttp::{
    multipart::{Event, Limits, Reader},
    server::{Handler, Secrets, Spoken},
};
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Counts what a thread holds, and the most that it held.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all calls go to the system's allocator as they came; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The system moves large blocks without holding both.
        count(size, layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(more: usize, less: usize) {
    let held = (HELD.get() + more).saturating_sub(less);
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

const MAX_FRAME: usize = 1024 * 1024;

/// The reader's largest space for one read (1 MiB), and room for lines and heads.
const ALLOWANCE: usize = 1024 * 1024 + 256 * 1024;

/// Sends `opening`, then `more` over and over, and gives the most memory that the reader held.
fn peak(opening: &[u8], more: &[u8]) -> usize {
    let more = more.repeat(1 + 65_536 / more.len());
    let before = HELD.get();
    PEAK.set(before);
    let mut reader = Reader::new(Limits { max_frame: MAX_FRAME });
    reader.push(opening, ());
    for _ in 0..48 {
        reader.push(&more, ());
        while let Some(event) = reader.next() {
            if let Event::Frame(frame) = event {
                assert!(frame.jpeg.len() <= MAX_FRAME);
            }
        }
    }
    reader.finish(());
    PEAK.get() - before
}

#[track_caller]
fn assert_bounded(name: &str, opening: &[u8], more: &[u8]) {
    let peak = peak(opening, more);
    assert!(peak <= MAX_FRAME + ALLOWANCE, "{name}: {peak} bytes");
}

const HEAD: &[u8] = b"--b\r\nContent-Type: image/jpeg\r\n";
const START: &[u8] = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x30\0\x40\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0";

#[test]
fn endless_heads_are_not_kept() {
    assert_bounded("lines", HEAD, b"X-Line: 1\r\n");
    assert_bounded("fields that are read", HEAD, b"Content-Type: image/jpeg; x=abcdefghijklmnopqrstuvwxyz\r\n");
    assert_bounded("a line", HEAD, b"X-Line: 1");
    // Seen in a review: each folded line was added to the field before it.
    assert_bounded("folded lines", HEAD, b" folded \xe9\xe9\xe9\xe9\r\n");
    assert_bounded("delimiters", b"", b"--b\r\n");
    assert_bounded("blank lines", HEAD, b"\r\n");
}

#[test]
fn endless_pictures_are_not_kept() {
    assert_bounded("no length", &[HEAD, b"\r\n", START].concat(), b"data");
    for length in ["1000000", "1048576", "1048577", "2147483648", "100000000000000000000"] {
        let head = format!("Content-Length: {length}\r\n\r\n");
        assert_bounded(length, &[HEAD, head.as_bytes(), START].concat(), b"data");
    }
    assert_bounded("stuffed zeros", &[HEAD, b"\r\n", START].concat(), b"\xff\0");
    assert_bounded("fill bytes", &[HEAD, b"\r\n", START].concat(), b"\xff");
    assert_bounded("segments", &[HEAD, b"\r\n\xff\xd8"].concat(), b"\xff\xe0\0\x04ab");
}

#[test]
fn endless_padding_is_not_kept() {
    let head = [HEAD, b"Content-Length: 1048576\r\n\r\n", START, b"\xff\xd9"].concat();
    assert_bounded("zeros", &head, b"\0");
    assert_bounded("blanks", &head, b"\r\n");
}

#[test]
fn endless_bytes_without_pictures_are_not_kept() {
    for byte in [b"x", b"\0", b"-", b"\xff", b"\n"] {
        assert_bounded("preamble", b"", byte);
        assert_bounded("foreign part", b"--b\r\nContent-Type: text/plain\r\n\r\n", byte);
        assert_bounded("long foreign part", b"--b\r\nContent-Type: a/b\r\nContent-Length: 99999999999\r\n\r\n", byte);
    }
    assert_bounded("nested starts", b"", b"\xff\xd8\xff\xe0\xff\xf0");
    assert_bounded("nested starts in parts", HEAD, b"--b\r\n\r\n\xff\xd8\xff\xe0\xff\xf0");
    assert_bounded("damaged pictures", b"", &[START, b"\xff\xd8\xff\xe0\0\x01"].concat());
}

#[test]
fn small_pictures_after_a_large_one_are_not_kept() {
    let large = [HEAD, b"\r\n", START, &[0; MAX_FRAME - 100], b"\xff\xd9"].concat();
    assert_eq!(START.len(), 25, "the large picture is within the limit");
    let small = [b"--b\r\n\r\n", START, b"\xff\xd9\r\n"].concat();
    // The large picture leaves as a copy, so it counts twice at that moment.
    let peak = peak(&large, &small);
    assert!(peak <= 2 * MAX_FRAME + ALLOWANCE + 65_536, "{peak} bytes");
}

proptest! {
    // The same cases on each run, so that a change is what makes the law fail.
    #![proptest_config(Config {
        cases: 10, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..Config::default()
    })]

    #[test]
    fn nothing_that_goes_on_for_ever_is_kept(opening in any_fragments(), more in prop_oneof![any_bytes(), any_fragments()]) {
        prop_assume!(!more.is_empty());
        let peak = peak(&opening, &more);
        // A picture that came out may count twice at that moment, once as what the test holds.
        prop_assert!(peak <= 2 * MAX_FRAME + ALLOWANCE, "{} bytes", peak);
    }
}

/// Bytes that the server may hold for one visitor by HTTP/1, and by HTTP/2 with its 128 streams. Chosen
/// a third above what was seen, 54 kB and 773 kB.
const MAX_HTTP1: usize = 72 * 1024;
const MAX_HTTP2: usize = 1024 * 1024;

/// How many times as much a visitor of no end sends.
const ENDLESS: usize = 2;

#[test]
fn requests_without_end_are_not_kept() {
    for (name, opening, more) in [
        ("a line", "GET /", "x"),
        ("a query", "GET /?x", "x"),
        ("a field", "GET / HTTP/1.1\r\nX: ", "x"),
        ("fields", "GET / HTTP/1.1\r\n", "X: y\r\n"),
        ("blank lines", "", "\r\n"),
        ("a body", "POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", "x"),
        ("chunks", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"),
        ("a chunk's extension", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;", "x"),
        ("trailers", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n"),
        ("requests", "", "GET /status HTTP/1.1\r\n\r\n"),
        ("requests that are refused", "", "PUT / HTTP/1.1\r\n\r\n"),
        ("words of a viewer", "GET /stream HTTP/1.1\r\n\r\n", "GET /stream HTTP/1.1\r\n\r\n"),
    ] {
        let more = more.repeat(1 + 1000 / more.len());
        assert_visitor_bounded(name, Spoken::Http1, opening.as_bytes(), &|_| more.clone().into_bytes());
    }
}

#[test]
fn frames_without_end_are_not_kept() {
    let ask = |stream| frame(HEADERS, END_STREAM | END_HEADERS, stream, &get("/stream"));
    let filling = [&[0x40, 1, b'x', 100][..], &[b'x'; 100]].concat();
    let kinds: [(&str, Words<'_>); 12] = [
        ("settings", &|_| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 1, 0])),
        ("pings", &|_| frame(PING, 0, 0, b"12345678")),
        ("windows", &|_| frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("streams", &|n| ask(2 * n + 1)),
        ("streams that are reset", &|n| [ask(2 * n + 1), frame(RST_STREAM, 0, 2 * n + 1, &[0, 0, 0, 8])].concat()),
        ("streams whose heads do not end", &|n| frame(HEADERS, END_STREAM, 2 * n + 1, &get("/"))),
        ("a head in parts", &|n| {
            if n == 0 { frame(HEADERS, END_STREAM, 1, &get("/")) } else { frame(CONTINUATION, 0, 1, &filling) }
        }),
        ("a head in parts of nothing", &|n| {
            if n == 0 { frame(HEADERS, END_STREAM, 1, &get("/")) } else { frame(CONTINUATION, 0, 1, &[]) }
        }),
        ("a body", &|n| {
            if n == 0 { frame(HEADERS, END_HEADERS, 1, &get("/stream")) } else { frame(DATA, 0, 1, &[0; 1000]) }
        }),
        ("a body of nothing", &|n| {
            if n == 0 { frame(HEADERS, END_HEADERS, 1, &get("/stream")) } else { frame(DATA, 0, 1, &[]) }
        }),
        ("frames of no known kind", &|_| frame(99, 0, 0, &[0; 1000])),
        ("resets of nothing", &|n| frame(RST_STREAM, 0, 2 * n + 1, &[0, 0, 0, 8])),
    ];
    for (name, frames) in kinds {
        assert_visitor_bounded(name, Spoken::Http2, &[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat(), frames);
    }
}

/// What a visitor sends again and again, the first time with 0.
type Words<'a> = &'a dyn Fn(u32) -> Vec<u8>;

/// Sends much more than may be held, or what the server takes, and reads none of the answers, then all.
#[track_caller]
fn assert_visitor_bounded(name: &str, spoken: Spoken, opening: &[u8], more: Words<'_>) {
    let most = if spoken == Spoken::Http1 { MAX_HTTP1 } else { MAX_HTTP2 };
    for reads in [false, true] {
        let before = HELD.get();
        let peak = pipe::run(visit(spoken, opening, more, reads, ENDLESS * most)) - before;
        println!("{name}, answers are read: {reads}: {peak} bytes");
        assert!(peak <= most, "{name}, answers are read: {reads}: {peak} bytes");
    }
}

/// The most memory that was held.
async fn visit(spoken: Spoken, opening: &[u8], more: Words<'_>, reads: bool, length: usize) -> usize {
    let (handler, camera) = (Handler::new(Secrets::default(), None), pipe::camera());
    assert!(handler.add("/".parse().expect("a mount"), camera.clone()));
    pipe::publish(&camera, &jpeg::any(0, 40).bytes());
    let (ours, theirs) = tokio::io::duplex(ROOM);
    let visiting = async {
        let (mut from_server, mut to_server) = tokio::io::split(ours);
        let asking = async {
            PEAK.set(HELD.get());
            let mut words = std::iter::once(opening.to_vec()).chain((0..).map(more));
            let mut sent = 0;
            while sent < length {
                let piece = words.next().expect("there is no end");
                sent += piece.len().max(1);
                // A server that takes no more has no need to.
                if !matches!(tokio::time::timeout(PATIENCE, to_server.write_all(&piece)).await, Ok(Ok(()))) {
                    break;
                }
            }
            camera.fanout.end();
            PEAK.get()
        };
        let mut space = [0; ROOM];
        let reading = async {
            while reads && from_server.read(&mut space).await.is_ok_and(|count| count > 0) {}
            std::future::pending().await
        };
        tokio::select! {
            peak = asking => peak,
            peak = reading => peak,
        }
    };
    tokio::join!(visiting, handler.serve(theirs, spoken)).0
}

/// Bytes that the pipe holds each way.
const ROOM: usize = 4096;

/// Virtual time. Longer than the server waits for anything.
const PATIENCE: Duration = Duration::from_secs(60);
