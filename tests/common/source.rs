//! `mjpegclientsrc ! appsink`, with waits that end.

use std::time::{Duration, Instant};

use glib::value::ToSendValue;
use gst::prelude::*;

use super::pipeline::{self, init, wait_until};

/// A pipeline that reads a stream. It ends with its value.
pub struct Source {
    pub pipeline: gst::Pipeline,
    pub element: gst::Element,
    pub sink: gst_app::AppSink,
    pub bus: gst::Bus,
}

impl Source {
    pub fn new(location: &str) -> Self {
        init();
        let element = gst::ElementFactory::make("mjpegclientsrc").build().expect("the plugin is registered");
        element.set_property("location", location);
        let sink = gst_app::AppSink::builder().sync(false).async_(false).build();
        let pipeline = gst::Pipeline::new();
        pipeline.add_many([&element, sink.upcast_ref()]).expect("both are new");
        element.link(&sink).expect("a source of pictures links to anything");
        let bus = pipeline.bus().expect("a pipeline has a bus");
        Self { pipeline, element, sink, bus }
    }

    pub fn playing(location: &str) -> Self {
        Self::new(location).play()
    }

    pub fn set(self, property: &str, value: impl ToSendValue) -> Self {
        self.element.set_property_from_value(property, &value.to_send_value());
        self
    }

    /// Short waits before a lost stream is asked for again.
    pub fn hasty(self) -> Self {
        self.set("reconnect-delay-min", 1_000_000u64).set("reconnect-delay-max", 1_000_000u64)
    }

    /// Every picture comes out, however long the machine looks elsewhere.
    pub fn lossless(self) -> Self {
        self.element.set_property_from_str("leaky-type", "none");
        self
    }

    #[track_caller]
    pub fn play(self) -> Self {
        self.set_state(gst::State::Playing);
        self
    }

    #[track_caller]
    pub fn set_state(&self, state: gst::State) {
        if self.pipeline.set_state(state).is_err() {
            panic!("the pipeline does not become {state:?}: {:?}", self.failure());
        }
    }

    /// The next picture as wide as this.
    #[track_caller]
    pub fn await_width(&self, width: i32) {
        let is_wide = |sample: &gst::Sample| {
            let caps = sample.caps().and_then(|caps| caps.structure(0)).expect("samples of a source have caps");
            caps.get("width") == Ok(width)
        };
        let end = Instant::now() + pipeline::DEADLINE;
        while !is_wide(&self.sample()) {
            assert!(Instant::now() < end, "no picture is {width} wide");
        }
    }

    /// The next picture with all that came with it.
    #[track_caller]
    pub fn sample(&self) -> gst::Sample {
        if let Some(sample) = self.sink.try_pull_sample(DEADLINE) {
            return sample;
        }
        let message = self.bus.pop_filtered(&[gst::MessageType::Error]);
        panic!("no picture came; at the end of the stream: {}; error: {message:?}", self.sink.is_eos());
    }

    /// The bytes of the next picture.
    #[track_caller]
    pub fn frame(&self) -> Vec<u8> {
        bytes(&self.sample())
    }

    /// Waits for the end of the stream; no picture may come before it.
    #[track_caller]
    pub fn assert_ends(&self) {
        let sample = self.sink.try_pull_sample(DEADLINE);
        assert!(sample.is_none() && self.sink.is_eos(), "{sample:?} instead of the end of the stream");
    }

    /// The next message of this kind.
    #[track_caller]
    pub fn message(&self, kind: gst::MessageType) -> gst::Message {
        let message = self.bus.timed_pop_filtered(DEADLINE, &[kind, gst::MessageType::Error]);
        let message = message.unwrap_or_else(|| panic!("no {kind:?} message came"));
        assert_eq!(message.type_(), kind, "{message:?}");
        message
    }

    /// The next error.
    #[track_caller]
    pub fn failure(&self) -> glib::Error {
        let message = self.message(gst::MessageType::Error);
        let gst::MessageView::Error(error) = message.view() else { unreachable!("asked for an error") };
        assert_eq!(message.src(), Some(self.element.upcast_ref()), "{message:?}");
        error.error()
    }

    /// Waits for the error; its text has these words in it.
    #[track_caller]
    pub fn assert_fails(&self, kind: impl glib::error::ErrorDomain + std::fmt::Debug, words: &[&str]) {
        let error = self.failure();
        assert!(error.matches(kind), "{error:?} is not {kind:?}");
        for word in words {
            assert!(error.message().contains(word), "{:?} does not say {word:?}", error.message());
        }
    }

    /// The next change of state as the element tells it.
    #[track_caller]
    pub fn change(&self) -> gst::Structure {
        let message = self.message(gst::MessageType::Element);
        let structure = message.structure().expect("an element message has one").to_owned();
        assert_eq!(structure.name(), "mjpegclientsrc-state");
        structure
    }

    /// Ends the server, waits until the element has noticed, and takes what came before; a picture may still be on its
    /// way from the element.
    #[track_caller]
    pub fn lose(&self, end: impl FnOnce()) {
        // Each try has said that the stream is lost: with `hasty` more of them than one has waited for.
        while self.bus.pop().is_some() {}
        end();
        while self.change().get("state") != Ok("reconnecting") {}
        while self.sink.try_pull_sample(gst::ClockTime::ZERO).is_some() {}
    }

    /// A figure of `stats`.
    #[track_caller]
    pub fn stat(&self, name: &str) -> u64 {
        self.element.property::<gst::Structure>("stats").get(name).expect("stats have such a figure")
    }

    /// Why the stream was lost last.
    #[track_caller]
    pub fn last_reason(&self) -> String {
        self.element.property::<gst::Structure>("stats").get("last-reason").expect("stats have a reason")
    }

    /// Waits until a figure of `stats` has this value. There is no message to wait for.
    #[track_caller]
    pub fn await_stat(&self, name: &str, value: u64) {
        wait_until(&format!("{name} of {value}"), || self.stat(name) == value);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// How long a test waits for what must come.
const DEADLINE: gst::ClockTime = gst::ClockTime::from_seconds(pipeline::DEADLINE.as_secs());

/// How long it took until a picture came again, each time: less than two seconds nine times out of ten, and less than
/// ten each time, as the machine may be busy elsewhere. docs/reliability.md says so.
#[track_caller]
pub fn assert_back(mut took: Vec<Duration>, what: &str) {
    took.sort();
    let (most, longest) = (took[took.len() * 9 / 10 - 1], took[took.len() - 1]);
    println!("{} {what}: 90 % within {most:?}, longest {longest:?}", took.len());
    assert!(most < Duration::from_secs(2) && longest < pipeline::DEADLINE, "{what}: {took:?}");
}

/// The bytes of a picture.
pub fn bytes(sample: &gst::Sample) -> Vec<u8> {
    let buffer = sample.buffer().expect("samples of a source have buffers");
    buffer.map_readable().expect("buffers can be read").to_vec()
}

/// Says which picture came out instead of printing thousands of bytes.
#[track_caller]
pub fn assert_same(frame: &[u8], expected: &[u8], what: &str) {
    let at = frame.iter().zip(expected).position(|(a, b)| a != b);
    assert!(
        frame == expected,
        "{what}: {} bytes came, {} were sent, first difference at {at:?}",
        frame.len(),
        expected.len()
    );
}
