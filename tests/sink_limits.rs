//! Many viewers, and viewers that mean no good.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
};

use common::{
    http::{Viewer, connect},
    pipeline::{Camera, large, numbered, pictures},
};

mod common;

#[test]
fn three_hundred_viewers_each_get_the_newest_picture() {
    let camera = Camera::live();
    let large = large();
    camera.push(&numbered(&large, 0));
    camera.wait_for_pictures(1);
    let connections: Vec<_> = (0..300).map(|_| connect(camera.address())).collect();
    let mut viewers: Vec<_> = connections.into_iter().map(|one| Viewer::open_as(one, "/stream", "")).collect();
    camera.wait_for_viewers(300);
    for n in 0..3 {
        let picture = numbered(&large, n);
        if n > 0 {
            camera.push(&picture);
        }
        for viewer in &mut viewers {
            assert!(viewer.picture() == picture, "picture {n}");
        }
    }
}

#[test]
fn a_request_head_without_end_is_refused() {
    let camera = Camera::live();
    for line in ["X-Long: ", "GET /"] {
        let start = if line.starts_with("GET") { "" } else { "GET /stream HTTP/1.1\r\n" };
        let head = format!("{start}{line}{}", "x".repeat(100_000));
        assert_is_refused(&camera, head.as_bytes());
    }
    let fields: String = (0..1000).map(|n| format!("X-{n}: {n}\r\n")).collect();
    assert_is_refused(&camera, format!("GET /stream HTTP/1.1\r\n{fields}\r\n").as_bytes());
    assert_serves(&camera);
}

#[test]
fn what_is_not_http_is_refused() {
    let camera = Camera::live();
    for bytes in
        [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".as_slice(), b"HELO camera\r\n\r\n", &[0; 10_000]]
    {
        assert_is_refused(&camera, bytes);
    }
    assert_serves(&camera);
}

#[test]
fn half_a_request_holds_up_nobody() {
    let camera = Camera::live();
    let _half: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = connect(camera.address());
            stream.write_all(b"GET /stream HTTP/1.1\r\nHost: local").expect("the request is taken");
            stream
        })
        .collect();
    assert_serves(&camera);
}

#[test]
fn a_viewer_that_sends_for_ever_gets_its_pictures_and_costs_nothing() {
    let camera = Camera::live();
    let mut viewer = Viewer::open(camera.address());
    // More than any buffer takes, so it either is not read at all or thrown away.
    let mut stream = viewer.stream().try_clone().expect("a second handle");
    stream.set_nonblocking(true).expect("a socket option");
    let sent = (0..1000).take_while(|_| stream.write(&[b'x'; 65536]).is_ok()).count();
    stream.set_nonblocking(false).expect("a socket option");
    assert!(sent < 1000, "64 MB were taken");
    camera.push(&pictures()[0]);
    assert!(viewer.picture() == pictures()[0]);
}

/// The server says that it will not, or just closes; it does not serve.
#[track_caller]
fn assert_is_refused(camera: &Camera, request: &[u8]) {
    let mut stream: TcpStream = connect(camera.address());
    // It may close before it has read everything.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it neither answers nor closes");
    }
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer:?}");
    assert_eq!(camera.viewers(), 0);
}

#[track_caller]
fn assert_serves(camera: &Camera) {
    camera.push(&pictures()[0]);
    assert!(Viewer::open(camera.address()).picture() == pictures()[0]);
}
