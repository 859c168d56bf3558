/**
 * SECTION:element-mjpegserversink
 * @short_description: serves JPEG pictures over HTTP
 *
 * An HTTP server for live JPEG pictures. Browsers, ffmpeg, OpenCV, Home Assistant and most programs that know IP
 * cameras read its stream (`multipart/x-mixed-replace`, "MJPEG").
 *
 * ## Example launch lines
 *
 * |[
 * gst-launch-1.0 v4l2src device=/dev/video0 ! image/jpeg ! mjpegserversink port=8080
 * ]|
 * Serves a webcam that sends JPEG. Open http://127.0.0.1:8080/ in a browser.
 *
 * |[
 * gst-launch-1.0 videotestsrc is-live=true ! timeoverlay ! jpegenc ! mjpegserversink port=0 -v
 * ]|
 * Serves a test picture on any free port; `-v` shows which one as `current-port`.
 *
 * |[
 * gst-launch-1.0 videotestsrc is-live=true ! jpegenc ! mjpegserversink mount=/door \
 *                videotestsrc is-live=true pattern=ball ! jpegenc ! mjpegserversink mount=/yard
 * ]|
 * Serves two cameras on one port, and at http://127.0.0.1:8080/ a page that shows both.
 *
 * The paths served are `/` (a page that shows the stream, its rate and age), `/stream`, `/snapshot` (the newest
 * picture, with `?fresh=1` the next one), `/status` (figures as JSON), `/metrics` (figures for Prometheus) and `/health`
 * (200 while pictures come, 503 when none has come for five seconds). `/?action=stream` and `/?action=snapshot` do what
 * they do in mjpg-streamer. With #mjpegserversink:mount all of them are below that path, and those without it cover
 * all cameras of the port. With #mjpegserversink:tls-certificate-file the port speaks HTTPS and HTTP/2.
 *
 * The element message `listening` says with its field `url` where the camera's page is.
 *
 * Pages of other sites may show the stream; their scripts may read it where #mjpegserversink:allow-origin names them.
 *
 * Every viewer gets the newest picture, at once when it connects. A viewer that reads slowly skips pictures; it never
 * slows the pipeline or another viewer. In a live pipeline pictures leave when they arrive, in one that is not live at
 * their time; #mjpegserversink:live-sync makes a live pipeline wait as well.
 *
 * Pictures without Huffman tables, as many USB webcams send them, are served with the standard tables; all others are
 * served unchanged. Buffers that are not a complete JPEG picture are dropped and counted.
 *
 * Since: 0.1.0
 */
use gst::prelude::*;

mod clock;
mod imp;
mod message;
mod post;
mod settings;
mod throttle;
#[allow(unsafe_code, reason = "the bindings do not offer two functions of BaseSink")]
mod vfuncs;
mod viewers;

glib::wrapper! {
    /// The element `mjpegserversink`.
    pub struct MjpegServerSink(ObjectSubclass<imp::MjpegServerSink>)
        @extends gst_base::BaseSink, gst::Element, gst::Object;
}

/// Registers the element with the plugin.
pub(crate) fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "mjpegserversink", gst::Rank::NONE, MjpegServerSink::static_type())
}
