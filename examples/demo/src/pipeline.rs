//! A pipeline with the manners this example needs: it says what went wrong and stops when it is dropped.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use gst::prelude::*;

/// How long the end of the stream may take to get through the first pipeline. Chosen: nobody waits longer on Ctrl-C.
const LAST_PICTURE: gst::ClockTime = gst::ClockTime::from_seconds(2);
/// How often signals and errors are looked for. Chosen: not felt by a person, not seen in `top`.
const TICK: Duration = Duration::from_millis(20);
/// What a pipeline says when nothing more comes from it.
const ENDS: [gst::MessageType; 2] = [gst::MessageType::Error, gst::MessageType::Eos];

/// Stops the pipeline when dropped, as GStreamer demands.
pub struct Running {
    pipeline: gst::Pipeline,
    bus: gst::Bus,
}

impl Running {
    pub fn parse(description: &str) -> Result<Self> {
        let pipeline = gst::parse::launch(description)
            .with_context(|| format!("building '{description}'"))?
            .downcast::<gst::Pipeline>()
            .map_err(|_| anyhow::anyhow!("'{description}' is no pipeline"))?;
        let bus = pipeline.bus().context("a pipeline without a bus")?;
        Ok(Self { pipeline, bus })
    }

    pub fn element(&self, name: &str) -> Result<gst::Element> {
        self.pipeline.by_name(name).with_context(|| format!("the pipeline has no element '{name}'"))
    }

    pub fn play(&self) -> Result<()> {
        if self.pipeline.set_state(gst::State::Playing).is_err() {
            self.check()?;
            bail!("the pipeline does not start");
        }
        Ok(())
    }

    /// The error that an element posted, if there is one.
    pub fn check(&self) -> Result<()> {
        // Not `timed_pop_filtered` with a timeout of zero: gstreamer-rs 0.25.4 gives up before it looks.
        match self.bus.pop_filtered(&ENDS) {
            None => Ok(()),
            Some(message) => match message.view() {
                gst::MessageView::Error(error) => Err(ElementError::new(error).into()),
                _ => bail!("the pictures ended"),
            },
        }
    }

    /// Lets everything that is on its way get through, and tells the viewers that nothing follows.
    pub fn finish(&self) {
        self.pipeline.send_event(gst::event::Eos::new());
        // Whether the end arrives or something fails, or nothing happens: the pipeline ends here.
        let _ = self.bus.timed_pop_filtered(LAST_PICTURE, &ENDS);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Going to NULL does not fail.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Waits until `done` says so and fails when an element does. False if a signal came first.
pub fn wait(pipelines: &[&Running], stop: &AtomicBool, done: impl Fn() -> bool) -> Result<bool> {
    loop {
        // Signals are delivered by the main context.
        while glib::MainContext::default().iteration(false) {}
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
        if done() {
            return Ok(true);
        }
        for pipeline in pipelines {
            pipeline.check()?;
        }
        std::thread::sleep(TICK);
    }
}

/// True if this is the error that the element of this name posted.
pub fn comes_from(error: &anyhow::Error, element: &str) -> bool {
    error.downcast_ref::<ElementError>().is_some_and(|error| error.element == element)
}

/// True if an element found taken what it wanted to open, such as a port.
pub fn is_busy(error: &anyhow::Error) -> bool {
    error.downcast_ref::<ElementError>().is_some_and(|error| error.is_busy)
}

/// What an element posted on the bus before it gave up.
#[derive(Debug)]
struct ElementError {
    element: String,
    is_busy: bool,
    text: String,
}

impl ElementError {
    fn new(error: &gst::message::Error) -> Self {
        let element = error.src().map(|source| source.name().to_string());
        let mut text = error.error().to_string();
        // The first line of the details says where in GStreamer's source this is, the second says why.
        if let Some((_, reason)) = error.debug().as_deref().and_then(|text| text.split_once('\n')) {
            text = format!("{text} ({})", reason.trim());
        }
        let is_busy = error.error().matches(gst::ResourceError::Busy);
        Self { element: element.unwrap_or_default(), is_busy, text }
    }
}

impl fmt::Display for ElementError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.element, self.text)
    }
}

impl std::error::Error for ElementError {}
