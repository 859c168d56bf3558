//! Takes pictures out of a stream, always the newest, and says how old each one was. Waits for a camera that is not
//! there.
//!
//!     cargo run --example newest_picture -- URL [COUNT]

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use gst::prelude::*;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let url = arguments.next().context("usage: newest_picture URL [COUNT]")?;
    let count: usize = arguments.next().map_or(Ok(usize::MAX), |count| count.parse()).context("COUNT is a number")?;
    gst::init()?;

    // The URL is a property, not a part of the text: it may hold what the text would take for syntax.
    let pipeline = gst::parse::launch(
        "mjpegclientsrc name=camera ! jpegdec ! videoconvert ! video/x-raw,format=RGB
         ! appsink name=pictures sync=false max-buffers=1 drop=true",
    )?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().ok().context("several elements make a pipeline")?;
    pipeline.by_name("camera").context("it is there")?.set_property("location", url);
    let pictures = pipeline.by_name("pictures").and_downcast::<gst_app::AppSink>().context("it is there")?;
    // What does not start says why on the bus.
    let _ = pipeline.set_state(gst::State::Playing);

    let ended = take(&pipeline, &pictures, count);
    pipeline.set_state(gst::State::Null)?;
    ended
}

/// Takes so many pictures, or those up to the end.
fn take(pipeline: &gst::Pipeline, pictures: &gst_app::AppSink, count: usize) -> Result<()> {
    let mut seen = 0;
    while seen < count {
        say_what_is_wrong(pipeline)?;
        let Some(sample) = pictures.try_pull_sample(gst::ClockTime::from_mseconds(100)) else {
            if pictures.is_eos() {
                break;
            }
            continue;
        };
        seen += 1;
        let info = gst_video::VideoInfo::from_caps(sample.caps().context("samples have caps")?)?;
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer().context("a picture")?, &info)?;
        let pixels = frame.plane_data(0)?;
        let brightness = pixels.iter().map(|value| u64::from(*value)).sum::<u64>() / pixels.len().max(1) as u64;
        let age = sample.buffer().and_then(captured).map(|then| now() - then);
        let age = age.map_or("of unknown age".to_owned(), |age| format!("{:.1} ms old", age * 1000.0));
        println!("{}x{}, brightness {brightness}, {age}", info.width(), info.height());
    }
    say_what_is_wrong(pipeline)
}

/// Prints why the pipeline waits. An error is why it has ended.
fn say_what_is_wrong(pipeline: &gst::Pipeline) -> Result<()> {
    let bus = pipeline.bus().context("pipelines have a bus")?;
    let wanted = [gst::MessageType::Warning, gst::MessageType::Error];
    while let Some(message) = bus.pop_filtered(&wanted) {
        match message.view() {
            gst::MessageView::Warning(warning) => eprintln!("{}", warning.error()),
            gst::MessageView::Error(error) => bail!("{}", error.error()),
            _ => {}
        }
    }
    Ok(())
}

/// When the camera took the picture, in seconds since 1970: servers say it in X-Timestamp.
fn captured(buffer: &gst::BufferRef) -> Option<f64> {
    let unix = gst::Caps::new_empty_simple("timestamp/x-unix");
    let mut times = buffer.iter_meta::<gst::ReferenceTimestampMeta>();
    let meta = times.find(|meta| meta.reference().can_intersect(&unix))?;
    Some(meta.timestamp().nseconds() as f64 / 1e9)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
