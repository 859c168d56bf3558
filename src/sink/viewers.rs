//! Viewers as the application sees them: signals, figures, and the action that sends one away.

use std::sync::LazyLock;

use glib::subclass::{Signal, prelude::*};
use gst::prelude::*;

use super::MjpegServerSink;
use crate::server::{Camera, Event, Figures, Observer, Viewer, ViewerFigures};

const CLIENT_ADDED: &str = "client-added";
const CLIENT_REMOVED: &str = "client-removed";
const REMOVE: &str = "remove";

/// The element's signals. `client-added` and `client-removed` come from the thread that serves viewers: a handler must
/// not block, nor change the state of the element.
pub(super) fn signals() -> &'static [Signal] {
    static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
        vec![
            // Id and address.
            Signal::builder(CLIENT_ADDED).param_types([u64::static_type(), String::static_type()]).build(),
            // Id, address, and one of closed, ended, stalled, evicted, removed, stopped.
            Signal::builder(CLIENT_REMOVED)
                .param_types([u64::static_type(), String::static_type(), String::static_type()])
                .build(),
            // The id of a viewer; whether there was one.
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

/// Emits the signals of an element.
pub(super) fn observer(element: glib::WeakRef<MjpegServerSink>) -> Observer {
    Box::new(move |event| {
        let Some(element) = element.upgrade() else { return };
        let about = |viewer: &Viewer| (viewer.id(), viewer.peer().to_string());
        match event {
            Event::Added(viewer) => {
                let (id, address) = about(viewer);
                gst::info!(super::imp::CAT, obj = element, "viewer {id} from {address} came");
                element.imp().unthrottle();
                element.emit_by_name::<()>(CLIENT_ADDED, &[&id, &address]);
            }
            Event::Removed(viewer, reason) => {
                let (id, address) = about(viewer);
                gst::info!(super::imp::CAT, obj = element, "viewer {id} from {address} left: {reason}");
                element.emit_by_name::<()>(CLIENT_REMOVED, &[&id, &address, &reason.to_string()]);
            }
            Event::Trouble(what) => {
                gst::element_warning!(element, gst::ResourceError::Settings, ("{what}"));
                return;
            }
        }
        element.notify(super::settings::PROP_NUM_CLIENTS);
    })
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
