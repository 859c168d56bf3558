//! What the user asked for.

mod specs;

use std::{num::NonZeroUsize, time::Duration};

use glib::prelude::*;

pub(super) use self::specs::*;
use crate::{
    multipart::BoundaryError,
    server::{
        Activation, CameraConfig, Config, Endpoint, Mount, MountError, OriginError, Secrets, TlsFiles, TokenError,
    },
};

/// What the user asked for. The server starts on the way to READY, so a change counts from the next time; that is why
/// the properties are not marked as mutable in READY. No `Debug`, as it would show the secrets.
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
    /// There is a password and nobody that it belongs to, or the other way round: it would keep nobody out.
    #[error("{set} is set and {missing} is not; set both, or a token instead")]
    HalfCredentials {
        /// What is there.
        set: &'static str,
        /// What is not.
        missing: &'static str,
    },
    /// Nobody could log in so: HTTP takes the colon for the end of the user.
    #[error("user-id holds a colon, which no user has (RFC 7617); a password goes into user-pw")]
    ColonInUser,
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
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        const CHECKED: &str = "GObject has checked the type";
        let time = |value: &glib::Value| gst::ClockTime::from_nseconds(value.get().expect(CHECKED));
        match name {
            PROP_HOST => {
                let host: Option<String> = value.get().expect(CHECKED);
                self.host = host.filter(|host| !host.is_empty()).unwrap_or_else(|| DEFAULT_HOST.to_owned());
            }
            PROP_PORT => {
                let port: i32 = value.get().expect(CHECKED);
                self.port = u16::try_from(port).expect("GObject has checked the range");
            }
            PROP_MOUNT => self.mount = value.get().expect(CHECKED),
            PROP_BOUNDARY => self.boundary = value.get().expect(CHECKED),
            PROP_LIVE_SYNC => self.live_sync = value.get().expect(CHECKED),
            PROP_IDLE_THROTTLE => self.idle_throttle = value.get().expect(CHECKED),
            PROP_TIMEOUT => self.timeout = time(value),
            PROP_KEEPALIVE_INTERVAL => self.keepalive_interval = time(value),
            PROP_MAX_FPS => self.max_fps = value.get().expect(CHECKED),
            PROP_MAX_CLIENTS => self.max_clients = value.get().expect(CHECKED),
            PROP_MAX_CLIENTS_PER_ADDRESS => self.max_clients_per_address = value.get().expect(CHECKED),
            PROP_USER_ID => self.user_id = value.get().expect(CHECKED),
            PROP_USER_PW => self.user_pw = value.get().expect(CHECKED),
            PROP_TOKEN => self.token = value.get().expect(CHECKED),
            PROP_TLS_CERTIFICATE_FILE => self.tls_certificate_file = value.get().expect(CHECKED),
            PROP_TLS_PRIVATE_KEY_FILE => self.tls_private_key_file = value.get().expect(CHECKED),
            PROP_ALLOW_ORIGIN => self.allow_origin = value.get().expect(CHECKED),
            name => unreachable!("GObject lets no one write {name}"),
        }
    }

    pub(super) fn get(&self, name: &str) -> glib::Value {
        match name {
            PROP_HOST => self.host.to_value(),
            PROP_PORT => i32::from(self.port).to_value(),
            PROP_MOUNT => self.mount.to_value(),
            PROP_BOUNDARY => self.boundary.to_value(),
            PROP_LIVE_SYNC => self.live_sync.to_value(),
            PROP_IDLE_THROTTLE => self.idle_throttle.to_value(),
            PROP_TIMEOUT => self.timeout.nseconds().to_value(),
            PROP_KEEPALIVE_INTERVAL => self.keepalive_interval.nseconds().to_value(),
            PROP_MAX_FPS => self.max_fps.to_value(),
            PROP_MAX_CLIENTS => self.max_clients.to_value(),
            PROP_MAX_CLIENTS_PER_ADDRESS => self.max_clients_per_address.to_value(),
            PROP_USER_ID => self.user_id.to_value(),
            PROP_TLS_CERTIFICATE_FILE => self.tls_certificate_file.to_value(),
            PROP_TLS_PRIVATE_KEY_FILE => self.tls_private_key_file.to_value(),
            PROP_ALLOW_ORIGIN => self.allow_origin.to_value(),
            name => unreachable!("GObject lets no one read {name}"),
        }
    }

    /// What this sink has in common with those that share its server.
    pub(super) fn config(&self) -> Result<Config, SettingsError> {
        Ok(Config {
            endpoint: Endpoint::new(&self.host, self.port),
            activation: Activation::read(|name| std::env::var(name).ok()),
            tls: self.tls()?,
            timeout: limit(self.timeout),
            per_address: most(self.max_clients_per_address),
            secrets: self.secrets()?,
            allow_origin: given(&self.allow_origin).map(str::parse).transpose()?,
        })
    }

    /// What is this sink's own.
    pub(super) fn camera(&self) -> Result<CameraConfig, SettingsError> {
        Ok(CameraConfig {
            boundary: given(&self.boundary).unwrap_or(DEFAULT_BOUNDARY).parse()?,
            keepalive: limit(self.keepalive_interval),
            max_fps: (self.max_fps > 0.0).then_some(self.max_fps),
            max_clients: most(self.max_clients),
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
            (Some(user), _) if user.contains(':') => return Err(SettingsError::ColonInUser),
            (Some(user), Some(password)) => Some((user.to_owned(), password.to_owned())),
            (None, None) => None,
            (Some(_), None) => {
                return Err(SettingsError::HalfCredentials { set: PROP_USER_ID, missing: PROP_USER_PW });
            }
            (None, Some(_)) => {
                return Err(SettingsError::HalfCredentials { set: PROP_USER_PW, missing: PROP_USER_ID });
            }
        };
        let token = given(&self.token).map(str::parse).transpose()?;
        Ok(Secrets { user, token })
    }
}

/// Zero stands for none.
fn limit(time: gst::ClockTime) -> Option<Duration> {
    (!time.is_zero()).then(|| time.into())
}

/// Zero stands for none.
fn most(count: u32) -> Option<NonZeroUsize> {
    NonZeroUsize::new(usize::try_from(count).unwrap_or(usize::MAX))
}

/// The text of a property, unless it is empty.
fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}
