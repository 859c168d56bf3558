//! HTTP/2 by those who mean no good: what they do ends with them.

use std::time::Duration;

use common::{
    http2::{Http2, request},
    pipe::{CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE},
    pipeline::{numbered, pictures},
    secure::Secure,
};

mod common;

/// A peer that opens streams and resets them, thousands of times, each of which costs us an answer (CVE-2023-44487).
#[test]
fn rapid_resets_end_the_connection_and_nothing_else() {
    let secure = Secure::live("");
    let mut watching = secure.connect();
    let stream = watching.get("/stream");
    let mut abuser = secure.connect();
    let attempt = |abuser: &mut Http2| -> std::io::Result<()> {
        for _ in 0..10_000 {
            let stream = abuser.next();
            abuser.try_send(HEADERS, 5, stream, &request("GET", "/stream", &[]))?;
            abuser.try_send(RST_STREAM, 0, stream, &8u32.to_be_bytes())?;
        }
        loop {
            abuser.try_frame()?;
        }
    };
    let error = attempt(&mut abuser).expect_err("the server closes");
    assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "it goes on");
    secure.camera.wait_for_viewers(1);
    secure.camera.push(&pictures()[0]);
    assert!(watching.picture(stream) == pictures()[0]);
}

/// A head in parts without end would be gathered for ever (CVE-2024-27316).
#[test]
fn a_head_without_end_is_refused() {
    let secure = Secure::live("");
    let mut abuser = secure.connect();
    let stream = abuser.next();
    let endless = |abuser: &mut Http2| -> std::io::Result<()> {
        abuser.try_send(HEADERS, 1, stream, &request("GET", "/stream", &[]))?;
        let filling = request("GET", "/", &[("x-filling", &"x".repeat(100))]);
        for _ in 0..100_000 {
            abuser.try_send(CONTINUATION, 0, stream, &filling)?;
        }
        loop {
            abuser.try_frame()?;
        }
    };
    let error = endless(&mut abuser).expect_err("the server closes");
    assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "it goes on");
    let mut watching = secure.connect();
    let stream = watching.get("/stream");
    secure.camera.push(&pictures()[0]);
    assert!(watching.picture(stream) == pictures()[0]);
}

/// Frames that cost their sender nothing, and each of which wants an answer (CVE-2019-9512, 9515) or a turn (9518).
#[test]
fn floods_of_small_frames_hold_up_nobody() {
    let secure = Secure::live("");
    let mut watching = secure.connect();
    let stream = watching.get("/stream");
    secure.camera.wait_for_viewers(1);
    for (kind, payload) in [(PING, &[0; 8][..]), (SETTINGS, &[0, 4, 0, 0, 0xff, 0xff]), (WINDOW_UPDATE, &[0, 0, 0, 1])]
    {
        let mut abuser = secure.connect();
        let asked = abuser.get("/stream");
        secure.camera.wait_for_viewers(2);
        abuser.stream.sock.set_write_timeout(Some(Duration::from_millis(200))).expect("a limit");
        let kept_up = (0..50).all(|n| {
            // Nobody reads the answers. An error is the end of it, which is as good.
            let _ = (0..200).try_for_each(|_| abuser.try_send(kind, 0, 0, payload));
            let picture = numbered(&pictures()[0], n);
            secure.camera.push(&picture);
            watching.picture(stream) == picture
        });
        assert!(kept_up, "{kind}");
        abuser.reset(asked);
        drop(abuser);
        secure.camera.wait_for_viewers(1);
    }
}

/// What no browser sends ends with its stream or its connection.
#[test]
fn requests_that_are_none_are_refused() {
    let secure = Secure::live("");
    for (method, path, fields) in [
        ("GET", "stream", &[][..]),
        ("GET", "", &[]),
        ("GET", "/health", &[("host", "a"), ("host", "b")]),
        ("GET", "/health", &[("connection", "close")]),
        ("GET", "/health", &[("X-Upper", "1")]),
        ("GET", "/health", &[("transfer-encoding", "chunked")]),
        ("CONNECT", "/health", &[]),
    ] {
        let mut client = secure.connect();
        client.ask(method, path, fields);
        let answer =
            std::iter::repeat_with(|| client.frame()).find(|frame| [HEADERS, RST_STREAM, GOAWAY].contains(&frame.kind));
        // 200 is the eighth of the statuses that have a number.
        let refused = answer.is_some_and(|frame| frame.kind != HEADERS || frame.payload[0] != 0x88);
        assert!(refused, "{method} {path} {fields:?}");
    }
    let mut client = secure.connect();
    let stream = client.get("/stream");
    secure.camera.push(&pictures()[0]);
    assert!(client.picture(stream) == pictures()[0]);
}

/// 3000 guesses in 3.5 s over one connection, the right one among them answered: only the answers to wrong ones waited.
#[test]
fn many_streams_guess_no_faster_than_one() {
    let secure = Secure::live("token=t0ken");
    let mut guesser = secure.connect();
    for n in 0..60 {
        guesser.get(&format!("/status?token=wrong{n}"));
    }
    let right: Vec<_> = (0..10).map(|_| guesser.get("/status?token=t0ken")).collect();
    let is_crowded = |stream: &u32| guesser.until(*stream, |received| received.ended).body.starts_with(b"too many");
    assert!(right.iter().any(is_crowded), "each was looked at");
}

/// Nobody reads a body: its window is all that is taken of it, and the viewer has its pictures before its end, behind
/// it, and whether or not trailers follow.
#[test]
fn bodies_and_trailers_of_requests_change_nothing() {
    let secure = Secure::live("");
    let mut client = secure.connect();
    let stream = client.next();
    client.send(HEADERS, END_HEADERS, stream, &request("GET", "/stream", &[("content-length", "65535")]));
    secure.camera.wait_for_viewers(1);
    for (length, n) in [16_384, 16_384, 16_384, 16_383].into_iter().zip(0..) {
        client.send(DATA, 0, stream, &vec![b'x'; length]);
        let picture = numbered(&pictures()[0], n);
        secure.camera.push(&picture);
        assert!(client.picture(stream) == picture, "piece {n}");
    }
    // A trailer is a field that nobody remembers, as those of a request are here.
    client.send(HEADERS, END_STREAM | END_HEADERS, stream, b"\0\x01a\x01b");
    let other = client.get("/stream");
    secure.camera.wait_for_viewers(2);
    secure.camera.push(&pictures()[1]);
    assert!(client.picture(stream) == pictures()[1]);
    let _first = client.picture(other);
}
