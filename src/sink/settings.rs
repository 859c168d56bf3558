//! The properties: their specifications and what the user asked for.

use std::sync::LazyLock;

use glib::prelude::*;

use crate::{multipart::Boundary, server::Config};

pub(super) const PROP_HOST: &str = "host";
pub(super) const PROP_PORT: &str = "port";
pub(super) const PROP_CURRENT_PORT: &str = "current-port";
pub(super) const PROP_BOUNDARY: &str = "boundary";
pub(super) const PROP_LIVE_SYNC: &str = "live-sync";
pub(super) const PROP_NUM_CLIENTS: &str = "num-clients";
pub(super) const PROP_SERVER_STATS: &str = "server-stats";

const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 8080;
const DEFAULT_BOUNDARY: &str = "frame";
const DEFAULT_LIVE_SYNC: bool = false;

/// What the user asked for. A change counts from the next start.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) boundary: Boundary,
    pub(super) live_sync: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: DEFAULT_HOST.to_owned(),
            port: DEFAULT_PORT,
            boundary: DEFAULT_BOUNDARY.parse().expect("the default boundary is valid"),
            live_sync: DEFAULT_LIVE_SYNC,
        }
    }
}

impl Settings {
    pub(super) fn config(&self) -> Config {
        Config { host: self.host.clone(), port: self.port, boundary: self.boundary.clone() }
    }
}

pub(super) fn properties() -> &'static [glib::ParamSpec] {
    static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
        vec![
            glib::ParamSpecString::builder(PROP_HOST)
                .nick("Host")
                .blurb("Address or name of the interface to listen on (0.0.0.0 or :: = all)")
                .default_value(DEFAULT_HOST)
                .build(),
            glib::ParamSpecInt::builder(PROP_PORT)
                .nick("Port")
                .blurb("TCP port to listen on (0 = any free port, see current-port)")
                .minimum(0)
                .maximum(u16::MAX.into())
                .default_value(DEFAULT_PORT.into())
                .build(),
            glib::ParamSpecInt::builder(PROP_CURRENT_PORT)
                .nick("Current port")
                .blurb("TCP port listened on now (0 = not listening)")
                .minimum(0)
                .maximum(u16::MAX.into())
                .read_only()
                .build(),
            glib::ParamSpecString::builder(PROP_BOUNDARY)
                .nick("Boundary")
                .blurb("Boundary between pictures: 1 to 70 letters, digits and any of ' + _ - . with no dash at either end")
                .default_value(DEFAULT_BOUNDARY)
                .build(),
            glib::ParamSpecBoolean::builder(PROP_LIVE_SYNC)
                .nick("Live sync")
                .blurb("In a live pipeline, hold each picture until its time instead of sending it on arrival")
                .default_value(DEFAULT_LIVE_SYNC)
                .build(),
            glib::ParamSpecUInt::builder(PROP_NUM_CLIENTS)
                .nick("Number of clients")
                .blurb("Number of viewers that read the stream now")
                .read_only()
                .build(),
            glib::ParamSpecBoxed::builder::<gst::Structure>(PROP_SERVER_STATS)
                .nick("Server statistics")
                .blurb("Pictures and bytes received, pictures dropped as damaged, viewers now, pictures per second")
                .read_only()
                .build(),
        ]
    });
    &PROPERTIES
}
