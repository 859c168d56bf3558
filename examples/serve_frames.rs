//! Serves pictures that the program makes itself: raw frames into `appsrc`, JPEG from `jpegenc`, HTTP from
//! `mjpegserversink`.
//!
//!     cargo run --example serve_frames -- [PORT]

use std::{env, thread, time::Duration};

use anyhow::{Context, Result, bail};
use gst::prelude::*;
use gst_video::VideoFrameExt as _;

const WIDTH: u32 = 320;
const HEIGHT: u32 = 240;
const RATE: u32 = 15;

fn main() -> Result<()> {
    let port: i32 = env::args().nth(1).map_or(Ok(8080), |port| port.parse()).context("PORT is a number")?;
    gst::init()?;

    let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgb, WIDTH, HEIGHT)
        .fps(gst::Fraction::new(RATE as i32, 1))
        .build()?;
    let source = gst_app::AppSrc::builder()
        .caps(&info.to_caps()?)
        .format(gst::Format::Time)
        // Live, so that each picture goes out when it comes, with the time at which it came.
        .is_live(true)
        .do_timestamp(true)
        // Where the encoder is too slow, the newest picture counts.
        .max_buffers(1)
        .leaky_type(gst_app::AppLeakyType::Downstream)
        .build();
    let convert = gst::ElementFactory::make("videoconvert").build()?;
    let encode = gst::ElementFactory::make("jpegenc").build()?;
    let server = gst::ElementFactory::make("mjpegserversink").property("port", port).build()?;
    let pipeline = gst::Pipeline::new();
    pipeline.add_many([source.upcast_ref(), &convert, &encode, &server])?;
    gst::Element::link_many([source.upcast_ref(), &convert, &encode, &server])?;
    start(&pipeline)?;
    println!("http://127.0.0.1:{}/", server.property::<i32>("current-port"));

    let bus = pipeline.bus().context("pipelines have a bus")?;
    for number in 0.. {
        source.push_buffer(picture(&info, number)?)?;
        if let Some(message) = bus.pop_filtered(&[gst::MessageType::Error])
            && let gst::MessageView::Error(error) = message.view()
        {
            pipeline.set_state(gst::State::Null)?;
            bail!("{}", error.error());
        }
        thread::sleep(Duration::from_secs(1) / RATE);
    }
    Ok(())
}

/// Starts the pipeline; what keeps it from starting is said on its bus.
fn start(pipeline: &gst::Pipeline) -> Result<()> {
    if pipeline.set_state(gst::State::Playing).is_ok() {
        return Ok(());
    }
    let message = pipeline.bus().context("pipelines have a bus")?.pop_filtered(&[gst::MessageType::Error]);
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => bail!("{}", error.error()),
        _ => bail!("the pipeline does not start"),
    }
}

/// A white bar that walks over blue.
fn picture(info: &gst_video::VideoInfo, number: u32) -> Result<gst::Buffer> {
    let mut frame = gst_video::VideoFrame::from_buffer_writable(gst::Buffer::with_size(info.size())?, info)
        .map_err(|_| anyhow::anyhow!("the buffer has the wrong size"))?;
    let stride = frame.plane_stride()[0] as usize;
    let bar = number * 4 % WIDTH;
    for line in frame.plane_data_mut(0)?.chunks_mut(stride) {
        for (x, pixel) in line.chunks_exact_mut(3).take(WIDTH as usize).enumerate() {
            let is_bar = (bar..bar + 16).contains(&(x as u32));
            pixel.copy_from_slice(if is_bar { &[255, 255, 255] } else { &[0, 0, 160] });
        }
    }
    Ok(frame.into_buffer())
}
