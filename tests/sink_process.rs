//! What a process may do: run an async application around the sink, or several sinks.

use std::time::Duration;

use common::{
    http::{Viewer, get},
    pipeline::{Camera, pictures},
};

mod common;

/// On the runtime's only thread: whoever blocks on a runtime from here panics, and whoever needs this thread hangs.
#[tokio::main(flavor = "current_thread")]
async fn start_stream_and_stop() {
    let camera = Camera::live();
    let (address, picture) = (camera.address(), pictures().remove(0));
    camera.push(&picture);
    let viewer = tokio::task::spawn_blocking(move || Viewer::open(address).picture());
    assert!(viewer.await.expect("the viewer does not panic") == picture);
    camera.end();
    camera.set_state(gst::State::Null);
}

#[test]
fn an_async_application_starts_streams_and_stops_on_its_only_thread() {
    start_stream_and_stop();
}

#[test]
fn an_async_application_with_many_threads_does_so_too() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let camera = Camera::live();
        let mut viewer = Viewer::open(camera.address());
        camera.push(&pictures()[0]);
        assert!(viewer.picture() == pictures()[0]);
        camera.set_state(gst::State::Null);
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    // What we serve from is not theirs: it lives on.
    let camera = Camera::live();
    camera.push(&pictures()[0]);
    assert!(Viewer::open(camera.address()).picture() == pictures()[0]);
}

#[test]
fn two_sinks_serve_their_own_pictures_and_stop_by_themselves() {
    let (one, other) = (Camera::live(), Camera::live());
    assert_ne!(one.port(), other.port());
    let pictures = pictures();
    one.push(&pictures[0]);
    other.push(&pictures[1]);
    let mut watching = Viewer::open(other.address());
    assert!(Viewer::open(one.address()).picture() == pictures[0]);
    assert!(watching.picture() == pictures[1]);

    one.set_state(gst::State::Null);
    other.push(&pictures[2]);
    assert!(watching.picture() == pictures[2]);
}

/// Two sinks behind one tee: one picture, two servers.
#[test]
fn two_sinks_in_one_pipeline_serve_the_same_picture() {
    use gst::prelude::*;

    common::pipeline::init();
    let line = "videotestsrc num-buffers=1 ! jpegenc ! tee name=t
                t. ! queue ! mjpegserversink name=a port=0  t. ! queue ! mjpegserversink name=b port=0";
    let pipeline = gst::parse::launch(line).expect("elements exist").downcast::<gst::Pipeline>().expect("a pipeline");
    pipeline.set_state(gst::State::Paused).expect("the pipeline pauses");
    let addresses = ["a", "b"].map(|name| {
        let sink = pipeline.by_name(name).expect("the sink is there");
        std::net::SocketAddr::from(([127, 0, 0, 1], common::pipeline::port_of(&sink)))
    });
    let [one, other] = addresses.map(|address| get(address, "/snapshot").body);
    pipeline.set_state(gst::State::Null).expect("the pipeline stops");
    assert!(one.starts_with(b"\xff\xd8") && one == other);
}
