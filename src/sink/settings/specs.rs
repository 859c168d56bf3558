//! The specifications of the properties.

use std::sync::LazyLock;

use glib::prelude::*;
use gst::prelude::GstParamSpecBuilderExt as _;

pub(crate) const PROP_HOST: &str = "host";
pub(crate) const PROP_PORT: &str = "port";
pub(crate) const PROP_MOUNT: &str = "mount";
pub(crate) const PROP_CURRENT_PORT: &str = "current-port";
pub(crate) const PROP_BOUNDARY: &str = "boundary";
pub(crate) const PROP_LIVE_SYNC: &str = "live-sync";
pub(crate) const PROP_IDLE_THROTTLE: &str = "idle-throttle";
pub(crate) const PROP_TIMEOUT: &str = "timeout";
pub(crate) const PROP_KEEPALIVE_INTERVAL: &str = "keepalive-interval";
pub(crate) const PROP_MAX_FPS: &str = "max-fps";
pub(crate) const PROP_MAX_CLIENTS: &str = "max-clients";
pub(crate) const PROP_MAX_CLIENTS_PER_ADDRESS: &str = "max-clients-per-address";
pub(crate) const PROP_USER_ID: &str = "user-id";
pub(crate) const PROP_USER_PW: &str = "user-pw";
pub(crate) const PROP_TOKEN: &str = "token";
pub(crate) const PROP_TLS_CERTIFICATE_FILE: &str = "tls-certificate-file";
pub(crate) const PROP_TLS_PRIVATE_KEY_FILE: &str = "tls-private-key-file";
pub(crate) const PROP_ALLOW_ORIGIN: &str = "allow-origin";
pub(crate) const PROP_NUM_CLIENTS: &str = "num-clients";
pub(crate) const PROP_BYTES_SERVED: &str = "bytes-served";
pub(crate) const PROP_SERVER_STATS: &str = "server-stats";
pub(crate) const PROP_CLIENT_STATS: &str = "client-stats";

pub(super) const DEFAULT_HOST: &str = "127.0.0.1";
pub(super) const DEFAULT_PORT: u16 = 8080;
pub(super) const DEFAULT_MOUNT: &str = "/";
pub(super) const DEFAULT_BOUNDARY: &str = "frame";
pub(super) const DEFAULT_LIVE_SYNC: bool = false;
pub(super) const DEFAULT_IDLE_THROTTLE: bool = false;
/// Chosen: longer than any pause of a link that is to be of use. tcpserversink's default is never, which keeps every
/// viewer that vanished.
pub(super) const DEFAULT_TIMEOUT: gst::ClockTime = gst::ClockTime::from_seconds(30);
/// Chosen: less than the 60 s after which nginx and others give up a silent server.
pub(super) const DEFAULT_KEEPALIVE_INTERVAL: gst::ClockTime = gst::ClockTime::from_seconds(20);

/// All properties of the element.
pub(crate) fn properties() -> &'static [glib::ParamSpec] {
    static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
        let mut properties = server_properties();
        properties.extend(viewer_properties());
        properties.extend(secret_properties());
        properties.extend(figures());
        properties
    });
    &PROPERTIES
}

fn server_properties() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecString::builder(PROP_HOST)
            .nick("Host")
            .blurb(
                "Address or name of the interface to listen on (0.0.0.0 or :: = all), unix:/path for a Unix socket, \
                 systemd or systemd:NAME for a socket that systemd passes",
            )
            .default_value(DEFAULT_HOST)
            .build(),
        glib::ParamSpecInt::builder(PROP_PORT)
            .nick("Port")
            .blurb("TCP port to listen on (0 = any free port, see current-port)")
            .minimum(0)
            .maximum(u16::MAX.into())
            .default_value(DEFAULT_PORT.into())
            .build(),
        glib::ParamSpecString::builder(PROP_MOUNT)
            .nick("Mount")
            .blurb("Path below which this camera is served; sinks with the same host and port share a server (/ = no path)")
            .default_value(DEFAULT_MOUNT)
            .build(),
        glib::ParamSpecString::builder(PROP_BOUNDARY)
            .nick("Boundary")
            .blurb("Boundary between pictures: 1 to 70 letters, digits or any of ' + _ - . without a dash at either end")
            .default_value(DEFAULT_BOUNDARY)
            .build(),
        glib::ParamSpecBoolean::builder(PROP_LIVE_SYNC)
            .nick("Live sync")
            .blurb("In a live pipeline, hold each picture until its time instead of sending it on arrival")
            .default_value(DEFAULT_LIVE_SYNC)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder(PROP_IDLE_THROTTLE)
            .nick("Idle throttle")
            .blurb("While nobody watches, ask upstream elements with qos=true to pass only one picture a second")
            .default_value(DEFAULT_IDLE_THROTTLE)
            .mutable_playing()
            .build(),
    ]
}

fn viewer_properties() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecUInt64::builder(PROP_TIMEOUT)
            .nick("Timeout")
            .blurb("Time after which a viewer that takes no bytes is dropped, in nanoseconds (0 = never)")
            .maximum(MAX_TIME)
            .default_value(DEFAULT_TIMEOUT.nseconds())
            .build(),
        glib::ParamSpecUInt64::builder(PROP_KEEPALIVE_INTERVAL)
            .nick("Keep-alive interval")
            .blurb("Time without a picture after which the last one is sent again, in nanoseconds (0 = never)")
            .maximum(MAX_TIME)
            .default_value(DEFAULT_KEEPALIVE_INTERVAL.nseconds())
            .build(),
        glib::ParamSpecDouble::builder(PROP_MAX_FPS)
            .nick("Maximum rate")
            .blurb("Most pictures per second for each viewer (0 = no limit)")
            .minimum(0.0)
            .maximum(1000.0)
            .build(),
        glib::ParamSpecUInt::builder(PROP_MAX_CLIENTS)
            .nick("Maximum clients")
            .blurb("Most viewers of the stream; one that has stalled makes room for another (0 = no limit)")
            .build(),
        glib::ParamSpecUInt::builder(PROP_MAX_CLIENTS_PER_ADDRESS)
            .nick("Maximum clients per address")
            .blurb("Most connections from one address (0 = no limit)")
            .build(),
    ]
}

fn secret_properties() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecString::builder(PROP_USER_ID)
            .nick("User")
            .blurb("User name that viewers need, by Basic authentication (empty = none)")
            .build(),
        glib::ParamSpecString::builder(PROP_USER_PW)
            .nick("Password")
            .blurb("Password that belongs to user-id")
            .write_only()
            .build(),
        glib::ParamSpecString::builder(PROP_TOKEN)
            .nick("Token")
            .blurb("Token that gives access, as ?token= or Bearer: letters, digits or any of - . _ ~ (empty = none)")
            .write_only()
            .build(),
        glib::ParamSpecString::builder(PROP_TLS_CERTIFICATE_FILE)
            .nick("TLS certificate file")
            .blurb("PEM file of the certificate and its chain, to serve HTTPS; read again on change (empty = HTTP)")
            .build(),
        glib::ParamSpecString::builder(PROP_TLS_PRIVATE_KEY_FILE)
            .nick("TLS private key file")
            .blurb("PEM file of the certificate's private key, not encrypted (empty = in tls-certificate-file)")
            .build(),
        glib::ParamSpecString::builder(PROP_ALLOW_ORIGIN)
            .nick("Allowed origin")
            .blurb("Site whose pages may read what is served: scheme://host:port, * for all (empty = none)")
            .build(),
    ]
}

fn figures() -> Vec<glib::ParamSpec> {
    vec![
        glib::ParamSpecInt::builder(PROP_CURRENT_PORT)
            .nick("Current port")
            .blurb("TCP port that is listened on (0 = not listening)")
            .minimum(0)
            .maximum(u16::MAX.into())
            .read_only()
            .build(),
        glib::ParamSpecUInt::builder(PROP_NUM_CLIENTS)
            .nick("Number of clients")
            .blurb("Number of viewers that read the stream now")
            .read_only()
            .build(),
        glib::ParamSpecUInt64::builder(PROP_BYTES_SERVED)
            .nick("Bytes served")
            .blurb("Bytes of the stream sent to all viewers since the start, including those that left")
            .read_only()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>(PROP_SERVER_STATS)
            .nick("Server statistics")
            .blurb("Pictures and bytes received, pictures dropped as damaged, viewers now, pictures per second")
            .read_only()
            .build(),
        gst::ParamSpecArray::builder(PROP_CLIENT_STATS)
            .nick("Client statistics")
            .blurb(
                "For each viewer: id, address, layout, pictures, skipped, bytes sent and unsent, times in nanoseconds",
            )
            .element_spec(
                &glib::ParamSpecBoxed::builder::<gst::Structure>("client")
                    .nick("Client")
                    .blurb("The figures of one viewer")
                    .read_only()
                    .build(),
            )
            .read_only()
            .build(),
    ]
}

/// Longest time that a property takes: a day, in nanoseconds.
const MAX_TIME: u64 = 24 * 60 * 60 * 1_000_000_000;
