//! What is left behind: nothing. A program of its own, so that no other test's threads and files are counted.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
};

use common::{
    http::Viewer,
    pipeline::{Camera, pictures, wait_until},
};

mod common;

/// One host of loopback's many, and always the same port: the next cycle finds it free, or cannot start.
#[test]
fn a_hundred_starts_and_stops_with_a_viewer_each_leave_nothing_behind() {
    let picture = &pictures()[0];
    let port = cycle(0, picture);
    let before = Usage::now();
    for _ in 0..100 {
        assert_eq!(cycle(port, picture), port);
    }
    wait_until(&format!("no more than {before:?}"), || {
        let now = Usage::now();
        now.threads <= before.threads && now.files <= before.files
    });
    assert!(TcpStream::connect(address(port)).is_err(), "nobody listens any more");
}

/// Starts on this port, serves a viewer, stops while it watches; the port.
fn cycle(port: u16, picture: &[u8]) -> u16 {
    let camera = Camera::new("is-live=true do-timestamp=true", &format!("host={HOST} port={port}")).play();
    let port = camera.port();
    let mut viewer = Viewer::open(address(port));
    camera.push(picture);
    assert!(viewer.picture() == picture);
    camera.set_state(gst::State::Null);
    viewer.expect_end();
    port
}

/// Not 127.0.0.1: there another test's connection may happen to have the port meanwhile.
const HOST: &str = "127.77.74.80";

fn address(port: u16) -> SocketAddr {
    SocketAddr::new(HOST.parse().expect("an address"), port)
}

/// What this process has from the system.
#[derive(Debug)]
struct Usage {
    threads: usize,
    files: usize,
}

impl Usage {
    fn now() -> Self {
        let entries = |folder| fs::read_dir(folder).expect("Linux says what we have").count();
        Self { threads: entries("/proc/self/task"), files: entries("/proc/self/fd") }
    }
}
