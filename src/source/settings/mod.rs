//! What the user asked for.

mod specs;

use std::{path::PathBuf, time::Duration};

use glib::prelude::*;

pub(super) use self::specs::*;
use crate::{
    client::{
        Backoff, Credentials, EndOfStream, Location, LocationError, Options, Proxy, ProxyError, Request, Tls,
        is_field_name, is_field_text,
    },
    multipart::Limits,
};

/// Which pictures are dropped when downstream is slower than the camera.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstMjpegLeakyType")]
#[repr(i32)]
pub enum LeakyType {
    /// None: the camera has to wait.
    #[enum_value(name = "None: nothing is lost, the camera has to wait", nick = "none")]
    None = 0,
    /// Those that a newer one has made stale.
    #[default]
    #[enum_value(name = "Downstream: the newest picture wins, older ones are skipped", nick = "downstream")]
    Downstream = 2,
}

/// Where the presentation times of the pictures come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstMjpegTimestampMode")]
#[repr(i32)]
pub enum TimestampMode {
    /// The clock, when a picture's first byte arrives.
    #[default]
    #[enum_value(name = "Arrival: when the first byte of the picture arrived", nick = "arrival")]
    Arrival = 0,
    /// The distances between the server's `X-Timestamp`s, which the network does not disturb.
    #[enum_value(name = "Server: the intervals between the server's X-Timestamp fields", nick = "server")]
    Server = 1,
}

/// What the user asked for. A change counts from the next start. Not to be printed: passwords stand in it.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) location: Option<String>,
    user_id: Option<String>,
    user_pw: Option<String>,
    user_agent: String,
    extra_headers: Option<gst::Structure>,
    cookies: Vec<String>,
    proxy: Option<String>,
    proxy_id: Option<String>,
    proxy_pw: Option<String>,
    ssl_strict: bool,
    ssl_ca_file: Option<String>,
    tls_validation_flags: gio::TlsCertificateFlags,
    timeout_s: u32,
    connect_timeout: gst::ClockTime,
    retries: i32,
    reconnect_delay_min: gst::ClockTime,
    reconnect_delay_max: gst::ClockTime,
    poll_interval: gst::ClockTime,
    eos_on_close: bool,
    pub(super) is_live: bool,
    pub(super) timestamp_mode: TimestampMode,
    pub(super) leaky_type: LeakyType,
    pub(super) max_queued_frames: u32,
    max_frame_size: u32,
}

/// Why the settings cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SettingsError {
    #[error("no location is set; it looks like location=http://camera/stream")]
    NoLocation,
    #[error(transparent)]
    Location(#[from] LocationError),
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error("{property} holds a line end or another control character, which would end its line in the request")]
    ControlCharacter { property: &'static str },
    #[error("cookies holds one without =; each is name=value")]
    Cookie,
    #[error("{password} is set, but {user} is not; set both, or neither")]
    PasswordAlone { password: &'static str, user: &'static str },
    #[error("{user} holds a colon, and {password} is not set; the password goes there")]
    ColonInUser { user: &'static str, password: &'static str },
    #[error("{property} is set, but proxy is not; it looks like http://proxy:3128")]
    NoProxy { property: &'static str },
    #[error(
        "reconnect-delay-min is {min:?}, more than reconnect-delay-max, which is {max:?}; it may be as long at most"
    )]
    Delays { min: Duration, max: Duration },
    #[error("extra-headers: {name:?} is no name of a field; it has letters, digits and any of !#$%&'*+-.^_`|~")]
    FieldName { name: String },
    #[error("extra-headers: the value of {name} is no text or number, nor a list of them")]
    FieldValue { name: String },
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            location: None,
            user_id: None,
            user_pw: None,
            user_agent: concat!("mjpegclientsrc/", env!("CARGO_PKG_VERSION")).to_owned(),
            extra_headers: None,
            cookies: Vec::new(),
            proxy: None,
            proxy_id: None,
            proxy_pw: None,
            ssl_strict: true,
            ssl_ca_file: None,
            tls_validation_flags: gio::TlsCertificateFlags::VALIDATE_ALL,
            // souphttpsrc's default.
            timeout_s: 15,
            connect_timeout: gst::ClockTime::from_seconds(5),
            retries: -1,
            reconnect_delay_min: gst::ClockTime::from_mseconds(250),
            reconnect_delay_max: gst::ClockTime::from_seconds(2),
            poll_interval: gst::ClockTime::from_seconds(1),
            eos_on_close: false,
            is_live: true,
            timestamp_mode: TimestampMode::default(),
            leaky_type: LeakyType::default(),
            max_queued_frames: 16,
            max_frame_size: u32::try_from(Limits::default().max_frame).expect("the default fits"),
        }
    }
}

impl Settings {
    /// What the client is to do.
    pub(super) fn options(&self) -> Result<Options, SettingsError> {
        let location = self.location.as_deref().filter(|text| !text.is_empty()).ok_or(SettingsError::NoLocation)?;
        let location = Location::parse(location)?;
        let timeout = limit(gst::ClockTime::from_seconds(self.timeout_s.into()));
        let known = credentials((PROP_USER_ID, &self.user_id), (PROP_USER_PW, &self.user_pw))?;
        Ok(Options {
            credentials: known.or_else(|| location.credentials()),
            location,
            request: self.request()?,
            proxy: self.proxy()?,
            tls: Tls {
                strict: self.ssl_strict,
                validation: self.tls_validation_flags,
                ca_file: self.ssl_ca_file.as_ref().filter(|file| !file.is_empty()).map(PathBuf::from),
            },
            connect_timeout: limit(self.connect_timeout),
            timeout,
            patience: timeout.map(|timeout| timeout.max(PATIENCE)),
            // -1 is no limit.
            retries: u32::try_from(self.retries).ok(),
            backoff: self.backoff()?,
            poll_interval: limit(self.poll_interval).map(|interval| interval.max(MIN_POLL_INTERVAL)),
            end: if self.eos_on_close { EndOfStream::Finish } else { EndOfStream::Reconnect },
            limits: Limits { max_frame: usize::try_from(self.max_frame_size).unwrap_or(usize::MAX) },
        })
    }

    fn request(&self) -> Result<Request, SettingsError> {
        check(PROP_USER_AGENT, &self.user_agent)?;
        for cookie in &self.cookies {
            check(PROP_COOKIES, cookie)?;
            if !cookie.contains('=') {
                return Err(SettingsError::Cookie);
            }
        }
        let extra_headers = self.extra_headers.as_ref().map(fields).transpose()?.unwrap_or_default();
        for (_, value) in &extra_headers {
            check(PROP_EXTRA_HEADERS, value)?;
        }
        Ok(Request { user_agent: self.user_agent.clone(), extra_headers, cookies: self.cookies.clone() })
    }

    fn proxy(&self) -> Result<Option<Proxy>, SettingsError> {
        let (user, password) = ((PROP_PROXY_ID, &self.proxy_id), (PROP_PROXY_PW, &self.proxy_pw));
        let Some(proxy) = self.proxy.as_ref().filter(|proxy| !proxy.is_empty()) else {
            let set = [user, password].into_iter().find(|(_, value)| value.as_ref().is_some_and(|it| !it.is_empty()));
            return set.map_or(Ok(None), |(property, _)| Err(SettingsError::NoProxy { property }));
        };
        Ok(Some(Proxy::parse(proxy, credentials(user, password)?)?))
    }

    /// Where one of both is set, a default gives way to it.
    fn backoff(&self) -> Result<Backoff, SettingsError> {
        let default = Self::default();
        match (self.reconnect_delay_min.into(), self.reconnect_delay_max.into()) {
            (min, max) if min <= max => Ok(Backoff { min, max }),
            (_, max) if self.reconnect_delay_min == default.reconnect_delay_min => Ok(Backoff { min: max, max }),
            (min, _) if self.reconnect_delay_max == default.reconnect_delay_max => Ok(Backoff { min, max: min }),
            (min, max) => Err(SettingsError::Delays { min, max }),
        }
    }

    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        const CHECKED: &str = "GObject has checked the type";
        let time = |value: &glib::Value| gst::ClockTime::from_nseconds(value.get().expect(CHECKED));
        match name {
            PROP_LOCATION => self.location = value.get().expect(CHECKED),
            PROP_USER_ID => self.user_id = value.get().expect(CHECKED),
            PROP_USER_PW => self.user_pw = value.get().expect(CHECKED),
            PROP_USER_AGENT => self.user_agent = value.get::<Option<String>>().expect(CHECKED).unwrap_or_default(),
            PROP_EXTRA_HEADERS => self.extra_headers = value.get().expect(CHECKED),
            PROP_COOKIES => self.cookies = value.get().expect(CHECKED),
            PROP_PROXY => self.proxy = value.get().expect(CHECKED),
            PROP_PROXY_ID => self.proxy_id = value.get().expect(CHECKED),
            PROP_PROXY_PW => self.proxy_pw = value.get().expect(CHECKED),
            PROP_SSL_STRICT => self.ssl_strict = value.get().expect(CHECKED),
            PROP_SSL_CA_FILE => self.ssl_ca_file = value.get().expect(CHECKED),
            PROP_TLS_VALIDATION_FLAGS => self.tls_validation_flags = value.get().expect(CHECKED),
            PROP_TIMEOUT => self.timeout_s = value.get().expect(CHECKED),
            PROP_CONNECT_TIMEOUT => self.connect_timeout = time(value),
            PROP_RETRIES => self.retries = value.get().expect(CHECKED),
            PROP_RECONNECT_DELAY_MIN => self.reconnect_delay_min = time(value),
            PROP_RECONNECT_DELAY_MAX => self.reconnect_delay_max = time(value),
            PROP_POLL_INTERVAL => self.poll_interval = time(value),
            PROP_EOS_ON_CLOSE => self.eos_on_close = value.get().expect(CHECKED),
            PROP_IS_LIVE => self.is_live = value.get().expect(CHECKED),
            PROP_TIMESTAMP_MODE => self.timestamp_mode = value.get().expect(CHECKED),
            PROP_LEAKY_TYPE => self.leaky_type = value.get().expect(CHECKED),
            PROP_MAX_QUEUED_FRAMES => self.max_queued_frames = value.get().expect(CHECKED),
            PROP_MAX_FRAME_SIZE => self.max_frame_size = value.get().expect(CHECKED),
            name => unreachable!("GObject lets no one write {name}"),
        }
    }

    pub(super) fn get(&self, name: &str) -> glib::Value {
        match name {
            PROP_LOCATION => self.location.to_value(),
            PROP_USER_ID => self.user_id.to_value(),
            PROP_USER_AGENT => self.user_agent.to_value(),
            PROP_EXTRA_HEADERS => self.extra_headers.to_value(),
            PROP_COOKIES => self.cookies.to_value(),
            PROP_PROXY => self.proxy.to_value(),
            PROP_PROXY_ID => self.proxy_id.to_value(),
            PROP_SSL_STRICT => self.ssl_strict.to_value(),
            PROP_SSL_CA_FILE => self.ssl_ca_file.to_value(),
            PROP_TLS_VALIDATION_FLAGS => self.tls_validation_flags.to_value(),
            PROP_TIMEOUT => self.timeout_s.to_value(),
            PROP_CONNECT_TIMEOUT => self.connect_timeout.nseconds().to_value(),
            PROP_RETRIES => self.retries.to_value(),
            PROP_RECONNECT_DELAY_MIN => self.reconnect_delay_min.nseconds().to_value(),
            PROP_RECONNECT_DELAY_MAX => self.reconnect_delay_max.nseconds().to_value(),
            PROP_POLL_INTERVAL => self.poll_interval.nseconds().to_value(),
            PROP_EOS_ON_CLOSE => self.eos_on_close.to_value(),
            PROP_IS_LIVE => self.is_live.to_value(),
            PROP_TIMESTAMP_MODE => self.timestamp_mode.to_value(),
            PROP_LEAKY_TYPE => self.leaky_type.to_value(),
            PROP_MAX_QUEUED_FRAMES => self.max_queued_frames.to_value(),
            PROP_MAX_FRAME_SIZE => self.max_frame_size.to_value(),
            name => unreachable!("GObject lets no one read {name}"),
        }
    }
}

/// Time without a picture, though bytes come, after which a stream counts as lost; or `timeout`, where that is longer.
/// Chosen: some cameras send a picture every few minutes, when something moves, and blank lines in between; asking them
/// again every ten minutes costs nothing. Too short cuts off pictures that take long on a slow link.
const PATIENCE: Duration = Duration::from_secs(600);

/// Shortest time from one request for a single picture to the next. Chosen: no camera has more than 100 new pictures a
/// second, and one that is asked without a pause has no time for others. Too long slows down a camera that fast.
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Zero stands for none.
fn limit(time: gst::ClockTime) -> Option<Duration> {
    (!time.is_zero()).then(|| time.into())
}

/// The credentials of these two properties, if there is a user.
fn credentials(
    (user_property, user): (&'static str, &Option<String>),
    (password_property, password): (&'static str, &Option<String>),
) -> Result<Option<Credentials>, SettingsError> {
    let password = password.as_deref().unwrap_or_default();
    let Some(user) = user.as_ref().filter(|user| !user.is_empty()) else {
        let alone = SettingsError::PasswordAlone { password: password_property, user: user_property };
        return if password.is_empty() { Ok(None) } else { Err(alone) };
    };
    if user.contains(':') && password.is_empty() {
        return Err(SettingsError::ColonInUser { user: user_property, password: password_property });
    }
    check(user_property, user)?;
    check(password_property, password)?;
    Ok(Some(Credentials::new(user, password)))
}

fn check(property: &'static str, text: &str) -> Result<(), SettingsError> {
    if is_field_text(text) { Ok(()) } else { Err(SettingsError::ControlCharacter { property }) }
}

/// The fields of `extra-headers`, as souphttpsrc takes them: texts, numbers, and lists of them for repeated fields.
fn fields(structure: &gst::Structure) -> Result<Vec<(String, String)>, SettingsError> {
    let mut fields = Vec::new();
    for (name, value) in structure.iter() {
        let name = name.to_string();
        if !is_field_name(&name) {
            return Err(SettingsError::FieldName { name });
        }
        let values: Vec<glib::SendValue> = if let Ok(list) = value.get::<gst::List>() {
            list.iter().cloned().collect()
        } else if let Ok(array) = value.get::<gst::Array>() {
            array.iter().cloned().collect()
        } else {
            vec![value.clone()]
        };
        for value in values {
            let text = value.transform::<String>().ok().and_then(|text| text.get::<String>().ok());
            let text = text.ok_or_else(|| SettingsError::FieldValue { name: name.clone() })?;
            fields.push((name.clone(), text));
        }
    }
    Ok(fields)
}
