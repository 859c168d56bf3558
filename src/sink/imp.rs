//! Glue between BaseSink and the server: properties to options, buffers to pictures, errors to messages.

use std::{
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use glib::prelude::*;
use gst::{prelude::*, subclass::prelude::*};
use gst_base::{prelude::*, subclass::prelude::*};

use super::{clock, message, settings::*, throttle, vfuncs, viewers};
use crate::{
    fanout::Wait,
    jpeg::{self, Header},
    multipart::Part,
    server::{Camera, Server},
    sync::lock,
};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new("mjpegserversink", gst::DebugColorFlags::empty(), Some("JPEG over HTTP server"))
});

/// Order of locking: no two are held together.
#[derive(Default)]
pub struct MjpegServerSink {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    teller: Mutex<viewers::Teller>,
    /// The pipeline is live.
    upstream_live: AtomicBool,
}

/// What runs.
#[derive(Default)]
enum State {
    #[default]
    Stopped,
    Started(Started),
}

struct Started {
    server: Server,
    camera: Arc<Camera>,
    /// The buffer served in PAUSED, which comes again in PLAYING.
    prerolled: Option<gst::Buffer>,
    /// What the last picture was like.
    header: Option<Header>,
}

#[glib::object_subclass]
impl ObjectSubclass for MjpegServerSink {
    const NAME: &'static str = "GstMjpegServerSink";
    type Type = super::MjpegServerSink;
    type ParentType = gst_base::BaseSink;

    fn class_init(class: &mut Self::Class) {
        vfuncs::install(class);
    }
}

impl ObjectImpl for MjpegServerSink {
    fn constructed(&self) {
        self.parent_constructed();
        // Passing a picture on takes no time. With BaseSink's 20 ms a live pipeline without a queue "is invalid", as a
        // warning said.
        self.obj().set_processing_deadline(gst::ClockTime::ZERO);
    }

    fn properties() -> &'static [glib::ParamSpec] {
        properties()
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        viewers::signals()
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        lock(&self.settings).set(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            PROP_CURRENT_PORT => i32::from(self.current_port()).to_value(),
            PROP_NUM_CLIENTS => {
                let viewers = self.camera().map_or(0, |camera| camera.viewers.count());
                u32::try_from(viewers).unwrap_or(u32::MAX).to_value()
            }
            PROP_BYTES_SERVED => self.camera().map_or(0, |camera| camera.viewers.served().bytes).to_value(),
            PROP_SERVER_STATS => {
                viewers::server_stats(self.camera().map(|camera| camera.figures(Instant::now()))).to_value()
            }
            PROP_CLIENT_STATS => viewers::client_stats(self.camera().as_deref()).to_value(),
            name => lock(&self.settings).get(name),
        }
    }
}

impl GstObjectImpl for MjpegServerSink {}

impl ElementImpl for MjpegServerSink {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "MJPEG HTTP server sink",
                "Sink/Network",
                "Serves JPEG pictures over HTTP (multipart/x-mixed-replace), the newest to every viewer",
                env!("CARGO_PKG_NAME"),
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let caps = gst::Caps::new_empty_simple("image/jpeg");
            let template = gst::PadTemplate::new("sink", gst::PadDirection::Sink, gst::PadPresence::Always, &caps);
            vec![template.expect("the template is valid")]
        });
        &TEMPLATES
    }

    fn change_state(&self, transition: gst::StateChange) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        let changed = self.parent_change_state(transition)?;
        if transition == gst::StateChange::PausedToReady {
            // It is nothing to wait for any more, and may be one of a camera's few buffers.
            self.keep_prerolled(None);
            self.go_on();
        }
        Ok(changed)
    }
}

impl BaseSinkImpl for MjpegServerSink {
    fn start(&self) -> Result<(), gst::ErrorMessage> {
        let settings = lock(&self.settings).clone();
        let refused = |error| gst::error_msg!(gst::ResourceError::Settings, ("{error}"));
        let config = settings.config().map_err(refused)?;
        let mount = settings.mount().map_err(refused)?;
        let camera = settings.camera().map_err(refused)?;
        let (ids, observer) = {
            let mut teller = lock(&self.teller);
            (teller.ids.clone(), teller.observer(self.obj().downgrade()))
        };
        let observer = observer
            .map_err(|error| gst::error_msg!(gst::ResourceError::Failed, ("no thread for signals: {error}")))?;
        let camera = Arc::new(Camera::new(camera, ids, observer));
        let server = Server::start(&config, mount, camera.clone()).map_err(|error| message::start_error(&error))?;
        let (address, url) = (server.address().clone(), server.url());
        gst::info!(CAT, imp = self, "listening on {address}, {url}");
        *lock(&self.state) = State::Started(Started { server, camera, prerolled: None, header: None });
        if config.secrets.is_open() && address.is_public() {
            gst::element_imp_warning!(
                self,
                gst::ResourceError::NotAuthorized,
                ("everyone who reaches {address} can watch; set user-id and user-pw, or token")
            );
        }
        self.obj().notify(PROP_CURRENT_PORT);
        // Without a bus there is nobody to tell.
        let _ = self.obj().post_message(message::listening(&self.obj(), &url));
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        let State::Started(started) = std::mem::take(&mut *lock(&self.state)) else { return Ok(()) };
        started.camera.fanout.close();
        let aborted = started.server.stop(STOP_DEADLINE);
        let figures = viewers::summary(&started.camera.figures(Instant::now()));
        match aborted {
            Some(aborted) => gst::info!(CAT, imp = self, "stopped: {figures}; {aborted} connections were cut off"),
            None => gst::warning!(CAT, imp = self, "stopped: {figures}; connections were not cut off in time"),
        }
        self.obj().notify(PROP_CURRENT_PORT);
        Ok(())
    }

    fn render(&self, buffer: &gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let prerolled = match &mut *lock(&self.state) {
            State::Started(started) => started.prerolled.take(),
            State::Stopped => None,
        };
        if prerolled.is_none_or(|prerolled| prerolled.as_ptr() != buffer.as_ptr()) {
            self.publish(buffer, clock::age(&self.obj(), buffer));
        }
        Ok(gst::FlowSuccess::Ok)
    }

    fn event(&self, event: gst::Event) -> bool {
        match event.view() {
            gst::EventView::Segment(_) => self.learn_liveness(),
            gst::EventView::Eos(_) => self.end_series(),
            gst::EventView::FlushStop(_) => self.go_on(),
            _ => {}
        }
        self.parent_event(event)
    }

    fn unlock(&self) -> Result<(), gst::ErrorMessage> {
        if let Some(camera) = self.camera() {
            camera.fanout.cancel_waits();
        }
        Ok(())
    }

    fn unlock_stop(&self) -> Result<(), gst::ErrorMessage> {
        if let Some(camera) = self.camera() {
            camera.fanout.allow_waits();
        }
        Ok(())
    }
}

impl MjpegServerSink {
    /// Whether pictures leave on arrival, without waiting for their time: the pipeline is live, and the user does not
    /// want to wait.
    pub(super) fn sends_on_arrival(&self) -> bool {
        self.upstream_live.load(Ordering::Relaxed) && !lock(&self.settings).live_sync
    }

    /// Serves the picture of a paused pipeline.
    pub(super) fn preroll(&self, buffer: &gst::Buffer) {
        // A clock that stands still, or still counts from before a seek, does not tell how old it is. That of a live
        // pipeline runs by the time its first picture comes.
        let counts = self.upstream_live.load(Ordering::Relaxed);
        self.publish(buffer, if counts { clock::age(&self.obj(), buffer) } else { Duration::ZERO });
        self.keep_prerolled(Some(buffer.clone()));
    }

    fn keep_prerolled(&self, buffer: Option<gst::Buffer>) {
        let former = match &mut *lock(&self.state) {
            State::Started(started) => std::mem::replace(&mut started.prerolled, buffer),
            State::Stopped => None,
        };
        // Outside of the lock: others learn of its end.
        drop(former);
    }

    /// Gives a picture to the viewers that was captured `age` ago, unless its reference timestamp says otherwise.
    fn publish(&self, buffer: &gst::Buffer, age: Duration) {
        let Some(camera) = self.camera() else { return };
        let Ok(map) = buffer.map_readable() else {
            return self.drop_picture(&camera, "its memory cannot be read");
        };
        let whole = match jpeg::check(&map) {
            Ok(whole) => whole,
            Err(damage) => return self.drop_picture(&camera, &damage.to_string()),
        };
        let captured = clock::captured(buffer, age);
        // The one copy between pad and socket. Holding on to the buffer instead would let a slow viewer keep the
        // memory that a camera with few buffers needs for its next picture.
        let part = Part::new(&whole.pieces(), captured, &camera.config.boundary);
        let header = whole.header();
        if self.is_new(header) {
            gst::info!(CAT, imp = self, "pictures are {}x{}", header.width, header.height);
        }
        gst::log!(CAT, imp = self, "picture of {} bytes for {} viewers", part.jpeg().len(), camera.viewers.count());
        camera.publish(part, header, captured.and_then(clock::age_of), Instant::now());
        if camera.viewers.count() == 0 {
            self.throttle(buffer);
        }
    }

    /// Whether the last picture was another kind of picture.
    fn is_new(&self, header: Header) -> bool {
        match &mut *lock(&self.state) {
            State::Started(started) => started.header.replace(header) != Some(header),
            State::Stopped => false,
        }
    }

    /// Nobody watches: asks upstream to stop for a while, if the user wants that.
    fn throttle(&self, buffer: &gst::Buffer) {
        if !self.throttles() {
            return;
        }
        let Some(running_time) = clock::running_time(&self.obj().segment(), buffer) else { return };
        throttle::begin(self.obj().sink_pad(), running_time);
        // Somebody may have come in the meantime.
        if self.camera().is_some_and(|camera| camera.viewers.count() > 0) {
            self.unthrottle();
        }
    }

    /// Whether upstream is asked to stop while nobody watches.
    pub(super) fn throttles(&self) -> bool {
        lock(&self.settings).idle_throttle
    }

    /// Somebody came: asks upstream to go on.
    pub(super) fn unthrottle(&self) {
        throttle::end(self.obj().sink_pad());
    }

    /// Drops a picture that no viewer could show; warns about the first one only.
    fn drop_picture(&self, camera: &Camera, why: &str) {
        let dropped = camera.count_damaged();
        if dropped == 1 {
            gst::element_imp_warning!(
                self,
                gst::StreamError::Format,
                ("a picture was dropped: {why}; this is said once, server-stats counts them")
            );
        } else {
            gst::debug!(CAT, imp = self, "picture dropped, {dropped} so far: {why}");
        }
    }

    /// Sends the last picture to all viewers and ends their streams; waits for them a little.
    fn end_series(&self) {
        let Some(camera) = self.camera() else { return };
        gst::info!(CAT, imp = self, "the series ends, for {} viewers", camera.viewers.count());
        camera.fanout.end();
        if let Wait::TimedOut(left) = camera.fanout.wait_until_empty(EOS_DEADLINE) {
            gst::info!(CAT, imp = self, "{left} viewers have not taken the last picture");
        }
    }

    /// After an end more pictures may come: viewers wait for them.
    fn go_on(&self) {
        if let Some(camera) = self.camera() {
            camera.fanout.go_on();
        }
    }

    fn learn_liveness(&self) {
        let mut query = gst::query::Latency::new();
        let live = self.obj().sink_pad().peer_query(&mut query) && query.result().0;
        self.upstream_live.store(live, Ordering::Relaxed);
        let leave = if self.sends_on_arrival() { "on arrival" } else { "at their time" };
        gst::info!(CAT, imp = self, "the pipeline is {}live, pictures leave {leave}", if live { "" } else { "not " });
    }

    fn camera(&self) -> Option<Arc<Camera>> {
        match &*lock(&self.state) {
            State::Started(started) => Some(started.camera.clone()),
            State::Stopped => None,
        }
    }

    /// Sends a viewer away; whether there was one.
    pub(super) fn remove_viewer(&self, id: u64) -> bool {
        self.camera().is_some_and(|camera| camera.viewers.remove(id))
    }

    fn current_port(&self) -> u16 {
        match &*lock(&self.state) {
            State::Started(started) => started.server.address().port(),
            State::Stopped => 0,
        }
    }
}

/// How long EOS waits for slow viewers to take the last picture. Chosen: a viewer with 1 Mbit/s takes one of 100 kB
/// in that time; longer would hold up an application that ends.
const EOS_DEADLINE: Duration = Duration::from_secs(1);

/// How long a stop waits for connections to finish the picture under way. Chosen: it leaves 60 of the 100 ms in which a
/// change to NULL is to return for ending those that have not; docs/design.md has how long that takes.
const STOP_DEADLINE: Duration = Duration::from_millis(40);
