//! `/metrics`, read by Prometheus's own parser, and the same figures as properties.

use std::net::SocketAddr;

use common::{
    http::{Viewer, connect, get},
    pipeline::{Camera, numbered, pictures, wait_until},
    process::Process,
};
use gst::prelude::*;
use serde_json::Value;

mod common;

/// Who is let in sees how the others get on, not who they are.
#[test]
fn figures_do_not_say_who_watches() {
    let camera = Camera::live();
    let viewer = Viewer::open(camera.address());
    let own = viewer.stream().local_addr().expect("it is connected");
    camera.wait_for_viewers(1);
    for path in ["/status", "/metrics"] {
        let figures = String::from_utf8(get(camera.address(), path).body).expect("text");
        assert!(!figures.contains(&own.ip().to_string()), "{path}: {figures}");
    }
}

#[test]
fn prometheus_reads_the_figures_of_cameras_and_viewers() {
    let camera = Camera::new("is-live=true do-timestamp=true", "mount=/door").play();
    let picture = numbered(&pictures()[0], 1);
    camera.push(b"no picture");
    camera.push(&picture);
    let mut viewer = Viewer::open_as(connect(camera.address()), "/door/stream", "");
    assert!(viewer.picture() == picture);

    let figures = metrics(camera.address(), "/metrics");
    for (name, value) in [
        ("mjpeg_pictures_total{camera=/door}", 1.0),
        ("mjpeg_picture_bytes_total{camera=/door}", picture.len() as f64),
        ("mjpeg_damaged_pictures_total{camera=/door}", 1.0),
        ("mjpeg_viewers{camera=/door}", 1.0),
        ("mjpeg_sent_pictures_total{camera=/door}", 1.0),
        ("mjpeg_viewer_sent_pictures_total{camera=/door,viewer=1}", 1.0),
        ("mjpeg_viewer_skipped_pictures_total{camera=/door,viewer=1}", 0.0),
    ] {
        assert_eq!(figures[name], value, "{name} in {figures}");
    }
    assert!(figures["mjpeg_picture_age_seconds{camera=/door}"].as_f64().is_some_and(|age| age >= 0.0), "{figures}");
    assert!(figures["mjpeg_viewer_rtt_seconds{camera=/door,viewer=1}"].as_f64() > Some(0.0), "{figures}");
    assert_eq!(figures["mjpeg_viewer_unsent_bytes{camera=/door,viewer=1}"], 0.0);
    let clients = camera.sink.property::<gst::Array>("client-stats");
    let client: gst::Structure = clients[0].get().expect("a viewer");
    assert!(client.get::<gst::ClockTime>("rtt").is_ok_and(|rtt| rtt > gst::ClockTime::ZERO), "{client}");
    assert_eq!(client.get::<u32>("unsent"), Ok(0));
    let status: Value = serde_json::from_slice(&get(camera.address(), "/door/status").body).expect("JSON");
    assert!(status["clients"][0]["rtt"].as_f64() > Some(0.0) && status["clients"][0]["unsent"] == 0, "{status}");
    assert!(figures["mjpeg_viewer_sent_bytes_total{camera=/door,viewer=1}"].as_f64() > Some(picture.len() as f64));
}

#[test]
fn what_viewers_had_who_left_is_not_forgotten() {
    let camera = Camera::live();
    camera.push(&pictures()[0]);
    for _ in 0..3 {
        assert!(Viewer::open(camera.address()).picture() == pictures()[0]);
    }
    // Each is found out at the next picture at the latest.
    wait_until("three viewers to leave", || {
        camera.push(&pictures()[0]);
        camera.viewers() == 0
    });
    let figures = metrics(camera.address(), "/metrics");
    assert_eq!(figures["mjpeg_viewers_left_total{camera=/,reason=closed}"], 3.0, "{figures}");
    let sent = figures["mjpeg_sent_bytes_total{camera=/}"].as_f64().expect("a number");
    assert!(sent > 3.0 * pictures()[0].len() as f64, "{figures}");
    assert_eq!(camera.sink.property::<u64>("bytes-served") as f64, sent);
    let status: Value = serde_json::from_slice(&get(camera.address(), "/status").body).expect("JSON");
    assert_eq!(status["served"]["left"]["closed"], 3, "{status}");
    assert_eq!(status["served"]["bytes"].as_f64(), Some(sent));
}

/// Each page once asked for the figures of all viewers every second, and each viewer may be a page.
#[test]
fn what_a_page_asks_for_does_not_grow_with_the_viewers() {
    let camera = Camera::live();
    camera.push(&pictures()[0]);
    let mut viewers = Vec::new();
    let mut ask = |count| {
        viewers.resize_with(count, || Viewer::open(camera.address()));
        camera.wait_for_viewers(u32::try_from(count).expect("a few"));
        let answer = get(camera.address(), "/status?clients=0").body;
        let status: Value = serde_json::from_slice(&answer).expect("JSON");
        assert_eq!(status["cameras"][0]["viewers"], count);
        answer.len()
    };
    let (few, many) = (ask(10), ask(50));
    assert!(many < few + 20, "{few} bytes with 10 viewers, {many} with 50");
    let page = String::from_utf8(get(camera.address(), "/").body).expect("text");
    assert!(page.contains(r#"opened("status", { clients: 0,"#), "{page}");
}

#[test]
fn each_camera_has_its_own_metrics_below_its_mount() {
    let door = Camera::new("is-live=true", "mount=/door").play();
    let yard = Camera::new("is-live=true", &format!("mount=/yard port={}", door.port())).play();
    yard.push(&pictures()[0]);
    yard.wait_for_pictures(1);
    let all = metrics(door.address(), "/metrics");
    assert_eq!(
        (&all["mjpeg_pictures_total{camera=/door}"], &all["mjpeg_pictures_total{camera=/yard}"]),
        (&0.0.into(), &1.0.into())
    );
    let one = metrics(door.address(), "/door/metrics");
    assert_eq!(
        (&one["mjpeg_pictures_total{camera=/door}"], one.get("mjpeg_pictures_total{camera=/yard}")),
        (&0.0.into(), None)
    );
}

#[track_caller]
fn metrics(address: SocketAddr, target: &str) -> Value {
    let answer = get(address, target);
    assert_eq!(answer.head.code(), 200);
    assert_eq!(answer.head.field("Content-Type"), Some("text/plain; version=0.0.4"));
    let mut reader = Process::python("metrics_reader.py", &[]);
    reader.write(&answer.body);
    reader.end_input();
    serde_json::from_str(&reader.line()).expect("the parser takes all of it")
}
