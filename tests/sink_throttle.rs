//! Nothing is encoded for nobody.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use common::{
    http::Viewer,
    pipeline::{init, port_of, stat, wait_until},
};
use gst::prelude::*;

mod common;

/// A live pipeline and the number of pictures that its source has made so far.
fn pipeline(idle_throttle: bool) -> (gst::Pipeline, Arc<AtomicU64>) {
    init();
    let line = format!(
        "videotestsrc is-live=true name=source ! video/x-raw,width=160,height=120,framerate=50/1 ! identity qos=true \
         ! jpegenc ! mjpegserversink name=sink port=0 idle-throttle={idle_throttle}"
    );
    let pipeline = gst::parse::launch(&line).expect("elements and properties exist");
    let pipeline = pipeline.downcast::<gst::Pipeline>().expect("several elements make a pipeline");
    let made = Arc::new(AtomicU64::new(0));
    let source = pipeline.by_name("source").expect("the source is there");
    source.static_pad("src").expect("a source has a pad").add_probe(gst::PadProbeType::BUFFER, {
        let made = made.clone();
        move |_, _| {
            made.fetch_add(1, Ordering::Relaxed);
            gst::PadProbeReturn::Ok
        }
    });
    pipeline.set_state(gst::State::Playing).expect("it plays");
    (pipeline, made)
}

#[test]
fn while_nobody_watches_few_pictures_are_encoded_and_the_first_viewer_changes_that() {
    let (pipeline, made) = pipeline(true);
    let sink = pipeline.by_name("sink").expect("the sink is there");
    wait_until("two seconds of pictures", || made.load(Ordering::Relaxed) > 100);
    let encoded = stat(&sink, "pictures");
    assert!((1..=5).contains(&encoded), "{encoded} of 100");

    let mut viewer = Viewer::open(([127, 0, 0, 1], port_of(&sink)).into());
    let before = made.load(Ordering::Relaxed);
    for _ in 0..20 {
        viewer.picture();
    }
    let since = made.load(Ordering::Relaxed) - before;
    assert!(since < 60, "20 pictures came while {since} were made");
    pipeline.set_state(gst::State::Null).expect("it stops");
}

#[test]
fn unless_asked_for_all_pictures_are_encoded() {
    let (pipeline, made) = pipeline(false);
    let sink = pipeline.by_name("sink").expect("the sink is there");
    wait_until("pictures", || made.load(Ordering::Relaxed) > 30);
    wait_until("all of them to be encoded", || stat(&sink, "pictures") >= 30);
    pipeline.set_state(gst::State::Null).expect("it stops");
}
