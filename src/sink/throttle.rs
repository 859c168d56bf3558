//! Asks upstream to stop working while nobody watches.

use gst::prelude::*;

/// Asks upstream to drop what it has for the next while after this running time. Elements with `qos=true` do
/// (videoconvert, videoscale, identity); encoders do not.
pub(super) fn begin(pad: &gst::Pad, running_time: gst::ClockTime) {
    push(pad, running_time, PAUSE);
}

/// Asks upstream to work again.
pub(super) fn end(pad: &gst::Pad) {
    push(pad, gst::ClockTime::ZERO, gst::ClockTime::ZERO);
}

fn push(pad: &gst::Pad, running_time: gst::ClockTime, pause: gst::ClockTime) {
    let difference = i64::try_from(pause.nseconds()).unwrap_or(i64::MAX);
    pad.push_event(gst::event::Qos::new(gst::QOSType::Throttle, 1.0, difference, running_time));
}

/// Time asked for at once. Chosen: one picture a second keeps the newest one from growing old.
const PAUSE: gst::ClockTime = gst::ClockTime::from_seconds(1);
