//! What the fuzzers begin with: the framings, heads and challenges that are out there.

use std::fmt::Write;

use crate::{
    common::{
        jpeg,
        pipe::{
            CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE,
            frame, get,
        },
        rows,
    },
    targets::CODINGS,
};

/// An input of a target.
pub struct Seed {
    /// The target's name.
    pub target: &'static str,
    /// The input.
    pub bytes: Vec<u8>,
}

/// All seeds of all targets.
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let mut add = |target, bytes: &[&[u8]]| seeds.push(Seed { target, bytes: bytes.concat() });
    for (index, row) in rows::all().enumerate() {
        let stream = row.stream(&row.pictures(index, 3, 40)).bytes;
        add("reader", &[ONE_SIZE, &[0, 0], &stream]);
        add("damage", &[&[index as u8, 0, 100, 0xff, 0, 101, 0xd8]]);
    }
    for flags in 0..8 {
        add(
            "writer",
            &[&[flags, 0, 200], ONE_SIZE, &[0, 30], b"\r\n--frame\r\n\xff\xd8\xff\xd9Content-Length: 3\r\n\r\n"],
        );
    }
    for index in 0..6 {
        add("jpeg", &[ONE_SIZE, &jpeg::any(index, 60).bytes()]);
    }
    add("jpeg", &[ONE_SIZE, AVI1]);
    for head in HEADS {
        add("head", &[head.as_bytes()]);
    }
    for body in [&b"3\r\nabc\r\n10;x=y\r\n0123456789abcdef\r\n0\r\n\r\n"[..], b"A \nabcdefghij\n0\n\n"] {
        add("chunked", &[ONE_SIZE, body]);
    }
    for (coding, body) in (0..).zip([CHUNKED, GZIP, ZLIB, CHUNKED, CHUNKED]) {
        assert!(usize::from(coding) < CODINGS.len());
        add("body", &[&[coding], ONE_SIZE, body]);
    }
    for challenges in CHALLENGES {
        let mut text = "user\npass word\n/stream?x=1\n".to_owned();
        write!(text, "{challenges}").expect("text can be written into memory");
        add("auth", &[text.as_bytes()]);
    }
    for location in LOCATIONS {
        add("location", &[location.as_bytes(), b"\n../other?x#y"]);
    }
    for (index, request) in (0..).zip(REQUESTS) {
        // Guarded or not, open or not, read or not, by turns.
        add("requests", &[&[index << 1 & 0b1110, 4, 0], ONE_SIZE, request.as_bytes()]);
        add("requests", &[&[0, 4, 0], ONE_SIZE, request.as_bytes(), request.as_bytes()]);
    }
    for (flags, frames) in [1, 3, 5, 9].into_iter().zip(frames()) {
        add("requests", &[&[flags, 64, 0], ONE_SIZE, &frames]);
        add("requests", &[&[1, 4, 0], &[0, 63], &frames]);
    }
    seeds
}

/// What browsers send by HTTP/2, a connection each: requests, settings, windows, resets, pings.
fn frames() -> [Vec<u8>; 4] {
    let ask = |stream, path| frame(HEADERS, END_STREAM | END_HEADERS, stream, &get(path));
    let settings = frame(SETTINGS, 0, 0, &[]);
    let window = |stream| frame(WINDOW_UPDATE, 0, stream, &[0, 1, 0, 0]);
    [
        vec![settings.clone(), ask(1, "/stream"), ask(3, "/snapshot"), ask(5, "/door/stream?layout=advance")],
        vec![settings.clone(), ask(1, "/status?token=vQ3-kX7_pW1~zR9."), window(0), ask(3, "/health"), ask(5, "/")],
        vec![
            // A window of ten bytes for each stream.
            frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 10]),
            ask(1, "/stream?fps=5"),
            window(1),
            frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]),
            frame(PING, 0, 0, b"12345678"),
        ],
        vec![
            settings,
            frame(HEADERS, END_HEADERS, 1, &get("/snapshot?fresh=1")),
            frame(DATA, END_STREAM, 1, b"body"),
            frame(HEADERS, END_STREAM, 3, &get("/")),
            frame(CONTINUATION, END_HEADERS, 3, b"\x40\x06cookie\x01x"),
            frame(GOAWAY, 0, 0, &[0; 8]),
        ],
    ]
    .map(|frames| frames.concat())
}

/// No sizes but the last one, which is 7.
const ONE_SIZE: &[u8] = &[0, 6];

/// A picture that can be decoded, in Motion-JPEG form: without Huffman tables.
const AVI1: &[u8] = include_bytes!("../../tests/data/avi1_without_tables.jpg");

/// Heads of the servers and cameras that are out there (docs/design.md).
const HEADS: &[&str] = &[
    "HTTP/1.0 200 OK\r\nAccess-Control-Allow-Origin: *\r\nConnection: close\r\nServer: MJPG-Streamer/0.2\r\n\
     Content-Type: multipart/x-mixed-replace;boundary=boundarydonotcross\r\n\r\n--boundarydonotcross\r\n",
    "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=\"MOBOTIX_Fast_Serverpush\"\r\n\r\n",
    "HTTP/1.0 200 OK\r\nContent-Length: -1\r\nContent-Type: multipart/x-mixed-replace;boundary=data-boundary--\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: multipart/x-mixed-replace; boundary =x\r\n\r\n3\r\n",
    "HTTP/1.0 200 OK\r\nMon Jan  1 00:00:00 2024\r\nContent-Type:image/jpeg\r\n\r\n",
    "ICY 200 OK\ncontent-type: image/jpg\n\n",
    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"x\",\r\n\tnonce=\"y\"\r\n\r\n",
    "HTTP/1.1 302\r\nLocation: /other\r\n\r\n",
];

/// Challenges, a field a line.
const CHALLENGES: &[&str] = &[
    "Basic realm=\"camera\"",
    "Digest realm=\"AXIS_00408C\", nonce=\"0001\", algorithm=MD5, qop=\"auth\"",
    "Digest realm=\"x\", nonce=\"n\", opaque=\"o\", stale=true",
    "Digest realm=\"x\", nonce=\"n\", algorithm=SHA-256-sess, qop=\"auth,auth-int\"\nBasic realm=\"x\"",
    "Digest realm=\"x\", nonce=\"n\", algorithm=md5, qop=\"auth-int\", charset=UTF-8",
    "Negotiate, Basic realm=\"a \\\"quoted\\\" name\", Bearer",
];

const LOCATIONS: &[&str] = &[
    "http://camera/stream",
    "mjpeg+http://user:pa%40ss@[::1]:8080/a%20b?action=stream&x=%26#y",
    "https://camera:8443/?action=stream",
    "HTTP://camera.example:80/a b?c d",
];

/// What programs ask of a server.
const REQUESTS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: camera:8080\r\nUser-Agent: Mozilla/5.0 AppleWebKit/537.36\r\nAccept: */*\r\n\r\n",
    "GET /stream HTTP/1.1\r\nHost: camera\r\nUser-Agent: Lavf/59.27.100\r\nIcy-MetaData: 1\r\n\r\n",
    "GET /?action=stream HTTP/1.0\r\n\r\n",
    "GET /snapshot HTTP/1.1\r\nHost: x\r\nIf-None-Match: W/\"0\", *\r\n\r\n",
    "HEAD /door/snapshot HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /snapshot?fresh=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    "GET /status?token=vQ3-kX7_pW1~zR9. HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer vQ3-kX7_pW1~zR9.\r\n\r\n",
    "GET /health?max-age=60 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic dXNlcjpwYXNz\r\n\r\n",
    "GET /door?x=y HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /door/stream?layout=advance&fps=5 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /stream?extra-headers=1&layout=standard HTTP/1.1\r\nHost: x\r\n\r\n",
    "OPTIONS /stream HTTP/1.1\r\nHost: x\r\nOrigin: https://home.example\r\nAccess-Control-Request-Method: GET\r\n\
     Access-Control-Request-Headers: x-y\r\nAccess-Control-Request-Private-Network: true\r\n\r\n",
    "POST /stream HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    "PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "GET http://camera/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /favicon.ico HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n\r\n",
    "CONNECT camera:80 HTTP/1.1\r\nHost: camera:80\r\n\r\n",
];

const CHUNKED: &[u8] = b"5\r\n--fra\r\n4\r\nme\r\n\r\n0\r\n\r\n";

/// `hello hello hello hello` as gzip and zlib write it.
const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcbH\xcd\xc9\xc9W\xc8@'\x01\xe3Q=\x8d\x17\0\0\0";
const ZLIB: &[u8] = b"\x78\xda\xcbH\xcd\xc9\xc9W\xc8@'\x01h\x03\x08\xb1";
