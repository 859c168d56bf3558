//! The reading thread's way into the element.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use gst::prelude::*;

use super::{MjpegClientSrc, imp::CAT, message, queue::Queue, stats::Stats};
use crate::{
    client::{ClientError, Framing, Receiver},
    multipart::Event,
    sync::lock,
    unix_time,
};

/// What the reading thread holds of the element.
pub(super) struct ToElement {
    /// Weak: the thread ends with the element, not the element with the thread.
    pub(super) element: glib::WeakRef<MjpegClientSrc>,
    pub(super) queue: Arc<Queue>,
    pub(super) stats: Arc<Stats>,
    /// When the last warning was posted.
    pub(super) warned: Mutex<Option<Instant>>,
}

impl Receiver for ToElement {
    type Stamp = Option<gst::ClockTime>;

    fn stamp(&self) -> Option<gst::ClockTime> {
        self.element.upgrade()?.current_running_time()
    }

    fn received(&self, bytes: usize) {
        self.stats.update(|figures| figures.bytes += bytes as u64);
    }

    fn event(&self, event: Event<Self::Stamp>) {
        match event {
            Event::Frame(frame) => {
                let captured = frame.timestamp.as_deref().and_then(unix_time::parse);
                let age = captured.and_then(|captured| {
                    SystemTime::now().duration_since(UNIX_EPOCH).ok()?.checked_sub(captured.into())
                });
                self.stats.update(|figures| {
                    figures.count_frame(Instant::now());
                    figures.age = age.or(figures.age);
                    if frame.timestamp.is_some() {
                        figures.timestamp.clone_from(&frame.timestamp);
                    }
                });
                let transfer = frame.stamp.and_then(|first| self.stamp()?.checked_sub(first)).unwrap_or_default();
                self.queue.put(frame, transfer, Instant::now());
            }
            Event::Damaged(damage) => {
                self.stats.update(|figures| figures.damaged += 1);
                self.queue.gap();
                if let Some(element) = self.element.upgrade() {
                    gst::info!(CAT, obj = element, "a picture was lost: {damage}");
                }
            }
            Event::Foreign => self.stats.update(|figures| figures.foreign += 1),
        }
    }

    fn connected(&self, peer: &str) {
        self.stats.update(|figures| {
            peer.clone_into(&mut figures.peer);
            figures.connected = Some(Instant::now());
        });
        let Some(element) = self.element.upgrade() else { return };
        gst::info!(CAT, obj = element, "connected to {peer}");
        let _ = element.post_message(message::connected(&element, peer));
    }

    fn learnt(&self, framing: &Framing) {
        self.stats.update(|figures| figures.framing = framing.clone());
        if let Some(element) = self.element.upgrade() {
            gst::info!(CAT, obj = element, "the stream has {framing:?}");
        }
    }

    fn lost(&self, cause: &ClientError, attempt: u32, delay: Duration) {
        self.queue.gap();
        self.stats.update(|figures| {
            figures.reconnects += 1;
            figures.last_reason = cause.to_string();
            figures.connected = None;
        });
        let Some(element) = self.element.upgrade() else { return };
        let _ = element.post_message(message::reconnecting(&element, cause, attempt, delay));
        if attempt.is_power_of_two() && self.may_warn(attempt, Instant::now()) {
            // A user of gst-launch should read it, but not every two seconds all night.
            gst::element_warning!(
                element,
                gst::ResourceError::Read,
                ("{cause}; trying again in {:.1} s, attempt {attempt}", delay.as_secs_f64())
            );
        }
    }

    fn pause(&self, delay: Duration) {
        self.queue.pause(delay);
    }
}

impl ToElement {
    /// Whether a warning is due: a stream that is lost after each picture begins with attempt 1 each time.
    fn may_warn(&self, attempt: u32, now: Instant) -> bool {
        let mut warned = lock(&self.warned);
        let again = warned.is_some_and(|last| now.saturating_duration_since(last) < WARN_AGAIN);
        if attempt == 1 && again {
            return false;
        }
        *warned = Some(now);
        true
    }
}

/// Least time between two warnings of a first attempt. Chosen: often enough to see that it still happens.
const WARN_AGAIN: Duration = Duration::from_secs(10);
