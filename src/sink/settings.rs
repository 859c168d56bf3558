//! The properties: their specifications and what the user asked for.

use std::sync::LazyLock;

use glib::prelude::*;
use gst::prelude::GstParamSpecBuilderExt as _;

use crate::{
    multipart::BoundaryError,
    server::{
        Activation, CameraConfig, Config, Endpoint, Mount, MountError, OriginError, Secrets, TlsFiles, TokenError,
    },
};

pub(super) const PROP_HOST: &str = "host";
pub(super) const PROP_PORT: &str = "port";
pub(super) const PROP_MOUNT: &str = "mount";
pub(super) const PROP_CURRENT_PORT: &str = "current-port";
pub(super) const PROP_BOUNDARY: &str = "boundary";
pub(super) const PROP_LIVE_SYNC: &str = "live-sync";
pub(super) const PROP_IDLE_THROTTLE: &str = "idle-throttle";
pub(super) const PROP_TIMEOUT: &str = "timeout";
pub(super) const PROP_KEEPALIVE_INTERVAL: &str = "keepalive-interval";
pub(super) const PROP_MAX_FPS: &str = "max-fps";
pub(super) const PROP_MAX_CLIENTS: &str = "max-clients";
pub(super) const PROP_MAX_CLIENTS_PER_ADDRESS: &str = "max-clients-per-address";
pub(super) const PROP_USER_ID: &str = "user-id";
pub(super) const PROP_USER_PW: &str = "user-pw";
pub(super) const PROP_TOKEN: &str = "token";
pub(super) const PROP_TLS_CERTIFICATE_FILE: &str = "tls-certificate-file";
pub(super) const PROP_TLS_PRIVATE_KEY_FILE: &str = "tls-private-key-file";
pub(super) const PROP_ALLOW_ORIGIN: &str = "allow-origin";
pub(super) const PROP_NUM_CLIENTS: &str = "num-clients";
pub(super) const PROP_BYTES_SERVED: &str = "bytes-served";
pub(super) const PROP_SERVER_STATS: &str = "server-stats";
pub(super) const PROP_CLIENT_STATS: &str = "client-stats";

const DEFAULT_HOST: &str = "127.0.0.1";
const DEFAULT_PORT: u16 = 8080;
const DEFAULT_MOUNT: &str = "/";
const DEFAULT_BOUNDARY: &str = "frame";
const DEFAULT_LIVE_SYNC: bool = false;
const DEFAULT_IDLE_THROTTLE: bool = false;
/// Chosen: longer than any pause of a link that is to be of use. tcpserversink's default is never, which keeps every
/// viewer that vanished.
const DEFAULT_TIMEOUT: gst::ClockTime = gst::ClockTime::from_seconds(30);
/// Chosen: less than the 60 s after which nginx and others give up a silent server.
const DEFAULT_KEEPALIVE_INTERVAL: gst::ClockTime = gst::ClockTime::from_seconds(20);

/// What the user asked for. The server starts on the way to READY, so a change counts from the next time; that is why the
/// properties are not marked as mutable in READY. No `Debug`, as it would show the secrets.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) mount: Option<String>,
    pub(super) boundary: Option<String>,
    pub(super) live_sync: bool,
    pub(super) idle_throttle: bool,
    pub(super) timeout: gst::ClockTime,
    pub(super) keepalive_interval: gst::ClockTime,
    /// Pictures per second; 0 is no limit.
    pub(super) max_fps: f64,
    pub(super) max_clients: u32,
    pub(super) max_clients_per_address: u32,
    pub(super) user_id: Option<String>,
    pub(super) user_pw: Option<String>,
    pub(super) token: Option<String>,
    pub(super) tls_certificate_file: Option<String>,
    pub(super) tls_private_key_file: Option<String>,
    pub(super) allow_origin: Option<String>,
}

/// Why the element cannot start with these settings.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettingsError {
    /// The mount is not valid.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// There is a key and nothing that it belongs to.
    #[error("tls-private-key-file is set and tls-certificate-file is not; set both, or neither for plain HTTP")]
    KeyAlone,
    /// There is a password and nobody that it belongs to: it would keep nobody out.
    #[error("user-pw is set and user-id is not; set both, or a token instead")]
    PasswordAlone,
    /// The token is not valid.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The origin is not valid.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// The boundary is not valid.
    #[error("boundary: {0}")]
    Boundary(#[from] BoundaryError),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: DEFAULT_HOST.to_owned(),
            port: DEFAULT_PORT,
            mount: Some(DEFAULT_MOUNT.to_owned()),
            boundary: Some(DEFAULT_BOUNDARY.to_owned()),
            live_sync: DEFAULT_LIVE_SYNC,
            idle_throttle: DEFAULT_IDLE_THROTTLE,
            timeout: DEFAULT_TIMEOUT,
            keepalive_interval: DEFAULT_KEEPALIVE_INTERVAL,
            max_fps: 0.0,
            max_clients: 0,
            max_clients_per_address: 0,
            user_id: None,
            user_pw: None,
            token: None,
            tls_certificate_file: None,
            tls_private_key_file: None,
            allow_origin: None,
        }
    }
}

impl Settings {
    /// What this sink has in common with those that share its server.
    pub(super) fn config(&self) -> Result<Config, SettingsError> {
        Ok(Config {
            endpoint: Endpoint::new(&self.host, self.port),
            activation: Activation::read(|name| std::env::var(name).ok()),
            tls: self.tls()?,
            timeout: self.timeout.into(),
            per_address: number(self.max_clients_per_address),
            secrets: self.secrets()?,
            allow_origin: given(&self.allow_origin).map(str::parse).transpose()?,
        })
    }

    /// What is this sink's own.
    pub(super) fn camera(&self) -> Result<CameraConfig, SettingsError> {
        Ok(CameraConfig {
            boundary: given(&self.boundary).unwrap_or(DEFAULT_BOUNDARY).parse()?,
            keepalive: self.keepalive_interval.into(),
            max_fps: (self.max_fps > 0.0).then_some(self.max_fps),
            max_clients: number(self.max_clients),
        })
    }

    pub(super) fn mount(&self) -> Result<Mount, SettingsError> {
        Ok(given(&self.mount).unwrap_or(DEFAULT_MOUNT).parse()?)
    }

    fn tls(&self) -> Result<Option<TlsFiles>, SettingsError> {
        match (given(&self.tls_certificate_file), given(&self.tls_private_key_file)) {
            (Some(certificate), key) => {
                Ok(Some(TlsFiles { certificate: certificate.into(), key: key.unwrap_or(certificate).into() }))
            }
            (None, Some(_)) => Err(SettingsError::KeyAlone),
            (None, None) => Ok(None),
        }
    }

    fn secrets(&self) -> Result<Secrets, SettingsError> {
        let user = match (given(&self.user_id), given(&self.user_pw)) {
            (Some(user), password) => Some((user.to_owned(), password.unwrap_or_default().to_owned())),
            (None, Some(_)) => return Err(SettingsError::PasswordAlone),
            (None, None) => None,
        };
        let token = given(&self.token).map(str::parse).transpose()?;
        Ok(Secrets { user, token })
    }
}

/// A time as properties have it.
pub(super) fn time(value: &glib::Value) -> gst::ClockTime {
    gst::ClockTime::from_nseconds(value.get().expect("GObject has checked the type"))
}

/// A limit as the server counts.
fn number(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// The text of a property, unless it is empty.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

pub(super) fn properties() -> &'static [glib::ParamSpec] {
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
