//! GStreamer elements for live JPEG pictures over HTTP (`multipart/x-mixed-replace`, "MJPEG").
//!
//! Applications use the two elements, `mjpegserversink` and `mjpegclientsrc`, as any other GStreamer element; the
//! Rust modules below are the parts they are made of. The cores [`jpeg`], [`multipart`] and [`http`] do no input or
//! output and know no clock, so they are of use elsewhere too.

#![deny(unsafe_code)]

#[deny(missing_docs)]
#[forbid(unsafe_code)]
pub mod client;
#[deny(missing_docs)]
#[forbid(unsafe_code)]
pub mod fanout;
#[deny(missing_docs)]
#[forbid(unsafe_code)]
pub mod http;
#[deny(missing_docs)]
#[forbid(unsafe_code)]
pub mod jpeg;
#[deny(missing_docs)]
#[forbid(unsafe_code)]
pub mod multipart;
#[forbid(unsafe_code)]
mod runtime;
#[deny(missing_docs)]
pub mod server;
mod sink;
#[forbid(unsafe_code)]
mod source;
#[forbid(unsafe_code)]
mod sync;
#[forbid(unsafe_code)]
mod unix_time;

fn plugin_init(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    sink::register(plugin)?;
    source::register(plugin)
}

gst::plugin_define!(
    mjpeghttp,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    // Known to GStreamer since 1.20.
    "MPL-2.0",
    env!("CARGO_PKG_NAME"),
    "mjpeghttp",
    "https://crates.io/crates/gst-plugin-mjpeghttp",
    env!("BUILD_REL_DATE")
);
