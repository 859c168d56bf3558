//! What holds for what the server answers, whatever is asked.

use std::{
    cell::Cell,
    collections::BTreeMap,
    panic,
    sync::{Arc, Once},
    time::Duration,
};

use gstmjpeghttp::{
    multipart::{Event, Limits},
    server::{Camera, Handler, Secrets, Spoken},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::{pieces, reader::events};
use crate::common::{
    jpeg,
    pipe::{self, DATA, HEADERS, RST_STREAM},
};

/// One connection to a server with two cameras, and what a visitor does on it.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    pub spoken: Spoken,
    /// What the visitor sends.
    pub bytes: &'a [u8],
    /// How that is cut into writes.
    pub sizes: &'a [usize],
    /// Bytes that the pipe holds each way.
    pub room: usize,
    /// Whether everything wants [`TOKEN`].
    pub guarded: bool,
    /// Whether pages of another site may read.
    pub open: bool,
    /// Whether the visitor reads nothing, and goes when it has sent what the server takes.
    pub deaf: bool,
}

/// Whatever comes, nothing panics, the visit ends, no viewer stays, and each answer is one that the server gives.
pub fn answers_are_those_of_a_server(visit: Visit<'_>) {
    let panics = panics();
    let answer = pipe::run(converse(visit));
    assert_eq!(self::panics(), panics, "a task panicked");
    if visit.deaf {
        return;
    }
    match visit.spoken {
        Spoken::Http1 => check_http1(visit, &answer),
        Spoken::Http2 => check_http2(visit, &answer),
    }
}

/// The visit, and what the visitor reads. Time is virtual: it passes while everybody waits.
async fn converse(visit: Visit<'_>) -> Vec<u8> {
    let token = visit.guarded.then(|| TOKEN.parse().expect("a token"));
    let origin = visit.open.then(|| "https://home.example".parse().expect("an origin"));
    let handler = Handler::new(Secrets { user: None, token }, origin);
    let cameras = ["/", "/door"].map(|mount| {
        let camera = pipe::camera();
        pipe::publish(&camera, &picture(0));
        assert!(handler.add(mount.parse().expect("a mount"), camera.clone()));
        camera
    });
    let (ours, theirs) = tokio::io::duplex(visit.room.max(1));
    let visiting = async {
        if visit.deaf {
            turn_a_deaf_ear(ours, visit).await;
            // Nobody tells one who waits for a picture that its visitor has gone; on a socket the kernel would.
            end(&cameras);
            return Vec::new();
        }
        let (mut from_server, mut to_server) = tokio::io::split(ours);
        let mut answer = Vec::new();
        let asking = async {
            send(&mut to_server, visit).await;
            end(&cameras);
            // It may have closed before.
            let _ = to_server.shutdown().await;
        };
        let (_, read) = tokio::join!(asking, from_server.read_to_end(&mut answer));
        read.expect("a pipe does not fail");
        answer
    };
    let serving = async { tokio::join!(handler.serve(theirs, visit.spoken), visiting).1 };
    let answer = tokio::time::timeout(LONGEST, serving).await.expect("the visit ends");
    assert_eq!(cameras.map(|camera| (camera.viewers.count(), camera.fanout.readers())), [(0, 0); 2], "viewers stay");
    answer
}

/// Each is small, so that the answers are.
fn picture(index: usize) -> Vec<u8> {
    jpeg::any(index, 40).bytes()
}

/// One more picture, and no more after it.
fn end(cameras: &[Arc<Camera>]) {
    for camera in cameras {
        pipe::publish(camera, &picture(1));
        camera.fanout.end();
    }
}

/// Sends it all, or as much as is taken.
async fn send(to_server: &mut (impl tokio::io::AsyncWrite + Unpin), visit: Visit<'_>) {
    for piece in pieces(visit.bytes, visit.sizes) {
        if to_server.write_all(piece).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
    }
    pipe::settle().await;
}

/// Sends and does not read; one that the server does not read any more has no way but to go.
async fn turn_a_deaf_ear(mut ours: DuplexStream, visit: Visit<'_>) {
    let _ = tokio::time::timeout(LONGEST_WAIT, send(&mut ours, visit)).await;
}

fn check_http1(visit: Visit<'_>, answer: &[u8]) {
    let mut rest = answer;
    let mut count = 0;
    while !rest.is_empty() {
        let mut fields = [httparse::EMPTY_HEADER; 32];
        let mut head = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(length)) = head.parse(rest) else {
            panic!("no head after {count} answers: {}", rest.escape_ascii());
        };
        rest = &rest[length..];
        count += 1;
        let body = check_head(visit, &head, rest);
        check_body(visit, &head, body);
        rest = &rest[body.len()..];
    }
    let most = visit.bytes.len() / SHORTEST_REQUEST + 1;
    assert!(count <= most, "{count} answers to {} bytes", visit.bytes.len());
}

/// A head is one that we write, whatever was asked. What of `rest` is its body.
fn check_head<'a>(visit: Visit<'_>, head: &httparse::Response<'_, '_>, rest: &'a [u8]) -> &'a [u8] {
    let status = head.code.expect("a head that is complete has one");
    assert!(STATUSES.contains(&status), "{head:?}");
    for field in head.headers.iter() {
        let name = field.name.to_ascii_lowercase();
        let cors = name.starts_with("access-control-") || name == "cross-origin-resource-policy";
        assert!(FIELDS.contains(&&*name) || (cors && visit.open), "{head:?}");
        assert!(field.value.len() <= visit.bytes.len() + LONGEST_FIELD, "{head:?}");
        // A browser would go to another host.
        let leads_away = |value: &[u8]| value.starts_with(b"/") || value.contains(&b':');
        let path = field.value.split(|byte| *byte == b'?').next().unwrap_or_default();
        assert!(name != "location" || !leads_away(path), "{head:?}");
    }
    if value(head, "content-type").starts_with("multipart/") {
        return rest;
    }
    let length = value(head, "content-length").parse().unwrap_or(0);
    // To HEAD, and where nothing has changed, there is none; none of ours begins like the next answer.
    let body = if rest.starts_with(b"HTTP/1.") || rest.is_empty() { rest.get(..0) } else { rest.get(..length) };
    body.unwrap_or_else(|| panic!("{head:?} with {} bytes", rest.len()))
}

fn check_body(visit: Visit<'_>, head: &httparse::Response<'_, '_>, body: &[u8]) {
    assert!(body.len() <= visit.bytes.len() + LONGEST_BODY, "{} bytes to {head:?}", body.len());
    let kind = value(head, "content-type");
    if !may_see(visit) && head.code == Some(200) {
        assert!(kind == "image/svg+xml" || body == b"pictures come\n" || body.is_empty(), "{head:?} without the token");
    }
    match kind {
        "image/jpeg" => assert!(body.is_empty() || is_served(body), "{} bytes are no picture served", body.len()),
        kind if kind.starts_with("multipart/") => check_stream(body, true),
        _ => {}
    }
}

/// Whether the pictures are for this visitor. Nobody guesses the token, in HTTP/2's own code for texts either.
fn may_see(visit: Visit<'_>) -> bool {
    !visit.guarded || visit.bytes.windows(TOKEN.len()).any(|text| text == TOKEN.as_bytes())
}

/// What is in a stream was served, and nothing else.
fn check_stream(stream: &[u8], is_whole: bool) {
    let mut is_clean = true;
    for event in events(&[stream], Limits::default()) {
        match event {
            Event::Frame(frame) => assert!(is_served(&frame.jpeg), "{} bytes are no picture served", frame.jpeg.len()),
            _ => is_clean = false,
        }
    }
    let ended = stream.is_empty() || stream.ends_with(b"--frame--\r\n");
    assert!(!is_whole || (is_clean && ended), "a stream is cut off after {} bytes", stream.len());
}

fn is_served(bytes: &[u8]) -> bool {
    (0..2).any(|index| bytes == picture(index))
}

fn value<'a>(head: &httparse::Response<'_, 'a>, name: &str) -> &'a str {
    let field = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
    field.map_or("", |field| std::str::from_utf8(field.value).expect("ours are text"))
}

fn check_http2(visit: Visit<'_>, answer: &[u8]) {
    let mut bodies = BTreeMap::<u32, Vec<u8>>::new();
    for frame in frames(answer) {
        assert!(frame.kind <= 9 && frame.payload.len() <= 16_384, "{frame:?}");
        // What has to do with a stream that nobody can have opened is refused; answered is none.
        assert!(frame.stream == 0 || frame.stream % 2 == 1 || frame.kind == RST_STREAM, "{frame:?}");
        match (frame.kind, bodies.get_mut(&frame.stream)) {
            (HEADERS, None) => {
                assert!(is_status(frame.payload), "{frame:?}");
                bodies.insert(frame.stream, Vec::new());
            }
            (DATA, Some(body)) => body.extend(frame.payload),
            (DATA | HEADERS, _) => panic!("out of order: {frame:?}"),
            _ => {}
        }
    }
    // A frame of settings or a ping is answered by one as long, a stream that is refused by a few bytes.
    let most = (bodies.len() + 1) * LONGEST_BODY + 4 * visit.bytes.len();
    assert!(answer.len() <= most, "{} bytes to {}", answer.len(), visit.bytes.len());
    for body in bodies.values() {
        let (is_stream, is_picture) = (body.starts_with(b"--frame\r\n"), body.starts_with(b"\xff\xd8"));
        assert!(!(is_stream || is_picture) || may_see(visit), "pictures without the token");
        if is_stream {
            check_stream(body, false);
        } else if is_picture {
            // A window may have ended it.
            assert!((0..2).any(|index| picture(index).starts_with(body)), "{} bytes of no picture served", body.len());
        }
    }
}

/// A frame of HTTP/2 (RFC 9113 4.1).
#[derive(Debug)]
pub struct Frame<'a> {
    pub kind: u8,
    pub stream: u32,
    pub payload: &'a [u8],
}

/// The frames of an answer, which are whole.
pub fn frames(mut answer: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    std::iter::from_fn(move || {
        let (head, rest) = answer.split_first_chunk::<9>()?;
        let [a, b, c, kind, _flags, stream @ ..] = *head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let (payload, rest) = rest.split_at_checked(length as usize).expect("no frame is cut off");
        answer = rest;
        Some(Frame { kind, stream: u32::from_be_bytes(stream), payload })
    })
}

/// Whether fields begin with a status (RFC 7541 6): one of the table of names, alone or with a value of its own, or one
/// that was sent before. A new size of the peer's table may stand before it.
fn is_status(fields: &[u8]) -> bool {
    let first = fields.iter().find(|byte| !(0x20..0x40).contains(*byte));
    first.is_some_and(|first| matches!(first, 0x88..=0x8e | 0x48..=0x4e | 0x08..=0x0e | 0xbe..))
}

/// How many panics this thread has seen. A task's panic is its own affair to tokio.
fn panics() -> usize {
    static COUNTED: Once = Once::new();
    thread_local! {
        static PANICS: Cell<usize> = const { Cell::new(0) };
    }
    COUNTED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |about| {
            PANICS.set(PANICS.get() + 1);
            before(about);
        }));
    });
    PANICS.get()
}

/// What a guarded server wants to be told.
pub const TOKEN: &str = "vQ3-kX7_pW1~zR9.";

/// All that a server of ours says. No 500: nothing goes wrong within.
const STATUSES: [u16; 13] = [200, 204, 304, 307, 400, 401, 404, 405, 414, 417, 429, 431, 503];

/// The fields of all answers.
const FIELDS: [&str; 14] = [
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "etag",
    "location",
    "pragma",
    "retry-after",
    "www-authenticate",
    "x-accel-buffering",
    "x-content-type-options",
    "x-timestamp",
];

/// Bytes of the longest body: the page, of 15 kB with two cameras. Beyond it an answer repeats no more than was asked.
const LONGEST_BODY: usize = 20 * 1024;

/// Bytes of the longest field that repeats nothing.
const LONGEST_FIELD: usize = 128;

/// `A / HTTP/1.1` and two line ends.
const SHORTEST_REQUEST: usize = 14;

/// Virtual time within which every visit is over: a wrong token may be looked at five seconds after the last one.
const LONGEST: Duration = Duration::from_secs(4 * 60 * 60);

/// Virtual time within which a server that reads at all has read what was sent.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
