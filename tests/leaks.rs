//! Nothing of GStreamer is left behind, neither elements nor pads, buffers, caps, events or messages: its own tracer
//! counts what lives before and after both elements have been through all that an application does with them.

mod common;

use std::{collections::BTreeMap, env, fs, process::Command};

use common::{
    folder::Folder,
    http::Viewer,
    jpeg,
    pipeline::{Camera, init, pictures, wait_until},
    script_server::{ScriptServer, Step, head, part},
    source::Source,
};
use gst::prelude::*;

/// How often each is done while it is counted.
const TIMES: usize = 10;

#[test]
fn the_sink_leaves_no_object_behind() {
    if is_traced("the_sink_leaves_no_object_behind") {
        assert_nothing_stays(sink);
    }
}

#[test]
fn the_source_leaves_no_object_behind() {
    if is_traced("the_source_leaves_no_object_behind") {
        assert_nothing_stays(source);
    }
}

/// Starts, caps that change, a flush, the end, a second start, and a stop while somebody watches.
fn sink() {
    let pictures = pictures();
    let camera = Camera::new("is-live=true do-timestamp=true", "").play();
    let mut viewer = Viewer::open(camera.address());
    camera.push(&pictures[0]);
    assert!(viewer.picture() == pictures[0]);
    camera.source.set_caps(Some(&gst::Caps::builder("image/jpeg").field("width", 160).field("height", 120).build()));
    camera.push(&pictures[1]);
    assert!(viewer.picture() == pictures[1]);
    assert!(camera.pipeline.send_event(gst::event::FlushStart::new()));
    assert!(camera.pipeline.send_event(gst::event::FlushStop::new(true)));
    camera.push(&pictures[2]);
    assert!(viewer.picture() == pictures[2]);
    camera.push(b"no picture");
    camera.end();
    viewer.expect_end();
    camera.set_state(gst::State::Ready);
    camera.set_state(gst::State::Playing);
    let served = camera.served();
    camera.push(&pictures[0]);
    camera.wait_for_pictures(served + 1);
    let mut viewer = Viewer::open(camera.address());
    assert!(viewer.picture() == pictures[0]);
    camera.set_state(gst::State::Null);
    viewer.expect_end();
}

/// Starts, pictures of another size, a lost stream, a damaged picture, a flush, a second start, and a stop while
/// pictures wait.
fn source() {
    let large = jpeg::sized(1, 640, 480);
    let first = vec![head(), part(&jpeg::picture(0)), part(&large), Step::Close];
    let damaged = part(&jpeg::picture(3)[..100]);
    let more = vec![head(), part(&jpeg::picture(1)), damaged, part(&jpeg::picture(2)), Step::Wait, part(&large)];
    let last = vec![head(), part(&jpeg::picture(0)), part(&jpeg::picture(1)), part(&jpeg::picture(2))];
    let server = ScriptServer::play([first, more, last]);
    let source = Source::new(&server.url()).hasty().lossless().play();
    for picture in [&jpeg::picture(0), &large, &jpeg::picture(1), &jpeg::picture(2)] {
        assert_eq!(&source.frame(), picture);
    }
    assert!(source.element.send_event(gst::event::FlushStart::new()));
    assert!(source.element.send_event(gst::event::FlushStop::new(true)));
    server.allow();
    assert_eq!(source.frame(), large);
    source.set_state(gst::State::Ready);
    source.set_state(gst::State::Playing);
    assert_eq!(source.frame(), jpeg::picture(0));
}

/// Runs this test again with the tracer in a process of its own: it has to be asked for before GStreamer starts.
#[track_caller]
fn is_traced(test: &str) -> bool {
    if env::var_os("GST_TRACERS").is_some() {
        return true;
    }
    let program = env::current_exe().expect("a path");
    let folder = Folder::new();
    let mut again = Command::new(program);
    again.args(["--exact", test]).env("GST_TRACERS", "leaks").env("GST_DEBUG", "GST_TRACER:7");
    let output = again.env("GST_DEBUG_FILE", folder.path("log")).output().expect("it starts");
    let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success() && said[0].contains(" 1 passed"), "{}", said.concat());
    false
}

#[track_caller]
fn assert_nothing_stays(work: fn()) {
    init();
    // The first time makes what the process keeps: factories' classes, pools, caps of templates.
    (0..2).for_each(|_| work());
    let before = live();
    (0..TIMES).for_each(|_| work());
    let more = || -> Vec<_> {
        live().into_iter().filter(|(kind, count)| *count > before.get(kind).copied().unwrap_or_default()).collect()
    };
    println!("at first there are more than before of {:?}", more());
    // The last thread that held something may just be ending.
    wait_until("all to go", || more().is_empty());
}

/// How many objects of each type live, as the tracer writes it down. The list that it hands out is of no use: with
/// GStreamer 1.22 each object on it had a reference too few afterwards.
fn live() -> BTreeMap<String, usize> {
    let log = env::var("GST_DEBUG_FILE").expect("it was named");
    let before = fs::read_to_string(&log).expect("a text").len();
    let tracers = gst::active_tracers();
    let tracer = tracers.iter().find(|tracer| tracer.type_().name() == "GstLeaksTracer").expect("it was asked for");
    tracer.emit_by_name::<()>("log-live-objects", &[]);
    let mut live = BTreeMap::new();
    for line in fs::read_to_string(&log).expect("a text")[before..].lines() {
        let kind = line.split_once("object-alive, type-name=(string)").and_then(|(_, rest)| rest.split(',').next());
        *live.entry(kind.unwrap_or_else(|| panic!("{line:?} names no type")).to_owned()).or_default() += 1;
    }
    assert!(live.contains_key("GstElementFactory"), "what lives always is missing in {live:?}");
    live
}
