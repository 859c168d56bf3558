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
