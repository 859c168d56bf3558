//! `/stream?extra-headers=1`: what each part's head tells to those who ask.

use common::{
    http::{Viewer, connect, get},
    pipeline::{Camera, pictures},
};

mod common;

const CHROMIUM: &str = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36\r\n";

#[test]
fn each_part_tells_number_size_and_latency() {
    let camera = Camera::live();
    let mut viewer = Viewer::open_as(connect(camera.address()), "/stream?extra-headers=1", "");
    for (n, picture) in (1..).zip(pictures()) {
        camera.push(&picture);
        let part = viewer.part();
        assert!(part.picture == picture);
        assert_eq!(
            part.head.names(),
            ["Content-Type", "Content-Length", "X-Timestamp", "X-MJPEG-Sequence", "X-MJPEG-Size", "X-MJPEG-Latency"]
        );
        assert_eq!(part.head.field("X-MJPEG-Sequence"), Some(n.to_string().as_str()));
        assert_eq!(part.head.field("X-MJPEG-Size"), Some("160x120"));
        let latency = part.head.field("X-MJPEG-Latency").and_then(|seconds| seconds.parse::<f64>().ok());
        assert!(latency.is_some_and(|seconds| (0.0..10.0).contains(&seconds)), "{latency:?}");
    }
}

/// A number that is left out tells of a picture that was skipped.
#[test]
fn a_viewer_that_comes_later_learns_which_picture_it_gets() {
    let camera = camera_with_pictures(3);
    let mut viewer = Viewer::open_as(connect(camera.address()), "/stream?extra-headers=1", "");
    assert_eq!(viewer.part().head.field("X-MJPEG-Sequence"), Some("3"));
}

#[test]
fn nobody_else_gets_them() {
    let camera = camera_with_pictures(1);
    for target in ["/stream", "/stream?extra-headers=0", "/stream?layout=standard"] {
        let part = Viewer::open_as(connect(camera.address()), target, "").part();
        assert_eq!(part.head.names(), ["Content-Type", "Content-Length", "X-Timestamp"], "{target}");
    }
}

/// A script in a browser that asks for them reads heads, it shows no <img>.
#[test]
fn a_browser_that_asks_gets_the_layout_that_has_them() {
    let camera = camera_with_pictures(1);
    let mut viewer = Viewer::open_as(connect(camera.address()), "/stream?extra-headers=1", CHROMIUM);
    assert_eq!(viewer.part().head.field("X-MJPEG-Sequence"), Some("1"));
}

#[test]
fn what_does_not_fit_is_refused_with_what_does() {
    let camera = camera_with_pictures(1);
    for (target, hint) in
        [("/stream?layout=advance&extra-headers=1", "layout=standard"), ("/stream?extra-headers=yes", "0, 1")]
    {
        let answer = get(camera.address(), target);
        assert_eq!(answer.head.code(), 400, "{target}");
        assert!(String::from_utf8_lossy(&answer.body).contains(hint), "{target}");
    }
}

fn camera_with_pictures(count: usize) -> Camera {
    let camera = Camera::live();
    for (n, picture) in (1..).zip(&pictures()[..count]) {
        camera.push(picture);
        camera.wait_for_pictures(n);
    }
    camera
}
