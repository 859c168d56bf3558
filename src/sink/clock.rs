//! When a picture was captured, as Unix time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gst::prelude::*;
use gst_base::prelude::*;

use super::MjpegServerSink;
use crate::unix_time;

/// The Unix time at which a picture was captured: what its reference timestamp says, else `age` ago.
pub(super) fn captured(buffer: &gst::BufferRef, age: Duration) -> Option<Duration> {
    let reference = buffer
        .iter_meta::<gst::ReferenceTimestampMeta>()
        .find(|meta| meta.reference().can_intersect(&unix_time::CAPS))
        .map(|meta| Duration::from(meta.timestamp()));
    if reference.is_some() {
        return reference;
    }
    SystemTime::now().duration_since(UNIX_EPOCH).ok()?.checked_sub(age)
}

/// How long ago this Unix time was; none for what is to come.
pub(super) fn age_of(captured: Duration) -> Option<Duration> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok()?.checked_sub(captured)
}

/// The running time at which the picture is to show.
pub(super) fn running_time(segment: &gst::Segment, buffer: &gst::BufferRef) -> Option<gst::ClockTime> {
    segment.downcast_ref::<gst::ClockTime>()?.to_running_time(buffer.pts()?)
}

/// How long ago that was, as the element's clock counts it; zero where that does not tell.
pub(super) fn age(sink: &MjpegServerSink, buffer: &gst::BufferRef) -> Duration {
    let (now, then) = (sink.current_running_time(), running_time(&sink.segment(), buffer));
    now.zip(then).and_then(|(now, then)| now.checked_sub(then)).map(Duration::from).unwrap_or_default()
}
