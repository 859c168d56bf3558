//! What the fuzzers begin with: the framings, heads and challenges that are out there.

use std::fmt::Write;

use crate::{
    common::{jpeg, rows},
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
    seeds
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

const CHUNKED: &[u8] = b"5\r\n--fra\r\n4\r\nme\r\n\r\n0\r\n\r\n";

/// `hello hello hello hello` as gzip and zlib write it.
const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcbH\xcd\xc9\xc9W\xc8@'\x01\xe3Q=\x8d\x17\0\0\0";
const ZLIB: &[u8] = b"\x78\xda\xcbH\xcd\xc9\xc9W\xc8@'\x01h\x03\x08\xb1";
