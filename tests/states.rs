//! Both elements through five hundred changes of state in an order that nobody would think of, under load. The order is
//! random, but the same on each run.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use common::{
    http::Viewer,
    pipeline::{Camera, pictures},
    source::Source,
};
use gst::prelude::*;

mod common;

const CHANGES: usize = 500;

/// Pictures that the pipeline may still hold when the load is over.
const MOST_WAITING: usize = 1000;

/// States by turns that only look random (Numerical Recipes' generator).
fn states() -> impl Iterator<Item = gst::State> {
    let random = |random: &u32| Some(random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let state = |random: u32| {
        [gst::State::Null, gst::State::Ready, gst::State::Paused, gst::State::Playing][(random >> 30) as usize]
    };
    std::iter::successors(Some(80), random).map(state).take(CHANGES)
}

/// Runs `load` again and again on four threads while `work` runs.
fn under(load: impl Fn() + Sync, work: impl FnOnce()) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    load();
                }
            });
        }
        work();
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn the_sink_survives_any_order_of_states_with_pictures_and_viewers_coming() {
    let camera = Camera::new("is-live=true do-timestamp=true", "");
    let watch = || {
        // Refused while the pipeline does not run.
        let _ = camera.source.push_buffer(gst::Buffer::from_slice(pictures()[0].clone()));
        let port = camera.sink.property::<i32>("current-port");
        let Ok(mut viewer) = TcpStream::connect((Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap_or_default())) else {
            return;
        };
        viewer.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket takes a time limit");
        // It goes away in the middle of a request, or of an answer; what it read is of no interest.
        let asked = viewer.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let _ = asked.and_then(|()| viewer.read(&mut [0; 4096]));
    };
    under(watch, || {
        for (index, state) in states().enumerate() {
            camera.set_state(state);
            // Now and then it stays until somebody has seen something.
            if state == gst::State::Playing && index % 4 == 0 {
                Viewer::open(camera.address()).picture();
            }
        }
    });
    camera.set_state(gst::State::Playing);
    let mut viewer = Viewer::open(camera.address());
    camera.push(&pictures()[1]);
    assert!((0..MOST_WAITING).any(|_| viewer.picture() == pictures()[1]));
}

#[test]
fn the_source_survives_any_order_of_states_with_pictures_coming() {
    let camera = Camera::live();
    let source = Source::new(&camera.url("/stream"));
    under(
        || camera.push(&pictures()[0]),
        || {
            for state in states() {
                source.set_state(state);
            }
        },
    );
    source.set_state(gst::State::Playing);
    camera.push(&pictures()[1]);
    let mut samples = std::iter::from_fn(|| source.sink.pull_sample().ok());
    assert!(samples.any(|sample| common::source::bytes(&sample) == pictures()[1]));
}
