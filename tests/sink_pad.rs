//! What comes in at the pad: caps, and buffers that are no picture.

use common::{
    jpeg::sized,
    pipeline::{init, numbered, pictures, stat},
};
use gst::prelude::*;
use gst_check::Harness;

mod common;

#[test]
fn the_pad_takes_jpeg_of_any_size_and_rate_and_nothing_else() {
    let (sink, _harness, _bus) = playing_sink();
    let pad = sink.static_pad("sink").expect("a sink pad");
    assert_eq!(pad.pad_template_caps().to_string(), "image/jpeg");
    for caps in ["image/jpeg", "image/jpeg, width=640, height=480, framerate=0/1", "image/jpeg, parsed=true"] {
        assert!(pad.query_accept_caps(&caps.parse().expect("caps")), "{caps}");
    }
    for caps in ["image/png", "video/x-raw, format=I420", "multipart/x-mixed-replace"] {
        assert!(!pad.query_accept_caps(&caps.parse().expect("caps")), "{caps}");
    }
}

#[test]
fn an_empty_buffer_is_dropped_with_one_warning() {
    assert_is_dropped(b"", "empty");
}

#[test]
fn a_buffer_that_is_not_jpeg_is_dropped_with_one_warning() {
    assert_is_dropped(b"\x89PNG\r\n\x1a\n and so on", "JPEG");
}

#[test]
fn a_truncated_picture_is_dropped_with_one_warning() {
    let picture = &pictures()[0];
    assert_is_dropped(&picture[..picture.len() - 1], "cut short");
    assert_is_dropped(&picture[..picture.len() / 2], "cut short");
}

#[test]
fn a_picture_without_height_is_dropped_with_one_warning() {
    assert_is_dropped(&sized(0, 64, 0), "frame header");
}

/// A search for FF D9 would take the end of the thumbnail for the end of the picture.
#[test]
fn a_picture_cut_after_its_thumbnail_is_dropped_with_one_warning() {
    let thumbnail = &pictures()[0];
    let length = u16::try_from(2 + 6 + thumbnail.len()).expect("it fits").to_be_bytes();
    let cut = [b"\xff\xd8\xff\xe1".as_slice(), &length, b"Exif\0\0", thumbnail].concat();
    assert_is_dropped(&cut, "cut short");
}

#[test]
fn a_picture_with_something_behind_its_end_is_served() {
    let (sink, mut harness, bus) = playing_sink();
    let padded = [pictures()[0].as_slice(), &[0; 100]].concat();
    push(&mut harness, &padded);
    assert_eq!((stat(&sink, "pictures"), stat(&sink, "damaged")), (1, 0));
    assert_eq!(warnings(&bus), Vec::<String>::new());
}

#[test]
fn a_buffer_in_several_memories_is_one_picture() {
    let (sink, mut harness, _bus) = playing_sink();
    let picture = &pictures()[0];
    let mut buffer = gst::Buffer::new();
    for piece in picture.chunks(100) {
        let writable = buffer.get_mut().expect("nobody else has the buffer");
        writable.append_memory(gst::Memory::from_slice(piece.to_vec()));
    }
    harness.push(buffer).expect("the pipeline goes on");
    assert_eq!((stat(&sink, "pictures"), stat(&sink, "bytes")), (1, picture.len() as u64));
}

#[test]
fn the_same_picture_pushed_twice_is_served_twice() {
    let (sink, mut harness, _bus) = playing_sink();
    let buffer = gst::Buffer::from_slice(pictures()[0].clone());
    for n in 1..=3 {
        harness.push(buffer.clone()).expect("the pipeline goes on");
        assert_eq!(stat(&sink, "pictures"), n);
    }
}

/// Good and bad in turn: the good ones are served, the bad ones counted, and one warning says why.
#[track_caller]
fn assert_is_dropped(bad: &[u8], why: &str) {
    let (sink, mut harness, bus) = playing_sink();
    for n in 0..3 {
        push(&mut harness, bad);
        push(&mut harness, &numbered(&pictures()[0], n));
    }
    assert_eq!((stat(&sink, "pictures"), stat(&sink, "damaged")), (3, 3));
    let warnings = warnings(&bus);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains(why) && warnings[0].contains("server-stats"), "{warnings:?}");
}

fn playing_sink() -> (gst::Element, Harness, gst::Bus) {
    init();
    let sink = gst::ElementFactory::make("mjpegserversink").property_from_str("port", "0").build().expect("a sink");
    let bus = gst::Bus::new();
    sink.set_bus(Some(&bus));
    let mut harness = Harness::with_element(&sink, Some("sink"), None);
    harness.set_src_caps_str("image/jpeg");
    (sink, harness, bus)
}

#[track_caller]
fn push(harness: &mut Harness, bytes: &[u8]) {
    harness.push(gst::Buffer::from_slice(bytes.to_vec())).expect("the pipeline goes on");
}

#[track_caller]
fn warnings(bus: &gst::Bus) -> Vec<String> {
    let mut warnings = Vec::new();
    while let Some(message) = bus.pop_filtered(&[gst::MessageType::Warning, gst::MessageType::Error]) {
        match message.view() {
            gst::MessageView::Warning(warning) => warnings.push(warning.error().to_string()),
            other => panic!("{other:?}"),
        }
    }
    warnings
}
