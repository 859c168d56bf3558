//! The properties: their specifications and what the user asked for.

use std::{sync::LazyLock, time::Duration};

use glib::prelude::*;

use crate::{
    client::{Backoff, EndOfStream, Location, LocationError, Options},
    multipart::Limits,
};

pub(super) const PROP_LOCATION: &str = "location";
pub(super) const PROP_TIMEOUT: &str = "timeout";
pub(super) const PROP_CONNECT_TIMEOUT: &str = "connect-timeout";
pub(super) const PROP_RETRIES: &str = "retries";
pub(super) const PROP_RECONNECT_DELAY_MIN: &str = "reconnect-delay-min";
pub(super) const PROP_RECONNECT_DELAY_MAX: &str = "reconnect-delay-max";
pub(super) const PROP_EOS_ON_CLOSE: &str = "eos-on-close";
pub(super) const PROP_LEAKY_TYPE: &str = "leaky-type";
pub(super) const PROP_MAX_QUEUED_FRAMES: &str = "max-queued-frames";
pub(super) const PROP_MAX_FRAME_SIZE: &str = "max-frame-size";
pub(super) const PROP_STATS: &str = "stats";

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

/// What the user asked for. A change counts from the next start.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) location: Option<String>,
    pub(super) timeout_s: u32,
    pub(super) connect_timeout: gst::ClockTime,
    pub(super) retries: i32,
    pub(super) reconnect_delay_min: gst::ClockTime,
    pub(super) reconnect_delay_max: gst::ClockTime,
    pub(super) eos_on_close: bool,
    pub(super) leaky_type: LeakyType,
    pub(super) max_queued_frames: u32,
    pub(super) max_frame_size: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            location: None,
            // souphttpsrc's default.
            timeout_s: 15,
            connect_timeout: gst::ClockTime::from_seconds(5),
            retries: -1,
            reconnect_delay_min: gst::ClockTime::from_mseconds(250),
            reconnect_delay_max: gst::ClockTime::from_seconds(2),
            eos_on_close: false,
            leaky_type: LeakyType::default(),
            max_queued_frames: 16,
            max_frame_size: u32::try_from(Limits::default().max_frame).expect("the default fits"),
        }
    }
}

impl Settings {
    pub(super) fn options(&self) -> Result<Options, LocationError> {
        let location = Location::parse(self.location.as_deref().unwrap_or_default())?;
        Ok(Options {
            location,
            connect_timeout: self.connect_timeout.into(),
            timeout: Duration::from_secs(self.timeout_s.into()),
            // -1 is no limit.
            retries: u32::try_from(self.retries).ok(),
            backoff: Backoff { min: self.reconnect_delay_min.into(), max: self.reconnect_delay_max.into() },
            end: if self.eos_on_close { EndOfStream::Finish } else { EndOfStream::Reconnect },
            limits: Limits { max_frame: usize::try_from(self.max_frame_size).unwrap_or(usize::MAX) },
        })
    }

    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        const CHECKED: &str = "GObject has checked the type";
        let time = |value: &glib::Value| gst::ClockTime::from_nseconds(value.get().expect(CHECKED));
        match name {
            PROP_LOCATION => self.location = value.get().expect(CHECKED),
            PROP_TIMEOUT => self.timeout_s = value.get().expect(CHECKED),
            PROP_CONNECT_TIMEOUT => self.connect_timeout = time(value),
            PROP_RETRIES => self.retries = value.get().expect(CHECKED),
            PROP_RECONNECT_DELAY_MIN => self.reconnect_delay_min = time(value),
            PROP_RECONNECT_DELAY_MAX => self.reconnect_delay_max = time(value),
            PROP_EOS_ON_CLOSE => self.eos_on_close = value.get().expect(CHECKED),
            PROP_LEAKY_TYPE => self.leaky_type = value.get().expect(CHECKED),
            PROP_MAX_QUEUED_FRAMES => self.max_queued_frames = value.get().expect(CHECKED),
            PROP_MAX_FRAME_SIZE => self.max_frame_size = value.get().expect(CHECKED),
            name => unreachable!("GObject lets no one write {name}"),
        }
    }

    pub(super) fn get(&self, name: &str) -> glib::Value {
        match name {
            PROP_LOCATION => self.location.to_value(),
            PROP_TIMEOUT => self.timeout_s.to_value(),
            PROP_CONNECT_TIMEOUT => self.connect_timeout.nseconds().to_value(),
            PROP_RETRIES => self.retries.to_value(),
            PROP_RECONNECT_DELAY_MIN => self.reconnect_delay_min.nseconds().to_value(),
            PROP_RECONNECT_DELAY_MAX => self.reconnect_delay_max.nseconds().to_value(),
            PROP_EOS_ON_CLOSE => self.eos_on_close.to_value(),
            PROP_LEAKY_TYPE => self.leaky_type.to_value(),
            PROP_MAX_QUEUED_FRAMES => self.max_queued_frames.to_value(),
            PROP_MAX_FRAME_SIZE => self.max_frame_size.to_value(),
            name => unreachable!("there is no property {name}"),
        }
    }
}

pub(super) fn properties() -> &'static [glib::ParamSpec] {
    static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
        let mut properties = connection_properties();
        properties.extend(picture_properties());
        properties
    });
    &PROPERTIES
}

fn connection_properties() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    vec![
        glib::ParamSpecString::builder(PROP_LOCATION)
            .nick("Location")
            .blurb("Address of the stream: http://host:port/path or https://host:port/path")
            .build(),
        glib::ParamSpecUInt::builder(PROP_TIMEOUT)
            .nick("Timeout")
            .blurb("Time without a byte after which the stream counts as lost, in seconds (0 = no limit)")
            .maximum(3600)
            .default_value(default.timeout_s)
            .build(),
        glib::ParamSpecUInt64::builder(PROP_CONNECT_TIMEOUT)
            .nick("Connect timeout")
            .blurb("Longest time for connecting, rounded up to whole seconds, in nanoseconds (0 = the system's limit)")
            .maximum(MAX_TIME)
            .default_value(default.connect_timeout.nseconds())
            .build(),
        glib::ParamSpecInt::builder(PROP_RETRIES)
            .nick("Retries")
            .blurb("How often in a row a lost stream is asked for again before it is an error (-1 = for ever)")
            .minimum(-1)
            .default_value(default.retries)
            .build(),
        glib::ParamSpecUInt64::builder(PROP_RECONNECT_DELAY_MIN)
            .nick("Shortest reconnect delay")
            .blurb("Wait before a lost stream is asked for again, doubled with each failure, in nanoseconds")
            .maximum(MAX_TIME)
            .default_value(default.reconnect_delay_min.nseconds())
            .build(),
        glib::ParamSpecUInt64::builder(PROP_RECONNECT_DELAY_MAX)
            .nick("Longest reconnect delay")
            .blurb("Longest wait before a lost stream is asked for again, in nanoseconds")
            .maximum(MAX_TIME)
            .default_value(default.reconnect_delay_max.nseconds())
            .build(),
        glib::ParamSpecBoolean::builder(PROP_EOS_ON_CLOSE)
            .nick("EOS on close")
            .blurb("Send EOS when the server closes the stream, instead of asking for it again")
            .default_value(default.eos_on_close)
            .build(),
    ]
}

fn picture_properties() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    vec![
        glib::ParamSpecEnum::builder::<LeakyType>(PROP_LEAKY_TYPE)
            .nick("Leaky type")
            .blurb("Which pictures are dropped when downstream is slower than the camera")
            .default_value(default.leaky_type)
            .build(),
        glib::ParamSpecUInt::builder(PROP_MAX_QUEUED_FRAMES)
            .nick("Maximum queued frames")
            .blurb("Most pictures that wait for downstream, in pictures")
            .minimum(1)
            .maximum(1000)
            .default_value(default.max_queued_frames)
            .build(),
        glib::ParamSpecUInt::builder(PROP_MAX_FRAME_SIZE)
            .nick("Maximum frame size")
            .blurb("Longest picture accepted, in bytes; longer ones are dropped")
            .minimum(1024)
            .maximum(1 << 30)
            .default_value(default.max_frame_size)
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>(PROP_STATS)
            .nick("Statistics")
            .blurb("Pictures and bytes received, pictures skipped and damaged, foreign parts, reconnects, last reason")
            .read_only()
            .build(),
    ]
}

/// Longest time that a property takes: a day, in nanoseconds.
const MAX_TIME: u64 = 24 * 60 * 60 * 1_000_000_000;
