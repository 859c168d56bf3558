//! Passes a stream on to any number of viewers, and never gives up: a camera that is lost, or not there yet, is asked
//! for again by `mjpegclientsrc`; one that answers with an error when the relay starts, by this program.
//!
//!     cargo run --example relay -- URL [PORT]
//!
//! Load balancers ask /health, which is 200 while pictures come: see docs/scaling.md.

use std::{env, thread, time::Duration};

use anyhow::{Context, Result, bail};
use gst::{MessageView, prelude::*};

/// Wait before a camera that gave an error at the start is asked for again. Chosen: a board boots in seconds.
const RETRY: Duration = Duration::from_millis(500);

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let url = arguments.next().context("usage: relay URL [PORT]")?;
    let port: i32 = arguments.next().map_or(Ok(8080), |port| port.parse()).context("PORT is a number")?;
    gst::init()?;
    let pipeline = gst::parse::launch("mjpegclientsrc name=camera ! mjpegserversink name=server host=0.0.0.0")?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().ok().context("two elements make a pipeline")?;
    let camera = pipeline.by_name("camera").context("it is there")?;
    let server = pipeline.by_name("server").context("it is there")?;
    camera.set_property("location", url);
    server.set_property("port", port);

    loop {
        // What does not start says why on the bus.
        let _ = pipeline.set_state(gst::State::Playing);
        let (element, text) = watch(&pipeline)?;
        // Another free port each time would be lost to who knows the first one.
        server.set_property("port", server.property::<i32>("current-port").max(port));
        pipeline.set_state(gst::State::Null)?;
        if element == "server" {
            bail!(text);
        }
        eprintln!("{text}; trying again");
        thread::sleep(RETRY);
    }
}

/// Prints what the two elements say, until the pipeline ends: who ended it, and why.
fn watch(pipeline: &gst::Pipeline) -> Result<(String, String)> {
    let bus = pipeline.bus().context("pipelines have a bus")?;
    let wanted = [gst::MessageType::Element, gst::MessageType::Eos, gst::MessageType::Error];
    loop {
        let message = bus.timed_pop_filtered(None, &wanted).context("the bus waits for ever")?;
        match message.view() {
            MessageView::Element(said) => said.structure().into_iter().for_each(|said| match said.name().as_str() {
                "listening" => println!("{}", said.get::<&str>("url").unwrap_or_default()),
                "mjpegclientsrc-state" => println!("camera: {}", said.get::<&str>("state").unwrap_or_default()),
                _ => {}
            }),
            MessageView::Error(error) => {
                let element = error.src().map(|element| element.name().to_string()).unwrap_or_default();
                return Ok((element, error.error().to_string()));
            }
            _ => return Ok(("camera".to_owned(), "the camera ended its stream".to_owned())),
        }
    }
}
