//! Which pages of other sites may read what is served.

use common::{
    http::{Head, Response, Viewer, connect, read_response, send_request},
    pipeline::{Camera, pictures},
};
use gst::prelude::*;

mod common;

const SITE: &str = "https://home.example:8123";

#[test]
fn by_default_no_other_site_may_read_anything() {
    let camera = Camera::showing("");
    for (method, target) in [("GET", "/snapshot"), ("GET", "/nothing"), ("OPTIONS", "/stream"), ("HEAD", "/stream")] {
        let head = ask(&camera, method, target, PREFLIGHT).head;
        assert_eq!(named(&head, "Access-Control"), [""; 0], "{method} {target}");
        assert_eq!(named(&head, "Cross-Origin"), [""; 0], "{method} {target}");
    }
}

#[test]
fn every_answer_says_who_may_read_it() {
    for (origin, credentials) in [("*", None), (SITE, Some("true"))] {
        let camera = Camera::showing(&format!("allow-origin={origin}"));
        for (target, code) in [
            ("/", 200),
            ("/snapshot", 200),
            ("/status", 200),
            ("/health", 200),
            ("/?action=snapshot", 200),
            ("/nothing", 404),
            ("/stream?layout=none", 400),
        ] {
            let head = ask(&camera, "GET", target, "").head;
            assert_eq!(head.code(), code, "{target}");
            assert_allows(&head, origin, credentials);
        }
        let mut viewer = Viewer::open(camera.address());
        assert_allows(&viewer.head, origin, credentials);
        assert!(viewer.picture() == pictures()[0]);
    }
}

#[test]
fn what_is_refused_and_what_is_not_there_yet_says_so_too() {
    let camera = Camera::new("is-live=true do-timestamp=true", "allow-origin=* user-id=ann user-pw=secret").play();
    let refused = ask(&camera, "GET", "/status", "").head;
    assert_eq!(refused.code(), 401);
    assert_allows(&refused, "*", None);
    let empty = ask(&camera, "GET", "/health", "").head;
    assert_eq!(empty.code(), 503);
    assert_allows(&empty, "*", None);
    let other = ask(&camera, "POST", "/stream", "").head;
    assert_eq!(other.code(), 405);
    assert_allows(&other, "*", None);
}

/// A browser asks first whether it may send a password, without one.
#[test]
fn a_browser_that_asks_for_leave_gets_it() {
    let camera = Camera::showing(&format!("allow-origin={SITE} user-id=ann user-pw=secret"));
    let answer = ask(&camera, "OPTIONS", "/stream", PREFLIGHT);
    assert_eq!(answer.head.code(), 204);
    assert!(answer.body.is_empty());
    assert_eq!(answer.head.field("Access-Control-Allow-Origin"), Some(SITE));
    assert_eq!(answer.head.field("Access-Control-Allow-Credentials"), Some("true"));
    assert_eq!(answer.head.field("Access-Control-Allow-Methods"), Some("GET, HEAD"));
    assert_eq!(answer.head.field("Access-Control-Allow-Headers"), Some("authorization,if-none-match"));
    assert_eq!(answer.head.field("Access-Control-Max-Age"), Some("600"));
    assert_eq!(answer.head.field("Access-Control-Allow-Private-Network"), Some("true"));
    assert_eq!(answer.head.field("Allow"), Some("GET, HEAD, OPTIONS"));
}

#[test]
fn what_was_not_asked_for_is_not_allowed() {
    let camera = Camera::showing("allow-origin=*");
    let plain = ask(&camera, "OPTIONS", "/stream", "Origin: https://a.example\r\n").head;
    assert_eq!(plain.field("Access-Control-Allow-Methods"), None);
    let lines = "Origin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n";
    let preflight = ask(&camera, "OPTIONS", "/stream", lines).head;
    assert_eq!(preflight.field("Access-Control-Allow-Methods"), Some("GET, HEAD"));
    assert_eq!(preflight.field("Access-Control-Allow-Headers"), None);
    assert_eq!(preflight.field("Access-Control-Allow-Private-Network"), None);
}

#[test]
fn scripts_may_read_the_tag_of_a_picture() {
    let head = ask(&Camera::showing("allow-origin=*"), "GET", "/snapshot", "").head;
    assert!(head.field("Etag").is_some());
    assert_eq!(head.field("Access-Control-Expose-Headers"), Some("ETag, Retry-After, X-Timestamp"));
}

#[test]
fn an_empty_origin_is_none() {
    let camera = Camera::new("is-live=true", "");
    camera.sink.set_property("allow-origin", "");
    let camera = camera.play();
    assert_eq!(named(&ask(&camera, "GET", "/status", "").head, "Access-Control"), [""; 0]);
}

#[test]
fn what_is_no_origin_keeps_the_server_from_starting() {
    for wrong in ["home.example", "https://home.example/", "null", "https://a.example, https://b.example"] {
        let camera = Camera::new("is-live=true", "");
        camera.sink.set_property("allow-origin", wrong);
        assert!(camera.pipeline.set_state(gst::State::Playing).is_err(), "{wrong}");
        let message = camera.message(gst::MessageType::Error);
        let gst::MessageView::Error(error) = message.view() else { panic!("it is an error") };
        assert!(error.error().matches(gst::ResourceError::Settings), "{wrong}");
        assert!(error.error().message().contains("allow-origin=https://"), "{}", error.error());
    }
}

/// What Chromium asks before a page from the internet reads from a machine in the house with a password.
const PREFLIGHT: &str = "Origin: https://home.example:8123\r\nAccess-Control-Request-Method: GET\r\n\
    Access-Control-Request-Headers: authorization,if-none-match\r\nAccess-Control-Request-Private-Network: true\r\n";

#[track_caller]
fn ask(camera: &Camera, method: &str, target: &str, lines: &str) -> Response {
    let stream = connect(camera.address());
    send_request(&stream, method, target, &format!("{lines}Connection: close\r\n"));
    read_response(stream)
}

fn named<'a>(head: &'a Head, start: &str) -> Vec<&'a str> {
    head.names().into_iter().filter(|name| name.starts_with(start)).collect()
}

#[track_caller]
fn assert_allows(head: &Head, origin: &str, credentials: Option<&str>) {
    assert_eq!(head.field("Access-Control-Allow-Origin"), Some(origin));
    assert_eq!(head.field("Access-Control-Allow-Credentials"), credentials);
    assert_eq!(head.field("Cross-Origin-Resource-Policy"), Some("cross-origin"));
}
