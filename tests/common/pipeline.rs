//! Pipelines that serve pictures with `mjpegserversink`, and the pictures they serve.
//!
//! In order: [`pictures`] or [`numbered`], [`Camera::live`], [`Camera::push`] as often as needed. Nothing sleeps: each
//! wait is for the thing itself and fails after [`DEADLINE`].

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Once,
    thread,
    time::{Duration, Instant},
};

use gst::prelude::*;

/// Longest wait for what must come. Chosen: far above what was seen on two busy cores, below anybody's patience.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// GStreamer with our plugin in it.
pub fn init() {
    static READY: Once = Once::new();
    READY.call_once(|| {
        gst::init().expect("GStreamer is there");
        gstmjpeghttp::plugin_register_static().expect("our own plugin can be registered");
    });
}

/// A pipeline `appsrc ! mjpegserversink`. Dropping it stops it.
pub struct Camera {
    pub pipeline: gst::Pipeline,
    pub source: gst_app::AppSrc,
    pub sink: gst::Element,
}

impl Camera {
    /// A live one that plays, on any free port.
    #[track_caller]
    pub fn live() -> Self {
        Self::new("is-live=true do-timestamp=true", "").play()
    }

    /// One that does not run yet, with these properties besides `port=0`.
    #[track_caller]
    pub fn new(source: &str, sink: &str) -> Self {
        init();
        let line = format!(
            "appsrc name=source format=time caps=image/jpeg {source} ! mjpegserversink name=sink port=0 {sink}"
        );
        let pipeline = gst::parse::launch(&line).expect("elements and properties exist");
        let pipeline = pipeline.downcast::<gst::Pipeline>().expect("several elements make a pipeline");
        let source = pipeline.by_name("source").and_downcast().expect("the source is there");
        let sink = pipeline.by_name("sink").expect("the sink is there");
        Self { pipeline, source, sink }
    }

    /// One that serves a picture.
    #[track_caller]
    pub fn showing(sink: &str) -> Self {
        let camera = Self::new("is-live=true do-timestamp=true", sink).play();
        camera.push(&pictures()[0]);
        camera.wait_for_pictures(1);
        camera
    }

    #[track_caller]
    pub fn play(self) -> Self {
        self.set_state(gst::State::Playing);
        self
    }

    #[track_caller]
    pub fn set_state(&self, state: gst::State) {
        if self.pipeline.set_state(state).is_err() {
            let message = self.pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
            panic!("the pipeline does not become {state:?}: {message:?}");
        }
    }

    pub fn port(&self) -> u16 {
        port_of(&self.sink)
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port()).into()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    #[track_caller]
    pub fn push(&self, picture: &[u8]) {
        self.push_buffer(gst::Buffer::from_slice(picture.to_vec()));
    }

    /// Pushes a picture with this presentation time.
    #[track_caller]
    pub fn push_at(&self, pts: gst::ClockTime, picture: &[u8]) {
        let mut buffer = gst::Buffer::from_slice(picture.to_vec());
        buffer.get_mut().expect("nobody else has the buffer").set_pts(pts);
        self.push_buffer(buffer);
    }

    #[track_caller]
    pub fn push_buffer(&self, buffer: gst::Buffer) {
        self.source.push_buffer(buffer).expect("the source takes pictures");
    }

    /// Ends the series and waits until the sink has said so.
    #[track_caller]
    pub fn end(&self) {
        self.source.end_of_stream().expect("the source takes the end");
        self.message(gst::MessageType::Eos);
    }

    /// The first message of this kind. Fails at an error that was not asked for.
    #[track_caller]
    pub fn message(&self, kind: gst::MessageType) -> gst::Message {
        let bus = self.pipeline.bus().expect("a pipeline has a bus");
        let limit = gst::ClockTime::try_from(DEADLINE).expect("ten seconds fit");
        let message = bus.timed_pop_filtered(Some(limit), &[kind, gst::MessageType::Error]);
        let message = message.unwrap_or_else(|| panic!("no message of kind {kind:?}"));
        assert_eq!(message.type_(), kind, "{message:?}");
        message
    }

    /// Waits until this many viewers read the stream.
    #[track_caller]
    pub fn wait_for_viewers(&self, count: u32) {
        wait_until(&format!("{count} viewers"), || self.viewers() == count);
    }

    /// How many viewers read the stream, as the sink says.
    pub fn viewers(&self) -> u32 {
        self.sink.property("num-clients")
    }

    /// Waits until this many pictures have been served.
    #[track_caller]
    pub fn wait_for_pictures(&self, count: u64) {
        wait_until(&format!("{count} pictures"), || self.served() == count);
    }

    /// How many pictures have been served.
    pub fn served(&self) -> u64 {
        stat(&self.sink, "pictures")
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

pub fn port_of(sink: &gst::Element) -> u16 {
    u16::try_from(sink.property::<i32>("current-port")).expect("a port")
}

/// A figure of `server-stats`.
#[track_caller]
pub fn stat(sink: &gst::Element, name: &str) -> u64 {
    sink.property::<gst::Structure>("server-stats").get(name).expect("a figure of this name")
}

/// Asks again and again until it is so.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < end, "waited {DEADLINE:?} in vain for {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Pictures of 160x120 in colours that nobody takes for one another, as [`COLOURS`] has them.
pub fn pictures() -> Vec<Vec<u8>> {
    COLOURS
        .iter()
        .map(|colour| encoded(&format!("pattern=solid-color foreground-color={colour:#x}"), 160, 120))
        .collect()
}

/// ARGB. Any two differ by 0x80 or more in a channel.
pub const COLOURS: [u32; 8] =
    [0xffff0000, 0xff00ff00, 0xff0000ff, 0xffffff00, 0xffff00ff, 0xff00ffff, 0xff000000, 0xffffffff];

/// A picture of some hundred kB: more than the sockets of [`super::http::stalled`] hold.
pub fn large() -> Vec<u8> {
    let picture = encoded("pattern=snow", 1024, 768);
    assert!(picture.len() > 400_000, "{} bytes are too few", picture.len());
    picture
}

/// A picture of so many bytes and a few, most of them in comments.
pub fn padded(length: usize) -> Vec<u8> {
    let mut picture = pictures().swap_remove(0);
    while picture.len() < length {
        picture.splice(2..2, [&[0xff, 0xfe, 0x27, 0x10][..], &[0; 9_998]].concat());
    }
    picture
}

/// The picture with a number in a comment segment: as many different pictures as a test likes, without encoding them.
pub fn numbered(picture: &[u8], number: u32) -> Vec<u8> {
    let (start, rest) = picture.split_at(2);
    [start, &[0xff, 0xfe, 0, 6], &number.to_be_bytes(), rest].concat()
}

/// The number of a [`numbered`] picture.
#[track_caller]
pub fn number(picture: &[u8]) -> u32 {
    u32::from_be_bytes(picture[6..10].try_into().expect("four bytes"))
}

/// One picture by videotestsrc and jpegenc.
pub fn encoded(pattern: &str, width: u32, height: u32) -> Vec<u8> {
    init();
    let line = format!(
        "videotestsrc num-buffers=1 {pattern} ! video/x-raw,width={width},height={height} ! jpegenc
         ! appsink name=sink"
    );
    let pipeline = gst::parse::launch(&line).expect("gstreamer1.0-plugins-good is installed");
    let bin = pipeline.downcast_ref::<gst::Bin>().expect("several elements make a bin");
    let sink = bin.by_name("sink").and_downcast::<gst_app::AppSink>().expect("the sink is there");
    pipeline.set_state(gst::State::Playing).expect("the pipeline plays");
    let sample = sink.pull_sample().expect("a picture comes out");
    let picture = sample.buffer().expect("a sample has a buffer").map_readable().expect("readable memory").to_vec();
    pipeline.set_state(gst::State::Null).expect("the pipeline stops");
    picture
}
