//! Passwords and tokens.

use common::{
    http::{Viewer, connect, get, read_response, send_request},
    pipeline::{Camera, pictures},
};
use gst::prelude::*;

mod common;

const PATHS: [&str; 7] = ["/", "/stream", "/snapshot", "/status", "/metrics", "/?action=stream", "/?action=snapshot"];

fn closed_camera() -> Camera {
    let camera = Camera::new("is-live=true do-timestamp=true", "user-id=ann user-pw=secret token=t0ken").play();
    camera.push(&pictures()[0]);
    camera.wait_for_pictures(1);
    camera
}

#[test]
fn nothing_is_shown_to_who_knows_nothing() {
    let camera = closed_camera();
    for path in PATHS {
        let answer = get(camera.address(), path);
        assert_eq!(answer.head.code(), 401, "{path}");
        assert!(answer.head.field("Www-Authenticate").is_some_and(|value| value.starts_with("Basic ")), "{path}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"), "{path}");
    }
}

#[test]
fn a_load_balancer_needs_no_password() {
    let camera = closed_camera();
    assert_eq!(get(camera.address(), "/health").head.code(), 200);
}

#[test]
fn a_password_or_a_token_opens_everything() {
    let camera = closed_camera();
    // ann:secret
    for fields in ["Authorization: Basic YW5uOnNlY3JldA==\r\n", "Authorization: Bearer t0ken\r\n"] {
        for path in ["/", "/snapshot", "/status", "/metrics", "/?action=snapshot"] {
            let stream = connect(camera.address());
            send_request(&stream, "GET", path, &format!("{fields}Connection: close\r\n"));
            assert_eq!(read_response(stream).head.code(), 200, "{path} with {fields:?}");
        }
    }
    let mut viewer = Viewer::open_as(connect(camera.address()), "/stream?layout=standard&token=t0ken", "");
    assert!(viewer.picture() == pictures()[0]);
}

#[test]
fn the_client_reads_a_closed_camera_with_its_password() {
    let camera = closed_camera();
    let line = format!(
        "mjpegclientsrc location={} user-id=ann user-pw=secret num-buffers=1 ! fakesink",
        camera.url("/stream")
    );
    let reading = gst::parse::launch(&line).expect("elements and properties exist");
    reading.set_state(gst::State::Playing).expect("it plays");
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let bus = reading.bus().expect("a pipeline has a bus");
    let message = bus.timed_pop_filtered(gst::ClockTime::from_seconds(10), &ends).expect("it ends");
    reading.set_state(gst::State::Null).expect("it stops");
    assert_eq!(message.type_(), gst::MessageType::Eos, "{message:?}");
}

/// A password without a user once let everybody in.
#[test]
fn secrets_that_keep_nobody_out_keep_the_server_from_starting() {
    for (property, value, says) in [
        ("token", "two words", "a token has 1 to 1024 letters, digits"),
        ("user-pw", "secret", "user-id is not; set both"),
        ("user-id", "ann", "user-pw is not; set both"),
        ("user-id", "ann:secret", "a password goes into user-pw"),
    ] {
        let camera = Camera::new("is-live=true", "");
        camera.sink.set_property(property, value);
        assert!(camera.pipeline.set_state(gst::State::Playing).is_err(), "{property}");
        let message = camera.message(gst::MessageType::Error);
        let gst::MessageView::Error(error) = message.view() else { panic!("it is an error") };
        assert!(error.error().matches(gst::ResourceError::Settings), "{property}");
        assert!(error.error().message().contains(says), "{}", error.error());
    }
}

#[test]
fn a_server_open_to_others_without_a_secret_says_so() {
    for (secret, warned) in [("", true), ("token=t0ken", false)] {
        let camera = Camera::new("is-live=true", &format!("host=0.0.0.0 {secret}"));
        camera.set_state(gst::State::Playing);
        let bus = camera.pipeline.bus().expect("a pipeline has a bus");
        let message = bus.pop_filtered(&[gst::MessageType::Warning]);
        assert_eq!(message.is_some(), warned, "with {secret:?}");
    }
}
