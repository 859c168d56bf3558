//! Bytes that are likely to break a law.
#![allow(dead_code, reason = "each program uses a part of it")]

use proptest::prelude::*;

use crate::common::{jpeg, rows, streams::Stream};

/// Short, and mostly of bytes that mean something.
pub fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    // Bytes that mean something are more likely than those that do not.
    let byte =
        prop_oneof![Just(0xff), Just(0xd8), Just(0xd9), Just(0xda), Just(0xc0), Just(0), Just(b'\n'), Just(b'-')];
    prop::collection::vec(prop_oneof![byte, any::<u8>()], 0..80)
}

/// Bytes, and pieces of heads and of pictures.
pub fn any_fragments() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        any_bytes(),
        prop::sample::select(FRAGMENTS).prop_map(<[u8]>::to_vec),
        (0..100_usize, any::<prop::sample::Index>()).prop_map(|(index, end)| {
            let mut picture = jpeg::any(index, 120).bytes();
            picture.truncate(end.index(picture.len()));
            picture
        }),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

/// A stretch of a stream: pictures in the framing of a row, or bytes.
pub fn any_stretch() -> impl Strategy<Value = Vec<u8>> {
    let rows = rows::all().count();
    let part = (0..rows, 0..100_usize, 0..3_usize, 0..120_usize).prop_map(|(row, index, count, data)| {
        let row = rows::all().nth(row).expect("there are as many");
        let mut stream = Stream::default();
        stream.opening(row);
        for index in index..index + count {
            stream.part(row, &jpeg::any(index, data).bytes());
        }
        stream.bytes.extend(row.closing);
        stream.bytes
    });
    prop_oneof![12 => part, 3 => any_bytes(), 1 => any_long(), 3 => any_late_picture()]
}

/// One byte over and over, about as often as the reader has limits of its lines, or more.
fn any_long() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop::sample::select(b" x\n\0\xff".as_slice());
    let len = (prop::sample::select(&[1024, 16 * 1024, 20_000]), 0..5_usize).prop_map(|(limit, more)| limit - 2 + more);
    (byte, len).prop_map(|(byte, len)| vec![byte; len])
}

/// Three parts; in the second a long line stands before the picture, and perhaps a record behind it.
fn any_late_picture() -> impl Strategy<Value = Vec<u8>> {
    let part = |index, before: &[u8], after: &[u8]| {
        let head = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n";
        [head, before, &jpeg::any(index, 120).bytes(), after, b"\r\n"].concat()
    };
    let record = prop::sample::select(vec![b"".as_slice(), b" record"]);
    (any_long(), record, 0..100_usize).prop_map(move |(long, record, index)| {
        [part(index, b"", b""), part(index + 1, &long, record), part(index + 2, b"", b"")].concat()
    })
}

pub fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let mutations = prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, any_bytes()), 0..6);
    (prop::collection::vec(any_stretch(), 0..6), mutations).prop_map(|(stretches, mutations)| {
        let mut stream = stretches.concat();
        for (at, how, bytes) in mutations {
            let at = at.index(stream.len() + 1);
            let end = match how {
                0 => at,
                1 => stream.len().min(at + bytes.len()),
                _ => stream.len().min(at + 300),
            };
            stream.splice(at..end, bytes);
        }
        stream
    })
}

pub fn any_sizes() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![Just(vec![1]), prop::collection::vec(1..40_usize, 1..8), prop::collection::vec(1..3000_usize, 1..8)]
}

const FRAGMENTS: &[&[u8]] = &[
    b"--frame\r\n",
    b"\r\n--frame\r\n",
    b"\r\n\r\n",
    b"Content-Type: image/jpeg\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 70000\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"\xff\xd8",
    b"\xff\xd8\xff\xe0\x10\0",
    b"\xff\xd9",
];
