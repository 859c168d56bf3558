//! Many cameras in one process and on one port, each a pipeline of its own below its own mount: one that fails is
//! started again and disturbs no other.
//!
//!     cargo run --example many_cameras -- PORT NAME=URL...
//!
//! `test` in the place of a URL is a test picture. All of them are at http://127.0.0.1:PORT/, each at /NAME/.

use std::{env, thread, time::Duration};

use anyhow::{Context, Result, anyhow, ensure};
use gst::prelude::*;

/// Wait before a camera that failed is started again. Chosen: long enough not to be a burden, short enough to wait for.
const RETRY: Duration = Duration::from_secs(1);

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let port: i32 = arguments.next().context("usage: many_cameras PORT NAME=URL...")?.parse().context("PORT")?;
    let arguments: Vec<String> = arguments.collect();
    let parted = |camera: &'_ str| camera.split_once('=').map(|(name, url)| (name.to_owned(), url.to_owned()));
    let cameras = arguments.iter().map(|camera| parted(camera).with_context(|| format!("{camera} is not NAME=URL")));
    let cameras = cameras.collect::<Result<Vec<_>>>()?;
    ensure!(!cameras.is_empty(), "which cameras? NAME=URL...");
    gst::init()?;
    println!("http://127.0.0.1:{port}/");
    thread::scope(|scope| {
        for (name, url) in &cameras {
            scope.spawn(move || keep_running(name, url, port));
        }
    });
    Ok(())
}

/// Returns never: a camera that ends or fails is started again.
fn keep_running(name: &str, url: &str, port: i32) {
    loop {
        if let Err(error) = run(name, url, port) {
            eprintln!("{name}: {error:#}");
        }
        thread::sleep(RETRY);
    }
}

fn run(name: &str, url: &str, port: i32) -> Result<()> {
    let source = match url {
        "test" => "videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=15/1 ! jpegenc",
        _ => "mjpegclientsrc name=camera",
    };
    let pipeline = gst::parse::launch(&format!("{source} ! mjpegserversink name=server"))?;
    let pipeline = pipeline.downcast::<gst::Pipeline>().map_err(|_| anyhow!("no pipeline"))?;
    if let Some(camera) = pipeline.by_name("camera") {
        camera.set_property("location", url);
    }
    let server = pipeline.by_name("server").context("it is there")?;
    server.set_property("port", port);
    server.set_property("mount", format!("/{name}"));

    let bus = pipeline.bus().context("pipelines have a bus")?;
    // What does not start says why on the bus.
    let _ = pipeline.set_state(gst::State::Playing);
    let wanted = [gst::MessageType::Warning, gst::MessageType::Error, gst::MessageType::Eos];
    let ended = loop {
        let message = bus.timed_pop_filtered(None, &wanted).context("the bus waits for ever")?;
        match message.view() {
            gst::MessageView::Warning(warning) => eprintln!("{name}: {}", warning.error()),
            gst::MessageView::Error(error) => break anyhow!("{}", error.error()),
            _ => break anyhow!("the pictures ended"),
        }
    };
    pipeline.set_state(gst::State::Null)?;
    Err(ended)
}
