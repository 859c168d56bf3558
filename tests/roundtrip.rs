//! From one element to the other: what goes in comes out.

mod common;

use std::{sync::mpsc, time::Instant};

use common::{
    jpeg, pictures,
    pipeline::{Camera, DEADLINE},
    source::{Source, assert_same, bytes},
};
use gst::{ClockTime, prelude::*};

/// The next picture that is another than the last one: a server may repeat a picture while none follows.
#[track_caller]
fn next<T: PartialEq>(last: Option<&T>, mut pull: impl FnMut() -> T) -> T {
    let start = Instant::now();
    loop {
        let picture = pull();
        if Some(&picture) != last {
            return picture;
        }
        assert!(start.elapsed() < DEADLINE, "always the same picture");
    }
}

#[track_caller]
fn pull(sink: &gst_app::AppSink) -> gst::Sample {
    sink.try_pull_sample(ClockTime::from_seconds(DEADLINE.as_secs())).expect("a picture comes")
}

/// The pixels of these pictures, decoded on the spot.
fn decoded(encoded: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let pipeline =
        gst::parse::launch("appsrc name=src format=time caps=image/jpeg ! jpegdec ! appsink name=sink sync=false");
    let pipeline = pipeline.expect("the usual elements");
    let (src, sink) = (pictures::src(&pipeline), pictures::sink(&pipeline));
    pipeline.set_state(gst::State::Playing).expect("the pipeline plays");
    let decode = |picture: &Vec<u8>| {
        src.push_buffer(gst::Buffer::from_slice(picture.clone())).expect("the pipeline flows");
        pictures::pixels(&pull(&sink))
    };
    let pixels = encoded.iter().map(decode).collect();
    pipeline.set_state(gst::State::Null).expect("the pipeline stops");
    pixels
}

/// Plays the camera through a pipeline that ends in this sink, and expects two pictures.
#[track_caller]
fn assert_plays(camera: &Camera, pipeline: &gst::Element, sink: &gst_app::AppSink) {
    // Asking the sink itself is of no use as long as playbin has not put it into its place.
    let (sender, samples) = mpsc::channel();
    let new_sample = move |sink: &gst_app::AppSink| {
        let _ = sender.send(sink.pull_sample().map_err(|_| gst::FlowError::Flushing)?);
        Ok(gst::FlowSuccess::Ok)
    };
    sink.set_callbacks(gst_app::AppSinkCallbacks::builder().new_sample(new_sample).build());
    let pull = || samples.recv_timeout(DEADLINE).expect("a picture comes");

    let pictures = pictures::encoded(2);
    camera.push(&pictures[0]);
    pipeline.set_state(gst::State::Playing).expect("the pipeline plays");
    let first = pull();
    let structure = first.caps().and_then(|caps| caps.structure(0)).expect("samples have caps");
    assert_eq!((structure.get("width"), structure.get("height")), (Ok(320), Ok(240)));
    let first = bytes(&first);
    camera.push(&pictures[1]);
    next(Some(&first), || bytes(&pull()));
    pipeline.set_state(gst::State::Null).expect("the pipeline stops");
}

#[test]
fn decoded_pictures_equal_those_decoded_on_the_spot() {
    let encoded = pictures::encoded(12);
    let expected = decoded(&encoded);
    let camera = Camera::live();
    let description =
        format!("mjpegclientsrc location={} ! jpegdec ! appsink name=sink sync=false", camera.url("/stream"));
    let pipeline = gst::parse::launch(&description).expect("the usual elements");
    let sink = pictures::sink(&pipeline);
    camera.push(&encoded[0]);
    pipeline.set_state(gst::State::Playing).expect("the pipeline plays");
    let mut last = None;
    for (index, expected) in expected.iter().enumerate() {
        if index > 0 {
            camera.push(&encoded[index]);
        }
        let pixels = next(last.as_ref(), || pictures::pixels(&pull(&sink)));
        assert_same(&pixels, expected, &format!("picture {index}"));
        last = Some(pixels);
    }
    pipeline.set_state(gst::State::Null).expect("the pipeline stops");
}

/// No picture is decoded here, so none has to be one that can be.
#[track_caller]
fn assert_round_trip() {
    let camera = Camera::live();
    camera.push(&jpeg::picture(0));
    let source = Source::new(&camera.url("/stream")).set("eos-on-close", true).play();
    let mut last = source.frame();
    assert_same(&last, &jpeg::picture(0), "picture 0");
    for index in 1..10 {
        camera.push(&jpeg::picture(index));
        let frame = next(Some(&last), || source.frame());
        assert_same(&frame, &jpeg::picture(index), &format!("picture {index}"));
        last = frame;
    }
    camera.end();
    while let Some(sample) = source.sink.try_pull_sample(ClockTime::from_seconds(DEADLINE.as_secs())) {
        assert_same(&bytes(&sample), &last, "the last picture once more");
    }
    assert!(source.sink.is_eos(), "the end of the one is the end of the other");
}

#[test]
fn every_byte_comes_through() {
    assert_round_trip();
}

#[tokio::test]
async fn both_work_on_the_only_thread_of_an_async_application() {
    assert_round_trip();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_work_in_a_task_of_an_async_application() {
    tokio::spawn(async { assert_round_trip() }).await.expect("the task does not panic");
}

/// The capture time of the sink's pipeline comes out of the source, to the microsecond that the stream carries.
#[test]
fn capture_time_comes_through() {
    let camera = Camera::live();
    let unix_time = gst::Caps::new_empty_simple("timestamp/x-unix");
    let captured = ClockTime::from_useconds(1_700_000_000_000_042);
    let mut buffer = gst::Buffer::from_slice(jpeg::picture(0));
    let writable = buffer.get_mut().expect("nobody else has the buffer yet");
    gst::ReferenceTimestampMeta::add(writable, &unix_time, captured, ClockTime::NONE);
    camera.push_buffer(buffer);
    let source = Source::playing(&camera.url("/stream"));
    let sample = source.sample();
    let meta = sample.buffer().and_then(|buffer| buffer.meta::<gst::ReferenceTimestampMeta>()).expect("a capture time");
    assert_eq!(meta.timestamp(), captured);
}

#[test]
fn uridecodebin_plays_the_uri() {
    let camera = Camera::live();
    let description = format!("uridecodebin uri=mjpeg+{} ! appsink name=sink sync=false", camera.url("/stream"));
    let pipeline = gst::parse::launch(&description).expect("the usual elements");
    assert_plays(&camera, &pipeline, &pictures::sink(&pipeline));
}

#[test]
fn playbin3_plays_the_uri() {
    let camera = Camera::live();
    let sink = gst_app::AppSink::builder().sync(false).build();
    let pipeline = gst::ElementFactory::make("playbin3")
        .property("uri", format!("mjpeg+{}", camera.url("/stream")))
        .property("video-sink", &sink)
        .build()
        .expect("the usual elements");
    assert_plays(&camera, &pipeline, &sink);
}
