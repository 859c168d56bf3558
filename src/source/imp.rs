//! Glue between PushSrc and the client: properties to options, pictures to buffers, errors to messages.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use gio::prelude::*;
use gst::{prelude::*, subclass::prelude::*};
use gst_base::{
    prelude::*,
    subclass::{base_src::CreateSuccess, prelude::*},
};

use super::{
    latency::Latency,
    message,
    queue::{Picture, Queue, Taken},
    receiver::ToElement,
    settings::{PROP_IS_LIVE, PROP_LOCATION, PROP_STATS, Settings, properties},
    stats::Stats,
    timing::Timing,
    unlocking::Unlocking,
};
use crate::{
    client::{self, ClientError, Location},
    jpeg::Header,
    sync::lock,
    unix_time,
};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("mjpegclientsrc", gst::DebugColorFlags::empty(), Some("JPEG over HTTP client"))
});

/// Order of locking: `unlocking` is held while `state` is asked for the queue and the queue is told, so that no other
/// thread's unlock comes between a decision and what follows from it. `state` is held while the queue is asked for its
/// figures. No other two are held together.
#[derive(Default)]
pub struct MjpegClientSrc {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    unlocking: Mutex<Unlocking>,
    output: Mutex<Output>,
    /// Time from a picture's first byte to its last that downstream has to reckon with, in nanoseconds.
    latency: AtomicU64,
    /// What the pipeline has made of it and of what else it reckons with, in nanoseconds.
    configured_latency: AtomicU64,
}

/// What runs.
enum State {
    /// With the figures of the last run, and how many pictures were skipped in it.
    Stopped(Arc<Stats>, u64),
    Started(Started),
}

struct Started {
    cancellable: gio::Cancellable,
    queue: Arc<Queue>,
    stats: Arc<Stats>,
    thread: JoinHandle<()>,
}

impl Default for State {
    fn default() -> Self {
        Self::Stopped(Arc::default(), 0)
    }
}

impl State {
    /// Takes out what runs; its figures stay.
    fn stop(&mut self) -> Option<Started> {
        let Self::Started(Started { stats, queue, .. }) = self else { return None };
        let stopped = Self::Stopped(stats.clone(), queue.skipped());
        match std::mem::replace(self, stopped) {
            Self::Started(started) => Some(started),
            Self::Stopped(..) => None,
        }
    }
}

/// What went downstream last.
#[derive(Default)]
struct Output {
    header: Option<Header>,
    timing: Timing,
    latency: Latency,
}

#[glib::object_subclass]
impl ObjectSubclass for MjpegClientSrc {
    const NAME: &'static str = "GstMjpegClientSrc";
    type Type = super::MjpegClientSrc;
    type ParentType = gst_base::PushSrc;
    type Interfaces = (gst::URIHandler,);
}

impl ObjectImpl for MjpegClientSrc {
    fn constructed(&self) {
        self.parent_constructed();
        let element = self.obj();
        element.set_live(true);
        element.set_format(gst::Format::Time);
    }

    fn properties() -> &'static [glib::ParamSpec] {
        properties()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let is_live = {
            let mut settings = lock(&self.settings);
            settings.set(pspec.name(), value);
            settings.is_live
        };
        if pspec.name() == PROP_IS_LIVE {
            self.obj().set_live(is_live);
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            PROP_STATS => self.stats().to_value(),
            name => lock(&self.settings).get(name),
        }
    }
}

impl GstObjectImpl for MjpegClientSrc {}

impl ElementImpl for MjpegClientSrc {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "MJPEG HTTP client source",
                "Source/Network",
                "Reads live JPEG pictures over HTTP (multipart/x-mixed-replace) from cameras and servers",
                env!("CARGO_PKG_NAME"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = gst::Caps::builder("image/jpeg").field("parsed", true).build();
            let template = gst::PadTemplate::new("src", gst::PadDirection::Src, gst::PadPresence::Always, &caps);
            vec![template.expect("the template is valid")]
        });
        &TEMPLATES
    }

    /// A live source is paused here, not by the base class: see [`Unlocking`].
    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        let queue = self.queue();
        if transition == gst::StateChange::PlayingToPaused && self.obj().is_live() {
            queue.iter().for_each(|queue| queue.pause());
            lock(&self.unlocking).pauses(Some(thread::current().id()));
        }
        let changed = self.parent_change_state(transition);
        lock(&self.unlocking).pauses(None);
        let plays = match transition {
            gst::StateChange::PausedToPlaying => changed.is_ok(),
            gst::StateChange::PlayingToPaused => changed.is_err(),
            _ => false,
        };
        if plays {
            queue.iter().for_each(|queue| queue.resume(Instant::now()));
        }
        changed
    }
}

impl BaseSrcImpl for MjpegClientSrc {
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let options = settings.options().map_err(|error| gst::error_msg!(gst::ResourceError::Settings, ("{error}")))?;
        *lock(&self.output) = Output { timing: Timing::new(settings.timestamp_mode), ..Output::default() };
        self.latency.store(0, Ordering::Relaxed);
        gst::info!(CAT, imp = self, "asks for {}", options.location);

        let capacity = usize::try_from(settings.max_queued_frames).unwrap_or(usize::MAX);
        let queue = Arc::new(Queue::new(settings.leaky_type, capacity));
        // A source that is started by itself in a pipeline that plays is told of it no more.
        queue.set_latency(Duration::from_nanos(self.configured_latency.load(Ordering::Relaxed)));
        let stats = Arc::new(Stats::default());
        let cancellable = gio::Cancellable::new();
        let to_element = ToElement {
            element: self.obj().downgrade(),
            queue: queue.clone(),
            stats: stats.clone(),
            warnings: Mutex::default(),
        };
        let thread = thread::Builder::new().name("mjpegclientsrc".into()).spawn({
            let (cancellable, queue) = (cancellable.clone(), queue.clone());
            move || {
                let run = AssertUnwindSafe(|| client::run(&options, &cancellable, &to_element));
                // A panic is a bug of ours; waiting for ever would hide it.
                queue.end(catch_unwind(run).unwrap_or(Err(ClientError::Panicked)));
            }
        });
        let thread = thread.map_err(|error| {
            gst::error_msg!(gst::ResourceError::Failed, ("the system gives no thread to read with: {error}"))
        })?;
        *lock(&self.state) = State::Started(Started { cancellable, queue, stats, thread });
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let Some(started) = lock(&self.state).stop() else { return Ok(()) };
        let Started { cancellable, queue, stats, thread } = started;
        cancellable.cancel();
        queue.stop();
        // Who handles a message of ours on the reading thread may stop us there: it ends by itself then.
        let is_own = thread.thread().id() == thread::current().id();
        if !is_own && thread.join().is_err() {
            gst::error!(CAT, imp = self, "the reading thread has panicked");
        }
        stats.update(|figures| figures.connected = None);
        let skipped = queue.skipped();
        gst::info!(CAT, imp = self, "stopped: {}", stats.summary(skipped));
        *lock(&self.state) = State::Stopped(stats, skipped);
        Ok(())
    }

    fn is_seekable(&self) -> bool {
        false
    }

    /// Caps come with the first picture; until then there is nothing to agree on. The streaming thread calls this
    /// first.
    fn negotiate(&self) -> Result<(), gst::LoggableError> {
        lock(&self.unlocking).streams(thread::current().id());
        Ok(())
    }

    fn query(&self, query: &mut gst::QueryRef) -> bool {
        if let gst::QueryViewMut::Latency(latency) = query.view_mut() {
            let min = gst::ClockTime::from_nseconds(self.latency.load(Ordering::Relaxed));
            latency.set(self.obj().is_live(), min, gst::ClockTime::NONE);
            return true;
        }
        BaseSrcImplExt::parent_query(self, query)
    }

    fn event(&self, event: &gst::Event) -> bool {
        if let gst::EventView::Latency(latency) = event.view() {
            let latency = latency.latency();
            self.configured_latency.store(latency.nseconds(), Ordering::Relaxed);
            self.queue().iter().for_each(|queue| queue.set_latency(latency.into()));
        }
        self.parent_event(event)
    }

    fn unlock(&self) -> Result<(), gst::ErrorMessage> {
        let mut unlocking = lock(&self.unlocking);
        if unlocking.unlock(thread::current().id())
            && let Some(queue) = self.queue()
        {
            queue.start_flushing();
        }
        Ok(())
    }

    fn unlock_stop(&self) -> Result<(), gst::ErrorMessage> {
        let mut unlocking = lock(&self.unlocking);
        if unlocking.unlock_stop(thread::current().id())
            && let Some(queue) = self.queue()
        {
            queue.stop_flushing();
        }
        Ok(())
    }
}

impl PushSrcImpl for MjpegClientSrc {
    fn create(&self, _buffer: Option<&mut gst::BufferRef>) -> Result<CreateSuccess, gst::FlowError> {
        let Some(queue) = self.queue() else { return Err(gst::FlowError::Flushing) };
        match queue.take(Instant::now) {
            Taken::Picture(picture) => self.buffer(picture).map(CreateSuccess::NewBuffer),
            Taken::Flushing | Taken::Ended(Err(ClientError::Cancelled)) => Err(gst::FlowError::Flushing),
            Taken::Ended(Ok(())) => Err(gst::FlowError::Eos),
            Taken::Ended(Err(error)) => {
                self.post_error_message(message::error(&error));
                Err(gst::FlowError::Error)
            }
        }
    }
}

impl URIHandlerImpl for MjpegClientSrc {
    const URI_TYPE: gst::URIType = gst::URIType::Src;

    fn protocols() -> &'static [&'static str] {
        &["mjpeg+http", "mjpeg+https"]
    }

    fn uri(&self) -> Option<String> {
        let location = lock(&self.settings).location.clone()?;
        // GStreamer takes anything but a URI for a mistake of ours.
        Location::parse(&location).ok()?;
        Some(format!("{}{}", client::URI_PREFIX, without_prefix(&location)))
    }

    fn set_uri(&self, uri: &str) -> Result<(), glib::Error> {
        Location::parse(uri).map_err(|error| glib::Error::new(gst::URIError::BadUri, &error.to_string()))?;
        lock(&self.settings).location = Some(without_prefix(uri).to_owned());
        self.obj().notify(PROP_LOCATION);
        Ok(())
    }
}

impl MjpegClientSrc {
    fn buffer(&self, picture: Picture) -> Result<gst::Buffer, gst::FlowError> {
        let Picture { frame, transfer, discont } = picture;
        let now = self.obj().current_running_time().unwrap_or_default();
        // A picture that came before the pipeline's time began, or while it was paused, is as new as can be.
        let arrived = frame.stamp.unwrap_or(now).min(now);
        let (pts, new_size) = {
            let mut output = lock(&self.output);
            let pts = output.timing.pts(arrived, now, frame.timestamp.as_deref());
            (pts, output.header.replace(frame.header) != Some(frame.header))
        };
        if new_size {
            self.set_caps(frame.header)?;
        }
        self.reckon_latency(transfer + arrived.saturating_sub(pts));
        let gap = if discont { ", after a gap" } else { "" };
        gst::log!(CAT, imp = self, "picture of {} bytes, pts {pts}{gap}", frame.jpeg.len());

        let capture_time = frame.timestamp.as_deref().and_then(unix_time::parse);
        let mut buffer = gst::Buffer::from_slice(frame.jpeg);
        let writable = buffer.get_mut().expect("nobody else has the buffer yet");
        writable.set_pts(pts);
        if discont {
            writable.set_flags(gst::BufferFlags::DISCONT);
        }
        if let Some(capture_time) = capture_time {
            gst::ReferenceTimestampMeta::add(writable, &unix_time::CAPS, capture_time, gst::ClockTime::NONE);
        }
        Ok(buffer)
    }

    fn set_caps(&self, header: Header) -> Result<(), gst::FlowError> {
        let caps = gst::Caps::builder("image/jpeg")
            .field("parsed", true)
            .field("width", i32::from(header.width))
            .field("height", i32::from(header.height))
            .field("framerate", gst::Fraction::new(0, 1))
            .build();
        gst::info!(CAT, imp = self, "pictures are {caps}");
        self.obj().set_caps(&caps).map_err(|_| gst::FlowError::NotNegotiated)
    }

    /// Sinks show a picture at its time plus the latency; a transfer that takes longer would make it late.
    fn reckon_latency(&self, transfer: gst::ClockTime) {
        let Some(latency) = lock(&self.output).latency.reckon(transfer) else { return };
        self.latency.store(latency.nseconds(), Ordering::Relaxed);
        gst::info!(CAT, imp = self, "pictures take up to {latency} to come in");
        let _ = self.obj().post_message(gst::message::Latency::builder().src(&*self.obj()).build());
    }

    fn queue(&self) -> Option<Arc<Queue>> {
        match &*lock(&self.state) {
            State::Started(started) => Some(started.queue.clone()),
            State::Stopped(..) => None,
        }
    }

    fn stats(&self) -> gst::Structure {
        let (stats, skipped) = match &*lock(&self.state) {
            State::Started(started) => (started.stats.clone(), started.queue.skipped()),
            State::Stopped(stats, skipped) => (stats.clone(), *skipped),
        };
        stats.structure(skipped, Instant::now())
    }
}

/// A location as it stands behind the prefix. Blanks around it are no part of it.
fn without_prefix(location: &str) -> &str {
    let location = location.trim();
    location.strip_prefix(client::URI_PREFIX).unwrap_or(location).trim_start()
}
