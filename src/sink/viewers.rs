//! Viewers as the application sees them: signals, figures, and the action that sends one away.

use std::{
    io,
    sync::LazyLock,
    thread::{self, JoinHandle},
};

use glib::subclass::{Signal, prelude::*};
use gst::prelude::*;

use super::{
    MjpegServerSink,
    imp::CAT,
    post::{Full, Post},
    settings::PROP_NUM_CLIENTS,
};
use crate::server::{Camera, Event, Figures, Ids, Observer, Reason, Refusal, Served, ViewerFigures};

const CLIENT_ADDED: &str = "client-added";
const CLIENT_REMOVED: &str = "client-removed";
const REMOVE: &str = "remove";

/// The element's signals. `client-added` and `client-removed` come one after the other from a thread of the element;
/// those of viewers that a stop sent away may come when the element is in NULL already.
#[expect(unused_doc_comments, reason = "hotdoc reads them")]
pub(super) fn signals() -> &'static [Signal] {
    static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
        vec![
            /**
             * GstMjpegServerSink::client-added:
             * @id: the number of the viewer, which no other one of the element has
             * @address: its address and port, or `unix`
             *
             * A viewer began to watch.
             *
             * Since: 0.1.0
             */
            Signal::builder(CLIENT_ADDED).param_types([u64::static_type(), String::static_type()]).build(),
            /**
             * GstMjpegServerSink::client-removed:
             * @id: the number of the viewer
             * @address: its address and port, or `unix`
             * @reason: `closed`, `ended`, `stalled`, `evicted`, `removed` or `stopped`
             *
             * A viewer has left.
             *
             * Since: 0.1.0
             */
            Signal::builder(CLIENT_REMOVED)
                .param_types([u64::static_type(), String::static_type(), String::static_type()])
                .build(),
            /**
             * GstMjpegServerSink::remove:
             * @id: the number of a viewer
             *
             * Sends a viewer away: it gets the rest of its picture and the end of the stream, for which it has five
             * seconds. Returns whether there was one.
             *
             * Since: 0.1.0
             */
            Signal::builder(REMOVE)
                .action()
                .param_types([u64::static_type()])
                .return_type::<bool>()
                .class_handler(|values| {
                    let element = values[0].get::<MjpegServerSink>().expect("the first value is the element");
                    let id = values[1].get().expect("the second value is an id");
                    Some(element.imp().remove_viewer(id).to_value())
                })
                .build(),
        ]
    });
    &SIGNALS
}

/// What the element says of its viewers, as far as the server's thread has to tell.
enum Told {
    Added(ViewerFigures),
    Removed(ViewerFigures, Reason),
    Trouble(String),
}

/// Tells the application of viewers, over all runs of the element.
#[derive(Default)]
pub(super) struct Teller {
    pub(super) ids: Ids,
    /// Ends when it has told all of the last run.
    thread: Option<JoinHandle<()>>,
}

impl Teller {
    /// Has the element emit its signals, from a thread of its own: a handler that takes its time holds up no viewer,
    /// and may change the state of the element. The thread ends when the observer is dropped and all has been told.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub(super) fn observer(&mut self, element: glib::WeakRef<MjpegServerSink>) -> io::Result<Observer> {
        let (post, delivery) = Post::new(MAX_EVENTS);
        let (before, teller) = (self.thread.take(), element.clone());
        let thread = thread::Builder::new().name("mjpeghttp-events".into()).spawn(move || {
            // However slow its handlers are, what is left of the last run comes first.
            before.map(JoinHandle::join);
            for told in delivery {
                let Some(element) = teller.upgrade() else { return };
                emit(&element, told);
            }
        })?;
        self.thread = Some(thread);
        Ok(Box::new(move |event| {
            let told = match event {
                Event::Added(viewer) => {
                    unthrottle(&element);
                    let figures = viewer.figures();
                    post.came(figures.id, Told::Added(figures))
                }
                Event::Removed(viewer, reason) => {
                    let figures = viewer.figures();
                    post.left(figures.id, Told::Removed(figures, reason));
                    Ok(())
                }
                // At once: a storm of requests must not push out what viewers do, and it costs nothing where nobody
                // reads it.
                Event::Refused(refusal) => return log_refusal(&element, refusal),
                Event::Trouble(what) => post.tell(Told::Trouble(what.to_owned())),
            };
            if let (Err(Full), Some(element)) = (told, element.upgrade()) {
                gst::warning!(CAT, obj = element, "a handler is too slow: {MAX_EVENTS} signals wait, one is left out");
            }
        }))
    }
}

/// Has upstream go on. Not from the thread that calls handlers, as the viewer would wait for them, nor from the
/// server's, as elements upstream may take their time.
fn unthrottle(element: &glib::WeakRef<MjpegServerSink>) {
    if let Some(element) = element.upgrade()
        && element.imp().throttles()
    {
        element.call_async(|element| element.imp().unthrottle());
    }
}

fn log_refusal(element: &glib::WeakRef<MjpegServerSink>, Refusal { peer, asked, why }: Refusal<'_>) {
    if !CAT.above_threshold(gst::DebugLevel::Info) {
        return;
    }
    let Some(element) = element.upgrade() else { return };
    match asked {
        Some((path, status)) => gst::info!(CAT, obj = element, "{peer} asked for {path}: {status}, {why}"),
        None => gst::info!(CAT, obj = element, "{peer} was closed at once: {why}"),
    }
}

fn emit(element: &MjpegServerSink, told: Told) {
    match told {
        Told::Added(ViewerFigures { id, peer, layout, .. }) => {
            let count: u32 = element.property(PROP_NUM_CLIENTS);
            gst::info!(CAT, obj = element, "viewer {id} from {peer} came, layout {layout}; {count} watch");
            let address = peer.to_string();
            element.emit_by_name::<()>(CLIENT_ADDED, &[&id, &address]);
        }
        Told::Removed(ViewerFigures { id, peer, pictures, skipped, connected_for, .. }, reason) => {
            let time = connected_for.as_secs_f64();
            gst::info!(
                CAT,
                obj = element,
                "viewer {id} from {peer} left: {reason}, after {time:.1} s, {pictures} pictures and {skipped} skipped"
            );
            let address = peer.to_string();
            element.emit_by_name::<()>(CLIENT_REMOVED, &[&id, &address, &reason.to_string()]);
        }
        Told::Trouble(what) => {
            gst::element_warning!(element, gst::ResourceError::Settings, ("{what}"));
            return;
        }
    }
    element.notify(PROP_NUM_CLIENTS);
}

/// The figures of the whole server for people.
pub(super) fn summary(Figures { pictures, damaged, served, .. }: &Figures) -> String {
    let Served { pictures: sent, skipped, .. } = served;
    format!("{pictures} pictures came, {damaged} damaged; viewers had {sent}, {skipped} were skipped")
}

/// The figures of the whole server.
pub(super) fn server_stats(figures: Option<Figures>) -> gst::Structure {
    let figures = figures.unwrap_or_default();
    gst::Structure::builder("application/x-mjpegserversink-stats")
        .field("pictures", figures.pictures)
        .field("bytes", figures.bytes)
        .field("damaged", figures.damaged)
        .field("viewers", figures.viewers as u64)
        .field("rate", figures.rate)
        .build()
}

/// The figures of each viewer.
pub(super) fn client_stats(camera: Option<&Camera>) -> gst::Array {
    let viewers = camera.map(|camera| camera.viewers.figures()).unwrap_or_default();
    gst::Array::new(viewers.iter().map(client))
}

fn client(viewer: &ViewerFigures) -> gst::Structure {
    let time = |duration| gst::ClockTime::try_from(duration).unwrap_or(gst::ClockTime::MAX);
    gst::Structure::builder("application/x-mjpegserversink-client-stats")
        .field("id", viewer.id)
        .field("address", viewer.peer.to_string())
        .field("layout", viewer.layout.to_string())
        .field("pictures", viewer.pictures)
        .field("skipped", viewer.skipped)
        .field("bytes", viewer.bytes)
        .field("connected-for", time(viewer.connected_for))
        .field("stalled-for", time(viewer.stalled_for))
        .field_if_some("rtt", viewer.tcp.map(|tcp| time(tcp.rtt)))
        .field_if_some("unsent", viewer.tcp.map(|tcp| tcp.unsent))
        .build()
}

/// Signals that may wait for a handler, beside those of viewers that leave. Chosen: more come only where a handler
/// never returns; 200 bytes each.
const MAX_EVENTS: usize = 4096;
