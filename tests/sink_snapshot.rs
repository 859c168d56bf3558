//! `/snapshot`: the newest picture, the next one, and what is answered when there is none.

use std::thread;

use common::{
    http::{Response, Viewer, connect, get, read_answer, read_response, request, send_request, wait_until_read},
    pipeline::{Camera, large, number, numbered, pictures, wait_until},
};
mod common;

#[test]
fn a_snapshot_is_the_newest_picture_with_its_length() {
    let camera = camera_with_a_picture();
    for (n, picture) in (2..).zip(pictures()) {
        camera.push(&picture);
        camera.wait_for_pictures(n);
        let response = get(camera.address(), "/snapshot");
        assert_eq!(response.head.code(), 200);
        assert_eq!(response.head.field("Content-Type"), Some("image/jpeg"));
        assert_eq!(response.head.field("Content-Length"), Some(picture.len().to_string().as_str()));
        assert!(response.body == picture);
    }
}

/// As mjpg-streamer and ustreamer tell it.
#[test]
fn a_snapshot_tells_when_it_was_captured_as_the_stream_does() {
    let camera = camera_with_a_picture();
    let part = Viewer::open(camera.address()).part();
    let captured = part.head.field("X-Timestamp").expect("a time");
    assert_eq!(get(camera.address(), "/snapshot").head.field("X-Timestamp"), Some(captured));
}

/// On one connection, with more of the first answer than its sockets hold.
#[test]
fn a_stream_asked_for_right_behind_a_snapshot_follows_it_whole() {
    let camera = Camera::live();
    camera.push(&large());
    camera.wait_for_pictures(1);
    let stream = connect(camera.address());
    socket2::SockRef::from(&stream).set_recv_buffer_size(64 * 1024).expect("a buffer size");
    send_request(&stream, "GET", "/snapshot", "");
    send_request(&stream, "GET", "/stream", "");
    assert!(read_answer(&stream).body == large());
    let mut viewer = Viewer::read_opening(stream);
    assert!(viewer.picture() == large());
    camera.push(&pictures()[0]);
    assert!(viewer.picture() == pictures()[0]);
}

#[test]
fn a_snapshot_before_the_first_picture_waits_for_it() {
    let camera = Camera::live();
    let stream = connect(camera.address());
    send_request(&stream, "GET", "/snapshot", "Connection: close\r\n");
    wait_until_read(&stream);
    camera.push(&pictures()[0]);
    assert!(read_response(stream).body == pictures()[0]);
}

/// Takes the four seconds that the server waits for a picture.
#[test]
fn a_snapshot_without_any_picture_is_refused_for_now() {
    let camera = Camera::live();
    let response = get(camera.address(), "/snapshot");
    assert_eq!(response.head.code(), 503);
    assert_eq!(response.head.field("Retry-After"), Some("1"));
}

#[test]
fn a_snapshot_that_waits_is_refused_when_the_pipeline_stops() {
    let camera = Camera::live();
    let stream = connect(camera.address());
    send_request(&stream, "GET", "/snapshot", "");
    wait_until_read(&stream);
    camera.set_state(gst::State::Null);
    assert_eq!(read_response(stream).head.code(), 503);
}

#[test]
fn a_fresh_snapshot_waits_for_the_next_picture() {
    let camera = Camera::live();
    camera.push(&numbered(&pictures()[0], 0));
    camera.wait_for_pictures(1);
    let stream = connect(camera.address());
    send_request(&stream, "GET", "/snapshot?fresh=1", "Connection: close\r\n");
    wait_until_read(&stream);
    let answer = thread::spawn(move || read_response(stream));
    let mut pushed = 0;
    assert_eq!(camera.viewers(), 0, "one who waits for a snapshot is no viewer");
    // Which one is the next the server alone knows: it has read the request, and is about to answer it.
    wait_until("an answer", || {
        pushed += 1;
        camera.push(&numbered(&pictures()[0], pushed));
        answer.is_finished()
    });
    let response = answer.join().expect("an answer");
    assert_eq!(response.head.code(), 200);
    assert!((1..=pushed).contains(&number(&response.body)), "{}", number(&response.body));
}

/// Takes the four seconds that the server waits for a picture.
#[test]
fn a_fresh_snapshot_is_refused_for_now_when_no_picture_comes() {
    let camera = camera_with_a_picture();
    assert_is_refused(&get(camera.address(), "/snapshot?fresh=1"), "no new picture");
}

/// The last picture goes out again in a pause; that does not make it a new one. Takes the four seconds.
#[test]
fn a_repeated_picture_is_not_fresh() {
    let camera = Camera::new("is-live=true do-timestamp=true", "keepalive-interval=1000000000").play();
    camera.push(&pictures()[0]);
    camera.wait_for_pictures(1);
    assert_is_refused(&get(camera.address(), "/snapshot?fresh=1"), "no new picture");
}

#[test]
fn a_fresh_snapshot_after_the_end_is_refused_and_an_old_one_is_not() {
    let camera = camera_with_a_picture();
    camera.end();
    assert_is_refused(&get(camera.address(), "/snapshot?fresh=1"), "ended");
    assert!(get(camera.address(), "/snapshot?fresh=0").body == pictures()[0]);
}

#[test]
fn a_fresh_snapshot_that_waits_is_refused_when_the_pipeline_stops() {
    let camera = camera_with_a_picture();
    let stream = connect(camera.address());
    send_request(&stream, "GET", "/snapshot?fresh=1", "");
    wait_until_read(&stream);
    camera.set_state(gst::State::Null);
    assert_is_refused(&read_response(stream), "ended");
}

#[test]
fn fresh_is_yes_or_no() {
    let camera = camera_with_a_picture();
    for target in ["/snapshot?fresh=yes", "/snapshot?fresh="] {
        assert_eq!(get(camera.address(), target).head.code(), 400, "{target}");
    }
}

#[test]
fn each_picture_has_a_tag_of_its_own() {
    let camera = Camera::live();
    let mut tags = Vec::new();
    for (n, picture) in (1..).zip(pictures()) {
        camera.push(&picture);
        camera.wait_for_pictures(n);
        let tag = tag(&get(camera.address(), "/snapshot"));
        assert!(!tags.contains(&tag), "{tag}");
        assert_eq!(request(camera.address(), "HEAD", "/snapshot").head.field("Etag"), Some(tag.as_str()));
        tags.push(tag);
    }
}

#[test]
fn a_picture_that_the_client_has_is_not_sent_again() {
    let camera = camera_with_a_picture();
    let first = tag(&get(camera.address(), "/snapshot"));
    for known in [first.as_str(), "*", &format!("\"other\", W/{first}")] {
        let response = conditional(&camera, known);
        assert_eq!(response.head.code(), 304, "{known}");
        assert!(response.body.is_empty());
        assert_eq!(tag(&response), first);
    }
    camera.push(&pictures()[1]);
    camera.wait_for_pictures(2);
    let response = conditional(&camera, &first);
    assert_eq!(response.head.code(), 200);
    assert!(response.body == pictures()[1]);
}

/// A script may ask for many pictures over one connection.
#[test]
fn the_connection_goes_on_after_a_picture_was_not_sent() {
    let camera = camera_with_a_picture();
    let first = tag(&get(camera.address(), "/snapshot"));
    let stream = connect(camera.address());
    send_request(&stream, "GET", "/snapshot", &format!("If-None-Match: {first}\r\n"));
    send_request(&stream, "GET", "/snapshot", "Connection: close\r\n");
    let both = read_response(stream).body;
    assert!(both.starts_with(b"HTTP/1.1 200 OK\r\n"), "the answer to the second request follows the first's head");
    assert!(both.ends_with(&pictures()[0]));
}

#[track_caller]
fn conditional(camera: &Camera, known: &str) -> Response {
    let stream = connect(camera.address());
    send_request(&stream, "GET", "/snapshot", &format!("If-None-Match: {known}\r\nConnection: close\r\n"));
    read_response(stream)
}

#[track_caller]
fn tag(response: &Response) -> String {
    response.head.field("Etag").expect("a tag").to_owned()
}

#[track_caller]
fn assert_is_refused(response: &Response, why: &str) {
    assert_eq!(response.head.code(), 503);
    assert_eq!(response.head.field("Retry-After"), Some("1"));
    let text = String::from_utf8_lossy(&response.body);
    assert!(text.contains(why), "{text}");
}

fn camera_with_a_picture() -> Camera {
    let camera = Camera::live();
    camera.push(&pictures()[0]);
    camera.wait_for_pictures(1);
    camera
}
