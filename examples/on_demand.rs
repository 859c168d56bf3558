//! A camera whose pictures are encoded only while somebody watches: `client-added` opens a valve before the encoder,
//! `client-removed` of the last viewer closes it.
//!
//!     cargo run --example on_demand -- [PORT]

use std::{
    collections::HashSet,
    env,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result, bail};
use gst::prelude::*;

const CAMERA: &str = "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=15/1
    ! valve name=valve drop=true ! videoconvert ! jpegenc ! mjpegserversink name=server";

fn main() -> Result<()> {
    let port: i32 = env::args().nth(1).map_or(Ok(8080), |port| port.parse()).context("PORT is a number")?;
    gst::init()?;
    let pipeline = gst::parse::launch(CAMERA)?.downcast::<gst::Pipeline>().ok().context("it is a pipeline")?;
    let server = pipeline.by_name("server").context("it is there")?;
    let valve = pipeline.by_name("valve").context("it is there")?;
    server.set_property("port", port);

    // The signals come one after the other from a thread of the sink.
    let watching = Arc::new(Mutex::new(HashSet::new()));
    for signal in ["client-added", "client-removed"] {
        let (watching, valve) = (watching.clone(), valve.clone());
        server.connect(signal, false, move |values| {
            let id: u64 = values[1].get().expect("the first argument is the viewer's id");
            let mut watching = watching.lock().unwrap_or_else(PoisonError::into_inner);
            if signal == "client-added" {
                watching.insert(id);
            } else {
                watching.remove(&id);
            }
            valve.set_property("drop", watching.is_empty());
            println!("{} watching, encoding: {}", watching.len(), !watching.is_empty());
            None
        });
    }

    start(&pipeline)?;
    println!("http://127.0.0.1:{}/", server.property::<i32>("current-port"));
    let bus = pipeline.bus().context("pipelines have a bus")?;
    let message = bus.timed_pop_filtered(None, &[gst::MessageType::Error, gst::MessageType::Eos]);
    pipeline.set_state(gst::State::Null)?;
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => bail!("{}", error.error()),
        _ => Ok(()),
    }
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
