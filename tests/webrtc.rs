//! examples/python/webrtc_bridge.py: a real Chromium shows the camera by WebRTC, and is missed when it has gone.
//!
//! Debian packages besides the usual ones: gstreamer1.0-nice, gir1.2-gst-plugins-bad-1.0, and those of
//! `common/browser.rs`.

mod common;

#[path = "common/browser.rs"]
mod browser;

use std::{process::Command, time::Duration};

use browser::{Browser, Kind};
use common::{
    pipeline::{init, port_of, wait_until},
    program::Program,
};
use gst::prelude::*;

#[test]
fn chromium_shows_the_camera_and_is_missed() -> anyhow::Result<()> {
    init();
    let line = "videotestsrc is-live=true pattern=green ! video/x-raw,width=320,height=240,framerate=15/1 ! jpegenc \
                ! mjpegserversink port=0 name=sink";
    let camera = gst::parse::launch(line)?.downcast::<gst::Pipeline>().expect("several elements make a pipeline");
    let sink = camera.by_name("sink").expect("it has the name");
    camera.set_state(gst::State::Playing)?;
    let viewers = || sink.property::<u32>("num-clients");

    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/python/webrtc_bridge.py");
    let url = format!("http://127.0.0.1:{}/stream", port_of(&sink));
    let mut command = Command::new("/usr/bin/python3");
    let mut bridge = Program::start(command.args([program, &url, "0"]));
    let (_, page) = bridge.line();
    let browser = Browser::open(Kind::Chromium, &page)?;
    browser.wait_for_colour([0, 255, 0], TOLERANCE, LIMIT)?;
    assert_eq!(viewers(), 1, "the bridge reads the camera once for one browser");
    drop(browser);
    wait_until("the bridge has let go of the camera", || viewers() == 0);
    camera.set_state(gst::State::Null)?;
    Ok(())
}

/// What JPEG and VP8 make of full green. Chosen: no other colour of the page is near.
const TOLERANCE: u8 = 40;

/// Chosen: a browser on a busy machine takes ten seconds to begin.
const LIMIT: Duration = Duration::from_secs(60);
