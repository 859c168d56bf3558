//! HTTP/2: many viewers by one connection, each with the newest picture, none at the cost of another.

use std::{
    io::Write as _,
    net::TcpStream,
    time::{Duration, Instant},
};

use common::{
    certificate::Certificate,
    http2::Http2,
    pipe::SETTINGS,
    pipeline::{Camera, DEADLINE, large, number, numbered, padded, pictures, wait_until},
    secure::Secure,
    tls::{config, shake_hands},
};
use gst::prelude::*;

mod common;

#[test]
fn each_stream_of_a_connection_gets_each_picture_before_the_next_is_made() {
    let secure = Secure::live("");
    let mut client = secure.connect();
    let streams: Vec<_> = (0..16).map(|_| client.get("/stream")).collect();
    secure.camera.wait_for_viewers(16);
    for n in 0..5 {
        let picture = numbered(&pictures()[0], n);
        secure.camera.push(&picture);
        for stream in &streams {
            assert!(client.picture(*stream) == picture, "picture {n}");
        }
    }
    // Fields of a connection are none of a stream: RFC 9113 8.2.2.
    let received = client.until(streams[0], |_| true);
    assert_eq!(received.status(), 200);
}

#[test]
fn the_end_ends_each_stream_and_not_the_connection() {
    let secure = Secure::live("");
    let mut client = secure.connect();
    let (one, other) = (client.get("/stream"), client.get("/stream?layout=advance"));
    secure.camera.wait_for_viewers(2);
    secure.camera.push(&pictures()[0]);
    assert!(client.picture(one) == pictures()[0]);
    secure.camera.end();
    let received = client.until(one, |received| received.ended);
    assert!(received.body.ends_with(b"--frame--\r\n") && !received.reset);
    let received = client.until(other, |received| received.ended);
    // The head that stood ahead is answered.
    let length = received.body.len();
    assert!(received.body.ends_with(b"\r\n--frame--\r\n") && length > 2 * pictures()[0].len(), "{length} bytes");
    let snapshot = client.get("/snapshot");
    assert!(client.until(snapshot, |received| received.ended).body == pictures()[0]);
}

#[test]
fn head_and_what_is_not_modified_have_no_body() {
    let secure = Secure::live("");
    secure.camera.push(&pictures()[0]);
    secure.camera.wait_for_pictures(1);
    let mut client = secure.connect();
    for path in ["/snapshot", "/stream", "/status", "/"] {
        let head = client.ask("HEAD", path, &[]);
        let received = client.until(head, |received| received.ended);
        assert!(received.status() == 200 && received.body.is_empty(), "{path}: {received:?}");
    }
    assert_eq!(secure.camera.viewers(), 0);
}

/// The window is a queue at the viewer's side, so none is filled that need not be: what a viewer gets when it opens its
/// window is the rest of the picture that it has begun, and then the newest.
#[test]
fn a_stream_whose_window_opens_late_gets_the_newest_picture_after_the_one_it_has_begun() {
    let secure = Secure::live("");
    let large = large();
    let mut client = Http2::with_window(secure.address(), &secure.trust, 50_000);
    let stream = client.get("/stream");
    secure.camera.wait_for_viewers(1);
    for n in 0..30 {
        secure.camera.push(&numbered(&large, n));
        secure.camera.wait_for_pictures(u64::from(n) + 1);
        if n == 0 {
            // The stream's window is used up.
            client.until(stream, |received| received.body.len() == 50_000);
        }
    }
    client.open_window(0, 1 << 30);
    client.open_window(stream, 1 << 30);
    assert_eq!(number(&client.picture(stream)), 0);
    assert_eq!(number(&client.picture(stream)), 29);
}

/// Each picture that waits in the process beside the one under way is one that gets old: hyper alone has room for 400
/// kB, TLS for 64 kB. Which of two buffers holds the last one is within what the kernel takes more or less.
#[test]
fn no_more_pictures_wait_for_a_stream_than_for_a_connection_of_its_own() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let tls = format!("tls-certificate-file={} tls-private-key-file={}", certificate.file(), certificate.key());
    let camera = Camera::new("is-live=true do-timestamp=true", &tls).play();
    let mut one = shake_hands(camera.address(), &config(&certificate, &["http/1.1"])).expect("a handshake");
    one.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the request is taken");
    camera.wait_for_viewers(1);
    let mut many = Http2::connect(camera.address(), &config(&certificate, &["h2"]));
    many.get("/stream");
    camera.wait_for_viewers(2);
    let pictures = || {
        let clients = camera.sink.property::<gst::Array>("client-stats");
        let pictures = |client: &glib::SendValue| client.get::<gst::Structure>().ok()?.get::<u64>("pictures").ok();
        [&clients[0], &clients[1]].map(|client| pictures(client).expect("a figure"))
    };
    let picture = padded(10_000);
    wait_until("both to take no more", || {
        camera.push(&picture);
        pictures().iter().all(|sent| sent + 50 < camera.served())
    });
    let [alone, with_others] = pictures();
    assert!(with_others <= alone + 2, "{alone} pictures by HTTP/1, {with_others} by HTTP/2");
}

#[test]
fn a_stream_that_takes_nothing_is_reset_and_those_beside_it_go_on() {
    let secure = Secure::live("timeout=1000000000");
    let farewells = secure.farewells();
    let mut client = secure.connect();
    let reading = client.get("/stream");
    secure.camera.wait_for_viewers(1);
    // A window of nothing for the streams that follow: not even the first delimiter may go.
    client.send(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let stalled = client.get("/stream");
    secure.camera.wait_for_viewers(2);
    let snapshot = client.get("/snapshot");
    client.open_window(reading, 1 << 30);
    let mut n = 0;
    while !(client.until(stalled, |_| true).reset && client.until(snapshot, |_| true).reset) {
        let picture = numbered(&pictures()[0], n);
        secure.camera.push(&picture);
        assert!(client.picture(reading) == picture, "picture {n}");
        n += 1;
    }
    assert_eq!(farewells.recv_timeout(DEADLINE), Ok((2, "stalled".to_owned())));
    secure.camera.push(&pictures()[1]);
    assert!(client.picture(reading) == pictures()[1]);
    assert_eq!(secure.camera.viewers(), 1);
}

#[test]
fn a_connection_that_takes_nothing_is_closed_with_all_its_streams() {
    let secure = Secure::live("timeout=1000000000");
    let farewells = secure.farewells();
    let mut client = secure.connect();
    for _ in 0..3 {
        client.get("/stream");
    }
    secure.camera.wait_for_viewers(3);
    let large = large();
    let gone: Vec<_> = std::iter::from_fn(|| {
        // More than any socket holds, and nobody reads.
        secure.camera.push(&large);
        Some(farewells.recv_timeout(Duration::from_millis(20)).ok())
    })
    .flatten()
    .take(3)
    .collect();
    assert!(gone.iter().all(|(_, reason)| reason == "stalled"), "{gone:?}");
    // The kernel goes on with what it has, so it is not the client that can see it.
    wait_until("the connection to be closed", || !is_open(&client.stream.sock));
}

/// Whether the server has the other end of this connection open.
fn is_open(stream: &TcpStream) -> bool {
    let [here, there] = [stream.local_addr(), stream.peer_addr()].map(|address| address.expect("connected").port());
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    // Columns: number, local address, remote address, state; 01 is ESTABLISHED.
    table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).any(|row| {
        row[1].ends_with(&format!(":{there:04X}")) && row[2].ends_with(&format!(":{here:04X}")) && row[3] == "01"
    })
}

#[test]
fn a_viewer_that_is_removed_leaves_the_others_of_its_connection() {
    let secure = Secure::live("");
    let farewells = secure.farewells();
    let mut client = secure.connect();
    let streams = [1, 2, 3].map(|count| {
        let stream = client.get("/stream");
        secure.camera.wait_for_viewers(count);
        stream
    });
    assert!(secure.camera.sink.emit_by_name::<bool>("remove", &[&2u64]));
    assert_eq!(farewells.recv_timeout(DEADLINE), Ok((2, "removed".to_owned())));
    let received = client.until(streams[1], |received| received.ended);
    assert!(received.body.ends_with(b"--frame--\r\n") && !received.reset);
    secure.camera.push(&pictures()[0]);
    for stream in [streams[0], streams[2]] {
        assert!(client.picture(stream) == pictures()[0]);
    }
}

#[test]
fn a_stream_that_has_stalled_gives_its_place_to_another_of_the_same_connection() {
    let secure = Secure::live("max-clients=1");
    let farewells = secure.farewells();
    let mut client = Http2::with_window(secure.address(), &secure.trust, 0);
    client.get("/stream");
    secure.camera.wait_for_viewers(1);
    let mut next = 0;
    // Refused with another status until the one before has stalled for a second.
    wait_until("a place", || {
        next = client.get("/stream");
        client.open_window(next, 1 << 20);
        client.until(next, |received| received.ended || !received.body.is_empty()).head[0] == 0x88
    });
    assert_eq!(farewells.recv_timeout(DEADLINE), Ok((1, "evicted".to_owned())));
    secure.camera.push(&pictures()[0]);
    assert!(client.picture(next) == pictures()[0]);
}

/// A viewer that goes is noticed at once, as it says so: a stream that is reset, a connection that closes.
#[test]
fn who_goes_is_gone_at_once() {
    let secure = Secure::live("keepalive-interval=0");
    let farewells = secure.farewells();
    let mut client = secure.connect();
    let stream = client.get("/stream");
    secure.camera.wait_for_viewers(1);
    client.get("/stream");
    secure.camera.wait_for_viewers(2);
    client.reset(stream);
    assert_eq!(farewells.recv_timeout(DEADLINE), Ok((1, "closed".to_owned())));
    drop(client);
    assert_eq!(farewells.recv_timeout(DEADLINE), Ok((2, "closed".to_owned())));
}

/// Some read nothing, some do.
#[test]
fn stopping_takes_no_time_with_three_hundred_viewers() {
    let secure = Secure::live("");
    let mut clients: Vec<_> = (0..30).map(|_| secure.connect()).collect();
    for client in &mut clients {
        for _ in 0..10 {
            client.get("/stream");
        }
    }
    secure.camera.wait_for_viewers(300);
    let large = large();
    for n in 0..20 {
        secure.camera.push(&numbered(&large, n));
        secure.camera.wait_for_pictures(u64::from(n) + 1);
    }
    let start = Instant::now();
    secure.camera.set_state(gst::State::Null);
    let took = start.elapsed();
    println!("NULL with 300 viewers by 30 connections: {took:?}");
    // Meant to be 100 ms, on a machine that does nothing else.
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(secure.camera.viewers(), 0);
    for mut client in clients {
        while client.try_frame().is_ok() {}
    }
}

/// An application stops its pipeline as soon as it hears of the end, so the end waits a little for each viewer.
#[test]
fn a_viewer_is_there_until_it_has_taken_the_end() {
    let secure = Secure::live("");
    let picture = &pictures()[0];
    let mut client = Http2::with_window(secure.address(), &secure.trust, 10);
    let stream = client.get("/stream?layout=advance");
    secure.camera.wait_for_viewers(1);
    secure.camera.push(picture);
    secure.camera.end();
    assert_eq!(secure.camera.viewers(), 1);
    client.open_window(stream, 1 << 20);
    let received = client.until(stream, |received| received.ended);
    assert!(received.body.ends_with(b"--frame--\r\n"));
    secure.camera.wait_for_viewers(0);
}
