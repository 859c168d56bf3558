//! The specifications of the properties.

use std::sync::LazyLock;

use glib::prelude::*;
use gst::prelude::*;

use super::{LeakyType, Settings, TimestampMode};

pub(crate) const PROP_LOCATION: &str = "location";
pub(crate) const PROP_USER_ID: &str = "user-id";
pub(crate) const PROP_USER_PW: &str = "user-pw";
pub(crate) const PROP_USER_AGENT: &str = "user-agent";
pub(crate) const PROP_EXTRA_HEADERS: &str = "extra-headers";
pub(crate) const PROP_COOKIES: &str = "cookies";
pub(crate) const PROP_PROXY: &str = "proxy";
pub(crate) const PROP_PROXY_ID: &str = "proxy-id";
pub(crate) const PROP_PROXY_PW: &str = "proxy-pw";
pub(crate) const PROP_SSL_STRICT: &str = "ssl-strict";
pub(crate) const PROP_SSL_CA_FILE: &str = "ssl-ca-file";
pub(crate) const PROP_TLS_VALIDATION_FLAGS: &str = "tls-validation-flags";
pub(crate) const PROP_TIMEOUT: &str = "timeout";
pub(crate) const PROP_CONNECT_TIMEOUT: &str = "connect-timeout";
pub(crate) const PROP_RETRIES: &str = "retries";
pub(crate) const PROP_RECONNECT_DELAY_MIN: &str = "reconnect-delay-min";
pub(crate) const PROP_RECONNECT_DELAY_MAX: &str = "reconnect-delay-max";
pub(crate) const PROP_POLL_INTERVAL: &str = "poll-interval";
pub(crate) const PROP_EOS_ON_CLOSE: &str = "eos-on-close";
pub(crate) const PROP_IS_LIVE: &str = "is-live";
pub(crate) const PROP_TIMESTAMP_MODE: &str = "timestamp-mode";
pub(crate) const PROP_LEAKY_TYPE: &str = "leaky-type";
pub(crate) const PROP_MAX_QUEUED_FRAMES: &str = "max-queued-frames";
pub(crate) const PROP_MAX_FRAME_SIZE: &str = "max-frame-size";
pub(crate) const PROP_STATS: &str = "stats";

/// All properties of the element.
pub(crate) fn properties() -> &'static [glib::ParamSpec] {
    static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
        let default = Settings::default();
        let mut properties = request_properties(&default);
        properties.extend(security_properties(&default));
        properties.extend(recovery_properties(&default));
        properties.extend(picture_properties(&default));
        properties
    });
    &PROPERTIES
}

fn request_properties(default: &Settings) -> Vec<glib::ParamSpec> {
    vec![
        text(PROP_LOCATION, "Location", "Address of the stream: http://host:port/path or https://host:port/path"),
        glib::ParamSpecString::builder(PROP_USER_AGENT)
            .nick("User agent")
            .blurb("Value of the User-Agent field of requests (empty = no such field)")
            .default_value(Some(default.user_agent.as_str()))
            .mutable_ready()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>(PROP_EXTRA_HEADERS)
            .nick("Extra headers")
            .blurb("More fields for requests, by name; they replace the element's own")
            .mutable_ready()
            .build(),
        glib::ParamSpecBoxed::builder::<Vec<String>>(PROP_COOKIES)
            .nick("Cookies")
            .blurb("Cookies to send, each as name=value")
            .mutable_ready()
            .build(),
        text(PROP_PROXY, "Proxy", "HTTP proxy to use: http://host:port (empty = none)"),
        text(PROP_PROXY_ID, "Proxy user", "User for the proxy"),
        secret(PROP_PROXY_PW, "Proxy password", "Password for the proxy"),
    ]
}

fn security_properties(default: &Settings) -> Vec<glib::ParamSpec> {
    vec![
        text(
            PROP_USER_ID,
            "User",
            "User for Basic and Digest authentication; takes precedence over one in the location",
        ),
        secret(PROP_USER_PW, "Password", "Password for Basic and Digest authentication"),
        glib::ParamSpecBoolean::builder(PROP_SSL_STRICT)
            .nick("SSL strict")
            .blurb("Refuse a server whose certificate fails the checks")
            .default_value(default.ssl_strict)
            .mutable_ready()
            .build(),
        text(PROP_SSL_CA_FILE, "SSL CA file", "PEM file of certificates to trust (empty = those of the system)"),
        glib::ParamSpecFlags::builder::<gio::TlsCertificateFlags>(PROP_TLS_VALIDATION_FLAGS)
            .nick("TLS validation flags")
            .blurb("Checks that a certificate has to pass when ssl-strict is true")
            .default_value(default.tls_validation_flags)
            .mutable_ready()
            .build(),
    ]
}

fn recovery_properties(default: &Settings) -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecUInt::builder(PROP_TIMEOUT)
            .nick("Timeout")
            .blurb("Time without a byte after which the stream counts as lost, in seconds (0 = no limit)")
            .maximum(3600)
            .default_value(default.timeout_s)
            .mutable_ready()
            .build(),
        time(
            PROP_CONNECT_TIMEOUT,
            "Connect timeout",
            "Longest time for connecting, proxy and TLS included, in nanoseconds (0 = the system's limit)",
            default.connect_timeout,
        ),
        glib::ParamSpecInt::builder(PROP_RETRIES)
            .nick("Retries")
            .blurb(
                "How often in a row a lost or absent stream is asked for again before it is an error (-1 = for ever)",
            )
            .minimum(-1)
            .default_value(default.retries)
            .mutable_ready()
            .build(),
        time(
            PROP_RECONNECT_DELAY_MIN,
            "Shortest reconnect delay",
            "Wait before a lost stream is requested again, doubled with each failure, in nanoseconds",
            default.reconnect_delay_min,
        ),
        time(
            PROP_RECONNECT_DELAY_MAX,
            "Longest reconnect delay",
            "Longest wait before a lost stream is requested again, in nanoseconds",
            default.reconnect_delay_max,
        ),
        time(
            PROP_POLL_INTERVAL,
            "Poll interval",
            "Time between requests to a camera that serves single pictures only, at least 10 ms, in nanoseconds \
             (0 = a picture ends the stream)",
            default.poll_interval,
        ),
        glib::ParamSpecBoolean::builder(PROP_EOS_ON_CLOSE)
            .nick("EOS on close")
            .blurb("Send EOS when the server closes the stream, instead of reconnecting")
            .default_value(default.eos_on_close)
            .mutable_ready()
            .build(),
    ]
}

fn picture_properties(default: &Settings) -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecBoolean::builder(PROP_IS_LIVE)
            .nick("Is live")
            .blurb("Act as a live source")
            .default_value(default.is_live)
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder::<TimestampMode>(PROP_TIMESTAMP_MODE)
            .nick("Timestamp mode")
            .blurb("Where the presentation times of the pictures come from")
            .default_value(default.timestamp_mode)
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder::<LeakyType>(PROP_LEAKY_TYPE)
            .nick("Leaky type")
            .blurb("Which pictures are dropped when downstream is slower than the camera")
            .default_value(default.leaky_type)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder(PROP_MAX_QUEUED_FRAMES)
            .nick("Maximum queued frames")
            .blurb("Most pictures queued for downstream")
            .minimum(1)
            .maximum(1000)
            .default_value(default.max_queued_frames)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder(PROP_MAX_FRAME_SIZE)
            .nick("Maximum frame size")
            .blurb("Largest picture accepted, in bytes; larger ones are dropped")
            .minimum(1024)
            .maximum(1 << 30)
            .default_value(default.max_frame_size)
            .mutable_ready()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>(PROP_STATS)
            .nick("Statistics")
            .blurb("Pictures and bytes received, pictures skipped and damaged, foreign parts, reconnects, last reason")
            .read_only()
            .build(),
    ]
}

fn text(name: &'static str, nick: &'static str, blurb: &'static str) -> glib::ParamSpec {
    glib::ParamSpecString::builder(name).nick(nick).blurb(blurb).mutable_ready().build()
}

/// A text that nobody can read again: what can be read stands in graphs and in what `gst-launch-1.0 -v` prints.
fn secret(name: &'static str, nick: &'static str, blurb: &'static str) -> glib::ParamSpec {
    glib::ParamSpecString::builder(name).nick(nick).blurb(blurb).write_only().mutable_ready().build()
}

fn time(name: &'static str, nick: &'static str, blurb: &'static str, default: gst::ClockTime) -> glib::ParamSpec {
    glib::ParamSpecUInt64::builder(name)
        .nick(nick)
        .blurb(blurb)
        .maximum(MAX_TIME)
        .default_value(default.nseconds())
        .mutable_ready()
        .build()
}

/// Longest time that a property takes: a day, in nanoseconds.
const MAX_TIME: u64 = 24 * 60 * 60 * 1_000_000_000;
