//! Viewers that go, or say that they have nothing more to say, while no picture comes; and what those still get who say
//! more than they should.

use std::{
    io::{ErrorKind, Write as _},
    net::{Shutdown, TcpStream},
    os::unix::net::UnixStream,
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use common::{
    certificate::Certificate,
    folder::Folder,
    http::{Viewer, connect, read_answer, send_request, wait_until_read},
    pipeline::{Camera, DEADLINE, padded, pictures},
    tls::{config, shake_hands},
};
use gst::prelude::*;
use socket2::{Domain, Socket, Type};

mod common;

const LIVE: &str = "is-live=true do-timestamp=true";

/// A camera that sends no picture by itself, and why viewers left it.
fn silent(properties: &str) -> (Camera, Receiver<String>) {
    let camera = Camera::new(LIVE, &format!("keepalive-interval=0 {properties}"));
    let (sender, reasons) = channel();
    camera.sink.connect("client-removed", false, move |values| {
        // The test may have ended.
        let _ = sender.send(values[3].get().expect("a reason"));
        None
    });
    (camera.play(), reasons)
}

#[track_caller]
fn assert_gone(camera: &Camera, reasons: &Receiver<String>, what: &str) {
    assert_eq!(reasons.recv_timeout(DEADLINE).as_deref(), Ok("closed"), "{what}");
    assert_eq!(camera.viewers(), 0, "{what}");
}

/// It once took until the next picture, or 20 s.
#[test]
fn a_viewer_that_closes_is_gone_though_no_picture_comes() {
    let (camera, reasons) = silent("");
    for has_picture in [false, true] {
        if has_picture {
            camera.push(&pictures()[0]);
            camera.wait_for_pictures(1);
        }
        for target in ["/stream", "/stream?layout=advance", "/stream?extra-headers=1", "/stream?fps=0.02"] {
            let mut viewer = Viewer::open_as(connect(camera.address()), target, "");
            if has_picture && target == "/stream" {
                assert!(viewer.picture() == pictures()[0]);
            }
            camera.wait_for_viewers(1);
            drop(viewer);
            assert_gone(&camera, &reasons, &format!("{target}, a picture: {has_picture}"));
        }
    }
}

#[test]
fn a_viewer_that_closes_is_gone_at_once_over_tls_and_through_a_unix_socket() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let tls = format!("tls-certificate-file={} tls-private-key-file={}", certificate.file(), certificate.key());
    let (camera, reasons) = silent(&tls);
    for says_so in [false, true] {
        let mut viewer = shake_hands(camera.address(), &config(&certificate, &["http/1.1"])).expect("a handshake");
        viewer.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the request is taken");
        camera.wait_for_viewers(1);
        if says_so {
            viewer.conn.send_close_notify();
            viewer.flush().expect("the farewell is taken");
        }
        drop(viewer);
        assert_gone(&camera, &reasons, &format!("over TLS, says so: {says_so}"));
    }

    let folder = Folder::new();
    let path = folder.path("camera.sock");
    let (camera, reasons) = silent(&format!("host=unix:{path}"));
    let mut viewer = UnixStream::connect(&path).expect("somebody listens");
    viewer.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the request is taken");
    camera.wait_for_viewers(1);
    drop(viewer);
    assert_gone(&camera, &reasons, "through a Unix socket");
}

/// `printf 'GET /stream HTTP/1.0\r\n\r\n' | nc -N` is one; others close their side between two pictures.
#[test]
fn one_that_has_nothing_more_to_say_gets_its_pictures_whole_and_once() {
    let (camera, _reasons) = silent("");
    let early = ["/stream", "/stream?extra-headers=1"].map(|target| half_closed(&camera, target));
    let mut early_ahead = half_closed(&camera, "/stream?layout=advance");
    camera.push(&pictures()[0]);
    let [mut plain, mut extra] = early;
    assert!(plain.picture() == pictures()[0]);
    let part = extra.part();
    assert!(part.picture == pictures()[0] && part.head.field("X-MJPEG-Sequence") == Some("1"), "{:?}", part.head);
    early_ahead.expect_ahead(&pictures()[0]);
    let mut late = half_closed(&camera, "/stream");
    let mut late_ahead = half_closed(&camera, "/stream?layout=advance");
    assert!(late.picture() == pictures()[0]);
    late_ahead.expect_ahead(&pictures()[0]);
    camera.wait_for_viewers(5);
    for picture in &pictures()[1..3] {
        camera.push(picture);
        assert!(plain.picture() == *picture && late.picture() == *picture && extra.picture() == *picture);
        early_ahead.expect_ahead(picture);
        late_ahead.expect_ahead(picture);
    }
}

/// The part that has begun when a viewer closes its side is finished by the last picture, as there is no other.
#[test]
fn the_end_of_a_stream_finishes_what_has_begun() {
    let (camera, reasons) = silent("");
    camera.push(&pictures()[0]);
    camera.wait_for_pictures(1);
    let mut viewer = half_closed(&camera, "/stream");
    assert!(viewer.picture() == pictures()[0]);
    viewer.wait_for_more();
    camera.end();
    assert!(viewer.picture() == pictures()[0]);
    viewer.expect_end();
    assert_eq!(reasons.recv_timeout(DEADLINE).as_deref(), Ok("ended"));
}

#[track_caller]
fn half_closed(camera: &Camera, target: &str) -> Viewer {
    let stream = connect(camera.address());
    send_request(&stream, "GET", target, "");
    stream.shutdown(Shutdown::Write).expect("it is connected");
    Viewer::read_opening(stream)
}

/// A kernel that gets bytes for a connection which is closed takes back what is under way there.
#[test]
fn a_viewer_that_says_more_than_it_should_gets_the_end() {
    let (camera, _reasons) = silent("");
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    // Less than a picture has, and the sink's own kernel holds the rest.
    socket.set_recv_buffer_size(4096).expect("a buffer size");
    socket.connect(&camera.address().into()).expect("somebody listens");
    let mut viewer = Viewer::open_as(socket.into(), "/stream", "");
    send_request(viewer.stream(), "GET", "/snapshot", "");
    wait_until_read(viewer.stream());
    let picture = padded(10_000);
    camera.push(&picture);
    camera.wait_for_pictures(1);
    camera.end();
    camera.wait_for_viewers(0);
    send_request(viewer.stream(), "GET", "/snapshot", "");
    assert!(viewer.picture() == picture);
    viewer.expect_end();
}

/// Who is in the middle of its request when the answer comes would meet an error before it reads the answer.
#[test]
fn what_is_too_long_is_answered_and_not_only_cut_off() {
    let (camera, _reasons) = silent("");
    for (head, code) in
        [("GET /status HTTP/1.1\r\nCookie: ", 431), ("POST /status HTTP/1.1\r\nContent-Length: 999999\r\n\r\n", 405)]
    {
        let mut stream = connect(camera.address());
        let start = Instant::now();
        stream.write_all(&[head.as_bytes(), &[b'x'; 20_000]].concat()).expect("it is taken");
        stream.peek(&mut [0]).expect("an answer");
        let taken = (0..20).try_for_each(|_| stream.write_all(&[b'x'; 20_000]));
        let taken = taken.and_then(|()| stream.shutdown(Shutdown::Write));
        // For that long the sink listens to one who talks; on a busy machine the test may come later.
        assert!(taken.is_ok() || start.elapsed() > Duration::from_secs(2), "{taken:?} after {:?}", start.elapsed());
        assert_eq!(read_answer(&stream).head.code(), code, "{head}");
    }
}

/// Our thread reads some of it, and then leaves it to the kernel to stop.
#[test]
fn a_viewer_that_talks_all_the_time_is_no_longer_listened_to() {
    let (camera, _reasons) = silent("");
    let mut viewer = Viewer::open(camera.address());
    let mut talking: &TcpStream = viewer.stream();
    talking.set_write_timeout(Some(Duration::from_millis(300))).expect("a limit");
    let talk = vec![b'x'; 1 << 16];
    let taken = (0..10_000).find_map(|n| talking.write_all(&talk).err().map(|error| (n, error.kind())));
    assert!(matches!(taken, Some((_, ErrorKind::WouldBlock))), "600 MB were read: {taken:?}");
    camera.push(&pictures()[0]);
    assert!(viewer.picture() == pictures()[0]);
}
