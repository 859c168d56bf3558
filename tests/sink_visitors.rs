//! What viewers leave behind in a sink that goes on: nothing. A program of its own, so that nobody else's are counted.

use std::fs;

use common::{
    http::{Viewer, connect, get, send_request, stalled},
    pipeline::{Camera, large, numbered, pictures, wait_until},
};

mod common;

#[test]
fn a_thousand_visitors_of_every_kind_leave_nothing_behind() {
    let camera = Camera::live();
    let (address, small, large) = (camera.address(), &pictures()[0], large());
    camera.push(small);
    camera.wait_for_pictures(1);
    get(address, "/snapshot");
    let before = files();
    for n in 0..200 {
        get(address, "/status");
        drop(connect(address));
        send_request(&connect(address), "GET", "/snapshot", "");
        Viewer::open(address).picture();
        // In the middle of a picture.
        let stalled = stalled(address, "/stream?layout=advance");
        camera.push(&numbered(&large, n));
        drop(stalled);
    }
    // Who left a stream is found out by the next pictures.
    wait_until(&format!("{before} files and no viewer"), || {
        camera.push(small);
        files() <= before && camera.viewers() == 0
    });
}

fn files() -> usize {
    fs::read_dir("/proc/self/fd").expect("Linux says what we have").count()
}
