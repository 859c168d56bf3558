//! Whatever a server sends without end, the memory of the process stays within a picture and a little, and the next
//! connection plays. A program of its own, so that nobody else's memory is measured; each test takes its turn.

mod common;

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use common::{
    jpeg,
    script_server::{Step, chunk, part},
    source::{Source, assert_same},
};
use gio::{ConverterFlags, ZlibCompressorFormat, prelude::*};

const MAX_FRAME: u64 = 1024 * 1024;

/// A picture, and what is read ahead. Less than what a client without limits would have by the time it gives up a
/// stream without pictures.
const ALLOWED: u64 = MAX_FRAME + 3 * 1024 * 1024;

/// One at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Bytes of memory that the process has in use.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("its second number");
    // The page size of every machine that this was run on.
    pages * 4096
}

/// A server that sends a picture to its first client, then `opening` and `more` over and over to its second, until that
/// has had enough; and pictures to its third.
fn endless(opening: Vec<u8>, more: Vec<u8>) -> (SocketAddr, &'static AtomicU64) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the port just bound");
    let peak: &AtomicU64 = Box::leak(Box::default());
    let more = more.repeat(1 + 65_536 / more.len());
    thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let mut client = client.expect("a listener accepts");
            let _ = client.read(&mut [0; 4096]);
            if number == 1 {
                pour(client, &opening, &more, peak);
            } else {
                let Step::Send(picture) = part(&jpeg::picture(number)) else { unreachable!("a part is sent") };
                let _ = client.write_all(&[b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &picture].concat());
            }
        }
    });
    (address, peak)
}

fn pour(mut client: TcpStream, opening: &[u8], more: &[u8], peak: &AtomicU64) {
    if client.write_all(opening).is_err() {
        return;
    }
    while client.write_all(more).is_ok() {
        peak.fetch_max(resident(), Ordering::Relaxed);
    }
}

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[track_caller]
fn assert_bounded(what: &str, opening: &[u8], more: &[u8]) {
    let _turn = turn();
    let (address, peak) = endless(opening.to_vec(), more.to_vec());
    let source = Source::new(&format!("http://{address}/"))
        .set("max-frame-size", u32::try_from(MAX_FRAME).expect("a megabyte"))
        .hasty()
        .lossless()
        .play();
    assert_same(&source.frame(), &jpeg::picture(0), "the picture before");
    let before = resident();
    assert_same(&source.frame(), &jpeg::picture(2), "the picture of the next connection");
    let grown = peak.load(Ordering::Relaxed).max(resident()).saturating_sub(before);
    println!("{what}: {} KiB more", grown / 1024);
    assert!(grown < ALLOWED, "{what}: {grown} bytes more");
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=frame\r\n";
const JPEG_HEAD: &[u8] = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x30\0\x40\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0";

/// A stream that has begun with this.
fn stream(opening: &[u8]) -> Vec<u8> {
    [OK, b"\r\n", opening].concat()
}

#[test]
fn endless_response_heads_are_given_up() {
    assert_bounded("fields", OK, b"X-Field: value\r\n");
    assert_bounded("a line", OK, b"x");
    assert_bounded("folded lines", OK, b" folded\r\n");
    assert_bounded("blank lines before the head", b"\r\n", b"\r\n");
    // Neither HTTP nor the beginning of a stream without a head.
    assert_bounded("lines with a blank before the head", b" \n", b" \n");
    assert_bounded("form feeds before the head", b"\x0c", b"\x0c");
    assert_bounded("interim answers", b"", b"HTTP/1.1 100 Continue\r\n\r\n");
}

#[test]
fn endless_part_heads_are_given_up() {
    assert_bounded("fields", &stream(b"--frame\r\n"), b"X-Field: value\r\n");
    assert_bounded("a line", &stream(b"--frame\r\nX-Field: "), b"x");
}

#[test]
fn endless_preambles_are_given_up() {
    assert_bounded("text", &stream(b""), b"lorem ipsum ");
    assert_bounded("zeros", &stream(b""), b"\0");
    assert_bounded("delimiters", &stream(b""), b"--frame\r\n");
}

#[test]
fn endless_parts_are_given_up() {
    let opening = [b"--frame\r\nContent-Type: image/jpeg\r\n\r\n".as_slice(), JPEG_HEAD].concat();
    assert_bounded("a picture", &stream(&opening), b"data");
    assert_bounded("another kind", &stream(b"--frame\r\nContent-Type: audio/basic\r\n\r\n"), b"sound");
}

#[test]
fn endless_damaged_pictures_are_given_up() {
    let damaged = [b"--frame\r\n\r\n".as_slice(), JPEG_HEAD, b"\xff\xe0\0\x01"].concat();
    assert_bounded("damaged pictures", &stream(b""), &damaged);
}

#[test]
fn absurd_lengths_are_given_up() {
    for length in ["2147483648", "4294967296", "18446744073709551615", "100000000000000000000"] {
        let head = format!("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {length}\r\n\r\n");
        assert_bounded(length, &stream(&[head.as_bytes(), JPEG_HEAD].concat()), b"data");
    }
}

#[test]
fn endless_chunks_are_given_up() {
    let head = [OK, b"Transfer-Encoding: chunked\r\n\r\n"].concat();
    assert_bounded("chunks", &head, &chunk(b"no picture"));
    assert_bounded("a chunk", &[&head, b"ffffffffffffffff\r\n".as_slice()].concat(), b"no picture");
    assert_bounded("a chunk's head", &head, b"0");
}

/// Compresses `unit`, over and over to 64 MiB, and sends that: a thousandth of it, or less.
#[track_caller]
fn assert_bomb_bounded(what: &str, unit: &[u8]) {
    const LEN: usize = 64 * 1024 * 1024;
    let compressor = gio::ZlibCompressor::new(ZlibCompressorFormat::Gzip, 9);
    let unit = unit.repeat(1 + 65_536 / unit.len());
    let mut bomb = [OK, b"Content-Encoding: gzip\r\n\r\n"].concat();
    let mut space = vec![0; 1 << 20];
    for _ in 0..LEN / unit.len() {
        let mut input = unit.as_slice();
        while !input.is_empty() {
            let done = compressor.convert(input, &mut space[..], ConverterFlags::NONE).expect("it compresses");
            let (_, read, written) = done;
            bomb.extend_from_slice(&space[..written]);
            input = &input[read..];
        }
    }
    assert!(bomb.len() < LEN / 50, "{} bytes are no bomb", bomb.len());
    // What follows is no gzip, if it is ever reached.
    assert_bounded(what, &bomb, b"\xff");
}

#[test]
fn bombs_without_pictures_are_given_up() {
    assert_bomb_bounded("zeros", b"\0");
    assert_bomb_bounded("delimiters", b"--frame\r\n");
}

/// Seen from outside: read for ten minutes, by all of a core.
#[test]
fn compressed_bodies_that_hold_nothing_are_given_up() {
    const HEAD: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\xff";
    let opening = [OK, b"Content-Encoding: gzip\r\n\r\n"].concat();
    const NAMED: &[u8] = b"\x1f\x8b\x08\x08\0\0\0\0\0\xff";
    let empty = [NAMED, &[b'x'; 4000], b"\0\x03\0\0\0\0\0\0\0\0\0"].concat();
    assert_bounded("empty members", &opening, &empty);
    assert_bounded("a name", &[&opening, NAMED].concat(), b"name");
    assert_bounded("empty blocks", &[&opening, HEAD].concat(), b"\0\0\0\xff\xff");
}

/// One read may hold a million damaged pictures: each is told before the next is looked for.
#[test]
fn bombs_of_damaged_pictures_are_given_up() {
    assert_bomb_bounded("damaged pictures", &[b"--frame\r\n\r\n".as_slice(), JPEG_HEAD, b"\xff\xe0\0\x01"].concat());
}
