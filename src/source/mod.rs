/**
 * SECTION:element-mjpegclientsrc
 * @short_description: reads JPEG pictures over HTTP
 *
 * Reads a live stream of JPEG pictures (`multipart/x-mixed-replace`, "MJPEG") from a webcam server, an IP camera, an
 * ESP32 board or mjpegserversink. Each picture comes out the moment its last byte is in, whatever the framing.
 *
 * ## Example launch lines
 *
 * |[
 * gst-launch-1.0 mjpegclientsrc location=http://camera/stream ! jpegdec ! videoconvert ! autovideosink
 * ]|
 * Shows a camera.
 *
 * |[
 * gst-launch-1.0 uridecodebin uri=mjpeg+http://camera/stream ! videoconvert ! autovideosink
 * ]|
 * The same through the URI handler.
 *
 * A stream that is lost is requested again, for ever by default; each time an element message
 * `mjpegclientsrc-state` with the fields `state` (`connected` or `reconnecting`), `reason`, `attempt` and `delay`
 * says so. Problems that waiting cannot fix are errors: a wrong location, an unknown host, 401, 403 or
 * 404 at the first attempt, a page instead of pictures.
 *
 * Buffers carry the running time at which their first byte arrived, and as GstReferenceTimestampMeta
 * (`timestamp/x-unix`) the capture time that the server sent as `X-Timestamp`, where it is Unix time.
 *
 * Since: 0.1.0
 */
use gst::prelude::*;

mod imp;
mod latency;
mod message;
mod queue;
mod receiver;
mod settings;
mod stats;
mod timing;
mod unlocking;

pub use settings::{LeakyType, TimestampMode};

glib::wrapper! {
    /// The element `mjpegclientsrc`.
    pub struct MjpegClientSrc(ObjectSubclass<imp::MjpegClientSrc>)
        @extends gst_base::PushSrc, gst_base::BaseSrc, gst::Element, gst::Object,
        @implements gst::URIHandler;
}

/// Registers the element with the plugin.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    for enumeration in [LeakyType::static_type(), TimestampMode::static_type()] {
        enumeration.mark_as_plugin_api(gst::PluginAPIFlags::empty());
    }
    gst::Element::register(Some(plugin), "mjpegclientsrc", gst::Rank::NONE, MjpegClientSrc::static_type())
}
