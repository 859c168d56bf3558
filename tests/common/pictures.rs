//! Pictures that decoders decode.

use gst::prelude::*;
use gst_video::{VideoFrame, VideoFrameExt, VideoInfo};

use super::{pipeline::init, source::bytes};

/// As many moving test pictures, encoded.
pub fn encoded(count: usize) -> Vec<Vec<u8>> {
    init();
    let description = format!(
        "videotestsrc num-buffers={count} pattern=ball ! video/x-raw,width=320,height=240 ! jpegenc ! \
         appsink name=sink sync=false"
    );
    let pipeline = gst::parse::launch(&description).expect("the usual elements");
    let sink = sink(&pipeline);
    pipeline.set_state(gst::State::Playing).expect("the pipeline plays");
    let pictures = std::iter::from_fn(|| sink.pull_sample().ok()).map(|sample| bytes(&sample)).collect();
    pipeline.set_state(gst::State::Null).expect("the pipeline stops");
    pictures
}

/// The appsink of a pipeline that was written as text.
#[track_caller]
pub fn sink(pipeline: &gst::Element) -> gst_app::AppSink {
    let bin = pipeline.downcast_ref::<gst::Bin>().expect("a pipeline");
    bin.by_name("sink").and_downcast().expect("a sink of this name")
}

/// The appsrc of a pipeline that was written as text.
#[track_caller]
pub fn src(pipeline: &gst::Element) -> gst_app::AppSrc {
    let bin = pipeline.downcast_ref::<gst::Bin>().expect("a pipeline");
    bin.by_name("src").and_downcast().expect("a source of this name")
}

/// The pixels of a decoded picture, without what pads its lines.
#[track_caller]
pub fn pixels(sample: &gst::Sample) -> Vec<u8> {
    let info = VideoInfo::from_caps(sample.caps().expect("samples have caps")).expect("caps of raw video");
    let buffer = sample.buffer_owned().expect("samples have buffers");
    let frame = VideoFrame::from_buffer_readable(buffer, &info).expect("a whole picture");
    let mut pixels = Vec::new();
    for component in 0..info.n_components() {
        let plane = frame.format_info().plane()[component as usize];
        let stride = usize::try_from(frame.plane_stride()[plane as usize]).expect("lines go downwards");
        let width = (frame.comp_width(component) * frame.comp_pstride(component) as u32) as usize;
        let data = frame.plane_data(plane).expect("each component has a plane");
        let lines = data.chunks(stride).take(frame.comp_height(component) as usize);
        lines.for_each(|line| pixels.extend(&line[..width]));
    }
    pixels
}

/// The pixels of a picture.
#[track_caller]
pub fn decoded(picture: &[u8]) -> Vec<u8> {
    let pipeline = gst::parse::launch("appsrc name=src caps=image/jpeg ! jpegdec ! appsink name=sink sync=false")
        .expect("gstreamer1.0-plugins-good is installed");
    let (source, sink) = (src(&pipeline), sink(&pipeline));
    pipeline.set_state(gst::State::Playing).expect("the pipeline plays");
    source.push_buffer(gst::Buffer::from_slice(picture.to_vec())).expect("the source takes pictures");
    let _ = source.end_of_stream();
    let pixels = pixels(&sink.pull_sample().expect("a picture comes out"));
    pipeline.set_state(gst::State::Null).expect("the pipeline stops");
    pixels
}

/// The segments before the first scan: marker code and place of each.
#[track_caller]
pub fn segments(picture: &[u8]) -> Vec<(u8, std::ops::Range<usize>)> {
    let mut segments = Vec::new();
    let mut at = 2;
    loop {
        let [0xff, code, l1, l0] = picture[at..at + 4] else { panic!("no segment at {at}") };
        let end = at + 2 + usize::from(u16::from_be_bytes([l1, l0]));
        segments.push((code, at..end));
        if code == 0xda {
            return segments;
        }
        at = end;
    }
}

/// The picture without its Huffman tables, as USB cameras send it.
#[track_caller]
pub fn without_tables(picture: &[u8]) -> Vec<u8> {
    let mut stripped = picture.to_vec();
    for (_, place) in segments(picture).into_iter().filter(|(code, _)| *code == 0xc4).rev() {
        stripped.drain(place);
    }
    stripped
}
